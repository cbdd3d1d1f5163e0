"""What single stores do: TLS demanded, roles by tag, a weak store that is left whole, errors of boto3 in our words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import botocore.exceptions
import pytest
from botocore.exceptions import ClientError

from labops.drivers import boto
from labops.drivers.iam import Identity, Kind
from labops.errors import LabError, Unsupported
from labops.formats import policy
from labops.membership import Member, Role
from labops.testing.servers import Server
from labops.verbs.admin_apply import End, apply
from labops.verbs.admin_plan import plan
from labops.verbs.admin_prove import prove
from tests.admin.conftest import Office, Store


def test_plain_http_is_refused_where_tls_is_demanded(ministack_office: Office) -> None:
    """The rule that stands in every bucket behind TLS: with it, a member's request over plain http is denied."""
    office = ministack_office
    office.apply()
    lab = office.lab
    client = office.store.client(key=office.key("russell"))
    client.put_object(Bucket=lab.home_bucket, Key="russell/a", Body=b"")
    document = policy.bucket_policy(lab._replace(endpoint=""), lab.home_bucket)
    office.store.client().put_bucket_policy(Bucket=lab.home_bucket, Policy=document)

    with pytest.raises(ClientError, match="AccessDenied"):
        client.get_object(Bucket=lab.home_bucket, Key="russell/a")


def test_roles_are_made_and_fail_closed(ministack_office: Office) -> None:
    """With SSO there is a role for each kind of member and no user; who carries no known tag gets nothing at all.

    No store that runs here knows principal tags, so that the other half, a tag that opens one home, is read by
    parliament alone. The login service is played by `AssumeRole`, for which the test lets the role trust its caller.
    """
    office = ministack_office
    names = ("russell", "alice")
    lab = office.write(
        office.lab._replace(
            identity="roles",
            trust="arn:aws:iam::000000000000:saml-provider/uni",
            members=tuple(Member(name, Role.STUDENT) for name in names),
        )
    )
    assert office.apply().exit_code == 0
    assert office.plan() == ()
    name = f"{lab.identity_prefix}students"
    identities = office.store.identities()
    assert identities.names(Kind.USER, lab.identity_prefix) == ()
    assert len(identities.names(Kind.ROLE, lab.identity_prefix)) == len(Role)
    assert '"Federated":"arn:aws:iam::000000000000:saml-provider/uni"' in identities.trust(name)
    anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    identities.set_trust(name, json.dumps({"Version": "2012-10-17", "Statement": [anyone]}))
    assert [change.setting for change in office.plan()] == ["trust"], "a changed trust is drift"
    arn = office.store.client("iam").get_role(RoleName=name)["Role"]["Arn"]

    for who in ("mallory", "", "*"):
        client = _assumed(office.store, arn, who)
        with pytest.raises(ClientError, match="AccessDenied"):
            client.put_object(Bucket=lab.home_bucket, Key="russell/a", Body=b"")
        with pytest.raises(ClientError, match="AccessDenied"):
            client.list_objects_v2(Bucket=lab.dataset_bucket)
    with pytest.raises(Unsupported) as caught:
        prove(str(office.folder))
    assert "--as NAME=PROFILE" in caught.value.hint


def _assumed(store: Store, arn: str, member: str) -> Any:
    import boto3

    tags = [{"Key": policy.TAG, "Value": member}] if member else []
    answer = store.client("sts").assume_role(RoleArn=arn, RoleSessionName="test", Tags=tags)["Credentials"]
    made = boto3.client(
        "s3", endpoint_url=store.server.endpoint, region_name="us-east-1", aws_access_key_id=answer["AccessKeyId"],
        aws_secret_access_key=answer["SecretAccessKey"], aws_session_token=answer["SessionToken"],
    )  # fmt: skip
    store.keep(made)
    return made


@pytest.fixture
def weak_store(rclone: Server) -> Iterator[Store]:
    """rclone's server: buckets and nothing else; a DELETE of a setting it does not know takes the bucket."""
    store = Store(rclone)
    store.is_ceph = True  # a store of its own kind, provider 's3'
    yield store
    store.close()


