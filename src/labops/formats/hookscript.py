"""Git hooks and the merge driver as text for git's own shell, which is a POSIX shell on Windows too."""

from __future__ import annotations

import re
import shlex

HOOKS = ("pre-commit", "pre-push", "post-checkout")
BEFORE = ".before-lab"
"""What the name of a hook that was there before gets at its end."""

_MARK = "# A hook of labops: made by `lab install`, which may replace it."
_DRIVE = re.compile(r"[A-Za-z]:\\|\\\\")
_SCRIPT = """\
#!/bin/sh
{mark}
# What was here before runs first, from '{name}{before}' beside this file.
before="$(dirname "$0")/{name}{before}"
{body}
"""
_PLAIN = """\
if [ -x "$before" ]; then
    "$before" "$@" || exit $?
fi
{run} git-hook {name} "$@"
"""
_WITH_INPUT = """\
refs="$(cat)"
tell() {{ [ -z "$refs" ] || printf '%s\\n' "$refs"; }}
if [ -x "$before" ]; then
    tell | "$before" "$@" || exit $?
fi
tell | {run} git-hook {name} "$@"
"""
_RUN = """\
run_lab() {{
    if [ -x {python} ]; then
        {python} -P -m labops "$@"
    elif command -v lab >/dev/null 2>&1; then
        lab "$@"
    else
        echo "labops is not at "{python}" any more, so this hook checks nothing: run 'lab install' again" >&2
        {otherwise}
    fi
}}
"""
# Without labops a push cannot be checked, and is let through no more; a checkout or a commit must not be held up.
_OTHERWISE = {"pre-push": 'echo "(to push all the same: git push --no-verify)" >&2; return 1'}


def render_hook(name: str, python: str) -> str:
    """The script of one hook. It runs `python`, else the `lab` on the PATH, else says what to do."""
    run = _RUN.format(python=quote(python), otherwise=_OTHERWISE.get(name, "return 0"))
    body = (_WITH_INPUT if name == "pre-push" else _PLAIN).format(run="run_lab", name=name)
    return _SCRIPT.format(mark=_MARK, name=name, before=BEFORE, body=run + body)


def is_our_hook(text: str) -> bool:
    """True for a script that `render_hook` made, whatever its version."""
    return _MARK in text


def driver_command(python: str) -> str:
    """The value of `merge.lab.driver`: git fills in `%O`, `%A`, `%B` and `%P`, and gives it to a shell."""
    words = "merge-driver --ancestor %O --our %A --their %B --path %P"
    quoted = quote(python).replace("%", "%%")
    return f"if test -x {quoted}; then {quoted} -P -m labops {words}; else lab {words}; fi"


def quote(path: str) -> str:
    """A program's path for a POSIX shell; a Windows path with slashes, which that shell understands best."""
    return shlex.quote(path.replace("\\", "/") if _DRIVE.match(path) else path)


# -- the pre-commit tool ------------------------------------------------------------------------------

_STAGES = {"pre-commit": "pre-commit", "pre-push": "pre-push", "post-checkout": "post-checkout"}


def pre_commit_entry() -> dict[str, object]:
    """What `.pre-commit-config.yaml` lists under `repos` for our hooks; they run the `lab` on the PATH."""
    return {
        "repo": "local",
        "hooks": [
            {
                "id": f"lab-{name}",
                "name": f"labops {name}",
                "entry": f"lab git-hook {name}",
                "language": "system",
                "stages": [stage],
                "always_run": True,
                "pass_filenames": False,
            }
            for name, stage in _STAGES.items()
        ],
    }
