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


def test_the_size_of_the_cache(git_repo, monkeypatch):
    """All objects are counted; beyond a sample their bytes are estimated."""
    init(str(git_repo))
    for number in range(40):
        path = git_repo / f".dvc/cache/files/md5/{number:02x}/{'0' * 30}"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"12345")
    facts = describe(Project.find(str(git_repo))).project
    assert facts is not None
    assert (facts.cache_objects, facts.cache_bytes, facts.is_estimated) == (40, 200, False)
    monkeypatch.setattr("labops.verbs.version._SAMPLE", 10)
    facts = describe(Project.find(str(git_repo))).project
    assert facts is not None
    assert (facts.cache_objects, facts.cache_bytes, facts.is_estimated) == (40, 200, True)


def test_a_password_is_not_shown():
    assert _public("https://u:p@h/x@y") == "https://u@h/x@y"
    assert _public("s3://b/k") == "s3://b/k"
    assert _public("/data/a:b@c") == "/data/a:b@c"
