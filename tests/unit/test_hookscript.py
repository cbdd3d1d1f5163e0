"""The shell text of hooks and of the merge driver: quoted right on every system, and known again."""

from __future__ import annotations

import shlex

import pytest

from labops.formats.hookscript import HOOKS, driver_command, is_our_hook, pre_commit_entry, quote, render_hook

PATHS = [
    ("/home/ann/venv/bin/python", "/home/ann/venv/bin/python"),
    ("/home/Ann Lee/it's/python", "/home/Ann Lee/it's/python"),
    (r"C:\Users\Ann Lee\AppData\python.exe", "C:/Users/Ann Lee/AppData/python.exe"),
    (r"\\server\share\python.exe", "//server/share/python.exe"),
    ("/opt/back\\slash/$HOME/`x`", "/opt/back\\slash/$HOME/`x`"),
]


@pytest.mark.parametrize(("path", "seen"), PATHS)
def test_a_shell_sees_the_path(path, seen):
    """A backslash is a part of a name on Linux, and a slash on Windows."""
    assert shlex.split(quote(path)) == [seen]


@pytest.mark.parametrize(("path", "seen"), PATHS)
def test_driver(path, seen):
    words = shlex.split(driver_command(path).replace("%%", "%"))
    assert words[:3] == ["if", "test", "-x"]
    assert words[3].rstrip(";") == seen
    assert [word.rstrip(";") for word in words if word.startswith("%")] == ["%O", "%A", "%B", "%P"] * 2


def test_a_percent_sign_is_not_git_s():
    assert "/a%%Ob/python" in driver_command("/a%Ob/python")


@pytest.mark.parametrize("name", HOOKS)
def test_hooks(name):
    script = render_hook(name, "/x/python")
    assert script.startswith("#!/bin/sh\n")
    assert is_our_hook(script)
    assert f'git-hook {name} "$@"' in script
    assert "-P -m labops" in script, "no module of the repository may take our place"


def test_what_is_not_ours():
    assert not is_our_hook("#!/bin/sh\nexec dvc git-hook pre-push $@\n")
    assert not is_our_hook("")


def test_the_entry_for_the_pre_commit_tool():
    hooks = pre_commit_entry()["hooks"]
    assert isinstance(hooks, list)
    assert [hook["entry"] for hook in hooks] == [f"lab git-hook {name}" for name in HOOKS]
