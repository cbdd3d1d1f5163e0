"""Pipelines: what dvc 3.67.1 says of the same `dvc.yaml`, and what it writes into `dvc.lock`."""

from __future__ import annotations

import pytest

from labops.errors import InvalidInput, NotFound
from labops.formats.dvclock import StageOutputs, parse_dvclock, render_dvclock_update, vars_files
from labops.model import HashName, Oid, Output

ONE = Oid("b026324c6904b2a9cb4b88d6d61c81d1")
TWO = Oid("26ab0db90d72e28ad0ba1e22ee510510")
FOLDER = Oid("2f83d11e62144c050f1158231deb8507.dir")

LOCK = f"""\
schema: '2.0'
stages:
  each@aa:  # a comment
    cmd: echo aa > aa.txt
    deps:
    - path: out.txt
      hash: md5
      md5: {TWO}
      size: 2
    outs:
    - path: aa.txt
      hash: md5
      md5: {ONE}
      size: 2
  # of old
  gone:
    cmd: >-
      echo
    outs:
    - path: gone.txt
      md5: {ONE}
      size: 2
  plain:
    cmd: make it
    outs:
    - path: d
      hash: md5
      md5: {FOLDER}
      size: 4
      nfiles: 2
    - path: m.json
      hash: md5
      md5: {ONE}
      size: 2
"""

YAML = """\
vars:
- extra.yaml:k1
- here: {a: [p, q]}
stages:
  plain:
    cmd: make it ${k1}
    desc: hello
    frozen: true
    outs:
    - d:
        desc: a dir
        persist: true
        labels: [l1]
        type: data
        meta: {z: 1}
    - nc.txt: {cache: false}
    metrics:
    - m.json: {cache: false}
    plots:
    - p.csv: {x: a, push: false, remote: r1}
  each:
    foreach: ${names}
    do:
      cmd: echo ${item} > ${item}.txt
      deps: [out.txt]
      outs: ["${item}.txt"]
  eachmap:
    foreach: ${sets}
    do:
      cmd: x
      outs:
      - ${item.f}.${key}:
          push: false
  eachobj:
    foreach: [{n: o1}, {n: o2}]
    do:
      cmd: x
      outs: ["${item.n}.${here.a[1]}.${k1}"]
  mat:
    matrix:
      os: [1, u]
      b: [true, {q: 1}]
    cmd: x
    outs: ["mat-${key}-${item.os}"]
  w:
    cmd: x
    wdir: ./sub
    vars: [p2.yaml]
    outs: ["${loc}-\\\\${loc}.txt"]
"""

PARAMS = {
    "params.yaml": {"names": ["aa", "bb"], "sets": {"x": {"f": "fx"}, "y": {"f": "fy"}}},
    "extra.yaml": {"k1": "v1", "k2": "v2"},
    "sub/p2.yaml": {"loc": "local"},
}


def test_the_files_that_hold_values() -> None:
    assert vars_files(YAML, name="dvc.yaml") == ("params.yaml", "extra.yaml", "sub/p2.yaml")
    assert vars_files("stages: {}\n", name="dvc.yaml") == ()


def test_stages_expand_and_meet_their_lock() -> None:
    stages = parse_dvclock(LOCK, YAML, name="dvc.yaml", params=PARAMS)
    assert [stage.stage for stage in stages] == [
        *("plain", "each@aa", "each@bb", "eachmap@x", "eachmap@y", "eachobj@0", "eachobj@1"),
        *("mat@1-true", "mat@1-b1", "mat@u-true", "mat@u-b1", "w", "gone"),
    ]
    by_name = {stage.stage: stage for stage in stages}
    assert by_name["plain"] == StageOutputs(
        "plain",
        desc="hello",
        is_command_changed=True,
        is_frozen=True,
        outs=(
            Output(
                "d",
                FOLDER,
                size=4,
                nfiles=2,
                is_persistent=True,
                desc="a dir",
                type="data",
                labels=("l1",),
                meta={"z": 1},
            ),
            Output("nc.txt", is_cached=False),
            Output("m.json", ONE, size=2, is_cached=False),
            Output("p.csv", is_pushed=False, remote="r1"),
        ),
    )
    assert by_name["each@aa"].outs == (Output("aa.txt", ONE, size=2),)
    assert by_name["each@aa"].deps == ("out.txt",)
    assert by_name["each@bb"].outs == (Output("bb.txt"),)
    assert by_name["eachmap@y"].outs == (Output("fy.y", is_pushed=False),)
    assert by_name["eachobj@1"].outs == (Output("o2.q.v1"),)
    assert by_name["mat@u-b1"].outs == (Output("mat-u-b1-u"),)
    assert by_name["w"] == StageOutputs("w", wdir="sub", outs=(Output("local-${loc}.txt"),))
    assert by_name["gone"] == StageOutputs(
        "gone",
        outs=(Output("gone.txt", ONE, HashName.MD5_DOS2UNIX, size=2),),
        is_defined=False,
    )


