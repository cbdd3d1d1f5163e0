"""`dvc.yaml` with its `dvc.lock`: the outputs of pipeline stages, for dataset work."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from labops.errors import NotFound
from labops.formats import schema
from labops.formats.dvcfile import LOCK_DEP_FIELDS, LOCK_OUT_FIELDS
from labops.formats.schema import Misfit
from labops.formats.templates import expand_stages, vars_files
from labops.formats.yamltext import load_yaml, update_with
from labops.model import HashName, Oid, Output

__all__ = ["Params", "StageOutputs", "parse_dvclock", "render_dvclock_update", "vars_files"]

_CODE = "bad-dvc-lock"
_STAGE = schema.record(
    {
        "cmd": schema.any_of(schema.is_text, schema.list_of(schema.is_text)),
        "deps": schema.list_of(schema.record(LOCK_DEP_FIELDS, required=("path",))),
        "params": schema.is_mapping,
        "outs": schema.list_of(schema.record(LOCK_OUT_FIELDS, required=("path",))),
    },
    required=("cmd",),
)
_URL = re.compile(r"\w+://")
_FLAGS = ("outs", "metrics", "plots")
_OF_CONTENT = ("version_id", "cloud", "files")


class Params(NamedTuple):
    """The values of one file that a stage reads: `keys` (none: all of them), and those that `dvc.lock` knows."""

    file: str
    keys: tuple[str, ...] = ()
    locked: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class StageOutputs:
    """One stage and what it makes. Paths of outputs and dependencies are relative to `wdir`.

    `wdir` is relative to the folder of `dvc.yaml`. A stage that only the lock knows has `is_defined` False:
    dvc takes no notice of it.
    """

    stage: str
    wdir: str = "."
    outs: tuple[Output, ...] = ()
    deps: tuple[str, ...] = ()
    is_frozen: bool = False
    is_defined: bool = True
    desc: str | None = None
    locked_deps: tuple[Output, ...] = ()
    """The `deps` with the content that the lock knows, as far as they are paths."""
    params: tuple[Params, ...] = ()
    is_always_changed: bool = False
    is_command_changed: bool = False


def parse_dvclock(
    lock_text: str | None, yaml_text: str | None, *, name: str, params: Mapping[str, object] | None = None
) -> tuple[StageOutputs, ...]:
    """The stages of `dvc.yaml`, in its order, with what `dvc.lock` knows; then the stages only in the lock.

    `name` is the path of the `dvc.yaml` for messages (the lock lies beside it). `params` holds the contents
    of the files that `vars_files(yaml_text, name=…)` asks for, as file name → mapping; those that do not
    exist are left out. An output the lock does not know has no oid. Both lock schemas, 1.0 and 2.0, are
    read. Raises `InvalidInput` (`bad-dvc-lock`, `bad-dvc-yaml`).
    """
    locked = _locked_stages(lock_text or "", _lock_name(name))
    defined = expand_stages(yaml_text or "", name=name, params=params or {})
    stages = [_defined_stage(stage, body, locked.get(stage, {})) for stage, body in defined.items()]
    for stage, lock in locked.items():
        if stage not in defined:
            outs = tuple(_locked_output(out) for out in _mappings(lock.get("outs")))
            deps = tuple(str(dep.get("path")) for dep in _mappings(lock.get("deps")))
            stages.append(StageOutputs(stage, outs=outs, deps=deps, is_defined=False))
    return tuple(stages)


def render_dvclock_update(lock_text: str, stage: str, outs: Sequence[Output]) -> str:
    """`lock_text` with `outs`, all outputs of `stage`, as dvc writes them after `commit`.

    Other stages keep their comments; this one is written anew, outputs by path. Raises `NotFound`
    (`no-such-stage`) when the lock does not know the stage, `InvalidInput` (`bad-dvc-lock`).
    """
    locked = _locked_stages(lock_text, "dvc.lock")
    if stage not in locked:
        raise NotFound(f"'dvc.lock' has no stage '{stage}'", code="no-such-stage", hint=f"run 'dvc repro {stage}' once")
    old = locked[stage]
    olds = {str(out["path"]): out for out in _mappings(old.get("outs"))}
    states = [_out_state(out, olds.get(out.path, {})) for out in sorted(outs, key=lambda out: out.path)]
    new = {key: old[key] for key in ("cmd", "deps", "params") if old.get(key)}
    if states:
        new["outs"] = states
    keys = ("stages", stage) if _is_second_schema(lock_text) else (stage,)
    return update_with(lock_text, keys, new, name="dvc.lock", code=_CODE)


def _lock_name(name: str) -> str:
    return posixpath.splitext(name)[0] + ".lock"


def _is_second_schema(lock_text: str) -> bool:
    return "schema" in load_yaml(lock_text, name="dvc.lock", code=_CODE)


def _locked_stages(text: str, name: str) -> dict[str, Mapping[str, object]]:
    raw = load_yaml(text, name=name, code=_CODE)
    where: tuple[str, ...] = ()
    stages: object = raw
    if "schema" in raw:
        where, stages = ("stages",), raw.get("stages", {})
    if raw.get("schema", "2.0") != "2.0":
        misfit = Misfit(("schema",), f"schema '{str(raw['schema'])[:20]}' is not known")
        raise misfit.in_file(name, text, code=_CODE)
    try:
        schema.map_of(_STAGE)(stages, where)
    except Misfit as found:
        raise found.in_file(name, text, code=_CODE) from found
    return cast("dict[str, Mapping[str, object]]", stages)


def _defined_stage(stage: str, body: Mapping[str, object], lock: Mapping[str, object]) -> StageOutputs:
    locked = {_normal(str(out["path"])): out for out in _mappings(lock.get("outs"))}
    outs: list[Output] = []
    for kind in _FLAGS:
        for path, flags in _merged_flags(body.get(kind)).items():
            outs.append(_output(path, flags, locked.get(_normal(path))))
    deps = [dep for dep in _items(body.get("deps")) if isinstance(dep, str)]
    known = {_normal(str(dep["path"])): dep for dep in _mappings(lock.get("deps"))}
    params = _params(body.get("params"), lock.get("params"))
    return StageOutputs(
        stage,
        wdir=posixpath.normpath(str(body.get("wdir") or ".")),
        outs=tuple(outs),
        deps=tuple(deps),
        is_frozen=body.get("frozen") is True,
        desc=_text(body.get("desc")),
        locked_deps=tuple(_locked_dep(dep, known.get(_normal(dep))) for dep in deps if not _URL.match(dep)),
        params=params,
        is_always_changed=body.get("always_changed") is True or not (body.get("deps") or params or outs),
        is_command_changed="cmd" in body and bool(lock) and body["cmd"] != lock.get("cmd"),
    )


def _locked_dep(path: str, lock: Mapping[str, object] | None) -> Output:
    return _locked_output(lock)._replace(path=path) if lock else Output(path)


def _params(items: object, locks: object) -> tuple[Params, ...]:
    """`lr` is a key of `params.yaml`, `{file: [keys]}` names its own."""
    keys: dict[str, list[str]] = {}
    for item in _items(items):
        pairs = item.items() if isinstance(item, Mapping) else (("params.yaml", [item]),)
        for file, wanted in pairs:
            keys.setdefault(str(file), []).extend(map(str, _items(wanted)))
    known = locks if isinstance(locks, Mapping) else {}
    return tuple(Params(file, tuple(wanted), known.get(file)) for file, wanted in keys.items())


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _merged_flags(items: object) -> dict[str, dict[str, object]]:
    """Path → flags for a list of `path` and `{path: {flag: value}}`; a path named twice has both sets."""
    merged: dict[str, dict[str, object]] = {}
    for item in _items(items):
        pairs = item.items() if isinstance(item, Mapping) else ((item, {}),)
        for path, flags in pairs:
            merged.setdefault(str(path), {}).update(flags if isinstance(flags, Mapping) else {})
    return merged


def _output(path: str, flags: Mapping[str, object], lock: Mapping[str, object] | None) -> Output:
    known = _locked_output(lock) if lock else Output(path)
    labels = flags.get("labels")
    meta = flags.get("meta")
    return Output(
        path=path,
        oid=known.oid,
        hash_name=known.hash_name,
        size=known.size,
        nfiles=known.nfiles,
        is_executable=known.is_executable,
        is_cached=flags.get("cache") is not False,
        is_pushed=flags.get("push") is not False,
        is_persistent=flags.get("persist") is True,
        remote=_text(flags.get("remote")),
        desc=_text(flags.get("desc")),
        type=_text(flags.get("type")),
        labels=tuple(map(str, labels)) if isinstance(labels, list) and labels else None,
        meta=meta if isinstance(meta, dict) and meta else None,
        is_cloud_versioned=known.is_cloud_versioned,
    )


def _locked_output(raw: Mapping[str, object]) -> Output:
    md5 = _text(raw.get("md5"))
    return Output(
        path=str(raw["path"]),
        oid=Oid(md5) if md5 else None,
        hash_name=HashName.MD5 if "hash" in raw else HashName.MD5_DOS2UNIX,
        size=cast("int | None", raw.get("size")),
        nfiles=cast("int | None", raw.get("nfiles")),
        is_executable=raw.get("isexec") is True,
        is_cloud_versioned=any(key in raw for key in _OF_CONTENT),
    )


def _out_state(out: Output, old: Mapping[str, object]) -> dict[str, object]:
    state: dict[str, object] = {
        "path": out.path,
        "hash": "md5" if out.hash_name is HashName.MD5 else None,
        "md5": out.oid,
        "size": out.size,
        "nfiles": out.nfiles,
        "isexec": out.is_executable or None,
    }
    if old and out.oid == _text(old.get("md5")):
        state.update({key: old[key] for key in _OF_CONTENT if key in old})
    return {key: value for key, value in state.items() if value is not None}


def _normal(path: str) -> str:
    return path if _URL.match(path) else posixpath.normpath(path)


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
