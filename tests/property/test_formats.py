"""Round trips of the formats, and our fast readers and writers against the libraries that they spare."""

from __future__ import annotations

import json
import string

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from labops.errors import InvalidInput
from labops.formats import yamltext
from labops.formats.configtext import ConfigLevel, parse_config, render_config
from labops.formats.dirfile import parse_tree, render_tree, tree_oid
from labops.formats.dvcfile import parse_dvcfile, render_dvcfile
from labops.formats.ignore import IgnoreRules, add_ignore_line, remove_ignore_line
from labops.model import DvcFile, Entry, HashName, Oid, Output, RelPath, parse_relpath

few = settings(max_examples=60, deadline=None)

text = (
    st.text(max_size=20)
    | st.text("abe019._-/@: #'\"=~<!%&*[]{},?|>+xoXTZinf", max_size=12)
    | st.from_regex(r"[0-9]{1,4}[-:.eExo_]{0,2}[0-9a-fTzZnNiIfF_]{0,6}", fullmatch=True)
    | st.from_regex(r"[0-9e]{32}(\.dir)?", fullmatch=True)
    | st.sampled_from(["a " * 50, "x" * 100, "null", "True", "~", "--- a", "...", "a\x85b", "a\u2028b", "名前"])
)
keys = st.sampled_from(["outs", "md5", "a.b", "x@1", "null", "yes", "n/a", "_x", "true"]) | text
scalars = st.none() | st.booleans() | st.integers() | text
values = st.recursive(
    scalars,
    lambda inner: st.dictionaries(keys, inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=8,
)
oids = st.text(string.hexdigits.lower()[:16], min_size=32, max_size=32).map(Oid)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/\x85"), min_size=1, max_size=8)
relpaths = (
    st.lists(names.filter(lambda name: name not in (".", "..")), min_size=1, max_size=4)
    .map("/".join)
    .map(parse_relpath)
)


@few
@given(st.dictionaries(keys, values, min_size=1, max_size=4))
def test_the_fast_yaml_writer_agrees_with_ruamel(document: dict[str, object]) -> None:
    fast = yamltext._dump_simple(document)
    if fast is not None:
        assert fast == yamltext._dump_with_ruamel(document)


yaml_lines = st.lists(
    st.tuples(
        st.sampled_from(["", "  ", "- ", "    ", "  - "]),
        keys,
        st.sampled_from([":", ": ", ":  ", "", " #"]),
        text,
    ).map("".join),
    max_size=6,
).map("\n".join)


@few
@given(yaml_lines | text.map("a: {}\n".format) | text.map("a:\n- {}\n".format))
def test_the_fast_yaml_reader_agrees_with_ruamel(document: str) -> None:
    fast = yamltext.load_simple(document)
    if fast is not None:
        slow = YAML(typ="safe", pure=True).load(document) or {}
        assert repr(fast) == repr(slow)


# a line separator of old that no version of dvc reads back as it wrote it
words = text.filter(lambda value: value and "\x85" not in value)
metas = st.none() | st.dictionaries(words, words | st.integers() | st.booleans(), min_size=1, max_size=2)
outputs = st.builds(
    Output,
    path=relpaths,
    oid=st.none() | oids | oids.map(lambda oid: Oid(oid + ".dir")),
    hash_name=st.sampled_from(HashName),
    size=st.none() | st.integers(0, 2**60),
    nfiles=st.none() | st.integers(0, 10**9),
    is_executable=st.booleans(),
    is_cached=st.booleans(),
    is_pushed=st.booleans(),
    is_persistent=st.booleans(),
    remote=st.none() | names,
    desc=st.none() | words,
    labels=st.none() | st.lists(words, min_size=1, max_size=2).map(tuple),
    type=st.none() | words,
    meta=metas,
    is_cloud_versioned=st.just(False),
)
dvcfiles = st.builds(
    DvcFile,
    outs=st.lists(outputs, max_size=2, unique_by=lambda out: out.path).map(tuple),
    wdir=st.sampled_from([".", "..", "a/b"]),
    deps=st.just(()),
    md5=st.none() | oids,
    cmd=st.none(),
    is_frozen=st.booleans(),
    is_always_changed=st.booleans(),
    desc=st.none() | words,
    meta=metas,
)


@few
@given(dvcfiles, dvcfiles)
def test_dvc_files_come_back(old: DvcFile, new: DvcFile) -> None:
    written = render_dvcfile(new)
    assert parse_dvcfile(written, name="x.dvc") == new
    over = render_dvcfile(new, previous=render_dvcfile(old))
    assert parse_dvcfile(over, name="x.dvc") == new
    assert render_dvcfile(new, previous=written) == written


@few
@given(st.text(max_size=60) | yaml_lines)
def test_any_text_is_a_dvc_file_or_a_clean_refusal(document: str) -> None:
    try:
        parse_dvcfile(document, name="x.dvc")
    except InvalidInput as error:
        assert error.code == "bad-dvc-file"


def is_tree(paths: set[RelPath]) -> bool:
    return not any(other.startswith(path + "/") for path in paths for other in paths)


@few
@given(st.dictionaries(relpaths, oids, max_size=8).filter(lambda files: is_tree(set(files))))
def test_tree_objects_come_back(files: dict[RelPath, Oid]) -> None:
    entries = [Entry(path, oid) for path, oid in files.items()]
    data = render_tree(entries)
    listed = sorted(({"md5": e.oid, "relpath": e.path} for e in entries), key=lambda row: row["relpath"])
    assert data == json.dumps(listed, sort_keys=True).encode()
    assert parse_tree(data, oid=tree_oid(data)).entries == tuple(sorted(entries))


@few
@given(st.lists(st.sampled_from(["a", "b", ".", "..", "", "\0", "/", "a.", "..b"]), max_size=5).map("/".join))
def test_a_tree_refuses_just_what_a_path_refuses(path: str) -> None:
    data = json.dumps([{"md5": "0" * 32, "relpath": path}]).encode()
    try:
        parse_relpath(path)
    except InvalidInput:
        is_safe = False
    else:
        is_safe = True
    try:
        parse_tree(data, oid=tree_oid(data))
    except InvalidInput:
        assert not is_safe
    else:
        assert is_safe


config_names = st.text(string.ascii_lowercase + string.digits + "_-", min_size=1, max_size=6)
config_values = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="%"), max_size=10)
config_sections = config_names.filter(lambda name: name not in ("remote", "db", "machine"))


