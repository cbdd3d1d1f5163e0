"""The Python api: the same snippets give the same results with the real `dvc.api` and with `labops.api`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labops.testing.oracle import find_dvc

PLAYER = """
import contextlib, importlib, json, os, sys
name, folder = sys.argv[1:]
os.chdir(folder)
api = importlib.import_module(name)

KINDS = [
    ("missing", {"MissingPath", "PathMissingError", "FileNotFoundError"}),
    ("folder", {"FolderPath", "IsADirectoryError"}),
    ("not tracked", {"OutputNotFoundError"}), ("no artifact", {"ArtifactNotFoundError"}),
    ("no revision", {"RevError"}), ("no repository", {"CloneError", "NotDvcRepoError", "SCMError"}),
    ("read-only", {"ReadOnly"}), ("value", {"ValueError"}), ("attribute", {"AttributeError"}),
]
CODES = {"not-tracked": "not tracked", "unknown-revision": "no revision", "no-such-artifact": "no artifact",
         "no-such-repository": "no repository", "not-in-a-project": "no repository"}

def kind(error):
    if getattr(error, "errno", None) == 30:
        return "read-only"
    if getattr(error, "code", None) in CODES:
        return CODES[error.code]
    names = {one.__name__ for one in type(error).__mro__}
    return next((said for said, known in KINDS if names & known), repr(error))

for snippet in json.load(sys.stdin):
    scope = {"api": api, "os": os, "json": json}
    try:
        os.chdir(folder)
        exec(snippet, scope)
        said = scope["out"]
        json.dumps(said)
    except Exception as error:
        said = {"raised": kind(error)}
    print(json.dumps(said))
