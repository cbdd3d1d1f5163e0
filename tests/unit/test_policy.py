"""Policies: what two independent readers say of them, how long they are, and which mistakes are caught."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from labops.administration.opening import reached
from labops.administration.wanted import wanted
from labops.errors import InvalidInput
from labops.formats import policy
from labops.formats.policycheck import dangers, wider
from labops.membership import Grant, Lab, Member, Provider, Role

LAB = Lab(
    "matsui", Provider.AWS, "m-home", "m-data", region="eu-west-1",
    members=(
        Member("yusuke", Role.ADMIN), Member("carol", Role.CURATOR), Member("russell", Role.STUDENT),
        Member("russell2", Role.STUDENT, groups=("vision",)), Member("gina", Role.GUEST),
    ),
    grants=(Grant("russell", "models", ("@vision", "gina")),),
)  # fmt: skip
CEPH = LAB._replace(provider=Provider.S3, endpoint="https://s3.lab.example")
ROLES = LAB._replace(identity="roles", trust="arn:aws:iam::123456789012:saml-provider/uni")


def every_document(lab: Lab) -> dict[str, str]:
    """All policies of members by `member/policy`."""
    found = {}
    for member in lab.members:
        own, role = policy.documents(lab, member)
        found |= {f"{member.name}/{name}": text for name, text in {**own, **role}.items()}
    return found


@pytest.mark.parametrize("lab", [LAB, CEPH], ids=["aws", "ceph"])
def test_no_template_is_dangerous(lab: Lab) -> None:
    """The rules of `policycheck`, written apart from the templates, find nothing in them."""
    for name, text in every_document(lab).items():
        assert not list(dangers(text, home_bucket=lab.home_bucket, is_admin=name.startswith("yusuke/"))), name
    for role in Role:
        for name, text in policy.role_documents(ROLES, role, "2026-01-01").items():
            assert not list(dangers(text, home_bucket="m-home", is_admin=role is Role.ADMIN)), (role, name)


def test_the_names_of_members_are_written_out() -> None:
    """Ceph refuses a document with `${aws:username}`; each home policy names one prefix, with a slash at its end."""
    texts = every_document(CEPH)

    assert "${" not in "".join(texts.values())
    assert '"s3:prefix":"russell/*"' in texts["russell/home"]
    assert "arn:aws:s3:::m-home/russell/*" in texts["russell/home"]
    assert "gina/home" not in texts
    assert "yusuke/home" not in texts
    assert "russell/shared" not in texts
    assert '"Resource":"arn:aws:s3:::m-home/russell/models/*"' in texts["gina/shared"] == texts["russell2/shared"]


def test_policies_are_compact() -> None:
    """No blank in them: Ceph 16 misreads some, and AWS counts letters."""
    assert not any(" " in text for text in every_document(CEPH).values())


def test_nobody_but_admins_deletes_datasets_and_curators_alone_put_them() -> None:
    """Read from the text itself: the actions that each role has on objects of the dataset bucket."""
    for name, text in every_document(LAB).items():
        if not name.endswith("/datasets"):
            continue
        allowed = [one for one in json.loads(text)["Statement"] if one["Effect"] == "Allow"]
        actions = {action for one in allowed for action in one["Action"] if "m-data" in json.dumps(one["Resource"])}
        assert not {action for action in actions if "Delete" in action}
        assert ("s3:PutObject" in actions) == name.startswith("carol/")


def test_write_once_by_condition_is_for_aws_alone() -> None:
    """The condition stands in a curator's policy on AWS when asked for; an endpoint of one's own never sees it."""
    strict = LAB._replace(write_once="condition")
    with_it = policy.documents(strict, strict.members[1]).role["datasets"]

    assert '"Null":{"s3:if-none-match":"true"}' in with_it
    assert "if-none-match" not in policy.documents(LAB, LAB.members[1]).role["datasets"]
    local = strict._replace(endpoint="http://127.0.0.1:1")
    assert "if-none-match" not in policy.documents(local, local.members[1]).role["datasets"]


def test_plain_http_has_no_rule_about_tls() -> None:
    """The rule would shut everybody out of a store without TLS; elsewhere it stands in both buckets."""
    for bucket in ("m-home", "m-data"):
        assert "aws:SecureTransport" in policy.bucket_policy(LAB, bucket)
        assert "aws:SecureTransport" in policy.bucket_policy(CEPH, bucket)
        assert policy.bucket_policy(LAB._replace(endpoint="http://127.0.0.1:1"), bucket) == ""


def two_hundred(grants: tuple[Grant, ...] = ()) -> Lab:
    """Two hundred members with the longest names there are."""
    names = [f"{number:03}-{'x' * 28}" for number in range(200)]
    members = tuple(Member(name, list(Role)[at % 4], groups=("everybody",)) for at, name in enumerate(names))
    return LAB._replace(
        name="a" * 24, members=members, grants=grants, home_bucket="h" * 63, dataset_bucket="d" * 63
    )  # fmt: skip


def test_two_hundred_members_fit() -> None:
    """With the longest names for everything, and a shared folder for everybody, no limit of AWS is reached."""
    lab = two_hundred()
    shared = tuple(Grant(member.name, "shared", ("@everybody",)) for member in lab.members[1:3])
    for identity in ("users", "roles"):
        asked = two_hundred(shared)._replace(identity=identity, trust="arn:aws:iam::123456789012:saml-provider/uni")
        state = wanted(asked, "2026-01-01", kinds=frozenset({"user", "group", "role"})).state
        assert len(state) == (206 if identity == "users" else 6)
        for thing, settings in state.items():
            texts = [text for name, text in settings.items() if "policy" in name]
            assert sum(map(len, texts)) <= policy.LIMITS[thing.kind], thing


def test_rights_that_do_not_fit_are_refused_before_anything_is_sent() -> None:
    """A grant of a hundred homes to everybody is too much for one identity: an error names whose."""
    lab = two_hundred()
    shared = tuple(Grant(member.name, "shared", ("@everybody",)) for member in lab.members if member.has_home)

    with pytest.raises(InvalidInput, match="letters long") as caught:
        wanted(two_hundred(shared), "2026-01-01", kinds=frozenset({"user", "group"}))
    assert caught.value.code == "policy-too-long"


def test_two_spellings_of_a_policy_are_one() -> None:
    """Stores hand back lists of one as texts, keys in another order, a single statement without its list."""
    one = '{"Statement":{"Action":["s3:GetObject"],"Resource":"r","Effect":"Allow"},"Version":"2012-10-17"}'
    two = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["r"]}]}'

    assert policy.canonical(one) == policy.canonical(two)
    assert policy.canonical("no json") == "no json"


BROKEN = {
    "whole bucket": ('"arn:aws:s3:::m-home/russell/*"', '"arn:aws:s3:::m-home/*"'),
    "two homes": ('"arn:aws:s3:::m-home/russell/*"', '"arn:aws:s3:::m-home/russell*"'),
    "no slash": ('"s3:prefix":"russell/*"', '"s3:prefix":"russell*"'),
    "no prefix": (',"Condition":{"StringLike":{"s3:prefix":"russell/*"}}', ""),
    "every prefix": ('"s3:prefix":"russell/*"', '"s3:prefix":"*"'),
    "every bucket": ('"arn:aws:s3:::m-home/russell/*"', '"*"'),
    "every action": ('"s3:GetObject"', '"s3:*"'),
    "every service": ('"s3:GetObject"', '"*"'),
    "but one": ('"Action":', '"NotAction":'),
    "a variable": ("m-home/russell/*", "m-home/${aws:username}/*"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_home_policy_is_dangerous(name: str) -> None:
    """Each mistake that would let russell out of the home is named, and is wider than the template."""
    template = policy.documents(LAB, LAB.members[2]).own["home"]
    old, new = BROKEN[name]
    condition = old if old in template else '"Condition":{"StringLike":{"s3:prefix":"russell/*"}},'
    broken = template.replace(condition, new)
    assert broken != template

    assert list(dangers(broken, home_bucket="m-home"))
    assert list(wider(broken, template))


def test_narrower_is_not_wider() -> None:
    """Fewer actions, a longer prefix, another condition: an audit is not troubled by them; a lost refusal is."""
    template = policy.documents(LAB, LAB.members[2]).own["home"]
    narrower = template.replace('"s3:GetObject",', "").replace('home/russell/*"', 'home/russell/only/*"')

    assert not list(wider(narrower, template))
    admin = policy.documents(LAB, LAB.members[0]).role["admin"]
    statements = [one for one in json.loads(admin)["Statement"] if one["Effect"] == "Allow"]
    assert list(wider(policy.document(statements), admin))
    assert list(dangers("[]", home_bucket="m-home")) == list(dangers("no", home_bucket="m-home")) == ["it is no policy"]


def test_the_world_is_seen_in_a_bucket_policy() -> None:
    """An allowance for everybody is dangerous however it is spelled."""
    for principal in ('"*"', '{"AWS":"*"}', '{"AWS":["arn:aws:iam::1:root","*"]}'):
        statement = (
            f'{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::m/*"}}'
        )
        found = list(dangers(f'{{"Statement":[{statement}]}}', home_bucket="m-home", is_admin=True))
        assert "it gives something to the whole world" in found


READ_BY_PARLIAMENT = """
import json, sys, warnings
warnings.simplefilter("ignore")
from parliament import analyze_policy_string
texts = json.load(sys.stdin)
print(json.dumps({name: [(f.issue, str(f.detail)) for f in analyze_policy_string(text).findings]
                  for name, text in texts.items()}))
