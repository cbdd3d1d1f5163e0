"""The source of labops as syntax trees, for the tests of this folder."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef


class Module(NamedTuple):
    """One module: its dotted name, its path from the repository's root, its text and its syntax tree."""

    name: str
    path: str
    text: str
    tree: ast.Module


@functools.cache
def modules() -> tuple[Module, ...]:
    """Every module of the package, sorted by path."""
    found = []
    for path in sorted(SRC.rglob("*.py")):
        text = path.read_text()
        parts = path.relative_to(SRC).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, str(path.relative_to(ROOT)), text, ast.parse(text)))
    return tuple(found)


def functions(module: Module) -> Iterator[tuple[str, Function]]:
    """Every function of a module with its dotted name, methods and nested ones too."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield f"{prefix}.{child.name}", child
            if isinstance(child, Documented):
                yield from walk(child, f"{prefix}.{child.name}")
            else:
                yield from walk(child, prefix)

    return walk(module.tree, module.name)


def public(module: Module) -> Iterator[tuple[str, Documented]]:
    """The public classes and functions at the top of a module, and the public methods of its classes."""
    for node in module.tree.body:
        if isinstance(node, Documented) and not node.name.startswith("_"):
            yield f"{module.name}.{node.name}", node
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, Function) and not inner.name.startswith("_"):
                        yield f"{module.name}.{node.name}.{inner.name}", inner


def lines_of(function: Function) -> int:
    """Lines from `def` to the end, without the docstring: a long promise is not a long function."""
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total