def test_a_weak_store_gets_buckets_and_a_checklist(
    weak_store: Store, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the store does not know is said, not asked for again, and costs no bucket; people get a list."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", weak_store.server.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", weak_store.server.secret)
    office = Office(weak_store, tmp_path)

    found = plan(str(tmp_path))
    report = apply(found.lab, found.changes)

    assert {change.thing.kind for change in found.changes} == {"bucket"}
    assert {row.end for row in report.rows} <= {End.DONE, End.UNKEPT}
    again = plan(str(tmp_path))
    assert again.changes == ()
    assert again.unkept
    notes = "\n".join(again.limits.notes)
    assert "the store keeps no old versions" in notes
    assert "leaves the old version" not in notes
    assert "refused by the bucket policy" not in notes
    todo = "\n".join(again.limits.todo)
    for member in office.lab.members:
        assert f"give {member.name} a key" in todo
    assert f"{office.lab.home_bucket}/russell/" in todo
    assert "lab admin prove --as" in todo
    for bucket in (office.lab.home_bucket, office.lab.dataset_bucket):
        weak_store.client().head_bucket(Bucket=bucket)
    with pytest.raises(Unsupported):
        prove(str(tmp_path))


def test_every_failure_of_botocore_becomes_ours() -> None:
    """No exception of the library passes through, whatever it is made of."""
    kinds = [
        kind for kind in vars(botocore.exceptions).values()
        if isinstance(kind, type) and issubclass(kind, botocore.exceptions.BotoCoreError)
    ]  # fmt: skip
    assert len(kinds) > 50
    for kind in kinds:
        made = kind.__new__(kind)
        Exception.__init__(made, kind.__name__)
        with pytest.raises(LabError), boto.translated("test"):
            raise made


@pytest.mark.parametrize(
    ("code", "status", "ours"),
    [
        ("AccessDenied", 403, "access-denied"), ("InvalidClientTokenId", 403, "access-denied"),
        ("ExpiredToken", 400, "expired-credentials"), ("NoSuchEntity", 404, "not-at-store"),
        ("LimitExceeded", 409, "store-conflict"), ("BucketAlreadyExists", 409, "store-conflict"),
        ("Throttling", 400, "remote-busy"), ("", 503, "remote-busy"), ("NotImplemented", 501, "store-cannot"),
        ("MalformedPolicyDocument", 400, "store-refused"), ("", 404, "not-at-store"),
    ],
)  # fmt: skip
def test_answers_of_stores_have_a_word_each(code: str, status: int, ours: str) -> None:
    """The table from a store's word to ours."""
    answer = {"Error": {"Code": code, "Message": "hunter2"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(LabError) as caught, boto.translated("test"):
        raise ClientError(answer, "Test")  # type: ignore[arg-type]
    assert caught.value.code == ours
    assert "hunter2" not in f"{caught.value} {caught.value.hint} {caught.value.fields}"


def test_a_group_goes_with_what_hangs_on_it(ministack_office: Office) -> None:
    """Deleting a group lets its members go first, and can be repeated."""
    office = ministack_office
    office.apply()
    identities = office.store.identities()
    group = Identity(Kind.GROUP, f"{office.lab.identity_prefix}students")
    for _ in range(2):
        identities.delete(group)
    assert identities.groups_of(office.lab.identity_of("russell")) == ()
    assert office.apply().exit_code == 0
    assert office.plan() == ()


def test_over_tls_the_rights_are_the_same(
    ceph: tuple[Any, Any], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ceph behind TLS, as universities run it: the rule against plain http lets everybody in who should be."""
    store = Store(ceph[1])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", store.server.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", store.server.secret)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(store.server.ca_file))
    office = Office(store, tmp_path)

    assert office.apply().exit_code == 0

    assert "aws:SecureTransport" in store.client().get_bucket_policy(Bucket=office.lab.home_bucket)["Policy"]
    assert office.plan() == ()
    proof = prove(str(tmp_path), members=("carol", "russell", "gina"))
    assert proof.broken == ()
    assert len(proof.answers) > 100
    store.close()
