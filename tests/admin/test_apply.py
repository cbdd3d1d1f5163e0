"""From an empty store to a lab: planned, applied, cut short, changed by hand, and never a byte deleted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labops.administration.cloud import Cloud
from labops.drivers.bucketadmin import BucketAdmin
from labops.drivers.iam import Identity, Kind, user
from labops.errors import AccessDenied, Conflict, InvalidInput, NotFound, Unavailable
from labops.membership import Member, Role, Tiering
from labops.planning.lab import Act, Change
from labops.verbs.admin_apply import End, apply
from labops.verbs.admin_plan import plan
from tests.admin.conftest import Office, Store


def test_an_empty_store_becomes_the_lab(office: Office) -> None:
    """Everything is made, a second plan is empty, and planning wrote nothing."""
    lab = office.lab
    changes = office.plan()
    assert office.plan() == changes, "a plan changes nothing"
    with pytest.raises(ClientError):
        office.store.client().head_bucket(Bucket=lab.home_bucket)

    report = office.apply()

    assert [row.end for row in report.rows] == [End.DONE] * len(changes)
    assert report.exit_code == 0
    assert office.plan() == ()
    client = office.store.client()
    for bucket in (lab.home_bucket, lab.dataset_bucket):
        assert client.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        rule = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]
        assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 90
        assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 7
        tags = {tag["Key"]: tag["Value"] for tag in client.get_bucket_tagging(Bucket=bucket)["TagSet"]}
        assert tags == {"lab": lab.name, "managed-by": "labops"}
        if not office.store.is_ceph:
            block = client.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
            assert set(block.values()) == {True}
            rules = client.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
            assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
            assert "INTELLIGENT_TIERING" in str(rule["Transitions"])


def test_three_students_work(office: Office) -> None:
    """After one apply each writes into the own home, reads datasets, and sees nothing of the others."""
    members = tuple(Member(name, Role.STUDENT) for name in ("ann", "ben", "cho"))
    lab = office.write(office.lab._replace(members=(Member("yusuke", Role.ADMIN), *members)))
    office.apply()
    office.store.client().put_object(Bucket=lab.dataset_bucket, Key="files/md5/aa/bb", Body=b"data")
    for member in members:
        client = office.store.client(key=office.key(member.name))
        client.put_object(Bucket=lab.home_bucket, Key=f"{member.name}/a.txt", Body=member.name.encode())
        assert client.get_object(Bucket=lab.dataset_bucket, Key="files/md5/aa/bb")["Body"].read() == b"data"
        listed = client.list_objects_v2(Bucket=lab.home_bucket, Prefix=f"{member.name}/")
        assert [row["Key"] for row in listed["Contents"]] == [f"{member.name}/a.txt"]
        other = next(one.name for one in members if one != member)
        with pytest.raises(ClientError, match="AccessDenied"):
            client.list_objects_v2(Bucket=lab.home_bucket, Prefix=f"{other}/")


class _Cut(BaseException):
    """The process is gone."""


class _Dying(Cloud):
    """A provider whose process ends when its first change has reached the store, before anybody hears of it."""

    def __init__(self, inner: Cloud) -> None:
        super().__init__(inner.buckets, inner.identities)

    def apply(self, change: Change) -> bool:
        super().apply(change)
        raise _Cut


def test_killed_at_every_step_it_goes_on(office: Office) -> None:
    """Each round dies after one change; the next finds it done, and the end is what one run makes."""
    office.write(office.lab._replace(members=(Member("russell", Role.STUDENT), Member("gina", Role.GUEST))))
    dying = _Dying(office.cloud())
    left = []
    while changes := plan(str(office.folder), provider=dying).changes:
        left.append(len(changes))
        with pytest.raises(_Cut):
            apply(office.lab, changes, provider=dying)

    # A new bucket of AWS brings some of its settings along, so that a round may do more than one change.
    assert left == sorted(set(left), reverse=True), "each round gets further, and what is done stays done"
    assert dying.observe(office.lab) == dying.wanted(office.lab, "2026-01-01").state


def test_a_real_kill_is_survived(ministack_office: Office) -> None:
    """The command itself, killed by a signal while it works; the next run finds the rest."""
    command = [sys.executable, "-m", "labops", "admin", "apply", "--yes"]
    total = len(ministack_office.plan())
    for lines in (3, 6):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        ) as child:
            assert child.stdout is not None
            seen = 0
            for line in child.stdout:
                seen += line.rstrip().endswith(": done")
                if seen == lines:
                    child.send_signal(signal.SIGKILL)
                    break
            child.stdout.read()
        assert child.wait() == -signal.SIGKILL
    assert 0 < len(ministack_office.plan()) < total
    assert ministack_office.apply().exit_code == 0
    assert ministack_office.plan() == ()


def test_changes_by_hand_show_as_drift_and_are_put_back(office: Office) -> None:
    """A wider policy, another policy, versioning off, a rule for the world: planned with what is there now."""
    office.apply()
    lab, identities, client = office.lab, office.store.identities(), office.store.client()
    russell = user(lab.identity_of("russell"))
    everything = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    identities.put_policy(russell, "home", everything)
    identities.put_policy(russell, "mine", everything)
    client.put_bucket_versioning(Bucket=lab.home_bucket, VersioningConfiguration={"Status": "Suspended"})
    client.delete_bucket_lifecycle(Bucket=lab.dataset_bucket)

    changes = office.plan()

    assert {(change.act, change.thing.name, change.setting) for change in changes} == {
        (Act.SET, lab.home_bucket, "versioning"),
        (Act.SET, lab.dataset_bucket, "lifecycle"),
        (Act.GRANT, russell.name, "policy:home"),
        (Act.REVOKE, russell.name, "policy:mine"),
    }
    assert office.apply().exit_code == 0
    assert office.plan() == ()
    assert "mine" not in identities.policies(russell)


def test_who_leaves_the_file_is_shut_out_and_keeps_the_home(office: Office) -> None:
    """Rights and keys end; objects stay, the identity too, until a person removes it."""
    office.apply()
    lab = office.lab
    client = office.store.client(key=office.key("russell"))
    client.put_object(Bucket=lab.home_bucket, Key="russell/thesis.tex", Body=b"years of work")
    office.write(lab._replace(members=tuple(one for one in lab.members if one.name != "russell")))

    assert all(change.act is Act.REVOKE for change in office.plan())
    office.apply()

    assert office.plan() == ()
    with pytest.raises(ClientError):
        client.list_objects_v2(Bucket=lab.home_bucket, Prefix="russell/")
    kept = office.store.client().get_object(Bucket=lab.home_bucket, Key="russell/thesis.tex")["Body"].read()
    assert kept == b"years of work"
    assert lab.identity_of("russell") in office.store.identities().names(Kind.USER, lab.identity_prefix)


def test_suspended_and_ended_members_are_off_until_they_are_back(office: Office) -> None:
    """`suspended = true`, or a last day that has passed: nothing works; taking it back restores everything."""
    lab = office.lab
    office.apply()
    client = office.store.client(key=office.key("russell"))
    russell, alice = lab.member("russell"), lab.member("alice")
    assert russell is not None
    assert alice is not None
    others = tuple(one for one in lab.members if one.name not in {"russell", "alice"})
    off = (russell._replace(is_suspended=True), alice._replace(ends="2027-03-31"))
    office.write(lab._replace(members=(*others, *off)))

    assert all("russell" in change.thing.name for change in office.plan(day="2027-03-31"))
    office.apply(day="2027-04-01")
    assert office.plan(day="2027-04-01") == ()
    with pytest.raises(ClientError):
        client.list_objects_v2(Bucket=lab.home_bucket, Prefix="russell/")

    office.write(lab)
    office.apply()
    assert client.list_objects_v2(Bucket=lab.home_bucket, Prefix="russell/")["KeyCount"] == 0
    assert office.plan() == ()


def test_a_new_role_takes_the_old_rights_away(office: Office) -> None:
    """A curator who becomes a guest loses the home's and the datasets' rights of before."""
    office.apply()
    lab = office.lab
    client = office.store.client(key=office.key("carol"))
    client.put_object(Bucket=lab.dataset_bucket, Key="files/md5/aa/bb", Body=b"data")
    office.write(lab._replace(members=tuple(
        one._replace(role=Role.GUEST) if one.name == "carol" else one for one in lab.members
    )))  # fmt: skip
    office.apply()

    assert office.plan() == ()
    for bucket, key in ((lab.dataset_bucket, "files/md5/aa/cc"), (lab.home_bucket, "carol/x")):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.put_object(Bucket=bucket, Key=key, Body=b"")
    assert client.get_object(Bucket=lab.dataset_bucket, Key="files/md5/aa/bb")["Body"].read() == b"data"


def test_a_store_that_keeps_nothing_is_told_once(ministack_office: Office) -> None:
    """MiniStack answers 200 to a tiering configuration and keeps none: reported, and no endless drift."""
    office = ministack_office
    office.write(office.lab._replace(tiering=Tiering(True, 90)))
    report = office.apply()

    assert {(row.change.setting, row.end) for row in report.rows if row.end is not End.DONE} == {
        ("tiering", End.UNKEPT)
    }
    found = plan(str(office.folder))
    assert found.changes == ()
    assert {row.setting for row in found.unkept} == {"tiering"}
    office.write(office.lab._replace(tiering=Tiering(True, 180)))
    assert {change.setting for change in office.plan()} == {"tiering"}


def test_no_configuration_is_deleted_that_was_not_seen(ministack_store: Store) -> None:
    """Some stores take the DELETE of a setting they do not know for that of the bucket: none is sent."""
    lab = ministack_store.lab()
    ministack_store.client().create_bucket(Bucket=lab.home_bucket)
    sent: Counter[str] = Counter()
    admin = BucketAdmin(ministack_store.access)
    client: Any = admin._s3
    client.meta.events.register("before-send.s3", lambda request, **_: sent.update([request.method]) or None)
    for setting in ("bucket-policy", "lifecycle", "tiering"):
        admin.clear(lab.home_bucket, setting)
    assert sent["DELETE"] == 0
    policy = '{"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*"}]}'
    admin.put(lab.home_bucket, "bucket-policy", policy % lab.home_bucket)
    admin.clear(lab.home_bucket, "bucket-policy")
    assert sent["DELETE"] == 1
    assert admin.get(lab.home_bucket, "bucket-policy") == ""


def test_tags_of_others_stay(office: Office) -> None:
    """A tag that the university's bill needs is not taken away."""
    office.apply()
    client, bucket = office.store.client(), office.lab.home_bucket
    tags = [{"Key": "cost-centre", "Value": "42"}, {"Key": "lab", "Value": "somebody else's"}]
    client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert [change.setting for change in office.plan()] == ["tags"]
    office.apply()
    kept = {tag["Key"]: tag["Value"] for tag in client.get_bucket_tagging(Bucket=bucket)["TagSet"]}
    assert kept == {"cost-centre": "42", "lab": office.lab.name, "managed-by": "labops"}


