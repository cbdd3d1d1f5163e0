"""dvc's configuration. Texts, merged values and refusals are what configobj 5.0.9 and dvc 3.67.1 give."""

from __future__ import annotations

import pytest

from labops.errors import InvalidInput, NotFound
from labops.formats.dvcconfig import (
    ConfigLevel,
    Settings,
    merge_config,
    parse_config,
    remove_section,
    rename_remote,
    render_config,
    set_option,
    split_option_name,
    store_path,
    unset_option,
    validate_option,
)

REPO_TEXT = """\
[core]
    remote = myremote
    autostage = true
[cache]
    type = "hardlink,symlink"
    dir = ../../cch
['remote "myremote"']
    url = s3://bkt/prefix
    endpointurl = http://127.0.0.1:9000
"""


def test_dvcs_own_text_goes_through_unchanged() -> None:
    level = parse_config(REPO_TEXT, name="config")
    assert level.sections == {
        "core": {"remote": "myremote", "autostage": "true"},
        "cache": {"type": "hardlink,symlink", "dir": "../../cch"},
        "remote.myremote": {"url": "s3://bkt/prefix", "endpointurl": "http://127.0.0.1:9000"},
    }
    assert render_config(level) == REPO_TEXT


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("k = v", "v"),
        ("K=v", "v"),
        ("k = a b # comment", "a b"),
        ("k = 'a # b'", "a # b"),
        ("k =", ""),
        ('k = ""', ""),
        ("k = a, b", ("a", "b")),
        ('k = "a,b"', "a,b"),
        ("k = a,", ("a",)),
        ("k = ,", ()),
        ("k = 'a', \"b,c\" # x", ("a", "b,c")),
        ("k = '''a\nb'''  # x", "a\nb"),
        ('k = """a\'b"c""""', 'a\'b"c"'),
        ("k = http://h/?a=1&b=%20", "http://h/?a=1&b=%20"),
        ("'k' = v", "v"),
        ("k = a\"b'c", "a\"b'c"),
    ],
)
def test_values_are_read_as_configobj_reads_them(line: str, value: object) -> None:
    assert parse_config(f"[s]\n{line}\n", name="c").sections == {"s": {"k": value}}


@pytest.mark.parametrize(
    ("header", "section"),
    [
        ("[Core]", "core"),
        ("[ core ]  # x", "core"),
        ("['remote \"Name\"']", "remote.name"),
        ('[remote "a b"]', "remote.a b"),
        ('["core"]', "core"),
    ],
)
def test_headers(header: str, section: str) -> None:
    assert list(parse_config(header + "\n    k = v\n", name="c").sections) == [section]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[core\n", 1),
        ("[core]\nnonsense\n", 2),
        ("[core]\n[core]\n", 2),
        ("[core]\na = 1\na = 2\n", 3),
        ("[core]\n[[deeper]]\n", 2),
        ("a = 1\n", 1),
        ("[core]\na = 'x\n", 2),
        ("[core]\na = '''x\n", 2),
        ("[core]\na = %(b)s\n", 2),
    ],
)
def test_broken_text_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_config(text, name=".dvc/config")
    assert caught.value.code == "bad-config"
    assert caught.value.fields == {"path": ".dvc/config", "line": line}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", '""'),
        ("a b", "a b"),
        (" a", '" a"'),
        ("a,b", '"a,b"'),
        ("a#b", '"a#b"'),
        ('"a', "'\"a'"),
        ("it's", "it's"),
        ("'\"", "''''\"'''"),
        ("a\nb", "'''a\nb'''"),
        (("a", "b"), "a, b"),
        (("a",), "a,"),
        ((), ","),
    ],
)
def test_values_are_written_as_configobj_writes_them(value: str | tuple[str, ...], written: str) -> None:
    text = render_config(ConfigLevel({"core": {"k": value}}))
    assert text == f"[core]\n    k = {written}\n"
    assert parse_config(text, name="c").sections["core"]["k"] == value


def test_named_sections_come_last_and_empty_ones_vanish() -> None:
    level = ConfigLevel(
        {"remote.r": {"url": "./x/../y"}, "db.d": {}, "core": {}, "cache": {"dir": "./c"}, "machine.m": {}}
    )
    assert render_config(level) == (
        "[cache]\n    dir = c\n['remote \"r\"']\n    url = y\n['machine \"m\"']\n['db \"d\"']\n"
    )
    assert render_config(ConfigLevel()) == "\n"


def test_edits() -> None:
    level = parse_config(REPO_TEXT, name="config")
    level = set_option(level, "core", "checksum_jobs", "4")
    level = unset_option(level, "core", "autostage")
    level = rename_remote(level, "myremote", "Other")
    level = remove_section(level, "cache")
    assert render_config(level) == (
        "[core]\n    remote = other\n    checksum_jobs = 4\n"
        "['remote \"other\"']\n    url = s3://bkt/prefix\n    endpointurl = http://127.0.0.1:9000\n"
    )
    assert list(level.listed()) == [
        ("remote.other.url", "s3://bkt/prefix"),
        ("remote.other.endpointurl", "http://127.0.0.1:9000"),
        ("core.remote", "other"),
        ("core.checksum_jobs", "4"),
    ]
    assert level.names("remote") == ("other",)
    assert rename_remote(level, "unknown", "x") == level
    with pytest.raises(NotFound, match=r"core\.autostage"):
        unset_option(level, "core", "autostage")
    with pytest.raises(NotFound, match="cache"):
        remove_section(level, "cache")


