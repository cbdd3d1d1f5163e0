"""`dvc.yaml` with its `${…}`, `foreach` and `matrix` written out: which stages there are, and their paths.

The rules are those of `dvc/parsing`. A `cmd` that cannot be resolved by them is left out: it is only compared.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from typing import NamedTuple

from labops.errors import InvalidInput
from labops.formats.yamltext import load_yaml

CODE = "bad-dvc-yaml"

_PARAMS = "params.yaml"
_EXPRESSION = re.compile(r"(?<!\\)\$\{(.*?)\}")
_KEYS = ("wdir", "deps", "params", "outs", "metrics", "plots", "frozen", "always_changed", "desc")
_MAX_STAGES = 100_000
"""A matrix that gives more stages than this is a mistake or an attack."""


class _Names(NamedTuple):
    """The values that an expression may name."""

    values: Mapping[str, object]
    file: str
    stage: str

    def fail(self, problem: str) -> InvalidInput:
        return InvalidInput(
            f"'{self.file}' is not valid: {problem} (stage '{self.stage}')",
            code=CODE,
            path=self.file,
            stage=self.stage,
        )


def vars_files(yaml_text: str, *, name: str) -> tuple[str, ...]:
    """The files, relative to `yaml_text`'s own, whose values its `${…}` may name; none if it has no `${…}`.

    A caller reads those that exist with `load_yaml` (or a parser of their own format) and passes them on.
    """
    if "${" not in yaml_text:
        return ()
    raw = load_yaml(yaml_text, name=name, code=CODE)
    files = [_PARAMS, *(_file_of(item)[0] for item in _items(raw.get("vars")) if isinstance(item, str))]
    for stage in _mapping(raw.get("stages")).values():
        body = _body(stage)
        wdir = str(body.get("wdir") or "")
        files += [
            posixpath.normpath(posixpath.join(wdir, _file_of(item)[0]))
            for item in _items(body.get("vars"))
            if isinstance(item, str)
        ]
    return tuple(dict.fromkeys(files))


def expand_stages(yaml_text: str, *, name: str, params: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """Every stage by its full name (`train`, `each@a`, `grid@1-u`), in file order, with its texts resolved.

    `params` holds the contents of `vars_files` by file name. Raises `InvalidInput` (`bad-dvc-yaml`) for
    broken YAML, for an expression that names nothing, and for one that names something without a text.
    """
    raw = load_yaml(yaml_text, name=name, code=CODE)
    values: dict[str, object] = {}
    _add_vars(values, [_PARAMS, *_items(raw.get("vars"))], "", params)
    stages: dict[str, Mapping[str, object]] = {}
    for stage, definition in _mapping(raw.get("stages")).items():
        names = _Names(values, name, stage)
        if not isinstance(definition, Mapping):
            raise names.fail("a stage must be a mapping")
        for full_name, extra in _variants(definition, names):
            own = _Names({**values, **extra}, name, full_name)
            stages[full_name] = _resolved_stage(_body(definition), own, params)
            if len(stages) > _MAX_STAGES:
                raise own.fail("it gives too many stages")
    return stages


def _variants(definition: Mapping[str, object], names: _Names) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The full names that one definition gives, each with the values that only it knows."""
    if "matrix" in definition:
        for key, item in _combinations(_resolve(definition["matrix"], names, is_data=True), names):
            yield f"{names.stage}@{key}", {"key": key, "item": item}
    elif "foreach" in definition:
        data = _resolve(definition["foreach"], names, is_data=True)
        if isinstance(data, Mapping):
            for key, item in data.items():
                yield f"{names.stage}@{_to_text(key)}", {"key": _to_text(key), "item": item}
        elif isinstance(data, list):
            is_composite = any(isinstance(item, (list, Mapping)) for item in data)
            for at, item in enumerate(data):
                yield f"{names.stage}@{at if is_composite else _to_text(item)}", {"item": item}
        else:
            raise names.fail("'foreach' needs a list or a mapping")
    else:
        yield names.stage, {}


def _combinations(data: object, names: _Names) -> Iterator[tuple[str, dict[str, object]]]:
    if not isinstance(data, Mapping) or not all(isinstance(values, list) for values in data.values()):
        raise names.fail("'matrix' needs a mapping of lists")
    if prod(len(values) for values in data.values()) > _MAX_STAGES:
        raise names.fail("it gives too many stages")
    for combination in product(*(enumerate(values) for values in data.values())):
        pairs = list(zip(data, combination, strict=True))
        key = "-".join(
            f"{axis}{at}" if isinstance(value, (list, Mapping)) else _to_text(value) for axis, (at, value) in pairs
        )
        yield key, {axis: value for axis, (_, value) in pairs}


def _resolved_stage(body: Mapping[str, object], names: _Names, params: Mapping[str, object]) -> dict[str, object]:
    if body.get("vars"):
        values = dict(names.values)
        wdir = _to_text(_resolve(body.get("wdir") or "", names))
        _add_vars(values, _items(body["vars"]), wdir, params)
        names = names._replace(values=values)
    resolved = {key: _resolve(body[key], names) for key in _KEYS if key in body}
    with contextlib.suppress(InvalidInput):  # dvc writes a whole mapping out as options; nobody else need know how
        resolved["cmd"] = _resolve(body.get("cmd"), names)
    return resolved


def _body(definition: object) -> Mapping[str, object]:
    """What the stage says: under `do` for a `foreach`."""
    outer = _mapping(definition)
    return _mapping(outer["do"]) if "foreach" in outer else outer


def _add_vars(values: dict[str, object], items: list[object], folder: str, params: Mapping[str, object]) -> None:
    for item in items:
        if isinstance(item, str):
            file, keys = _file_of(item)
            content = _mapping(params.get(posixpath.normpath(posixpath.join(folder, file))))
            _merge(values, {key: content[key] for key in keys if key in content} if keys else content)
        else:
            _merge(values, _mapping(item))


def _file_of(item: str) -> tuple[str, list[str]]:
    """`params.yaml:a,b` is a file and the keys to take from it (none: all)."""
    path, _, keys = item.partition(":")
    return posixpath.normpath(path), [key for key in keys.split(",") if key]


def _merge(into: dict[str, object], update: Mapping[str, object]) -> None:
    for key, value in update.items():
        there = into.get(key)
        if isinstance(there, Mapping) and isinstance(value, Mapping):
            both = dict(there)
            _merge(both, value)
            into[key] = both
        else:
            into[key] = value


def _resolve(value: object, names: _Names, *, is_data: bool = False) -> object:
    if isinstance(value, Mapping):
        return {_to_text(_resolve(key, names)): _resolve(one, names, is_data=is_data) for key, one in value.items()}
    if isinstance(value, list):
        return [_resolve(one, names, is_data=is_data) for one in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    whole = _EXPRESSION.fullmatch(value)
    if whole is not None and "}" not in whole.group(1):
        return _select(whole.group(1), names, is_data=is_data)
    text = _EXPRESSION.sub(lambda match: _to_text(_select(match.group(1), names)), value)
    return text.replace("\\${", "${")


def _select(expression: str, names: _Names, *, is_data: bool = False) -> object:
    found: object = names.values
    for part in expression.replace("[", ".").replace("]", "").split("."):
        step = part.strip()
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            raise names.fail(f"'${{{expression[:80]}}}' names nothing that is known")
    if isinstance(found, (list, Mapping)) and not is_data:
        raise names.fail(f"'${{{expression[:80]}}}' is no single value")
    return found


def _to_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, object]:
    return {str(key): one for key, one in value.items()} if isinstance(value, Mapping) else {}
