"""`init`, `config`, `remote`, `cache dir`: the same files and the same answers."""

from __future__ import annotations

from labops.testing.oracle import Sandbox, md5


def test_init(twins):
    def script(s: Sandbox) -> None:
        s.git("init", "-q")
        s.run("init")
        s.index()
        assert s.text(".dvc/.gitignore") == "/config.local\n/tmp\n/cache\n"
        assert s.text(".dvc/config") == ""
        assert md5((s.repo / ".dvcignore").read_bytes()) == "34659c119a2634fe318cd6a4822df435"
        s.run("init", ok=False)
        s.run("config", "core.autostage", "true")
        s.write(".dvcignore", "mine\n")
        s.run("init", "-f")
        assert s.text(".dvcignore") == "mine\n"
        s.index()

    twins(script)


def test_init_refused_where_git_ignores_it(twins):
    def script(s: Sandbox) -> None:
        s.git("init", "-q")
        s.write(".gitignore", ".dvc\n")
        s.run("init", ok=False)

    twins(script)


def test_init_in_a_named_folder(twins):
    def script(s: Sandbox) -> None:
        (s.repo / "inner").mkdir()
        s.git("init", "-q", cwd="inner")
        s.run("init", "inner")
        s.read("root", cwd="inner")
        s.run("--cd", "inner", "remote", "add", "r", "../store")

    twins(script)


