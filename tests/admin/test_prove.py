"""The matrix of rights as promised, on both judges; and every deliberate hole found by proof, audit and linter."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from labops.drivers import bucketadmin
from labops.drivers.iam import Identity, Kind, user
from labops.errors import InvalidInput, NotFound
from labops.formats.policycheck import dangers
from labops.membership import Member, Role
from labops.planning.rights import ACTIONS, BUCKET_ACTIONS, Promise, cast, trials
from labops.verbs.admin_audit import Audit, audit
from labops.verbs.admin_prove import Proof, prove
from tests.admin.conftest import Office

GRANT = '\n[[grants]]\nhome = "russell"\nfolder = "models"\nto = ["alice", "gina"]\n'


def proved(office: Office, **options: object) -> Proof:
    return prove(str(office.folder), **options)  # type: ignore[arg-type]


def seen(proof: Proof) -> dict[tuple[str, str, str], str]:
    """What the store answered, by member, place and action."""
    return {(one.trial.actor.name, one.trial.target.words, one.trial.action): one.seen for one in proof.answers}


def test_every_right_is_as_promised(office: Office) -> None:
    """All pairs of roles, all actions; the proof leaves no object, no version, no upload and no key behind."""
    lab = office.write(office.lab, GRANT)
    office.apply()
    client = office.store.client()
    client.put_object(Bucket=lab.home_bucket, Key="russell/models/final.pt", Body=b"model")

    proof = proved(office)

    assert [(one.trial.actor.name, one.trial.target.words, one.trial.action, one.seen) for one in proof.broken] == []
    assert proof.exit_code == 0
    assert proof.absent == ()
    pairs = {(one.trial.actor.role, one.trial.target.words) for one in proof.answers}
    assert len(pairs) >= len(Role) * 5
    assert Counter(one.trial.action for one in proof.answers).keys() == {*ACTIONS, *BUCKET_ACTIONS}
    left = client.list_object_versions(Bucket=lab.home_bucket)
    assert [row["Key"] for row in left.get("Versions", ())] == ["russell/models/final.pt"]
    assert not left.get("DeleteMarkers")
    assert not client.list_object_versions(Bucket=lab.dataset_bucket).get("Versions")
    for bucket in (lab.home_bucket, lab.dataset_bucket):
        assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")
    identities = office.store.identities()
    assert all(identities.keys(lab.identity_of(member.name)) == () for member in lab.members)
    assert office.plan() == ()

    # The heart of the promise once more, by name and from the store's own words.
    answers = seen(proof)
    for action in ACTIONS:
        assert answers["alice", "home of russell", action] == "denied"
        assert answers["carol", "home of alice", action] == "denied"
    for who in ("carol", "russell", "gina"):
        for action in ("delete", "bulk-delete", "delete-version", "put-tags", "publish"):
            assert answers[who, "datasets", action] == "denied"
        assert answers[who, "bucket of datasets", "change-policy"] == "denied"
        assert answers[who, "bucket of homes", "list-all"] == "denied"
    assert answers["carol", "datasets", "overwrite"] == "kept"
    assert answers["russell", "datasets", "put"] == answers["russell", "datasets", "overwrite"] == "denied"
    assert answers["alice", "shared by russell", "get"] == "allowed"
    assert answers["gina", "shared by russell", "put"] == "denied"


HOLES = {
    "homes without the slash": ("russell", "home", "arn:aws:s3:::{home}/russell/*", "arn:aws:s3:::{home}/*",
                                ("home of alice", "get")),
    "listing of every home": ("russell", "home", "russell/*\"}}", "*\"}}", ("home of alice", "list")),
    "versions for good": ("russell", "home", '"s3:DeleteObject","s3:G',
                          '"s3:DeleteObject","s3:DeleteObjectVersion","s3:G',
                          ("own home", "delete-version")),
}  # fmt: skip


@pytest.mark.parametrize("name", HOLES)
def test_a_hole_is_found_by_proof_audit_and_plan(office: Office, name: str) -> None:
    """Somebody widens a policy by hand: the proof shows what it opens, the audit calls it wide, the plan mends it."""
    lab = office.lab
    office.apply()
    member, policy, old, new, (place, action) = HOLES[name]
    identity, identities = user(lab.identity_of(member)), office.store.identities()
    text = identities.policies(identity)[policy]
    old, new = (one.format(home=lab.home_bucket) if "{home}" in one else one for one in (old, new))
    broken = text.replace(old, new)
    assert broken != text
    identities.put_policy(identity, policy, broken)

    proof = proved(office, members=("russell", "alice"))
    assert proof.exit_code == 4
    assert ("russell", place, action) in {
        (one.trial.actor.name, one.trial.target.words, one.trial.action) for one in proof.broken
    }
    assert all(one.trial.actor.name == "russell" for one in proof.broken)
    found = audit(str(office.folder))
    assert found.exit_code == 4
    assert [finding.code for finding in found.findings] == ["wide-policy", "drift"]
    assert identity.name in found.findings[0].subject
    if action != "delete-version":
        assert list(dangers(broken, home_bucket=lab.home_bucket))
    office.apply()
    assert audit(str(office.folder)).findings == ()


def test_a_curator_who_may_delete_is_found(office: Office) -> None:
    """Write-once is a promise: a DeleteObject in the curators' policy breaks it, wherever that policy hangs."""
    lab = office.lab
    office.apply()
    identities = office.store.identities()
    holder = user(lab.identity_of("carol"))
    if not office.store.is_ceph:
        holder = Identity(Kind.GROUP, f"{lab.identity_prefix}curators")
    text = identities.policies(holder)["datasets"]
    identities.put_policy(holder, "datasets", text.replace('"s3:PutObject"', '"s3:DeleteObject","s3:PutObject"'))

    proof = proved(office, members=("carol",))

    # Ceph judges a bulk deletion on the bucket too, where this hole is not.
    actions = {"delete"} if office.store.is_ceph else {"delete", "bulk-delete"}
    found = {(one.trial.target.words, one.trial.action) for one in proof.broken}
    assert found == {("datasets", action) for action in actions}
    assert "wide-policy" in {finding.code for finding in audit(str(office.folder)).findings}