@few
@given(
    st.dictionaries(
        config_sections | config_names.map("remote.{}".format),
        st.dictionaries(
            config_names,
            config_values | st.lists(config_values, max_size=3).map(tuple),
            min_size=1,
            max_size=3,
        ),
        max_size=3,
    )
)
def test_configurations_come_back(sections: dict[str, dict[str, str | tuple[str, ...]]]) -> None:
    try:
        written = render_config(ConfigLevel(sections))
    except InvalidInput:
        return  # both kinds of quotes in one item of a list
    assert parse_config(written, name="c").sections == sections


@few
@given(st.lists(names, max_size=4, unique=True), names)
def test_ignore_lines_come_and_go(others: list[str], name: str) -> None:
    before = ""
    for other in others:
        before = add_ignore_line(before, other)
    after = add_ignore_line(before, name)
    assert after == add_ignore_line(after, name)
    if name not in others and after != before:
        assert remove_ignore_line(after, name) == before


@few
@given(st.lists(st.sampled_from(["a", ".git", ".hg", ".dvc", "b.dvc"]), min_size=1, max_size=4), st.booleans())
def test_built_in_rules_need_no_patterns(parts: list[str], is_dir: bool) -> None:
    path = "/".join(parts)
    assert IgnoreRules().match(path, is_dir) == IgnoreRules([("", "zzz")]).match(path, is_dir)