"""


def parliament(texts: dict[str, str]) -> dict[str, list[list[str]]]:
    """What parliament, which knows AWS's own tables of actions and conditions, says of each policy."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ_BY_PARLIAMENT], input=json.dumps(texts), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    found: dict[str, list[list[str]]] = json.loads(done.stdout)
    return found


def test_parliament_finds_nothing() -> None:
    """Every action exists, applies to its resource, and knows its condition: said by AWS's own tables.

    Two of its words do not count: `s3:*` in an admin's policy names actions of no bucket, and a home by principal tag
    is a pattern it cannot see through.
    """
    texts = every_document(LAB)
    for role in Role:
        texts |= {f"role {role}/{name}": t for name, t in policy.role_documents(ROLES, role, "2026-01-01").items()}
    accepted = {"RESOURCE_MISMATCH", "RESOURCE_STAR"}
    found = {
        name: [row for row in rows if not (row[0] in accepted and ("admin" in name or name.endswith("/home")))]
        for name, rows in parliament(texts).items()
    }

    assert {name: rows for name, rows in found.items() if rows} == {}
    assert all(not rows for name, rows in parliament(every_document(LAB)).items() if not name.startswith("yusuke"))


def test_parliament_catches_broken_policies() -> None:
    """The linter sees what it should: a star for every bucket, an action that is none, a condition out of place."""
    template = policy.documents(LAB, LAB.members[2]).own["home"]
    found = parliament({
        "star": template.replace('"arn:aws:s3:::m-home/russell/*"', '"*"'),
        "typo": template.replace("s3:GetObject\"", "s3:GetObjcet\""),
        "condition": template.replace("s3:prefix", "s3:prefiks"),
    })  # fmt: skip

    assert all(found.values()), found


def test_no_tls_is_demanded_of_a_store_that_is_reached_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment may name the endpoint, and the administrator must not lock the door behind himself."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    here = reached(LAB)

    assert here.endpoint == "http://127.0.0.1:1"
    assert policy.bucket_policy(here, here.home_bucket) == ""
    assert reached(LAB._replace(endpoint="https://s3.lab.example")).endpoint == "https://s3.lab.example"
