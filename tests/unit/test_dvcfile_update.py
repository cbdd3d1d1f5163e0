"""What dvc 3.67.1 made of existing `.dvc` files: the texts before and after are its own, byte for byte."""

from __future__ import annotations

import pytest

from labops.formats.dvcfile import parse_dvcfile, render_dvcfile
from labops.model import HashName, Oid, Output

ONE = Oid("b026324c6904b2a9cb4b88d6d61c81d1")
TWO = Oid("26ab0db90d72e28ad0ba1e22ee510510")
FOLDED = "word " * 14 + "\n    " + "word " * 15 + "\n    word end"

CASES = [
    (
        "plain",
        "add",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  size: 2
  hash: md5
  path: x
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
  hash: md5
  path: x
""",
    ),
    (
        "plain",
        "freeze",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  size: 2
  hash: md5
  path: x
""",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  size: 2
  hash: md5
  path: x
frozen: true
""",
    ),
    (
        "same",
        "add",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
  hash: md5
  path: x
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
  hash: md5
  path: x
""",
    ),
    (
        "legacy_same",
        "add",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
  path: x
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
  path: x
""",
    ),
    (
        "legacy_diff",
        "add",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  size: 2
  path: x
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
  path: x
  hash: md5
""",
    ),
    (
        "comments",
        "add",
        """\
# top
outs:
# before
- md5: 26ab0db90d72e28ad0ba1e22ee510510  # hash
  path: x   # path c
  desc: "hello: world"
  labels: [a, b]
  cache: true

# end
""",
        """\
# top
outs:
# before
- md5: b026324c6904b2a9cb4b88d6d61c81d1  # hash
  path: x   # path c
  desc: 'hello: world'
  labels: [a, b]
  size: 2
  hash: md5
""",
    ),
    (
        "comments",
        "freeze",
        """\
# top
outs:
# before
- md5: 26ab0db90d72e28ad0ba1e22ee510510  # hash
  path: x   # path c
  desc: "hello: world"
  labels: [a, b]
  cache: true

# end
""",
        """\
# top
outs:
# before
- md5: 26ab0db90d72e28ad0ba1e22ee510510  # hash
  path: x   # path c
  desc: 'hello: world'
  labels: [a, b]
frozen: true
""",
    ),
    (
        "annot",
        "add",
        """\
desc: top desc
frozen: false
outs:
- path: x
  desc: hi
  type: model
  labels:
    - one
    - two
  meta: {k: [1, 2], z: 1.50}
  remote: st
  push: false
  hash: md5
  md5: 26ab0db90d72e28ad0ba1e22ee510510
  size: 2
meta:
    deep:
        x: 0x1F
""",
        """\
desc: top desc
outs:
- path: x
  desc: hi
  type: model
  labels:
  - one
  - two
  meta: {k: [1, 2], z: 1.50}
  remote: st
  push: false
  hash: md5
  md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
meta:
  deep:
    x: 0x1F
""",
    ),
    (
        "annot",
        "freeze",
        """\
desc: top desc
frozen: false
outs:
- path: x
  desc: hi
  type: model
  labels:
    - one
    - two
  meta: {k: [1, 2], z: 1.50}
  remote: st
  push: false
  hash: md5
  md5: 26ab0db90d72e28ad0ba1e22ee510510
  size: 2
meta:
    deep:
        x: 0x1F
""",
        """\
desc: top desc
frozen: true
outs:
- path: x
  desc: hi
  type: model
  labels:
  - one
  - two
  meta: {k: [1, 2], z: 1.50}
  remote: st
  push: false
  hash: md5
  md5: 26ab0db90d72e28ad0ba1e22ee510510
  size: 2
meta:
  deep:
    x: 0x1F
""",
    ),
    (
        "persist",
        "add",
        """\
wdir: .
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: ./x
  persist: true
  hash: md5
always_changed: true
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  path: x
  persist: true
  hash: md5
  size: 2
always_changed: true
""",
    ),
    (
        "quoted",
        "add",
        """\
outs:
- md5: '26ab0db90d72e28ad0ba1e22ee510510'
  size: 2
  hash: "md5"
  path: 'x'
  desc: |
    multi
    line
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
  hash: md5
  path: x
  desc: |
    multi
    line
""",
    ),
    (
        "cloud",
        "add",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  size: 2
  cloud:
    st:
      etag: abc
      version_id: v1
  hash: md5
  path: x
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
  hash: md5
  path: x
""",
    ),
    (
        "cloud",
        "freeze",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  size: 2
  cloud:
    st:
      etag: abc
      version_id: v1
  hash: md5
  path: x
""",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  size: 2
  cloud:
    st:
      etag: abc
      version_id: v1
  hash: md5
  path: x
frozen: true
""",
    ),
    (
        "cloudsame",
        "add",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
  cloud:
    st:
      etag: abc
      version_id: v1
  hash: md5
  path: x
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
  cloud:
    st:
      etag: abc
      version_id: v1
  hash: md5
  path: x
""",
    ),
    (
        "two",
        "add",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: y
  hash: md5
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: x
  hash: md5
""",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: y
  hash: md5
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  path: x
  hash: md5
  size: 2
""",
    ),
    (
        "two",
        "commit",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: y
  hash: md5
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: x
  hash: md5
""",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: y
  hash: md5
  size: 2
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  path: x
  hash: md5
  size: 2
""",
    ),
    (
        "flow",
        "add",
        """\
outs: [{md5: 26ab0db90d72e28ad0ba1e22ee510510, path: x}]
""",
        """\
outs: [{md5: b026324c6904b2a9cb4b88d6d61c81d1, path: x, size: 2, hash: md5}]
""",
    ),
    (
        "indent",
        "add",
        """\
outs:
  - md5: 26ab0db90d72e28ad0ba1e22ee510510
    path: x
    hash: md5
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  path: x
  hash: md5
  size: 2
""",
    ),
    (
        "meta_str",
        "add",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: x
  hash: md5
  meta: hello
meta: 3
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  path: x
  hash: md5
  meta: hello
  size: 2
meta: 3
""",
    ),
    (
        "nohash",
        "add",
        """\
outs:
- path: x
""",
        """\
outs:
- path: x
  md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
  hash: md5
""",
    ),
    (
        "nohash",
        "freeze",
        """\
outs:
- path: x
""",
        """\
outs:
- path: x
  md5:
frozen: true
""",
    ),
    (
        "locked",
        "add",
        """\
locked: true
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: x
  hash: md5
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  path: x
  hash: md5
  size: 2
frozen: true
""",
    ),
    (
        "locked",
        "freeze",
        """\
locked: true
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: x
  hash: md5
""",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: x
  hash: md5
frozen: true
""",
    ),
    (
        "cachefalse",
        "add",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: x
  hash: md5
  cache: false
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  path: x
  hash: md5
  cache: false
  size: 2
""",
    ),
    (
        "anchor",
        "add",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: x
  hash: md5
  desc: &d hey
  type: *d
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  path: x
  hash: md5
  desc: &d hey
  type: *d
  size: 2
""",
    ),
    (
        "docstart",
        "add",
        """\
---
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: x
  hash: md5
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  path: x
  hash: md5
  size: 2
""",
    ),
    (
        "docstart",
        "freeze",
        """\
---
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: x
  hash: md5
""",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  path: x
  hash: md5
frozen: true
""",
    ),
    (
        "longdesc",
        "add",
        f"outs:\n- md5: {TWO}\n  path: x\n  hash: md5\n  desc: {'word ' * 30}end\n",
        f"outs:\n- md5: {ONE}\n  path: x\n  hash: md5\n  desc: {FOLDED}\n  size: 2\n",
    ),
    (
        "isexec",
        "add",
        """\
outs:
- md5: 26ab0db90d72e28ad0ba1e22ee510510
  size: 2
  isexec: true
  hash: md5
  path: x
""",
        """\
outs:
- md5: b026324c6904b2a9cb4b88d6d61c81d1
  size: 2
  hash: md5
  path: x
""",
    ),
]


def updated(output: Output, verb: str) -> Output:
    """`output` after the verb found `1\\n` in the file `x` and `2\\n` in the file `y`."""
    is_x = output.path.removeprefix("./") == "x"
    if verb == "freeze" or (verb == "add" and not is_x):
        return output
    oid = ONE if is_x else TWO
    kind = output.hash_name if oid == output.oid else HashName.MD5
    return output._replace(oid=oid, size=2, is_executable=False, hash_name=kind)


@pytest.mark.parametrize(("name", "verb", "before", "after"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_update_writes_what_dvc_writes(name: str, verb: str, before: str, after: str) -> None:
    dvcfile = parse_dvcfile(before, name="x.dvc")
    changed = dvcfile._replace(
        outs=tuple(updated(out, verb) for out in dvcfile.outs),
        is_frozen=dvcfile.is_frozen or verb == "freeze",
    )
    assert render_dvcfile(changed, previous=before) == after