def test_option_names() -> None:
    assert split_option_name("Core.Remote") == ("core", "remote")
    assert split_option_name("remote.My.URL") == ("remote.my", "url")
    for bad in ("core", "a.b.c.d", "remote.a.b.c"):
        with pytest.raises(InvalidInput):
            split_option_name(bad)


GLOBAL = "[core]\n remote = Base\n checksum_jobs=3\n[cache]\n dir = ../gc\n"
REPO = """\
[core]
    autostage = True
[cache]
    type = "hardlink, symlink"
    shared = GROUP
['remote "base"']
    url = s3://bkt/pre/
    endpointurl = http://h
    credentialpath = creds
[remote "D1"]
    url = remote://base/sub/x
    region = eu
[remote "d2"]
    url = remote://D1
[remote "loc"]
    url = ../../store
[remote "home"]
    url = ~/st
[remote "l2"]
    url = remote://loc/in//ner
"""
LOCAL = "['remote \"base\"']\n    access_key_id = K\n"


def merged(*texts: str) -> Settings:
    folders = ("/etc/g", "/r/.dvc", "/r/.dvc")
    levels = [(parse_config(t, name="c"), f) for t, f in zip(texts, folders, strict=False)]
    return merge_config(levels, home="/home/zed")


def test_levels_merge_and_paths_resolve_as_in_dvc() -> None:
    settings = merged(GLOBAL, REPO, LOCAL)
    base = {"endpointurl": "http://h", "credentialpath": "/r/.dvc/creds", "access_key_id": "K"}
    assert {name: (r.url, r.options) for name, r in settings.remotes.items()} == {
        "base": ("s3://bkt/pre/", base),
        "d1": ("s3://bkt/pre//sub/x", {**base, "region": "eu"}),
        "d2": ("s3://bkt/pre//sub/x/", {**base, "region": "eu"}),
        "loc": ("/store", {}),
        "home": ("/home/zed/st", {}),
        "l2": ("/store/in//ner", {}),
    }
    assert settings.core_remote == "base"
    assert settings.autostage
    assert settings.checksum_jobs == 3
    assert settings.cache_dir == "/etc/gc"
    assert settings.cache_types == ("hardlink", "symlink")
    assert settings.cache_shared_group
    assert settings.option("cache", "type") == "hardlink, symlink"


def test_defaults() -> None:
    settings = merged()
    assert settings.core_remote is None
    assert settings.cache_dir is None
    assert settings.site_cache_dir is None
    assert settings.checksum_jobs is None
    assert settings.cache_types == ("reflink", "copy")
    assert settings.slow_link_warning
    assert not (settings.autostage or settings.no_scm or settings.hardlink_lock or settings.cache_shared_group)
    assert merged("[cache]\ntype = copy, reflink\n").cache_types == ("copy", "reflink")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[cor]\na = 1\n", "there is no section 'cor'"),
        ("[core]\nremot = a\n", "'core' has no option 'remot'"),
        ("[core]\nautostage = yes\n", "expected true or false"),
        ("[cache]\ntype = copy,zip\n", "unknown link type 'zip'"),
        ('[remote "a"]\nprofile = p\n', "remote 'a' has no url"),
        ('[remote "a"]\nurl = ftp://h/p\n', "unknown kind, 'ftp://'"),
        ('[remote "a"]\nurl = /p\nregion = eu\n', "'remote.a' has no option 'region'"),
        ('[remote "a"]\nurl = remote://b/p\n', "remote 'b' is not configured"),
        ('[remote "a"]\nurl = remote://a/p\n', "remote 'a' leads back to itself"),
        ('[remote "a"]\nurl = s3://b\njobs = 0\n', "expected at least 1"),
    ],
)
def test_what_dvc_would_refuse_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        merged(text)
    assert caught.value.code == "bad-config"
    assert message in caught.value.message


def test_obsolete_and_free_options_pass() -> None:
    merged(
        "[cache]\nprotected = true\ns3 = x\n[state]\nrow_limit = 1\n[feature]\nanything = 1\n"
        '[remote "a"]\nurl = s3://b\nlistobjects = true\nno_traverse = false\n'
    )


def test_validate_option_knows_the_kind_of_remote() -> None:
    validate_option("remote.a", "region", "eu")
    validate_option("remote.a", "region", "eu", url="s3://b")
    with pytest.raises(InvalidInput):
        validate_option("remote.a", "region", "eu", url="/folder")
    with pytest.raises(InvalidInput):
        validate_option("core", "checksum_jobs", "0")


@pytest.mark.parametrize(
    ("value", "cwd", "stored"),
    [
        ("../store", "/r", "../../store"),
        ("./in", "/r/sd", "../sd/in"),
        (".dvc/cache", "/r", "cache"),
        ("/abs/./x", "/r", "/abs/./x"),
        ("~/x", "/r", "~/x"),
        ("s3://b/../p", "/r", "s3://b/../p"),
    ],
)
def test_store_path(value: str, cwd: str, stored: str) -> None:
    assert store_path(value, cwd=cwd, config_dir="/r/.dvc") == stored