class _Failing(Cloud):
    """A provider that fails at one thing."""

    def __init__(self, inner: Cloud, name: str, error: Exception) -> None:
        super().__init__(inner.buckets, inner.identities)
        self.name, self.error = name, error

    def apply(self, change: Change) -> bool:
        if change.thing.name == self.name and change.act is not Act.CREATE:
            raise self.error
        return super().apply(change)


def test_one_failure_stops_one_thing(ministack_office: Office) -> None:
    """The others are done, the exit code says that something failed, and the next run goes on."""
    office = ministack_office
    name = office.lab.identity_of("russell")
    found = plan(str(office.folder))
    error = Conflict("a limit of the account is reached", code="store-conflict")
    report = apply(found.lab, found.changes, provider=_Failing(office.cloud(), name, error))

    assert report.exit_code == 3
    ends = {row.change.setting: row.end for row in report.rows if row.change.thing.name == name}
    assert set(ends.values()) == {End.DONE, End.FAILED, End.SKIPPED}
    assert all(change.thing.name == name for change in office.plan())
    assert office.apply().exit_code == 0


def test_a_refusal_of_the_administrators_key_stops_all(ministack_office: Office) -> None:
    """Going on with credentials that are too narrow would only make noise."""
    office = ministack_office
    found = plan(str(office.folder))
    refusal = AccessDenied("the store refused", code="access-denied")
    with pytest.raises(AccessDenied):
        apply(found.lab, found.changes, provider=_Failing(office.cloud(), office.lab.home_bucket, refusal))


