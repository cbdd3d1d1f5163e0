"""dvc and lab take turns on one repository, and each reads what the other wrote."""

from __future__ import annotations

import random
import shutil

import pytest

from labops.testing.oracle import Sandbox, check_store, contents, md5, same_tree

TOOLS = ("dvc", "lab")


def by(s: Sandbox, who: str, *args: str, **options):
    """Run a command with one of the two tools."""
    return s.dvc(*args, **options) if who == "dvc" else s.run(*args, **options)


def both_say_clean(s: Sandbox, cwd=None) -> None:
    assert s.dvc("status", "--json", cwd=cwd).json() == {}
    assert s.run("status", "--json", cwd=cwd).json() == {}


IMAGES = {f"{kind}{n}.jpg": f"{kind} number {n}".encode() * 40 for kind in ("cat", "dog") for n in (1, 2, 3)}


@pytest.mark.parametrize(("pusher", "puller"), [("lab", "dvc"), ("dvc", "lab")])
def test_one_pushes_the_other_pulls(box: Sandbox, pusher: str, puller: str):
    """The article's listing, and identical bytes on the second machine."""
    box.git("init", "-q", "-b", "main")
    by(box, pusher, "init", "-q")
    by(box, pusher, "remote", "add", "-d", "store", "../store")
    box.files("dog_and_cat", IMAGES)
    box.write("notes.txt", "line\r\nline\r\n")
    by(box, pusher, "add", "dog_and_cat", "notes.txt")
    by(box, pusher, "push")
    box.commit()
    prefixes = {folder.name for folder in (box.store / "files/md5").iterdir() if any(folder.iterdir())}
    tree = box.text("dog_and_cat.dvc").split("md5: ")[1][:2]
    assert prefixes == {md5(data)[:2] for data in IMAGES.values()} | {md5(b"line\r\nline\r\n")[:2], tree}
    clone = box.clone()
    by(box, puller, "pull", cwd=clone)
    assert contents(clone / "dog_and_cat") == IMAGES
    assert (clone / "notes.txt").read_bytes() == b"line\r\nline\r\n"
    both_say_clean(box, cwd=clone)
    both_say_clean(box)
    assert by(box, puller, "status", "-c", "--json").json() == {}
    # version 2 travels back the other way
    (clone / "dog_and_cat/cat4.jpg").write_bytes(b"the fourth cat")
    by(box, puller, "add", "dog_and_cat", cwd=clone)
    by(box, puller, "push", cwd=clone)
    box.commit("version 2", cwd=clone)
    box.git("pull", "-q", "../clone", "main")
    by(box, pusher, "pull")
    same_tree(clone / "dog_and_cat", box.repo / "dog_and_cat")
    both_say_clean(box)


@pytest.mark.parametrize("kind", ["hardlink", "symlink", "reflink,copy"])
@pytest.mark.parametrize(("first", "second"), [("lab", "dvc"), ("dvc", "lab")])
def test_links_of_the_other_tool(box: Sandbox, kind: str, first: str, second: str):
    box.init(remote=True)
    box.dvc("config", "cache.type", kind)
    box.files("d", IMAGES)
    box.write("f", "1\n")
    by(box, first, "add", "d", "f")
    both_say_clean(box)
    by(box, second, "checkout", "--relink")
    by(box, second, "push")
    box.delete("d/cat1.jpg")
    by(box, second, "checkout")
    by(box, first, "unprotect", "d")
    box.write("d/cat1.jpg", "better")
    by(box, second, "add", "d")
    both_say_clean(box)
    by(box, first, "push")
    assert check_store(box.store) == []
    assert check_store(box.repo / ".dvc/cache") == []


