"""YAML as dvc reads and writes it: text to plain values, plain values to text, and updates in place.

dvc uses ruamel.yaml (YAML 1.2, round-trip emitter, width 80), and so does this module whenever it must. The
text that dvc itself writes is so regular that a few lines of our own read and write it a hundred times
faster and without importing ruamel at all; anything they do not know for certain is left to ruamel. A
property test holds the two to the same answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from labops.errors import InvalidInput

Where = tuple[str | int, ...]
"""The way to a value from the top of a document: keys and list positions."""

_MAX_NODES = 1_000_000
"""More values than this after aliases are expanded is an attack, not a DVC file."""

_LINE = re.compile(r"( *)(- )?(?:([A-Za-z_][\w@./-]*):(?: (.*))?|(.*))", re.DOTALL)
_INT = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
_QUOTED = re.compile(r"'([\x20-\x26\x28-\x7e\w]*)'")
_PLAIN = re.compile(
    # a letter first, or a digit with some letter that no number or date contains
    r"(?:[^\W\d]|/|\.[A-HJ-MO-Za-hj-mo-z]|[0-9](?=[\w.@/-]*[g-mpqrsuvwyG-MPQRSUVWY]))"
    r"[\x21-\x7e\w ]*"
)
_NOT_PLAIN = re.compile(r":(?: |$)| #| $")
_RESERVED = frozenset({"true", "false", "null"})
_CONFLICT_MARKS = ("<<<<<<< ", ">>>>>>> ")


class _NotSimpleError(Exception):
    """The text is not in the simple form: ask ruamel."""


def load_yaml(text: str, *, name: str, code: str) -> dict[str, object]:
    """The mapping that `text` holds, as plain dicts, lists and scalars; empty for an empty document.

    Raises `InvalidInput` (`code`) naming the file and the line for broken YAML, duplicate keys, unknown
    tags, documents that expand beyond reason, and for anything that is not a mapping.
    """
    simple = load_simple(text)
    if simple is not None:
        return simple
    value = _load_with_ruamel(text, name=name, code=code) or {}
    if not isinstance(value, dict):
        raise InvalidInput(f"'{name}' does not hold a mapping of keys to values", code=code, path=name)
    if not _is_bounded(value):
        raise InvalidInput(
            f"'{name}' expands to too many values",
            code=code,
            hint=f"do not trust where this file came from; restore a good one: git checkout -- '{name}'",
            path=name,
        )
    return value


def load_simple(text: str) -> dict[str, object] | None:
    """`text` as a mapping if it is block YAML of the plainest kind, else None, which says nothing."""
    try:
        lines = [_scan(line) for line in text.removesuffix("\n").split("\n")] if text else []
        value, end = _mapping(lines, 0, 0)
    except (_NotSimpleError, RecursionError):
        return None
    return value if end == len(lines) else None


class _Line:
    __slots__ = ("indent", "is_item", "key", "value")

    def __init__(self, indent: int, is_item: bool, key: str | None, value: str | None) -> None:
        self.indent = indent
        self.is_item = is_item
        self.key = key
        self.value = value


def _scan(line: str) -> _Line:
    match = _LINE.fullmatch(line)
    assert match is not None  # the last alternative takes anything
    spaces, dash, key, value, alone = match.groups()
    if key is None:
        if dash is None:
            raise _NotSimpleError
        return _Line(len(spaces), True, None, alone)
    if key.lower() in _RESERVED:
        raise _NotSimpleError
    return _Line(len(spaces), dash is not None, key, value)


def _mapping(lines: list[_Line], at: int, indent: int) -> tuple[dict[str, object], int]:
    result: dict[str, object] = {}
    while at < len(lines):
        line = lines[at]
        if line.indent != indent or line.is_item:
            break
        key = line.key
        if key is None or key in result:
            raise _NotSimpleError
        at += 1
        if line.value is not None:
            result[key] = _scalar(line.value)
        elif at < len(lines) and lines[at].is_item and lines[at].indent == indent:
            result[key], at = _sequence(lines, at, indent)
        elif at < len(lines) and lines[at].indent == indent + 2 and not lines[at].is_item:
            result[key], at = _mapping(lines, at, indent + 2)
        else:
            result[key] = None
    if at < len(lines) and lines[at].indent > indent:
        raise _NotSimpleError
    return result, at


def _sequence(lines: list[_Line], at: int, indent: int) -> tuple[list[object], int]:
    result: list[object] = []
    while at < len(lines) and lines[at].is_item and lines[at].indent == indent:
        line = lines[at]
        if line.key is None:
            result.append(_scalar(line.value or ""))
            at += 1
            if at < len(lines) and lines[at].indent > indent:
                raise _NotSimpleError
        else:
            lines[at] = _Line(indent + 2, False, line.key, line.value)
            item, at = _mapping(lines, at, indent + 2)
            result.append(item)
    return result, at


def _scalar(text: str) -> object:
    if _INT.fullmatch(text):
        return int(text)
    if text in ("true", "false"):
        return text == "true"
    if _is_plain(text):
        return text
    match = _QUOTED.fullmatch(text)
    if match is None:
        raise _NotSimpleError
    return match.group(1)


def _is_plain(text: str) -> bool:
    """True when YAML certainly reads unquoted `text` as that very string, and dvc certainly writes it so."""
    if _HEX.fullmatch(text):
        # digits alone are an integer, and with one `e` a float
        return text.endswith(".dir") or not text.replace("e", "", 1).isdigit()
    return _PLAIN.fullmatch(text) is not None and _NOT_PLAIN.search(text) is None and text.lower() not in _RESERVED


def _load_with_ruamel(text: str, *, name: str, code: str) -> object:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise _broken(error, text, name=name, code=code) from error
    except RecursionError as error:
        raise InvalidInput(f"'{name}' is nested too deeply", code=code, path=name) from error
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput(f"'{name}' holds a value that YAML cannot read", code=code, path=name) from error


def _broken(error: Exception, text: str, *, name: str, code: str) -> InvalidInput:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or "unreadable character").split("\n")[0][:200]
    line = mark.line + 1 if mark is not None else None
    place = f", line {line}" if line is not None else ""
    hint = f"correct '{name}', or restore it with 'git checkout {name}'"
    if any(line.startswith(_CONFLICT_MARKS) for line in text.splitlines()):
        hint = "the file holds git's conflict marks: keep one side and remove them"
    return InvalidInput(f"'{name}' is not valid YAML: {problem}{place}", code=code, hint=hint, path=name, line=line)


def _is_bounded(value: object) -> bool:
    """False for a value that holds itself, or that would be huge with its aliases written out."""
    sizes: dict[int, int | None] = {}

    def size_of(node: object) -> int:
        if not isinstance(node, (dict, list)):
            return 1
        known = sizes.get(id(node), 0)
        if known is None:
            return _MAX_NODES + 1  # we are inside this very node
        if known:
            return known
        sizes[id(node)] = None
        total = 1 + sum(map(size_of, node.values() if isinstance(node, dict) else node))
        sizes[id(node)] = total
        return total

    try:
        return size_of(value) <= _MAX_NODES
    except RecursionError:
        return False


def line_of(text: str, where: Where) -> int | None:
    """The line (from 1) of the value at `where`, or of its nearest parent that exists; None if unreadable."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, RecursionError):
        return None
    if node is None:
        return None
    line: int = node.start_mark.line + 1
    for step in where:
        if isinstance(node, MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


def dump_yaml(value: Mapping[str, object]) -> str:
    """`value` as dvc's emitter writes it: block style, keys in the order given, `\\n` at the end."""
    return _dump_simple(value) or _dump_with_ruamel(value)


def update_yaml(previous: str, value: Mapping[str, object], *, name: str, code: str) -> str:
    """`previous` changed to say `value`, as dvc would: what stays keeps its place, comment and style.

    New keys come last in their mapping, keys that `value` lacks vanish, a list of another length is
    replaced as a whole. Raises `InvalidInput` (`code`) when `previous` is not a YAML mapping.
    """
    simple = load_simple(previous)
    if simple is not None:
        _apply_diff(value, simple)
        return dump_yaml(simple)
    load_yaml(previous, name=name, code=code)  # the same guards for a hostile text
    from ruamel.yaml import YAML

    document = YAML().load(previous)
    if not document:
        return dump_yaml(value)
    _apply_diff(value, document)
    return _dump_with_ruamel(document)


def update_with(previous: str, keys: Sequence[str], value: object, *, name: str, code: str) -> str:
    """`previous` with the value at `keys` replaced as a whole; all else keeps place, comment and style.

    Raises `InvalidInput` (`code`) when `previous` is not a YAML mapping; the `keys` must lead somewhere.
    """
    document: Any = load_simple(previous)
    is_simple = document is not None
    if not is_simple:
        load_yaml(previous, name=name, code=code)  # the same guards for a hostile text
        from ruamel.yaml import YAML

        document = YAML().load(previous)
    inner = document
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return dump_yaml(document) if is_simple else _dump_with_ruamel(document)


def _apply_diff(source: object, target: object) -> None:
    """Make `target` equal to `source` in place; the rules are those of `dvc.utils.collections.apply_diff`."""
    if isinstance(source, Mapping) and isinstance(target, dict):
        for key, value in source.items():
            _apply_item(value, target, key, is_new=key not in target)
        for key in [key for key in target if key not in source]:
            del target[key]
    elif isinstance(source, list) and isinstance(target, list):
        if len(source) != len(target):
            target[:] = source
            return
        for at, value in enumerate(source):
            _apply_item(value, target, at, is_new=False)


def _apply_item(value: object, target: Any, at: object, *, is_new: bool) -> None:
    """One place of a mapping or a list: go into it where both sides are of one kind, else set it."""
    there = None if is_new else target[at]
    if (isinstance(value, Mapping) and isinstance(there, dict)) or (
        isinstance(value, list) and isinstance(there, list)
    ):
        _apply_diff(value, there)
    elif is_new or value != there:
        target[at] = value


def _dump_simple(value: Mapping[str, object]) -> str | None:
    lines: list[str] = []
    try:
        _write_mapping(lines, value, "")
    except (_NotSimpleError, RecursionError):
        return None
    if not lines or any(len(line) > 78 for line in lines):  # ruamel may fold near the 80th column
        return None
    lines.append("")
    return "\n".join(lines)


def _write_mapping(lines: list[str], value: Mapping[str, object], indent: str, first: str | None = None) -> None:
    prefix = indent if first is None else first
    for key, item in value.items():
        scanned = _LINE.fullmatch(f"{key}:")
        if scanned is None or scanned[3] != key or key.lower() in _RESERVED:
            raise _NotSimpleError
        if isinstance(item, Mapping) and item:
            lines.append(f"{prefix}{key}:")
            _write_mapping(lines, item, indent + "  ")
        elif isinstance(item, list) and item:
            lines.append(f"{prefix}{key}:")
            _write_sequence(lines, item, indent)
        else:
            lines.append(f"{prefix}{key}:{_write_scalar(item)}")
        prefix = indent


def _write_sequence(lines: list[str], value: Sequence[object], indent: str) -> None:
    for item in value:
        if isinstance(item, Mapping) and item:
            _write_mapping(lines, item, indent + "  ", first=f"{indent}- ")
        elif item is None:
            raise _NotSimpleError
        else:
            lines.append(f"{indent}-{_write_scalar(item)}")


def _write_scalar(item: object) -> str:
    if item is None:
        return ""
    if isinstance(item, bool):
        return " true" if item else " false"
    if isinstance(item, int):
        return f" {item:d}"
    if isinstance(item, str) and _is_plain(item):
        return f" {item}"
    raise _NotSimpleError


def _dump_with_ruamel(value: Mapping[str, object]) -> str:
    from io import StringIO

    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    stream = StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()
