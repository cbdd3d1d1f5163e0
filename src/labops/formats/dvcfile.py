"""`.dvc` files: text ⇄ `DvcFile`, byte for byte as dvc writes them."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import cast

from labops.errors import InvalidInput
from labops.formats import schema
from labops.formats.schema import Check, Misfit
from labops.formats.yamltext import Where, dump_yaml, load_yaml, update_yaml
from labops.model import DvcFile, HashName, Oid, Output, parse_oid

_CODE = "bad-dvc-file"

_FILE_META: dict[str, Check] = {
    "md5": schema.is_checksum,
    "etag": schema.is_checksum,
    "checksum": schema.is_checksum,
    "size": schema.is_count,
    "nfiles": schema.is_count,
    "isexec": schema.is_bool,
    "version_id": schema.is_text,
}
_CLOUD: dict[str, Check] = {"cloud": schema.map_of(schema.record(_FILE_META), at_most=1)}
_FILES: dict[str, Check] = {
    "files": schema.list_of(schema.record({**_FILE_META, **_CLOUD, "relpath": schema.is_text}, required=("relpath",))),
    "fs_config": schema.is_mapping,
}
_ARTIFACT: dict[str, Check] = {
    **_FILE_META,
    **_CLOUD,
    **_FILES,
    "hash": schema.is_text,
    "path": schema.is_path,
    "persist": schema.is_bool,
}


def _is_object_hash(value: object, where: Where) -> None:
    """The md5 of an output names an object: dvc would look for it under exactly this spelling."""
    schema.is_checksum(value, where)
    if isinstance(value, str) and value:
        try:
            parse_oid(value)
        except InvalidInput as error:
            raise Misfit(where, error.message) from None


def _is_md5_kind(value: object, where: Where) -> None:
    schema.is_text(value, where)
    if value != "md5":
        raise Misfit(where, f"hash '{str(value)[:80]}' is not supported, only 'md5'")


_REPO: dict[str, Check] = {
    "url": schema.is_text,
    "rev": schema.is_text,
    "rev_lock": schema.is_text,
    "config": schema.any_of(schema.is_text, schema.is_mapping),
    "remote": schema.any_of(schema.is_text, schema.is_mapping),
}
_DB = dict.fromkeys(("query", "connection", "file_format", "table"), cast("Check", schema.is_text))
_OUT: dict[str, Check] = {
    **_ARTIFACT,
    "md5": _is_object_hash,
    "hash": _is_md5_kind,
    "desc": schema.is_text,
    "type": schema.is_text,
    "labels": schema.list_of(schema.is_text),
    "meta": schema.is_anything,
    "cache": schema.is_bool,
    "remote": schema.is_text,
    "push": schema.is_bool,
}
LOCK_DEP_FIELDS: dict[str, Check] = {**_ARTIFACT, "dataset": schema.is_mapping}
"""What `dvc.lock` may say about a dependency."""
LOCK_OUT_FIELDS: dict[str, Check] = {**LOCK_DEP_FIELDS, "md5": _is_object_hash, "hash": _is_md5_kind}
"""What `dvc.lock` may say about an output."""
_DEP: dict[str, Check] = {
    **_ARTIFACT,
    "repo": schema.record(_REPO, required=("url",)),
    "db": schema.record(_DB),
}
_FILE = schema.record(
    {
        "md5": schema.is_checksum,
        "wdir": schema.is_optional_text,
        "deps": schema.list_of(schema.record(_DEP), optional=True),
        "outs": schema.list_of(schema.record(_OUT, required=("path",)), optional=True),
        "locked": schema.is_bool,
        "frozen": schema.is_bool,
        "meta": schema.is_anything,
        "always_changed": schema.is_bool,
        "desc": schema.is_text,
    }
)

_OUT_ORDER = (
    *("md5", "etag", "checksum", "size", "nfiles", "isexec", "version_id", "cloud", "hash", "path"),
    *("fs_config", "desc", "type", "labels", "meta", "cache", "persist", "remote", "push", "files"),
)
_DEP_ORDER = ("md5", "etag", "checksum", "size", "nfiles", "isexec", "version_id", "cloud", "hash", "path")
_REPO_ORDER = ("url", "rev", "rev_lock", "config", "remote")
_OF_CONTENT = frozenset(("etag", "checksum", "version_id", "cloud", "files"))
"""Keys that labops does not make, and that say something about one content only."""
_NOT_IN_MD5 = frozenset(
    ("desc", "type", "labels", "meta", "locked", "frozen", "metric", "persist", "isexec", "size", "nfiles")
)
_URL = re.compile(r"\w+://")


def parse_dvcfile(text: str, *, name: str) -> DvcFile:
    """`text` as values; `name` is the file's name for error messages. Empty text is a file without outputs.

    The rules are dvc's: no unknown or duplicate keys, right types. Beyond them, every output needs a path
    and every md5 must be an oid. Raises `InvalidInput` (`bad-dvc-file`) with file, key path and line.
    """
    raw = load_yaml(text, name=name, code=_CODE)
    try:
        _FILE(raw, ())
    except Misfit as misfit:
        hint = misfit.hint
        if misfit.where == ("cmd",):
            hint = "a single-stage pipeline file of old: dvc refuses it too; move the stage to 'dvc.yaml'"
        raise Misfit(misfit.where, misfit.problem, hint).in_file(name, text, code=_CODE) from misfit
    meta = raw.get("meta")
    return DvcFile(
        outs=tuple(_output(out) for out in _mappings(raw.get("outs"))),
        wdir=_text(raw.get("wdir")) or ".",
        deps=tuple(_mappings(raw.get("deps"))),
        md5=_text(raw.get("md5")),
        is_frozen=bool(raw.get("frozen") or raw.get("locked")),
        is_always_changed=bool(raw.get("always_changed")),
        desc=_text(raw.get("desc")),
        meta=meta if isinstance(meta, dict) and meta else None,
    )


def render_dvcfile(dvcfile: DvcFile, *, previous: str | None = None) -> str:
    """The text dvc would write for `dvcfile`, over `previous` where the file exists.

    From scratch the key order is dvc's own. Over `previous`, keys keep their place, comments and flow
    style, new keys come last in their mapping, and defaults vanish. Keys that `Output` does not carry
    survive; those that describe one content (`files`, `cloud`, `version_id`, `etag`, `checksum`) only as
    long as the output's oid stays the same, as in dvc. Raises `InvalidInput` (`bad-dvc-file`) when
    `previous` is not a DVC file.
    """
    if previous is None:
        return dump_yaml(_state(dvcfile, {})) if dvcfile != DvcFile() else "{}\n"
    old = load_yaml(previous, name="previous text", code=_CODE)
    state = _state(dvcfile, old)
    return update_yaml(previous, state, name="previous text", code=_CODE)


def import_md5(dvcfile: DvcFile) -> str:
    """The top-level `md5` that dvc expects in an import (and in no other `.dvc` file)."""
    state = _state(dvcfile, {})
    for key in ("md5", "meta", "desc"):
        state.pop(key, None)
    digested = json.dumps(_without(state, _NOT_IN_MD5), sort_keys=True)
    return hashlib.md5(digested.encode()).hexdigest()


def _without(value: object, keys: frozenset[str]) -> object:
    if isinstance(value, dict):
        return {key: _without(one, keys) for key, one in value.items() if key not in keys}
    if isinstance(value, list):
        return [_without(one, keys) for one in value]
    return value


def _output(raw: Mapping[str, object]) -> Output:
    md5 = _text(raw.get("md5"))
    labels = raw.get("labels")
    meta = raw.get("meta")
    return Output(
        path=str(raw["path"]),
        oid=Oid(md5) if md5 else None,
        hash_name=HashName.MD5 if "hash" in raw else HashName.MD5_DOS2UNIX,
        size=cast("int | None", raw.get("size")),
        nfiles=cast("int | None", raw.get("nfiles")),
        is_executable=raw.get("isexec") is True,
        is_cached=raw.get("cache") is not False,
        is_pushed=raw.get("push") is not False,
        is_persistent=raw.get("persist") is True,
        remote=_text(raw.get("remote")),
        desc=_text(raw.get("desc")),
        type=_text(raw.get("type")),
        labels=tuple(map(str, labels)) if isinstance(labels, list) and labels else None,
        meta=meta if isinstance(meta, dict) and meta else None,
        is_cloud_versioned="files" in raw or "cloud" in raw or "version_id" in raw,
    )


def _state(dvcfile: DvcFile, old: Mapping[str, object]) -> dict[str, object]:
    """What the file has to say, in dvc's key order; `old` gives the keys that our values do not carry."""
    olds = _match_outputs(dvcfile.outs, tuple(_mappings(old.get("outs"))))
    wdir = posixpath.normpath(dvcfile.wdir)
    state: dict[str, object] = {
        "desc": dvcfile.desc,
        "md5": dvcfile.md5,
        "cmd": dvcfile.cmd,
        "wdir": wdir if wdir != "." else None,
        "frozen": dvcfile.is_frozen,
        "deps": [_dep_state(dep) for dep in dvcfile.deps],
        "outs": [_output_state(out, was) for out, was in zip(dvcfile.outs, olds, strict=True)],
        "always_changed": dvcfile.is_always_changed,
        "meta": _meta_state(dvcfile.meta, old),
    }
    return {key: value for key, value in state.items() if value}


