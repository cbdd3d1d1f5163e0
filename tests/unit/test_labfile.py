"""`lab.toml`: what it says, where it is wrong, what `lab admin init` writes, and changes that leave the rest alone."""

from __future__ import annotations

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labops.errors import Conflict, InvalidInput, NotFound
from labops.formats.labedit import drop_member, set_member
from labops.formats.labfile import read_lab
from labops.formats.labschema import LISTS, NAMED, TABLES, json_schema
from labops.formats.labtemplate import template
from labops.membership import Grant, Lab, Machine, Member, Provider, Role, Secret

LAB = """\
[lab]
name = "matsui"
repository = "git@git.lab.example:matsui/datasets.git"

[provider]
kind = "aws"
region = "ap-northeast-1"

[buckets]
home = "matsui-s3-home"
datasets = "matsui-s3-dvc-storage"

[members]
yusuke = { role = "admin", email = "yusuke@lab.example" }
russell = { role = "student", groups = ["vision"], ends = 2027-03-31 }

[members.alice]  # written as a table
role = "curator"
suspended = true

[machines]
gpu1 = { shared = true }
laptop = { users = ["russell"] }

[[grants]]
home = "russell"
folder = "models/final"
to = ["alice", "@vision"]
"""


def test_everything_is_read() -> None:
    """Values arrive as words of the house; what is not said has its default."""
    lab = read_lab(LAB)

    assert (lab.name, lab.provider, lab.region) == ("matsui", Provider.AWS, "ap-northeast-1")
    assert lab.members == (
        Member("yusuke", Role.ADMIN, "yusuke@lab.example"),
        Member("russell", Role.STUDENT, groups=("vision",), ends="2027-03-31"),
        Member("alice", Role.CURATOR, is_suspended=True),
    )
    assert lab.machines == (Machine("gpu1", True), Machine("laptop", users=("russell",)))
    assert lab.grants == (Grant("russell", "models/final", ("alice", "@vision")),)
    assert (lab.retention.old_versions_days, lab.tiering.is_intelligent, lab.endpoint) == (90, True, "")
    assert lab.identity_of("russell") == "lab-matsui.russell"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('name = "matsui"', 'nam = "matsui"', 2, "unknown key 'nam' in 'lab'; did you mean 'name'?"),
        ("[buckets]", "[bucket]", 9, "unknown table 'bucket'; did you mean 'buckets'?"),
        ('kind = "aws"', 'kind = "gcp"', 6, "'provider.kind': expected one of aws, s3, local"),
        ('kind = "aws"', 'kind = "s3"', 6, "needs the 'endpoint'"),
        ('kind = "aws"', 'kind = "local"', 6, "needs the 'root'"),
        ('region = "ap-northeast-1"', "region = 1", 7, "expected a text in quotes"),
        ('region = "ap-northeast-1"', 'endpoint = "https://key:secret@s3.example"', 7, "without user or password"),
        ("git@git.lab.example:matsui/", "https://me:hunter2@git.lab.example/", 3, "holds a password"),
        ("matsui-s3-home", "Matsui_home", 10, "3 to 63 small letters"),
        ("matsui-s3-home", "192.168.5.4", 10, "cannot be the name of a bucket"),
        ("matsui-s3-home", "matsui-s3-dvc-storage", 11, "a bucket each"),
        ('role = "student"', 'role = "boss"', 15, "expected one of admin, curator, student, guest"),
        ('role = "curator"', 'email = "a@b"', 17, "'members.alice' lacks 'role'"),
        ("2027-03-31", '"next spring"', 15, "expected a date without quotes"),
        ("2027-03-31", "2027-02-30", 15, "2027-02-30 is not a day"),
        ("2027-03-31", "2027-03-31T10:00:00", 15, "expected a date without quotes"),
        ('groups = ["vision"]', "groups = [1]", 15, "expected a list of texts"),
        ('groups = ["vision"]', 'groups = "vision"', 15, "expected a list of texts"),
        ("suspended = true", 'suspended = "yes"', 19, "expected true or false"),
        ("russell = { role", '"../yusuke" = { role', 15, "the name '../yusuke' in [members] will not do"),
        ("russell = { role", '"Russell" = { role', 15, "the name 'Russell'"),
        ("russell = { role", '"a\\nb" = { role', 15, "will not do"),
        ("russell = { role", "alumni = { role", 15, "no member can be called 'alumni'"),
        ("[members.alice]", "[members.russell]", 17, "not TOML|second time"),
        ("yusuke = {", "russell = {", 15, "'members.russell' stands there for the second time"),
        ('users = ["russell"]', 'users = ["rusell"]', 23, "no member is called 'rusell'; did you mean 'russell'?"),
        ('home = "russell"', 'home = "nobody"', 26, "no member is called 'nobody'"),
        ('"@vision"', '"@speech"', 28, "no member is in the group 'speech'"),
        ("models/final", "../yusuke", 27, "expected a relative path"),
        ("models/final", "*", 27, "expected a relative path"),
        ("models/final", "${aws:username}", 27, "expected a relative path"),
        ("[machines]", "<<<<<<< HEAD\n[machines]", 21, "both sides of a merge"),
        ("[machines]", "[machines", 21, "not TOML"),
        ("[[grants]]", "[grants]", 25, r"written as \[\[grants\]\]"),
        ("gpu1 = { shared = true }", "gpu1 = true", 22, "is a table"),
    ],
)
def test_a_mistake_is_shown_with_its_line(old: str, new: str, line: int, words: str) -> None:
    """One thing wrong: the message says what, and the line is the one an editor must go to."""
    assert LAB.count(old) >= 1

    with pytest.raises(InvalidInput, match=words if "\\" in words or "|" in words else re.escape(words)) as caught:
        read_lab(LAB.replace(old, new, 1))

    assert caught.value.code == "bad-lab-file"
    assert caught.value.fields["line"] == line
    assert f"lab.toml, line {line}: " in caught.value.message


