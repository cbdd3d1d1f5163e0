"""`version`: probes, and leaves no trace."""

from __future__ import annotations

import os

from labops.project import Project
from labops.verbs import remotes
from labops.verbs.init import init
from labops.verbs.version import _public, describe


def test_describe(git_repo):
    init(str(git_repo))
    remotes.add(str(git_repo), "st", "ssh://ana:hush@host/data")
    before = sorted(os.listdir(git_repo / ".dvc"))
    facts = describe(Project.find(str(git_repo))).project
    assert facts is not None
    assert facts.kind == "dvc, git"
    assert {"hardlink", "symlink"} <= set(facts.cache_link_types)
    assert facts.link_type in ("reflink", "copy")
    assert facts.free_bytes > 0
    assert not facts.has_cache
    assert facts.remotes == (("st", "ssh://ana@host/data"),)
    assert sorted(os.listdir(git_repo / ".dvc")) == before
    assert describe(None).project is None


def test_a_password_is_not_shown():
    assert _public("https://u:p@h/x@y") == "https://u@h/x@y"
    assert _public("s3://b/k") == "s3://b/k"
    assert _public("/data/a:b@c") == "/data/a:b@c"
