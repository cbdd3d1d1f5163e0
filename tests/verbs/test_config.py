"""`config` and `remote`: the right file, dvc's own bytes, and never a configuration that dvc refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labops import settings
from labops.errors import Conflict, InvalidInput, NotFound
from labops.verbs import config, remotes
from labops.verbs.init import init


@pytest.fixture
def project(git_repo, monkeypatch) -> str:
    init(str(git_repo))
    monkeypatch.chdir(git_repo)
    return str(git_repo)


def text(root: str, name: str = "config") -> str:
    return (Path(root) / ".dvc" / name).read_text()


def test_where_the_levels_lie(monkeypatch, tmp_path):
    assert settings.level_path("repo", "/r") == "/r/.dvc/config"
    assert settings.level_path("local", "/r") == "/r/.dvc/config.local"
    assert settings.level_path("global", None) == os.environ["DVC_GLOBAL_CONFIG_DIR"] + "/config"
    for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.delenv(name)
    monkeypatch.setattr("sys.platform", "linux")
    assert settings.level_path("global", None) == os.path.expanduser("~/.config/dvc/config")
    assert settings.level_path("system", None) == "/etc/xdg/dvc/config"
    monkeypatch.setenv("XDG_CONFIG_HOME", "/x")
    monkeypatch.setenv("XDG_CONFIG_DIRS", "/y:/z")
    assert settings.level_path("global", None) == "/x/dvc/config"
    assert settings.level_path("system", None) == "/y/dvc/config"
    with pytest.raises(NotFound) as caught:
        settings.level_path("repo", None)
    assert caught.value.code == "not-in-a-project"


def test_find_root(project, tmp_path_factory):
    deep = Path(project) / "a" / "b"
    deep.mkdir(parents=True)
    assert settings.find_root(str(deep)) == project
    assert settings.find_root(str(tmp_path_factory.mktemp("none"))) is None


def test_levels_override_each_other(project):
    for number, level in enumerate(settings.LEVELS):
        config.set_option(project, "core.checksum_jobs", str(number + 1), level)
        assert settings.load_settings(project).checksum_jobs == number + 1
    row = config.get_option(project, "core.checksum_jobs")
    assert row == ("local", ".dvc/config.local", "core.checksum_jobs", "4")
    assert [row.value for row in config.list_options(project)] == ["1", "2", "3", "4"]
    config.unset_option(project, "core.checksum_jobs", "local")
    assert settings.load_settings(project).checksum_jobs == 3
    assert settings.load_settings(None).checksum_jobs == 2
    assert config.get_option(None, "core.checksum_jobs").level == "global"


def test_unset_options(project):
    assert config.get_option(project, "core.remote") is None
    with pytest.raises(NotFound):
        config.get_option(project, "core.remote", "local")
    with pytest.raises(NotFound):
        config.unset_option(project, "core.remote")
    with pytest.raises(InvalidInput):
        config.get_option(project, "noname")


def test_bad_values_are_refused_before_writing(project):
    for name, value in [("core.nope", "x"), ("nope.x", "y"), ("core.autostage", "maybe"), ("remote.r.jobs", "2")]:
        with pytest.raises(InvalidInput):
            config.set_option(project, name, value)
    assert text(project) == ""


def test_a_broken_configuration_can_be_mended(project):
    (Path(project) / ".dvc" / "config").write_text("[core]\n    nope = 1\n    neither = 2\n")
    with pytest.raises(InvalidInput):
        settings.load_settings(project)
    assert [row.name for row in config.list_options(project)] == ["core.nope", "core.neither"]
    config.unset_option(project, "core.nope")
    config.unset_option(project, "core.neither")
    settings.load_settings(project)
    (Path(project) / ".dvc" / "config").write_text("not a config\n")
    with pytest.raises(InvalidInput):
        config.set_option(project, "core.autostage", "true")
    assert text(project) == "not a config\n"


def test_the_file_at_fault_is_named(project):
    """Four files make up the configuration; a hand-made mistake in one must be found in it."""
    path = settings.level_path("local", project)
    Path(path).write_text("[croe]\nremote = x\n")

    with pytest.raises(InvalidInput, match="croe") as failure:
        settings.load_settings(project)

    assert failure.value.fields["path"] == path


def test_secrets_are_private(project):
    remotes.add(project, "r", "s3://b/p")
    assert remotes.modify(project, "r", "secret_access_key", "hush", "local") == ()
    path = Path(project) / ".dvc" / "config.local"
    assert path.stat().st_mode & 0o777 == 0o600
    (warning,) = remotes.modify(project, "r", "secret_access_key", "hush")
    assert "--local" in warning


def test_git_never_takes_what_is_private(project, tmp_path_factory):
    path = Path(project) / ".dvc" / ".gitignore"
    path.write_text("/tmp")
    remotes.add(project, "r", "s3://b/p", "local")
    assert path.read_text() == "/tmp\n/config.local\n/cache\n"
    path.unlink()
    assert settings.ignore_private_files(project)
    assert path.read_text() == "/config.local\n/tmp\n/cache\n"
    assert not settings.ignore_private_files(project)
    bare = str(tmp_path_factory.mktemp("bare"))
    init(bare, no_scm=True)
    assert not settings.ignore_private_files(bare)


def test_the_mode_of_a_file_is_kept(project):
    path = Path(project) / ".dvc" / "config"
    path.chmod(0o664)
    config.set_option(project, "core.autostage", "true")
    assert path.stat().st_mode & 0o777 == 0o664


def test_paths_count_from_the_file(project, monkeypatch):
    remotes.add(project, "rel", "../store")
    sub = Path(project) / "sd"
    sub.mkdir()
    monkeypatch.chdir(sub)
    remotes.add(project, "r2", "./in")
    remotes.add(project, "home", "~/data")
    config.set_option(project, "cache.dir", "../../cc")
    assert text(project) == (
        "[cache]\n    dir = ../../cc\n['remote \"rel\"']\n    url = ../../store\n"
        "['remote \"r2\"']\n    url = ../sd/in\n"
        "['remote \"home\"']\n    url = ~/data\n"
    )
    parent = os.path.dirname(project)
    urls = [row.url for row in remotes.list_remotes(project)]
    assert urls == [f"{parent}/store", f"{project}/sd/in", os.path.expanduser("~/data")]
    assert config.cache_dir(project) == f"{parent}/cc"
    config.unset_option(project, "cache.dir")
    assert config.cache_dir(project) == f"{project}/.dvc/cache"


def test_add_and_default(project):
    remotes.add(project, "St", "s3://b/p", is_default=True)
    assert text(project) == "[core]\n    remote = st\n['remote \"st\"']\n    url = s3://b/p\n"
    with pytest.raises(Conflict):
        remotes.add(project, "sT", "s3://c")
    remotes.modify(project, "st", "endpointurl", "http://x")
    remotes.add(project, "st", "s3://c", force=True)
    assert "endpointurl" not in text(project)
    with pytest.raises(InvalidInput):
        remotes.add(project, "ftp", "ftp://host/x")
    with pytest.raises(InvalidInput):
        remotes.add(project, 'q"', "s3://b")
    with pytest.raises(NotFound):
        remotes.set_default(project, "nope")
    remotes.unset_default(project)
    remotes.unset_default(project)
    assert settings.load_settings(project).core_remote is None
    remotes.set_default(project, "ST", "local")
    assert [row.is_default for row in remotes.list_remotes(project)] == [True]


def test_modify_overlays(project):
    remotes.add(project, "r", "s3://b/p")
    remotes.modify(project, "r", "access_key_id", "K", "local")
    assert text(project, "config.local") == "['remote \"r\"']\n    access_key_id = K\n"
    with pytest.raises(NotFound):
        remotes.modify(project, "r", "jobs", "3", "global")  # would break every other project
    with pytest.raises(InvalidInput):
        remotes.modify(project, "r", "nope", "3")
    remotes.modify(project, "r", "access_key_id", None, "local")
    assert text(project, "config.local") == "\n"
    remotes.modify(project, "r", "never_set", None)
    settings.load_settings(project)


def test_remove_leaves_nothing_broken(project, dvc):
    remotes.add(project, "r", "s3://b/p", is_default=True)
    remotes.modify(project, "r", "access_key_id", "K", "local")
    remotes.set_default(project, "r", "local")
    (told,) = remotes.remove(project, "R")
    assert ".dvc/config.local" in told
    assert settings.load_settings(project).remotes == {}
    assert settings.load_settings(project).core_remote is None
    assert dvc("status", "--json", cwd=Path(project)) == "{}\n"
    with pytest.raises(NotFound):
        remotes.remove(project, "r")


def test_remove_one_of_two_levels(project):
    remotes.add(project, "r", "s3://b/p", is_default=True)
    remotes.add(project, "r", "s3://mine", "local")
    assert remotes.remove(project, "r", "local") == ()
    assert settings.load_settings(project).remotes["r"].url == "s3://b/p"
    assert settings.load_settings(project).core_remote == "r"


def test_rename_takes_credentials_along(project):
    remotes.add(project, "r", "s3://b/p", is_default=True)
    remotes.modify(project, "r", "access_key_id", "K", "local")
    remotes.rename(project, "R", "New")
    merged = settings.load_settings(project)
    assert merged.core_remote == "new"
    assert merged.remotes["new"].options == {"access_key_id": "K"}
    remotes.add(project, "other", "s3://b")
    with pytest.raises(Conflict):
        remotes.rename(project, "new", "other")
    with pytest.raises(NotFound):
        remotes.rename(project, "nope", "x")


def test_dvc_writes_the_same_bytes(project, git_repo, dvc, tmp_path_factory, run_git):
    twin = tmp_path_factory.mktemp("twin")
    run_git("init", "-q", cwd=twin)
    dvc("init", "-q", cwd=twin)
    for words in (
        ["remote", "add", "-d", "St", "s3://b/p"],
        ["remote", "modify", "st", "endpointurl", "http://x"],
        ["remote", "add", "other", "/data, odd"],
        ["config", "cache.type", "hardlink,symlink"],
        ["config", "core.autostage", "true"],
        ["remote", "rename", "st", "new"],
        ["remote", "remove", "other"],
        ["config", "-u", "core.autostage"],
    ):
        from labops.cli import main

        assert main(words) == 0
        dvc(*words, cwd=twin)
        assert text(project) == text(str(twin)), words
