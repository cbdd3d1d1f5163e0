"""The scripts of DVC's own walk-throughs leave the same tree whichever tool plays them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from labops.testing.oracle import Sandbox, check_store, md5, objects, play

XML = b"<posts>\n" + b'  <row Id="1" Title="What is data versioning?" />\n' * 200 + b"</posts>\n"


def test_data_versioning(twins):
    """Get started: data versioning."""

    def script(s: Sandbox) -> None:
        s.git("init", "-q", "-b", "main")
        s.run("init")
        s.index()
        s.commit("Initialize DVC")
        s.write("data/data.xml", XML)
        s.run("add", "data/data.xml")
        assert s.text("data/.gitignore") == "/data.xml\n"
        assert s.text("data/data.xml.dvc") == (
            f"outs:\n- md5: {md5(XML)}\n  size: {len(XML)}\n  hash: md5\n  path: data.xml\n"
        )
        s.git("add", "data/data.xml.dvc", "data/.gitignore")
        s.git("commit", "-q", "-m", "Add raw data")
        s.run("remote", "add", "-d", "myremote", "../store")
        s.run("push")
        s.git("commit", "-q", "-m", "Configure remote", ".dvc/config")
        s.forget_cache()
        s.delete("data/data.xml")
        s.see("status", "--json")
        s.run("pull")
        assert (s.repo / "data/data.xml").read_bytes() == XML
        s.append("data/data.xml", XML)
        assert s.see("status", "--json") == {"data/data.xml.dvc": [{"changed outs": {"data/data.xml": "modified"}}]}
        s.run("add", "data/data.xml")
        s.run("push")
        s.git("commit", "-q", "data/data.xml.dvc", "-m", "Dataset updates")
        s.git("checkout", "-q", "HEAD~1", "data/data.xml.dvc")
        s.run("checkout")
        assert (s.repo / "data/data.xml").read_bytes() == XML
        s.git("commit", "-q", "data/data.xml.dvc", "-m", "Revert dataset updates")
        assert s.see("status", "--json") == {}
        assert objects(s.store) == {md5(XML), md5(XML + XML)}

    twins(script)


def test_versioning_data_and_models(twins):
    """The versioning tutorial: a folder and a model, two tagged versions, whole and partial switches."""
    first = {f"train/cats/cat.{n}.jpg": bytes([n, 0, 255, n]) * 50 for n in range(6)}
    second = first | {f"train/dogs/dog.{n}.jpg": bytes([0, n, n, 7]) * 60 for n in range(6)}

    def script(s: Sandbox) -> None:
        s.init(local_remote=True)
        s.files("data", first)
        s.write("model.h5", b"\x89HDF first")
        s.run("add", "data")
        s.run("add", "model.h5")
        s.commit("First model")
        s.git("tag", "-a", "v1.0", "-m", "model v1.0, 6 images")
        s.files("data", second)
        s.run("add", "data")
        s.write("model.h5", b"\x89HDF second")
        s.run("add", "model.h5")
        s.commit("Second model")
        s.git("tag", "-a", "v2.0", "-m", "model v2.0, 12 images")
        s.git("checkout", "-q", "v1.0")
        s.run("checkout")
        assert not (s.repo / "data/train/dogs").exists()
        assert (s.repo / "model.h5").read_bytes() == b"\x89HDF first"
        s.git("checkout", "-q", "main")
        s.run("checkout")
        s.git("checkout", "-q", "v1.0", "data.dvc")
        s.run("checkout", "data.dvc")
        assert not (s.repo / "data/train/dogs").exists()
        assert (s.repo / "model.h5").read_bytes() == b"\x89HDF second"
        s.see("status", "--json")
        s.see("data", "status", "--json")
        s.git("checkout", "-q", "main", "--", "data.dvc")
        s.git("reset", "-q", "--hard")
        s.run("checkout")
        s.run("push", "-T")
        assert s.see("status", "-c", "-T", "--json") == {}
        assert not check_store(s.store)

    twins(script)


def test_sharing_data(twins):
    """Sharing data and models: a colleague clones, pulls, changes, pushes; the first one pulls it back."""
    files = {f"img/{n}.png": b"\x89PNG" + bytes([n]) * (n * 7) for n in range(8)} | {"labels.csv": "a,b\n1,2\n"}

    def script(s: Sandbox) -> None:
        s.init()
        s.files("dataset", files)
        s.write("weights.bin", b"\0\1\2")
        s.run("add", "dataset", "weights.bin")
        s.run("remote", "add", "--default", "storage", "../store")
        s.commit("data and remote")
        s.run("push")
        s.clone()
        clone = s.world / "clone"
        s.see("status", "--json", cwd=clone)
        s.see("status", "-c", "--json", cwd=clone)
        s.run("pull", cwd=clone)
        assert s.see("status", "--json", cwd=clone) == {}
        (clone / "dataset/img/99.png").write_bytes(b"new")
        (clone / "dataset/labels.csv").unlink()
        assert s.see("status", "--json", cwd=clone) == {"dataset.dvc": [{"changed outs": {"dataset": "modified"}}]}
        s.see("data", "status", "--json", "--granular", cwd=clone)
        s.run("add", "dataset", cwd=clone)
        s.commit("colleague's change", cwd=clone)
        s.run("push", cwd=clone)
        s.git("pull", "-q", "../clone", "main")
        s.run("fetch")
        s.see("status", "--json")
        s.run("checkout")
        assert (s.repo / "dataset/img/99.png").read_bytes() == b"new"
        assert not (s.repo / "dataset/labels.csv").exists()
        assert s.see("status", "-c", "--json") == {}
        s.run("remote", "add", "second", "../second")
        assert s.see("status", "-c", "-r", "second", "--json")
        s.run("push", "-r", "second")
        s.run("push", "-r", "nowhere", ok=False)

    twins(script)


def test_the_article(twins):
    """`add dog_and_cat`, `push`: the store lists the md5 prefixes, a second machine pulls the six images."""
    images = {f"{kind}{n}.jpg": f"{kind} number {n}".encode() * 40 for kind in ("cat", "dog") for n in (1, 2, 3)}

    def script(s: Sandbox) -> None:
        s.init()
        s.run("remote", "add", "-d", "store", "../store")
        s.files("dog_and_cat", images)
        s.run("add", "dog_and_cat")
        s.commit("dog_and_cat, version 1")
        s.run("push")
        rows = ", ".join(f'{{"md5": "{md5(data)}", "relpath": "{name}"}}' for name, data in sorted(images.items()))
        tree = md5(f"[{rows}]".encode())
        assert f"- md5: {tree}.dir\n" in s.text("dog_and_cat.dvc")
        prefixes = {md5(data)[:2] for data in images.values()} | {tree[:2]}
        assert {folder.name for folder in (s.store / "files/md5").iterdir() if any(folder.iterdir())} == prefixes
        s.clone()
        s.run("pull", cwd=s.world / "clone")

    twins(script)


def test_diff_r_finds_nothing(tmp_path: Path, lab: str, dvc: str):
    """The literal promise: `diff -r` of the two trees, `.dvc/tmp` (and git's own files) aside."""

    def script(s: Sandbox) -> None:
        s.init(remote=True)
        s.files("data", {"a": b"1\n", "s/b": b"2\n"})
        s.run("add", "data")
        s.run("push")
        s.delete("data", ".dvc/cache")
        s.run("pull")
        s.run("status")
        s.delete(".dvc/tmp")

    ours, theirs = play(script, tmp_path / "lab", lab), play(script, tmp_path / "dvc", dvc)
    said = subprocess.run(
        ["diff", "-r", "--exclude=.git", theirs.world, ours.world], capture_output=True, text=True, check=False
    )
    assert said.stdout == ""