def test_missing_ignore_lines_come_back(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.write(".dvc/.gitignore", "/tmp\n")
        s.write("f", "1\n")
        s.run("add", "f")

    twins(script)


def test_config_values(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.write(".dvc/config", "# a comment\n[core]\n  autostage = true\n\n[cache]\n  type = copy\n")
        s.read("config", "core.autostage")
        s.read("config", "core.remote")
        s.run("config", "--project", "core.remote", ok=False)
        s.run("config", "core.checksum_jobs", "3")
        assert "comment" not in s.text(".dvc/config")
        s.run("config", "cache.type", "hardlink,symlink")
        assert 'type = "hardlink,symlink"' in s.text(".dvc/config")
        s.run("config", "--local", "core.autostage", "false")
        s.run("config", "--global", "core.checksum_jobs", "2")
        s.read("config", "core.autostage")
        s.read("config", "core.checksum_jobs")
        s.read("config", "cache.type")
        s.read("config", "-l")
        s.read("config", "-l", "--local")
        s.read("config", "-l", "--show-origin", "--project")
        s.read("config", "--show-origin", "core.autostage")
        s.run("config", "-u", "core.autostage")
        s.run("config", "-u", "core.autostage", ok=False)
        s.run("config", "-u", "core.checksum_jobs")
        s.run("config", "-u", "cache.type")
        s.run("config", "--local", "-u", "core.autostage")
        s.run("config", "nodot", "x", ok=False)
        s.run("config", "core.nosuch", "x", ok=False)
        s.run("config", "core.autostage", "maybe", ok=False)
        s.run("config", "core.checksum_jobs", "0", ok=False)
        s.run("config", "CORE.Autostage", "TRUE")
        s.read("config", "core.autostage")

    twins(script)


def test_unknown_option_in_the_file(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.write(".dvc/config", "[core]\n    colour = red\n")
        s.run("status", ok=False)
        s.read("config", "-l")
        s.write(".dvc/config", "[unheard]\n    of = 1\n")
        s.run("status", ok=False)
        s.write(".dvc/config", "[feature]\n    whatever = true\n")
        s.run("status")
        s.write(
            ".dvc/config",
            "[cache]\n    protected = true\n[state]\n    row_limit = 3\n[core]\n    analytics = FALSE\n",
        )
        s.run("status")
        s.write(".dvc/config", "[core\n")
        s.run("status", ok=False)

    twins(script)


def test_remotes(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.run("remote", "add", "rel", "../store")
        assert s.text(".dvc/config") == "['remote \"rel\"']\n    url = ../../store\n"
        (s.repo / "sd").mkdir()
        s.run("remote", "add", "r2", "./in", cwd="sd")
        s.run("remote", "add", "-d", "Cloud", "s3://bkt/prefix")
        s.run("remote", "modify", "cloud", "endpointurl", "http://127.0.0.1:9000")
        s.run("remote", "modify", "--local", "cloud", "access_key_id", "AKIA")
        s.run("remote", "add", "home", "~/store")
        s.run("remote", "add", "absolute", "/srv/lab/store")
        s.run("remote", "add", "sub", "remote://cloud/deeper/still")
        s.run("remote", "add", "--global", "mine", "s3://mine")
        s.read("remote", "list")
        s.read("remote", "default")
        s.read("config", "-l")
        s.run("remote", "add", "rel", "../other", ok=False)
        s.run("remote", "add", "-f", "rel", "../other")
        s.run("remote", "add", "bad", "ftp://x/y", ok=False)
        s.run("remote", "default", "nowhere", ok=False)
        s.run("remote", "default", "rel")
        s.run("remote", "rename", "rel", "renamed")
        s.read("remote", "default")
        s.run("remote", "rename", "nowhere", "x", ok=False)
        s.run("remote", "rename", "r2", "renamed", ok=False)
        s.run("remote", "modify", "nowhere", "jobs", "2", ok=False)
        s.run("remote", "modify", "cloud", "nosuch", "2", ok=False)
        s.run("remote", "modify", "cloud", "jobs", "4")
        s.run("remote", "modify", "cloud", "-u", "jobs")
        s.run("remote", "remove", "renamed")
        s.read("remote", "default", ok=False)
        s.run("remote", "default", "r2")
        s.run("remote", "default", "-u")
        s.run("remote", "remove", "nowhere", ok=False)
        s.run("remote", "remove", "r2")
        s.read("config", "-l")
        s.read("remote", "list")

    twins(script)


def test_options_of_every_type(twins):
    def script(s: Sandbox) -> None:
        s.init()
        s.run("remote", "add", "cloud", "s3://b")
        for option, value in {
            "region": "eu-west-1",
            "profile": "lab",
            "credentialpath": "creds",
            "configpath": "/etc/aws",
            "access_key_id": "AK",
            "secret_access_key": "s#cret,with \"quotes\" 'both'",
            "session_token": "t",
            "use_ssl": "false",
            "ssl_verify": "ca.pem",
            "allow_anonymous_login": "true",
            "sse": "AES256",
            "acl": "private",
            "read_timeout": "7",
            "version_aware": "false",
            "verify": "true",
        }.items():
            s.run("remote", "modify", "cloud", option, value)
        s.read("config", "-l")
        s.run("remote", "modify", "cloud", "use_ssl", "perhaps", ok=False)
        s.run("remote", "modify", "cloud", "jobs", "many", ok=False)

    twins(script)


def test_remote_options_reach_through_levels(twins):
    """A local section without url completes a project remote; the default of a lower level is used."""

    def script(s: Sandbox) -> None:
        s.init()
        s.run("remote", "add", "r", "../store")
        s.run("config", "--local", "core.remote", "r")
        s.run("remote", "modify", "--local", "r", "url", "../elsewhere")
        s.write("f", "1\n")
        s.run("add", "f")
        s.run("push")
        assert (s.world / "elsewhere/files").is_dir()
        assert not s.store.exists()
        s.read("remote", "list")

    twins(script)


def test_small_answers(twins):
    def script(s: Sandbox) -> None:
        s.init()
        (s.repo / "a/b").mkdir(parents=True)
        s.read("root", cwd="a/b")
        s.read("root")
        s.read("cache", "dir", cwd="a")
        s.run("cache", "dir", "--global", "/var/cache/lab")
        s.read("cache", "dir")
        s.run("cache", "dir", "--global", "-u")
        s.run("status")
        s.see("status", "--json")
        s.run("data", "status")
        s.run("version")
        s.run("completion", "-s", "bash")

    twins(script)
