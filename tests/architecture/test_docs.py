"""The documentation is complete: every error code, every command, every change."""

from __future__ import annotations

import ast
import importlib.util
import re
from types import ModuleType

import click

from labops import errors
from tests.architecture.source import ROOT, functions, modules

ERRORS_PAGE = ROOT / "docs/reference/errors.md"


ERROR_CLASSES = {cls.__name__ for cls in errors.LabError.__subclasses__()}


def codes_in_source() -> dict[str, str]:
    """Every error code written in the package, with the place of its first use.

    A code is a literal given as `code=`, or for a parameter named `code`, or beside an error class in a table.
    """
    position = {
        node.name: names.index("code")
        for module in modules()
        for _, node in functions(module)
        if "code" in (names := [argument.arg for argument in node.args.args])
    }
    found: dict[str, str] = {}
    for module in modules():
        if module.name.startswith("labops.testing"):
            continue
        for call in ast.walk(module.tree):
            if not isinstance(call, ast.Call):
                continue
            values: list[ast.AST] = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
            place = position.get(ast.unparse(call.func).rpartition(".")[2])
            if place is not None:
                values += call.args[place : place + 1]
            for one, following in zip(call.args, call.args[1:], strict=False):
                if isinstance(one, ast.Name) and one.id in ERROR_CLASSES:
                    values.append(following)
            for text in (part.value for value in values for part in ast.walk(value) if isinstance(part, ast.Constant)):
                if isinstance(text, str) and re.fullmatch("[a-z0-9]+(-[a-z0-9]+)+", text):
                    found.setdefault(text, f"{module.path}:{call.lineno}")
    return found


def codes_in_page() -> set[str]:
    """Every code with a row of its own on the page of errors."""
    return set(re.findall(r"^\| `([a-z0-9-]+)` \|", ERRORS_PAGE.read_text(), re.MULTILINE))


def test_every_error_code_is_documented() -> None:
    """A code that can be raised has a row on the page of errors: scripts match on it."""
    missing = {code: where for code, where in codes_in_source().items() if code not in codes_in_page()}

    assert not missing


def test_no_documented_code_is_invented() -> None:
    """A code on the page occurs in the source; one that is no longer raised moves below 'Retired codes'."""
    texts = "\n".join(module.text for module in modules())
    current, _, _ = ERRORS_PAGE.read_text().partition("## Retired codes")
    rows = set(re.findall(r"^\| `([a-z0-9-]+)` \|", current, re.MULTILINE))

    assert {code for code in rows if f'"{code}"' not in texts} == set()


def test_every_error_class_is_documented_with_its_exit_code() -> None:
    """The page's table of classes says the exit codes that the classes have."""
    rows = dict(re.findall(r"^\| `(\w+)`[^|]*\|[^|]*\| (\d+) \|", ERRORS_PAGE.read_text(), re.MULTILINE))
    actual = {cls.__name__: str(cls.exit_code) for cls in errors.LabError.__subclasses__()}

    assert rows == actual


def generator() -> ModuleType:
    """`docs/generate.py`, loaded as mkdocs loads it."""
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_and_option_is_in_the_reference() -> None:
    """The generated page names every visible command and option, and each of them says what it does."""
    generate = generator()
    page = generate.commands_page()
    silent = []
    for path, command in generate.walk():
        assert f"## lab {path}" in page
        if not (command.help or command.short_help):
            silent.append(f"lab {path}")
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert f"`{option.opts[-1]}" in page or option.opts[-1] in page
                if not option.help:
                    silent.append(f"lab {path} {option.opts[-1]}")

    assert not silent


def test_every_public_name_is_in_the_python_reference() -> None:
    """The generated page has a heading for each name of the package, and for each function with dvc's name."""
    import labops
    from labops import api

    page = generator().python_page()
    functions_of_api = {name for name in api.__all__ if name[0].islower() and f"labops.{name}" not in page}
    left_to_dvc = {"params_show", "metrics_show", "get_dataset"}

    assert {name for name in labops.__all__ if f"## labops.{name}\n" not in page} == set()
    assert {name for name in functions_of_api - left_to_dvc if f"## labops.api.{name}\n" not in page} == set()
    assert "None\n\n" not in page.replace("= None", "")


def test_changelog_has_a_place_for_the_next_change() -> None:
    """The changelog keeps its form: an Unreleased section first, only the known kinds of change."""
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))

    assert headings[0] == "Unreleased"
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_decisions_keep_their_form() -> None:
    """A decision record has a number, a status, and says what else was possible."""
    headings = ("Status:", "## Problem", "## Decision", "## Alternatives", "## Consequences")
    records = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    texts = {record.name: record.read_text() for record in records}

    assert records
    assert not {name for name, text in texts.items() if not re.match(r"# \d{4} ", text)}
    assert not {(name, need) for name, text in texts.items() for need in headings if need not in text}