def test_a_members_key_plans_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is no administrator hears so, with what to do; nothing is shown of others."""
    office.apply()
    key = office.key("russell")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key.secret.reveal())
    with pytest.raises(AccessDenied) as caught:
        office.plan()
    assert caught.value.code == "access-denied"
    assert caught.value.hint


def test_an_admin_of_the_lab_runs_it(ministack_office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """On AWS a member with the role of admin plans, applies and makes keys with the own key."""
    office = ministack_office
    office.apply()
    key = office.key("yusuke")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key.secret.reveal())
    assert office.plan() == ()
    office.write(office.lab._replace(members=(*office.lab.members, Member("new", Role.STUDENT))))
    assert office.apply().exit_code == 0
    assert office.plan() == ()


def test_bad_surroundings_are_named(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, no credentials, nobody at the endpoint, a bucket of somebody else: each its own error."""
    (office.folder / "lab.toml").rename(office.folder / "other.toml")
    with pytest.raises(NotFound, match=r"no 'lab.toml' here"):
        office.plan()
    (office.folder / "lab.toml").write_bytes(b"\xff")
    with pytest.raises(InvalidInput, match="not text"):
        office.plan()
    office.write(office.lab)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA" + "NOBODY" * 2 + "NOBO")
    with pytest.raises(AccessDenied):
        office.plan()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AccessDenied, match="credentials"):
        office.plan()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    office.write(office.lab._replace(endpoint="http://127.0.0.1:9"))
    with pytest.raises(Unavailable):
        office.plan()


def test_groups_are_by_role_where_there_are_groups(ministack_office: Office) -> None:
    """On AWS the rights of a role hang on its group, and members are in exactly one."""
    office = ministack_office
    office.apply()
    iam = office.store.client("iam")
    prefix = office.lab.identity_prefix
    for member in office.lab.members:
        groups = [row["GroupName"] for row in iam.list_groups_for_user(UserName=f"{prefix}{member.name}")["Groups"]]
        assert groups == [f"{prefix}{member.role}s"]
    policies = office.store.identities().policies(Identity(Kind.GROUP, f"{prefix}students"))
    assert set(policies) == {"datasets"}
    assert json.loads(policies["datasets"])["Version"] == "2012-10-17"