def test_a_missing_right_is_found_too(office: Office) -> None:
    """Too strict is broken as well: a student who cannot write home has no home."""
    office.apply()
    identities, identity = office.store.identities(), user(office.lab.identity_of("russell"))
    identities.delete_policy(identity, "home")

    proof = proved(office, members=("russell",))

    assert ("own home", "put") in {(one.trial.target.words, one.trial.action) for one in proof.broken}
    assert [finding.code for finding in audit(str(office.folder)).findings] == ["not-applied"]


def codes(found: Audit) -> set[tuple[str, str]]:
    return {(finding.code, finding.subject) for finding in found.findings}


def test_keys_and_strangers_are_seen(office: Office) -> None:
    """Two keys, a key of somebody who left, an identity that nobody knows, a key too old."""
    office.apply()
    lab, identities = office.lab, office.store.identities()
    assert audit(str(office.folder)).findings == ()
    for _ in range(2):
        office.key("alice")
    office.key("russell")
    identities.create(user(lab.identity_of("mallory")), tags={})
    identities.create_key(lab.identity_of("mallory"))
    russell = lab.member("russell")
    assert russell is not None
    office.write(lab._replace(members=tuple(
        one._replace(is_suspended=True) if one == russell else one for one in lab.members
    )))  # fmt: skip

    found = codes(audit(str(office.folder)))

    assert ("two-keys", lab.identity_of("alice")) in found
    assert ("ended-member", "russell") in found
    assert ("unknown-identity", lab.identity_of("mallory")) in found
    if not office.store.is_ceph:  # Ceph 16 tells no age of keys
        late = codes(audit(str(office.folder), day="2099-01-01"))
        assert ("old-key", lab.identity_of("alice")) in late


