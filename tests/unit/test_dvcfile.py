"""`.dvc` files: what is read, what is refused, what is written from scratch. Texts are dvc 3.67.1's own."""

from __future__ import annotations

import pytest

from labops.errors import InvalidInput
from labops.formats.dvcfile import import_md5, parse_dvcfile, render_dvcfile
from labops.model import DvcFile, HashName, Oid, Output

ONE = Oid("b026324c6904b2a9cb4b88d6d61c81d1")
FOLDER = Oid("2f83d11e62144c050f1158231deb8507.dir")

FILE_TEXT = """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
  hash: md5
  path: a.txt
"""
FOLDER_TEXT = """\
outs:
- md5: 2f83d11e62144c050f1158231deb8507.dir
  size: 4
  nfiles: 2
  hash: md5
  path: d
"""
EVERYTHING_TEXT = """\
desc: top
md5: dcc1fd67151b3798a7356531fe30a7aa
wdir: ..
frozen: true
deps:
- path: d
  repo:
    url: https://example.org/r
    rev: v1
    rev_lock: b4669538151279ffd541fc3209b6c0dcf9834af4
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
  isexec: true
  hash: md5
  path: a.txt
  desc: one
  type: model
  labels:
  - x
  - y
  meta:
    k:
    - 1
    - 2
  cache: false
  persist: true
  remote: st
  push: false
always_changed: true
meta:
  deep:
    on: true
"""
EVERYTHING = DvcFile(
    desc="top",
    md5="dcc1fd67151b3798a7356531fe30a7aa",
    wdir="..",
    is_frozen=True,
    deps=(
        {
            "path": "d",
            "repo": {
                "url": "https://example.org/r",
                "rev": "v1",
                "rev_lock": "b4669538151279ffd541fc3209b6c0dcf9834af4",
            },
        },
    ),
    outs=(
        Output(
            "a.txt",
            ONE,
            size=2,
            is_executable=True,
            is_cached=False,
            is_pushed=False,
            is_persistent=True,
            remote="st",
            desc="one",
            type="model",
            labels=("x", "y"),
            meta={"k": [1, 2]},
        ),
    ),
    is_always_changed=True,
    meta={"deep": {"on": True}},
)

PATHS = {
    "na:me": "  path: na:me\n",
    "yes": "  path: yes\n",
    "12:30": "  path: 12:30\n",
    "x'": "  path: x'\n",
    "#hash": "  path: '#hash'\n",
    "- dash": "  path: '- dash'\n",
    "[x]": "  path: '[x]'\n",
    "=": "  path: '='\n",
    ".5": "  path: '.5'\n",
    "123": "  path: '123'\n",
    "1e3": "  path: '1e3'\n",
    "0x1F": "  path: '0x1F'\n",
    "1_000": "  path: '1_000'\n",
    "null": "  path: 'null'\n",
    "true": "  path: 'true'\n",
    "2020-01-01": "  path: '2020-01-01'\n",
    "back\\slash": "  path: back\\slash\n",
    'a"b': '  path: a"b\n',
    "tr ": "  path: 'tr '\n",
    "a\tb": '  path: "a\\tb"\n',
    "a\nb": '  path: "a\\nb"\n',
    "é名😀": "  path: é名😀\n",
    "a b": "  path: a b\n",
    "a #b": "  path: 'a #b'\n",
    "a: b": "  path: 'a: b'\n",
    "01_data.csv": "  path: 01_data.csv\n",
    "1e5.txt": "  path: 1e5.txt\n",
    "x" * 90: "  path: \n    " + "x" * 90 + "\n",
    "word " * 20 + "end": "  path: " + "word " * 14 + "\n    " + "word " * 6 + "end\n",
}


@pytest.mark.parametrize("path", PATHS, ids=ascii)
def test_paths_are_quoted_as_dvc_quotes_them(path: str) -> None:
    text = render_dvcfile(DvcFile((Output(path, ONE, size=2),)))
    assert text == f"outs:\n- md5: {ONE}\n  size: 2\n  hash: md5\n" + PATHS[path]
    assert parse_dvcfile(text, name="x.dvc").outs[0].path == path


@pytest.mark.parametrize(
    ("oid", "written"),
    [
        ("1" * 32, "'" + "1" * 32 + "'"),
        ("0" * 32, "'" + "0" * 32 + "'"),
        ("1" * 15 + "e" + "1" * 16, "'" + "1" * 15 + "e" + "1" * 16 + "'"),
        ("1" * 14 + "ee" + "1" * 16, "1" * 14 + "ee" + "1" * 16),
        ("1" * 32 + ".dir", "1" * 32 + ".dir"),
    ],
)
def test_a_hash_that_yaml_would_read_as_a_number_is_quoted(oid: str, written: str) -> None:
    text = render_dvcfile(DvcFile((Output("x", Oid(oid)),)))
    assert text == f"outs:\n- md5: {written}\n  hash: md5\n  path: x\n"
    assert parse_dvcfile(text, name="x.dvc").outs[0].oid == oid