def _match_outputs(outs: tuple[Output, ...], olds: tuple[Mapping[str, object], ...]) -> list[Mapping[str, object]]:
    """For each output what the file said about it: by path, and for a lone renamed output by position."""
    by_path = {_stored_path(str(old.get("path"))): old for old in olds}
    if len(outs) == len(olds) == 1:
        return [olds[0]]
    return [by_path.get(_stored_path(out.path), {}) for out in outs]


def _output_state(out: Output, old: Mapping[str, object]) -> dict[str, object]:
    state: dict[str, object] = {
        "md5": out.oid,
        "size": out.size,
        "nfiles": out.nfiles,
        "isexec": out.is_executable or None,
        "hash": "md5" if out.hash_name is HashName.MD5 else None,
        "path": _stored_path(out.path),
        "fs_config": old.get("fs_config") or None,
        "desc": out.desc or None,
        "type": out.type or None,
        "labels": list(out.labels) if out.labels else None,
        "meta": _meta_state(out.meta, old) or None,
        "cache": None if out.is_cached else False,
        "persist": out.is_persistent or None,
        "remote": out.remote or None,
        "push": None if out.is_pushed else False,
    }
    if out.oid == (_text(old.get("md5")) or None):
        state.update({key: old[key] for key in _OF_CONTENT if key in old})
    known = {key: state[key] for key in _OUT_ORDER if state.get(key) is not None}
    if out.oid is None and out.hash_name is HashName.MD5_DOS2UNIX and not known.keys() & _OF_CONTENT:
        return {"md5": None, **known}  # dvc writes an empty `md5:` for a 2.x output without a hash
    return known


def _meta_state(meta: Mapping[str, object] | None, old: Mapping[str, object]) -> object:
    """`meta` may be any value in a file; what is not a mapping is none of our business and stays."""
    was = old.get("meta")
    if meta is None and not isinstance(was, dict):
        return was
    return dict(meta) if meta else None


def _dep_state(dep: Mapping[str, object]) -> dict[str, object]:
    ordered = _in_order(dep, _DEP_ORDER)
    repo = ordered.get("repo")
    if isinstance(repo, Mapping):
        ordered["repo"] = _in_order(repo, _REPO_ORDER)
    return ordered


def _in_order(mapping: Mapping[str, object], order: tuple[str, ...]) -> dict[str, object]:
    known = {key: mapping[key] for key in order if key in mapping}
    return known | {key: value for key, value in mapping.items() if key not in known}


def _stored_path(path: str) -> str:
    """`./a` and `b/../a` are written as `a`, urls and absolute paths as they are."""
    return path if path.startswith("/") or _URL.match(path) else posixpath.normpath(path)


def _mappings(value: object) -> Iterable[Mapping[str, object]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