def test_an_open_bucket_is_seen(ministack_office: Office) -> None:
    """Public access that is not blocked, and a policy for the world."""
    office = ministack_office
    office.apply()
    lab, client = office.lab, office.store.client()
    for bucket in (lab.home_bucket, lab.dataset_bucket):
        client.delete_public_access_block(Bucket=bucket)
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{lab.dataset_bucket}/*",
    }
    client.put_bucket_policy(
        Bucket=lab.dataset_bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )

    found = audit(str(office.folder))

    assert codes(found) >= {
        ("public-bucket", lab.home_bucket),
        ("wide-policy", f"bucket {lab.dataset_bucket}"), ("drift", f"bucket {lab.dataset_bucket}"),
    }  # fmt: skip
    assert "whole world" in next(one.message for one in found.findings if one.code == "wide-policy")
    assert office.apply().exit_code == 0
    assert audit(str(office.folder)).findings == ()


def test_a_policy_hung_on_by_hand_is_seen_and_taken_down(ministack_office: Office) -> None:
    """Somebody attaches a managed policy, or puts a member into a powerful group, in the console."""
    office = ministack_office
    office.apply()
    iam, name = office.store.client("iam"), office.lab.identity_of("russell")
    everything = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    arn = iam.create_policy(PolicyName=f"{office.lab.name}-all", PolicyDocument=everything)["Policy"]["Arn"]
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    iam.create_group(GroupName=f"{office.lab.name}-bosses")
    iam.add_user_to_group(GroupName=f"{office.lab.name}-bosses", UserName=name)

    assert ("wide-policy", f"user {name}") in codes(audit(str(office.folder)))
    assert {change.setting for change in office.plan()} == {f"attached:{arn}", f"group:{office.lab.name}-bosses"}
    assert proved(office, members=("russell",)).exit_code == 4
    office.apply()
    assert audit(str(office.folder)).findings == ()
    assert proved(office, members=("russell",)).exit_code == 0


def test_a_bucket_without_encryption_is_seen(ministack_office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a store tells of no encryption, bytes may lie there as they are (AWS and MiniStack always encrypt)."""
    ministack_office.apply()
    monkeypatch.setattr(
        "labops.drivers.bucketadmin._SETTINGS",
        {**bucketadmin._SETTINGS, "encryption": (lambda *_: "", lambda *_: None)},
    )
    found = codes(audit(str(ministack_office.folder)))
    assert ("unencrypted-bucket", ministack_office.lab.home_bucket) in found


def test_an_open_acl_is_seen(ceph_office: Office) -> None:
    """A bucket whose ACL gives it to the world shows in the audit, on a store without a public access block."""
    office = ceph_office
    office.apply()
    office.store.client().put_bucket_acl(Bucket=office.lab.home_bucket, ACL="public-read")
    assert ("public-bucket", office.lab.home_bucket) in codes(audit(str(office.folder)))


def test_a_proof_that_died_is_cleaned_up_by_the_next(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is gone in the middle: key and objects are remembered, and the next proof takes them away."""
    office.apply()
    lab, identities = office.lab, office.store.identities()

    class Gone(BaseException):
        pass

    def die(_answer: object) -> None:
        raise Gone

    with monkeypatch.context() as patch:
        patch.setattr("labops.drivers.probing.Ground.clean", lambda *_: (_ for _ in ()).throw(Gone()))
        patch.setattr(type(identities), "delete_key", lambda *_: (_ for _ in ()).throw(Gone()))
        with pytest.raises(Gone):
            proved(office, members=("russell",), on_answer=die)
    assert len(identities.keys(lab.identity_of("russell"))) == 1
    assert office.store.client().list_object_versions(Bucket=lab.home_bucket).get("Versions")

    assert proved(office, members=("russell",)).exit_code == 0

    assert identities.keys(lab.identity_of("russell")) == ()
    assert not office.store.client().list_object_versions(Bucket=lab.home_bucket).get("Versions")


def test_who_cannot_be_asked_is_said(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two keys already, a suspended member, nobody of the name, no lab yet: nothing is passed over in silence."""
    with pytest.raises(NotFound, match="no bucket") as caught:
        proved(office)
    assert caught.value.hint == "lab admin apply"
    office.apply()
    office.key("gina"), office.key("gina")
    proof = proved(office, members=("gina", "alice"))
    assert ("gina", "has two keys already, or no identity yet") in proof.absent
    assert ("guest", "nobody of this role could be asked") in proof.absent
    with pytest.raises(NotFound, match="no member is called 'nobody'"):
        proved(office, members=("nobody",))
    members = tuple(one._replace(is_suspended=one.name == "alice") for one in office.lab.members)
    office.write(office.lab._replace(members=members))
    with pytest.raises(InvalidInput, match="suspended"):
        proved(office, members=("alice",))


def test_profiles_stand_in_for_keys(office: Office, home: object) -> None:
    """A member's own profile is used as it is, and no key is made."""
    from pathlib import Path

    office.apply()
    key = office.key("russell")
    folder = Path(str(home), ".aws")
    folder.mkdir()
    (folder / "credentials").write_text(
        f"[lab-russell]\naws_access_key_id = {key.id}\naws_secret_access_key = {key.secret.reveal()}\n"
    )
    proof = proved(office, profiles={"russell": "lab-russell"})
    assert proof.broken == ()
    assert {one.trial.actor.name for one in proof.answers} == {"russell"}
    assert [one.id for one in office.store.identities().keys(office.lab.identity_of("russell"))] == [key.id]


def test_the_promises_are_a_table_of_their_own() -> None:
    """Spot checks of the table by hand: what each role may do in datasets and in a foreign home."""
    from labops.membership import Lab, Provider

    members = tuple(Member(role.value, role) for role in Role)
    lab = Lab("x", Provider.AWS, "h", "d", members=members)
    table = {(one.actor.name, one.target.words, one.action): one.promise for one in trials(lab, members)}

    assert table["student", "home of curator", "get"] is Promise.DENIED
    assert table["admin", "home of student", "get"] is Promise.ALLOWED
    assert table["curator", "datasets", "put"] is Promise.ALLOWED
    assert table["curator", "datasets", "overwrite"] is Promise.KEPT
    assert table["student", "datasets", "put"] is Promise.DENIED
    assert table["admin", "datasets", "publish"] is Promise.DENIED
    assert table["guest", "datasets", "get"] is Promise.ALLOWED
    assert not any(actor == "guest" and place == "own home" for actor, place, _ in table)
    assert [one.name for one in cast(lab, "2026-01-01")] == ["admin", "curator", "student", "guest"]