@pytest.mark.parametrize(
    ("text", "dvcfile"),
    [
        (FILE_TEXT, DvcFile((Output("a.txt", ONE, size=2),))),
        (FOLDER_TEXT, DvcFile((Output("d", FOLDER, size=4, nfiles=2),))),
        (EVERYTHING_TEXT, EVERYTHING),
    ],
)
def test_reads_and_writes_dvcs_own_text(text: str, dvcfile: DvcFile) -> None:
    assert parse_dvcfile(text, name="x.dvc") == dvcfile
    assert render_dvcfile(dvcfile) == text
    assert render_dvcfile(dvcfile, previous=text) == text


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "outs:\n", "{}\n", "null\n"])
def test_a_file_may_be_empty(text: str) -> None:
    assert parse_dvcfile(text, name="x.dvc") == DvcFile()


def test_an_output_without_hash_kind_is_of_dvc_2() -> None:
    (out,) = parse_dvcfile(f"outs:\n- md5: {ONE}\n  path: a\n", name="x.dvc").outs
    assert out.hash_name is HashName.MD5_DOS2UNIX


@pytest.mark.parametrize("key", ["files: []", "cloud: {r: {etag: xyz}}", "version_id: v"])
def test_cloud_versioned_outputs_are_seen(key: str) -> None:
    (out,) = parse_dvcfile(f"outs:\n- path: a\n  hash: md5\n  {key}\n", name="x.dvc").outs
    assert out.is_cloud_versioned


BILLION_LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
    for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (f"outs:\n- md5: {'1' * 32}\n  path: a\n", "must stand in quotes (at 'outs[0].md5', line 2)", 2),
        ("outs:\n- path: a\n  foo: 1\n", "unknown key 'foo' (at 'outs[0].foo', line 3)", 3),
        ("outs: 3\n", "expected a list, got '3' (at 'outs', line 1)", 1),
        ("outs:\n- hash: md5\n", "'path' is missing (at 'outs[0]', line 2)", 2),
        ("outs:\n- path: a\n- path: a\n  size: x\n", "(at 'outs[1].size', line 4)", 4),
        ("outs:\n- path: a\n  md5: ABCDEF\n", "'ABCDEF' is not an object id (at 'outs[0].md5', line 3)", 3),
        ("outs:\n- path: a\n  hash: sha256\n", "hash 'sha256' is not supported", 3),
        ("outs:\n- path: a\n  cache: yes\n", "expected true or false, got 'yes'", 3),
        ("outs:\n- path: ''\n", "expected a path", 2),
        ("deps:\n- path: a\n  repo: {rev: x}\n", "'url' is missing", 3),
        ("cmd: ls\n", "unknown key 'cmd'", 1),
        ("desc: a\ndesc: b\n", 'found duplicate key "desc"', 2),
        ("outs:\n- path: [\n", "not valid YAML", 3),
        ("a: b: c\n", "not valid YAML", 1),
        ("x: !!python/object/apply:os.system [ls]\n", "could not determine a constructor", 1),
        ("meta: 2020-13-45\n", "a value that YAML cannot read", None),
        ("- a\n", "does not hold a mapping", None),
        ("meta: &a [*a]\n", "expands to too many values", None),
        ("meta:\n  " + BILLION_LAUGHS.replace("\n", "\n  "), "expands to too many values", None),
        ("meta: " + "[" * 1_000 + "\n", "nested too deeply", None),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_refuses_and_names_the_place(text: str, message: str, line: int | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_dvcfile(text, name="data/x.dvc")
    assert caught.value.code == "bad-dvc-file"
    assert "'data/x.dvc'" in caught.value.message
    assert message in caught.value.message
    assert caught.value.fields.get("line") == line


def test_conflict_marks_get_their_own_hint() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_dvcfile("<<<<<<< HEAD\nouts:\n=======\n>>>>>>> theirs\n", name="x.dvc")
    assert "conflict marks" in caught.value.hint


IMPORTS = [
    # the example of the documentation: a url, without the keys that do not count
    """\
md5: 454c271523ddc8e1cdfccc377224658b
frozen: true
deps:
- etag: 5d41402abc4b2a76b9719d911017c592
  size: 5
  hash: md5
  path: s3://plain/src/f1
outs:
- md5: 5d41402abc4b2a76b9719d911017c592
  size: 5
  hash: md5
  path: f1
""",
    # dvc import --rev v1 --no-download
    """\
md5: 9c27f53e079b6a09ad703447e4fc965b
frozen: true
deps:
- path: d
  repo:
    url: src
    rev: v1
    rev_lock: 9301faa6672b748ce6db240fdcfa6a7819e2838f
outs:
- hash: md5
  path: impd
""",
]


@pytest.mark.parametrize("text", IMPORTS, ids=["url", "repository"])
def test_import_md5_is_dvcs(text: str) -> None:
    dvcfile = parse_dvcfile(text, name="x.dvc")
    assert import_md5(dvcfile) == dvcfile.md5
    assert dvcfile.is_import
    assert dvcfile.is_repo_import == ("repo:" in text)
    assert render_dvcfile(dvcfile) == text


def test_a_name_that_would_come_back_as_another_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        render_dvcfile(DvcFile((Output("a\x85b", ONE),)))
    assert caught.value.code == "unsafe-path"
