"""A lab in folders: what is asked of the server, the commands, and what modes give to whom."""

from __future__ import annotations

import pytest

from labops.errors import InvalidInput
from labops.membership import Lab, Member, Provider, Role
from labops.planning.lab import SUSPENDED, YES, Act, Change, Thing, plan_lab
from labops.planning.server import Place, by_modes, commands_for, may, names_of, wanted_server

LAB = Lab(
    "tsukuba", Provider.LOCAL, "homes", "datasets", root="/srv/lab",
    members=(
        Member("yusuke", Role.ADMIN), Member("carol", Role.CURATOR), Member("ada", Role.STUDENT),
        Member("gina", Role.GUEST), Member("old", Role.STUDENT, ends="2026-03-31"),
    ),
)  # fmt: skip


def settings(kind: str, name: str, **options: str) -> dict[str, str]:
    return dict(wanted_server(LAB, "2026-04-01", **options).state[Thing(kind, name)])


def test_what_is_asked_of_the_server() -> None:
    """Homes for their owners alone, datasets by the curators' group, the rest for nobody."""
    assert settings("folder", "/srv/lab") == {"owner": "root", "group": "lab-tsukuba", "mode": "0750"}
    assert settings("folder", "/srv/lab/homes") == {"owner": "root", "group": "lab-tsukuba", "mode": "0751"}
    assert settings("folder", "/srv/lab/homes/ada") == {"owner": "ada", "group": "lab-tsukuba", "mode": "0700"}
    assert settings("folder", "/srv/lab/datasets") == {
        "owner": "root", "group": "lab-tsukuba-curators", "mode": "2775",
    }  # fmt: skip
    assert settings("user", "ada") == {"group:lab-tsukuba": "yes"}
    assert settings("user", "carol") == {"group:lab-tsukuba": "yes", "group:lab-tsukuba-curators": "yes"}
    assert settings("user", "old") == {SUSPENDED: YES}
    assert Thing("folder", "/srv/lab/homes/gina") not in wanted_server(LAB, "2026-04-01").state


def test_a_trial_asks_for_nobody_elses_rights() -> None:
    """One person, no root: the same folders and modes, no accounts, no groups."""
    state = wanted_server(LAB, "2026-04-01", alone="me", alone_group="us").state
    assert {thing.kind for thing in state} == {"folder"}
    assert {(found["owner"], found["group"]) for found in state.values()} == {("me", "us")}
    assert state[Thing("folder", "/srv/lab/homes/ada")]["mode"] == "0700"


def test_the_commands_delete_nothing() -> None:
    """From an empty server: groups and accounts first; every word of every command is known to be harmless."""
    wanted = wanted_server(LAB, "2026-04-01")
    commands = [command for change in plan_lab(wanted.state, {}, wanted.why) for command in commands_for(change)]
    assert {command[0] for command in commands} == {
        "install",
        "groupadd",
        "useradd",
        "usermod",
        "chown",
        "chgrp",
        "chmod",
    }
    assert ("usermod", "--expiredate", "1970-01-02", "old") in commands
    assert commands.index(("groupadd", "--system", "--force", "lab-tsukuba")) < commands.index(
        ("usermod", "--append", "--groups", "lab-tsukuba", "ada")
    )
    assert plan_lab(wanted.state, wanted.state, wanted.why) == ()


def test_somebody_who_left_goes_out_of_the_groups() -> None:
    change = Change(Act.REVOKE, Thing("user", "eve"), "group:lab-tsukuba", before=YES)
    assert commands_for(change) == (("gpasswd", "--delete", "eve", "lab-tsukuba"),)
    back = Change(Act.REVOKE, Thing("user", "ada"), SUSPENDED, before=YES)
    assert commands_for(back) == (("usermod", "--expiredate", "", "ada"),)


def test_a_name_that_linux_does_not_take() -> None:
    with pytest.raises(InvalidInput) as told:
        names_of(LAB._replace(name="a" * 24))
    assert told.value.code == "group-name-too-long"


def test_modes_are_read_as_the_kernel_reads_them() -> None:
    """The owner's class counts for the owner even when it gives less; then the group's, then the rest."""
    place = Place("ada", "lab", "0275")
    assert [may(place, "ada", frozenset({"lab"}), right) for right in "rwx"] == [False, True, False]
    assert [may(place, "bob", frozenset({"lab"}), right) for right in "rwx"] == [True, True, True]
    assert [may(place, "eve", frozenset(), right) for right in "rwx"] == [True, False, True]
    assert may(place, "root", frozenset(), "r")


def test_a_closed_folder_above_closes_what_is_below() -> None:
    open_home, closed = Place("ada", "lab", "0777"), Place("root", "lab", "0750")
    assert by_modes([closed, open_home], "bob", frozenset({"lab"}), "put")
    assert not by_modes([closed, open_home], "eve", frozenset(), "list")
