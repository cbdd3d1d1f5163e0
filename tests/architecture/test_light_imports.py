"""The common path must not pay for libraries it does not need: `lab status` starts in a blink."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("ruamel", "pathspec", "msgspec", "json", "hashlib", "configobj")

PROGRAM = """
import sys
from labops.formats import dirfile, dos2unix, dvcconfig, dvcfile, dvclock, ignore
text = "outs:\\n- md5: b026324c6904b2a9cb4b88d6d61c81d1\\n  size: 2\\n  hash: md5\\n  path: a.txt\\n"
assert dvcfile.render_dvcfile(dvcfile.parse_dvcfile(text, name="x"), previous=text) == text
dvcconfig.merge_config([(dvcconfig.parse_config("[core]\\n    remote = a\\n", name="c"), "/r")], home="/h")
ignore.IgnoreRules([("", "# only a comment\\n")]).match("a/b", is_dir=False)
print(*sorted(name for name in sys.modules if "." not in name))
"""


def test_reading_a_plain_project_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(done.stdout.split())