"""

FS = "fs = api.DVCFileSystem({repo}); out = "
WITH = "with api.open({}) as file: out = file.read()"


def snippets(repo: str, url: str) -> list[str]:
    """Every snippet; `repo` is a folder, `url` the git url of the same."""
    here = [
        "out = api.read('f.csv')",
        "out = api.read('d/a')",
        "out = api.read('d/s/deep')",
        "out = api.read('plain.txt')",
        "out = list(api.read('d/a', mode='rb'))",
        "out = api.read('d/umlaut', encoding='latin-1')",
        "out = api.read('d/a', rev='one')",
        "out = api.read('plain.txt', rev='one')",
        "out = api.read('d/a', rev='HEAD~1')",
        "out = api.read('d/a', rev='nope')",
        "out = api.read('gone', rev='one')",
        "out = api.read('gone')",
        "out = api.read('d/gone')",
        "out = api.read('f.csv/below')",
        "out = api.read('d')",
        "out = api.read('sub')",
        "out = api.read('d', rev='one')",
        "out = api.read('f.csv', mode='w')",
        "out = api.read('../outside')",
        f"out = api.read({os.path.join(repo, 'f.csv')!r})",
        WITH.format("'f.csv'"),
        WITH.format("'f.csv', mode='w'"),
        "with api.open('f.csv') as file: out = [line for line in file]",
        "with api.open('f.csv', mode='rb') as file: file.seek(2); out = list(file.read(2))",
        "out = api.open('f.csv').read()",
        "out = api.read('sub/deep.bin')",
        "os.chdir('sub'); out = [api.read('deep.bin'), api.read('../f.csv')]",
        "os.chdir('sub'); out = api.read('deep.bin', rev='one')",
        "os.chdir('sub'); out = api.read('sub/deep.bin', rev='one')",
        "out = api.get_url('f.csv')",
        "out = api.get_url('d')",
        "out = api.get_url('d/a')",
        "out = api.get_url('d/s/deep', rev='one')",
        "out = api.get_url('d/a', remote='other')",
        "out = api.get_url('plain.txt')",
        "out = api.get_url('gone')",
        "out = sorted(api.all_branches())",
        "out = sorted(api.all_tags())",
        "out = sorted(api.all_commits())",
        "out = api.artifacts_show('model')",
        "out = api.artifacts_show('model', version='v1.0.0')",
        "out = api.artifacts_show('model', stage='prod')",
        "out = api.artifacts_show('sub:inner')",
        "out = api.artifacts_show('sub/dvc.yaml:inner')",
        "out = api.artifacts_show('nope')",
        "out = api.artifacts_show('model', version='v9.9.9')",
        "out = api.artifacts_show('model', 'v1.0.0', 'prod')",
    ]
    there = [
        f"out = api.read('f.csv', repo={url!r})",
        f"out = api.read('d/a', {url!r}, 'one')",
        f"out = api.read('plain.txt', repo={url!r}, rev='one')",
        f"out = api.read('gone', repo={url!r})",
        f"out = api.read('d', repo={url!r})",
        f"out = api.get_url('d/a', repo={url!r})",
        f"out = sorted(api.all_branches({url!r}))",
        f"out = sorted(api.all_tags({url!r}))",
        f"out = sorted(api.all_commits({url!r}))",
        f"out = api.artifacts_show('model', repo={url!r})",
        "out = api.read('f.csv', repo='/no/such/place')",
        f"os.chdir('/'); out = api.read('sub/deep.bin', repo={repo!r})",
    ]
    return here + there + [line for at in (repo, url) for line in file_system(at)]


def file_system(repo: str) -> list[str]:
    """What a file system over `repo` says."""
    said = [
        "sorted(fs.ls('/', detail=False))",
        "sorted(fs.ls('', detail=False))",
        "sorted(fs.ls('d', detail=False))",
        "sorted(fs.ls('/d', detail=False))",
        "sorted(fs.ls('/', detail=False, dvc_only=True))",
        "sorted(fs.ls('/', detail=False, dvcfiles=True))",
        "sorted(fs.find('/'))",
        "sorted(fs.find(''))",
        "sorted(fs.find('d'))",
        "sorted(fs.find('/', dvc_only=True))",
        "sorted(fs.find('/d', maxdepth=1))",
        "[[a, sorted(b), sorted(c)] for a, b, c in fs.walk('/d')]",
        "sorted(fs.glob('/d/*'))",
        "sorted(fs.glob('**/deep*'))",
        "[fs.exists(p) for p in ('d', '/d/a', 'gone', 'd/gone', 'plain.txt', '')]",
        "[fs.isfile(p) for p in ('d', '/d/a', 'gone', 'plain.txt')]",
        "[fs.isdir(p) for p in ('d', '/d/a', 'gone', 'sub')]",
        "[fs.isdvc(p) for p in ('d', '/d/a', 'gone', 'plain.txt', 'f.csv')]",
        "[fs.info(p)['type'] for p in ('d', '/d/a', 'f.csv', 'sub')]",
        "[fs.info(p)['name'] for p in ('d', '/d/a', 'f.csv')]",
        "[fs.info(p)['size'] for p in ('f.csv', 'plain.txt')]",
        "[fs.info(p)['dvc_info']['md5'] for p in ('d/a', 'f.csv')]",
        "[fs.info(p)['dvc_info']['isout'] for p in ('d', 'd/a', 'f.csv')]",
        "fs.info('gone')",
        "fs.ls('gone')",
        "fs.read_text('d/a')",
        "list(fs.cat_file('f.csv'))",
        "[list(fs.cat_file('f.csv', 1, 3)), list(fs.cat_file('f.csv', start=2))]",
        "list(fs.cat_file('f.csv', end=-1))",
        "fs.open('d/a', 'r').read()",
        "list(fs.open('d/a').read())",
        "fs.open('gone')",
        "fs.open('d/a', 'wb')",
    ]
    got = "import tempfile, pathlib; top = pathlib.Path(tempfile.mkdtemp()); "
    tree = "sorted(str(p.relative_to(top)) for p in top.rglob('*'))"
    start = FS.format(repo=repr(repo))
    return [
        *(start + line for line in said),
        f"{got}{start}fs.get('d', str(top / 'x'), recursive=True); out = {tree}",
        f"{got}{start}fs.get_file('d/a', str(top / 'y')); out = {tree}",
        f"{got}{start}fs.get('d/s/deep', str(top / 'z')); out = {tree}",
    ]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Any]]:
    """Each snippet with what dvc and labops said."""
    python = os.environ.get("LABOPS_DVC_PYTHON") or _beside(find_dvc())
    if not python:
        pytest.skip("no python with dvc: LABOPS_DVC_PYTHON may name one")
    top = tmp_path_factory.mktemp("api")
    repo = _project(top, str(find_dvc()))
    wanted = snippets(str(repo), f"file://{repo}")
    dvc = _play(python, "dvc.api", repo, wanted)
    lab = _play(sys.executable, "labops.api", repo, wanted)
    return {snippet: (one, two) for snippet, one, two in zip(wanted, dvc, lab, strict=True)}


def _beside(dvc: str | None) -> str | None:
    python = Path(dvc).with_name("python") if dvc else None
    return str(python) if python and python.exists() else None


def _play(python: str, module: str, repo: Path, wanted: list[str]) -> list[Any]:
    done = subprocess.run(
        [python, "-W", "ignore", "-c", PLAYER, module, str(repo)],
        input=json.dumps(wanted), capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def _project(top: Path, dvc: str) -> Path:
    """Two commits of a project: a folder, a file, a file in a subfolder, plain files, artifacts and tags."""
    repo = top / "repo"
    repo.mkdir()

    def run(*words: str) -> None:
        subprocess.run(words, cwd=repo, check=True, capture_output=True)

    def write(path: str, data: bytes) -> None:
        (repo / path).parent.mkdir(parents=True, exist_ok=True)
        (repo / path).write_bytes(data)

    (top / "outside").write_text("secret")
    run("git", "init", "-q", "-b", "main")
    run(dvc, "init", "-q")
    run(dvc, "remote", "add", "-d", "store", str(top / "store"))
    run(dvc, "remote", "add", "other", "s3://bucket/folder")
    write("d/a", b"1\n")
    write("d/s/deep", b"2\n")
    write("d/umlaut", "ä".encode("latin-1"))
    write("f.csv", b"x,y\n1,2\n")
    write("sub/deep.bin", b"deep")
    write("plain.txt", b"plain one\n")
    declared = b"artifacts:\n  model:\n    path: f.csv\n    type: model\n"
    write("dvc.yaml", declared)
    write("sub/dvc.yaml", declared.replace(b"model:\n", b"inner:\n", 1).replace(b"f.csv", b"deep.bin"))
    run(dvc, "add", "-q", "d", "f.csv", "sub/deep.bin")
    run("git", "add", ".")
    run("git", "commit", "-qm", "one")
    run("git", "tag", "one")
    for tag in ("model@v1.0.0", "model@v1.10.0", "model#prod#1", "sub=inner@v0.1.0"):
        run("git", "tag", "-a", tag, "-m", tag)
    write("d/a", b"changed\n")
    write("plain.txt", b"plain two\n")
    run(dvc, "add", "-q", "d")
    run("git", "add", ".")
    run("git", "commit", "-qm", "two")
    run("git", "tag", "-a", "model@v1.9.0", "-m", "later, but lower")
    run("git", "branch", "side")
    run(dvc, "push", "-q", "--all-commits")
    shutil.rmtree(repo / ".dvc/cache")  # and the workspace holds the data of the last commit only
    (repo / "d/s/deep").unlink()
    return repo


REPO, URL = "/REPO", "file:///REPO"

BETTER = {
    "out = api.read('../outside')": "what is outside the repository is not read",
    "out = api.read('f.csv/below')": "dvc's error is one of the system's, as if it were a bug",
    "out = api.read('/REPO/f.csv')": "dvc takes an absolute path for an output outside the project",
    f"out = sorted(api.all_branches({URL!r}))": "dvc lists the branches of its clone, which is the default one",
    **{
        FS.format(repo=repr(at)) + "list(fs.cat_file('f.csv', end=-1))": "dvc's open files have no size"
        for at in (REPO, URL)
    },
}
"""Snippets where labops differs on purpose, each with the reason."""


@pytest.mark.parametrize("snippet", snippets(REPO, URL))
def test_dvc_and_labops_say_the_same(snippet: str, played: dict[str, tuple[Any, Any]]) -> None:
    at = snippets(REPO, URL).index(snippet)
    real = list(played)[at]
    dvc, lab = played[real]

    if snippet in BETTER:
        assert lab != dvc
    else:
        assert lab == dvc, real