def test_missing_tables_are_named() -> None:
    """A file without a needed table has no line to show, only the name."""
    with pytest.raises(InvalidInput, match=r"lab.toml: the table \[provider\] is missing"):
        read_lab('[lab]\nname = "matsui"\n')


def test_a_password_is_refused_but_not_repeated() -> None:
    """The message about a secret does not hold it: it may end up in a log."""
    with pytest.raises(InvalidInput) as caught:
        read_lab(LAB.replace("git@git.lab.example:matsui/", "https://me:hunter2@git.lab.example/"))

    assert "hunter2" not in str(caught.value)


def test_a_last_day_counts_as_a_day() -> None:
    """A member may work until the end of the last day."""
    member = Member("russell", Role.STUDENT, ends="2027-03-31")

    assert member.is_active("2027-03-31")
    assert not member.is_active("2027-04-01")
    assert not member._replace(is_suspended=True).is_active("2027-01-01")


NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,10}", fullmatch=True).filter(lambda name: name != "alumni")
MEMBERS = st.builds(
    Member,
    name=NAMES,
    role=st.sampled_from(Role),
    email=st.sampled_from(["", "a@b.example", "ü'\\@b"]),
    groups=st.lists(NAMES, max_size=2).map(tuple),
    ends=st.sampled_from(["", "2027-03-31"]),
    is_suspended=st.booleans(),
)


@given(st.lists(MEMBERS, max_size=4, unique_by=lambda member: member.name).map(tuple))
def test_the_template_reads_back(members: tuple[Member, ...]) -> None:
    """`lab admin init` writes a file that says what it was told."""
    lab = Lab("matsui", Provider.AWS, "a-home", "a-data", "eu-west-1", repository='x"\\é', members=members)

    assert read_lab(template(lab)) == lab


@given(st.lists(MEMBERS, max_size=3, unique_by=lambda member: member.name).map(tuple), MEMBERS)
def test_a_member_is_changed_and_nothing_else(members: tuple[Member, ...], member: Member) -> None:
    """Setting and dropping a member leave every other member, and every comment."""
    before = Lab("matsui", Provider.S3, "a-home", "a-data", endpoint="http://s3.example", members=members)
    text = template(before)

    changed = set_member(text, member)
    others = {one.name: one for one in members if one.name != member.name}
    assert {one.name: one for one in read_lab(changed).members} == {**others, member.name: member}
    dropped = drop_member(changed, member.name)
    assert {one.name: one for one in read_lab(dropped).members} == others
    assert [row for row in dropped.splitlines() if "#" in row] == [row for row in text.splitlines() if "#" in row]


def test_a_member_written_as_a_table_is_changed_in_place() -> None:
    """The longer spelling is kept, and the table behind it stays."""
    changed = set_member(LAB, Member("alice", Role.CURATOR, "alice@lab.example", ("vision",)))

    assert '[members.alice]\nrole = "curator"\nemail = "alice@lab.example"\ngroups = ["vision"]\n' in changed
    assert read_lab(changed)._replace(members=()) == read_lab(LAB)._replace(members=())
    assert read_lab(drop_member(LAB.replace('"alice", ', ""), "alice")).member("alice") is None


def test_an_odd_spelling_is_left_to_a_person() -> None:
    """Dotted keys cannot be changed safely by lines: the file is not touched."""
    text = LAB.replace("suspended = true", "").replace(
        "[members]\n", '[members]\ncarl.role = "guest"\ncarl.email = "c@lab.example"\n'
    )

    with pytest.raises((Conflict, InvalidInput)):
        set_member(text, Member("carl", Role.STUDENT))
    with pytest.raises(NotFound, match="no member is called 'nobody'"):
        drop_member(text, "nobody")


def test_the_schema_knows_every_key() -> None:
    """The JSON schema is closed, and lists the tables and keys that the reader takes."""
    properties = json_schema()["properties"]
    assert isinstance(properties, dict)
    assert set(properties) == {*TABLES, *NAMED, *LISTS} >= set(tomllib.loads(LAB))
    for name, fields in TABLES.items():
        assert set(properties[name]["properties"]) == set(fields)
        assert properties[name]["additionalProperties"] is False
    patterns = re.findall(r"'pattern': \"?'?(\^.*?\$)[\"']", repr(properties))
    assert patterns
    assert all(re.compile(pattern) for pattern in patterns)


def test_a_secret_shows_itself_to_nobody() -> None:
    """Neither print, format, a container's repr nor pickle lets it out."""
    import pickle

    secret = Secret("hunter2hunter2")

    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {(secret,)!s}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert secret.reveal() == "hunter2hunter2"