def test_one_cache_for_both(box: Sandbox):
    """Objects that one tool wrote are taken by the other as they are: nothing is copied again or re-made."""
    box.init(remote=True)
    box.files("d", IMAGES)
    box.run("add", "d")
    cache = box.repo / ".dvc/cache/files/md5"
    before = {path: (path.stat().st_ino, path.stat().st_mode) for path in cache.glob("??/*")}
    box.dvc("add", "d")
    box.dvc("push")
    box.run("add", "d")
    box.run("push")
    assert {path: (path.stat().st_ino, path.stat().st_mode) for path in cache.glob("??/*")} == before
    assert {path.stat().st_mode & 0o777 for path in cache.glob("??/*")} == {0o444}


@pytest.mark.parametrize("seed", range(4))
def test_turns(box: Sandbox, seed: int):  # noqa: C901 - one short function per kind of turn
    """Random verbs by random tools; a dict says what must be there."""
    chance = random.Random(seed)
    truth: dict[str, bytes] = {f"f{n}": b"%d\n" % n for n in range(4)}

    def turn() -> str:
        return chance.choice(TOOLS)

    def fresh() -> bytes:
        return chance.randbytes(chance.choice([0, 1, 10, 3000]))

    box.git("init", "-q", "-b", "main")
    by(box, turn(), "init", "-q")
    by(box, turn(), "remote", "add", "-d", "store", "../store")
    box.files("d", truth)
    by(box, turn(), "add", "d")
    by(box, turn(), "push")
    box.commit()
    versions = [dict(truth)]

    def change_and_add() -> None:
        name = chance.choice([*truth, f"n/{chance.randrange(9)}", f"ü {chance.randrange(9)}"])
        truth[name] = fresh()
        box.write(f"d/{name}", truth[name])
        by(box, turn(), "add", "d")

    def remove_and_add() -> None:
        name = chance.choice(sorted(truth))
        if len(truth) > 1:
            del truth[name]
            box.delete(f"d/{name}")
            by(box, turn(), "add", "d")

    def change_and_commit() -> None:
        name = chance.choice(sorted(truth))
        truth[name] = fresh()
        box.write(f"d/{name}", truth[name])
        by(box, turn(), "commit", "-f")

    def add_a_member() -> None:
        name = f"member{chance.randrange(9)}"
        truth[name] = fresh()
        box.write(f"d/{name}", truth[name])
        by(box, turn(), "add", f"d/{name}")

    def lose_the_cache() -> None:
        by(box, turn(), "push")
        box.delete(".dvc/cache", *(["d"] if chance.random() < 0.5 else []))
        by(box, turn(), "pull")

    def lose_the_workspace() -> None:
        box.delete("d")
        by(box, turn(), "checkout")

    def save_a_version() -> None:
        box.commit()
        versions.append(dict(truth))

    def go_back() -> None:
        box.commit()
        versions.append(dict(truth))
        by(box, turn(), "push")
        steps = chance.randrange(len(versions))
        box.git("checkout", "-q", f"HEAD~{steps}", "--", "d.dvc")
        by(box, turn(), "checkout")
        truth.clear()
        truth.update(versions[-1 - steps])

    for _ in range(7):
        chance.choice(
            [change_and_add, remove_and_add, change_and_commit, add_a_member, lose_the_cache,
             lose_the_workspace, save_a_version, go_back]
        )()  # fmt: skip
        assert contents(box.repo / "d") == truth
        both_say_clean(box)
    by(box, turn(), "push")
    box.commit()
    assert check_store(box.store) == []
    for tool in TOOLS:
        clone = box.clone(f"clone-{tool}")
        by(box, tool, "pull", cwd=clone)
        assert contents(clone / "d") == truth
        both_say_clean(box, cwd=clone)
        shutil.rmtree(clone)


def test_dvc_repository_lock_is_taken(box: Sandbox):
    """While somebody holds dvc's lock, a mutation of lab fails and changes nothing."""
    import fcntl

    box.init(remote=True)
    box.write("f", "1\n")
    box.run("add", "f")
    lock = box.repo / ".dvc/tmp/lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        box.write("f", "2\n")
        before = box.text("f.dvc")
        said = box.run("add", "f", ok=False)
        assert "lock" in said.err.lower()
        assert box.text("f.dvc") == before
    box.run("add", "f")
