"""Small and deep: every module says what it is for, and none grows without a reason given here."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.source import Module, functions, lines_of, modules, public

MODULE_LINES = 400
FUNCTION_LINES = 40
PLAIN_LINES = 10

LONG_MODULES = {
    "labops.model": "the words of the house on one page; half of it is what each field promises",
    "labops.testing.cache_contract": "one contract, one list of promises",
    "labops.testing.remote_contract": "one contract, one list of promises",
    "labops.testing.oracle": "the sandbox, its script language and the comparison are read together",
}
"""Modules past the limit, each with the reason why splitting it would read worse."""

LONG_FUNCTIONS = {
    "labops.testing.toys3._handler": "a class that closes over its server; each request of S3 is a method in it",
}
"""Functions past the limit, each with the reason why splitting it would read worse."""

VAGUE = {"utils", "helpers", "common", "base", "manager", "misc"}

every_module = pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)


@every_module
def test_module_says_what_it_is_for(module: Module) -> None:
    """The docstring opens with one full sentence, and the name is not a drawer for anything."""
    doc = ast.get_docstring(module.tree) or ""
    first = doc.partition("\n\n")[0]

    assert first.rstrip().endswith((".", ":")), f"{module.path}: the docstring's first paragraph is a sentence"
    assert len(first.splitlines()) <= 2, f"{module.path}: the first sentence fits in a line or two"
    assert module.name.rpartition(".")[2] not in VAGUE


@every_module
def test_public_names_are_documented(module: Module) -> None:
    """Public classes and functions promise something; one of a few lines may let its name and types speak."""
    bare = [
        name
        for name, node in public(module)
        if not ast.get_docstring(node)
        and (isinstance(node, ast.ClassDef) or lines_of(node) > PLAIN_LINES)
        and not node.name.startswith("test_")  # the contract suites: a test's name is a statement
        and not any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list)
    ]

    assert not bare


@every_module
def test_library_never_prints_or_exits(module: Module) -> None:
    """Printing, exiting and reading argv belong to the faces and to the testing kit."""
    if module.name.startswith(("labops.cli", "labops.testing", "labops.__main__", "labops.drivers.forking")):
        return  # a forked child has nobody to return to
    said = [
        f"{module.path}:{node.lineno}"
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Name) and node.id in {"print", "input", "exit", "quit", "breakpoint"})
        or (isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.exit", "sys.argv", "sys.stdout", "os._exit"})
    ]

    assert not said


def test_no_module_is_too_long() -> None:
    """A module past the limit is split, or named with its reason."""
    sizes = {module.name: len(module.text.splitlines()) for module in modules()}
    long = {name: size for name, size in sizes.items() if size > MODULE_LINES}

    assert {name: size for name, size in long.items() if name not in LONG_MODULES} == {}
    assert set(LONG_MODULES) <= set(long), "a module became short again: take its exception away"


def test_no_function_is_too_long() -> None:
    """A function past the limit is split, or named with its reason."""
    sizes = {name: lines_of(node) for module in modules() for name, node in functions(module)}
    long = {name: size for name, size in sizes.items() if size > FUNCTION_LINES}

    assert {name: size for name, size in long.items() if name not in LONG_FUNCTIONS} == {}
    assert set(LONG_FUNCTIONS) <= set(long), "a function became short again: take its exception away"