def test_either_file_may_be_missing() -> None:
    assert parse_dvclock(None, None, name="dvc.yaml") == ()
    (stage,) = parse_dvclock(None, "stages:\n  s:\n    cmd: x\n    outs: [a]\n", name="dvc.yaml")
    assert stage == StageOutputs("s", outs=(Output("a"),))
    assert {stage.is_defined for stage in parse_dvclock(LOCK, None, name="dvc.yaml")} == {False}


def test_the_first_lock_schema() -> None:
    text = f"s:\n  cmd: x\n  outs:\n  - path: a\n    md5: {ONE}\n"
    (stage,) = parse_dvclock(text, "stages: {s: {cmd: x, outs: [./a]}}\n", name="dvc.yaml")
    assert stage.outs == (Output("./a", ONE, HashName.MD5_DOS2UNIX),)


@pytest.mark.parametrize(
    ("lock", "yaml", "code", "message"),
    [
        ("schema: '3.0'\n", None, "bad-dvc-lock", "schema '3.0' is not known"),
        ("schema: '2.0'\nstages:\n  s: {outs: []}\n", None, "bad-dvc-lock", "'cmd' is missing"),
        ("s:\n  cmd: x\n  outs: [{path: a, md5: 12}]\n", None, "bad-dvc-lock", "line 3"),
        (None, "stages:\n  s: [1]\n", "bad-dvc-yaml", "must be a mapping"),
        (
            None,
            "stages:\n  s: {cmd: x, outs: ['${no.such}']}\n",
            "bad-dvc-yaml",
            "'${no.such}' names nothing",
        ),
        (
            None,
            "vars: [{a: [1]}]\nstages:\n  s: {cmd: x, outs: ['${a}']}\n",
            "bad-dvc-yaml",
            "no single value",
        ),
        (None, "stages:\n  s: {foreach: 3, do: {cmd: x}}\n", "bad-dvc-yaml", "needs a list"),
        (
            None,
            "stages:\n  s:\n    cmd: x\n    matrix: {"
            + ", ".join(f"{axis}: [1,2,3,4,5,6,7,8,9]" for axis in "abcdefgh")
            + "}\n",
            "bad-dvc-yaml",
            "too many stages",
        ),
    ],
)
def test_refusals(lock: str | None, yaml: str | None, code: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_dvclock(lock, yaml, name="p/dvc.yaml")
    assert caught.value.code == code
    assert message in caught.value.message
    assert "'p/dvc." in caught.value.message


def test_an_update_rewrites_one_stage_only() -> None:
    outs = (Output("m.json", TWO, size=2, is_executable=True), Output("d", FOLDER, nfiles=3))
    updated = render_dvclock_update(LOCK, "plain", outs)
    before, _, _ = LOCK.partition("    outs:\n    - path: d\n")
    assert updated == (
        before + "    outs:\n    - path: d\n      hash: md5\n"
        f"      md5: {FOLDER}\n      nfiles: 3\n"
        "    - path: m.json\n      hash: md5\n"
        f"      md5: {TWO}\n      size: 2\n      isexec: true\n"
    )
    with pytest.raises(NotFound, match="nosuch"):
        render_dvclock_update(LOCK, "nosuch", ())
