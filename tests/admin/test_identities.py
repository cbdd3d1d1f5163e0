"""Identities: one contract for every store that has them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from labops.drivers.iam import Identities, Identity, Kind, user
from labops.errors import AccessDenied, Conflict, NotFound, Unavailable, Unsupported
from tests.admin.conftest import Store

POLICY = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::contract"}],
}, separators=(",", ":"))  # fmt: skip


@pytest.fixture
def identities(store: Store) -> Identities:
    return store.identities()


@pytest.fixture
def name(store: Store, identities: Identities) -> Iterator[str]:
    """An identity of this test alone."""
    made = store.lab().identity_of("russell")
    identities.create(user(made), tags={"member": "russell"})
    yield made
    identities.delete(user(made))


def test_making_and_taking_away_can_be_repeated(store: Store, identities: Identities) -> None:
    """A run that was cut short is run again: what exists is not made twice, what is gone is no error."""
    name = store.lab().identity_of("repeat")
    for _ in range(2):
        identities.create(user(name), tags={"member": "repeat", "lab": "x"})
    assert identities.names(Kind.USER, name) == (name,)
    for _ in range(2):
        identities.delete(user(name))
    assert identities.names(Kind.USER, name) == ()


def test_a_new_identity_has_no_key_no_policy_and_no_right(store: Store, identities: Identities, name: str) -> None:
    """Nothing is given that nobody asked for: a key of it lists no bucket and makes none."""
    assert identities.keys(name) == ()
    assert identities.policies(user(name)) == {}
    assert identities.attached(user(name)) == ()
    key = identities.create_key(name)
    client = store.client(key=key)
    with pytest.raises(ClientError, match=r"AccessDenied|TooManyBuckets|403"):
        client.create_bucket(Bucket=f"{store.lab().home_bucket}-own")


def test_policies_come_back_as_they_were_put(identities: Identities, name: str) -> None:
    """Put, read, replace, delete; deleting twice is no error."""
    identities.put_policy(user(name), "home", POLICY)
    assert identities.policies(user(name)) == {"home": POLICY}
    other = POLICY.replace("contract", "other")
    identities.put_policy(user(name), "home", other)
    identities.put_policy(user(name), "datasets", POLICY)
    assert identities.policies(user(name)) == {"home": other, "datasets": POLICY}
    for _ in range(2):
        identities.delete_policy(user(name), "home")
    assert identities.policies(user(name)) == {"datasets": POLICY}


def test_a_key_works_until_it_is_deleted(store: Store, identities: Identities, name: str) -> None:
    """The secret is the right one; a deleted key is refused; two keys are the most."""
    bucket = store.lab().home_bucket
    store.client().create_bucket(Bucket=bucket)
    identities.put_policy(user(name), "list", POLICY.replace("contract", bucket))
    first, second = identities.create_key(name), identities.create_key(name)
    assert {key.id for key in identities.keys(name)} == {first.id, second.id}
    assert all(key.is_active for key in identities.keys(name))
    for key in (first, second):
        assert store.client(key=key).list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    with pytest.raises(Conflict):
        identities.create_key(name)
    for _ in range(2):
        identities.delete_key(name, first.id)
    assert [key.id for key in identities.keys(name)] == [second.id]
    with pytest.raises(ClientError, match=r"403|InvalidAccessKeyId|AccessDenied"):
        store.client(key=first).list_objects_v2(Bucket=bucket)


def test_a_member_is_switched_off_and_on(store: Store, identities: Identities, name: str) -> None:
    """All keys stop working at once, and work again later."""
    bucket = store.lab().home_bucket
    store.client().create_bucket(Bucket=bucket)
    identities.put_policy(user(name), "list", POLICY.replace("contract", bucket))
    client = store.client(key=identities.create_key(name))
    identities.set_active(name, False)
    assert [key.is_active for key in identities.keys(name)] == [False]
    with pytest.raises(ClientError):
        client.list_objects_v2(Bucket=bucket)
    identities.set_active(name, True)
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_policies_outlive_every_change_of_keys(identities: Identities, name: str) -> None:
    """Ceph 16 drops a user's policies when its keys change; here nobody loses a right by a rotation."""
    identities.put_policy(user(name), "home", POLICY)
    identities.put_policy(user(name), "datasets", POLICY)
    key = identities.create_key(name)
    identities.create_key(name)
    identities.set_active(name, False)
    identities.set_active(name, True)
    identities.delete_key(name, key.id)
    assert identities.policies(user(name)) == {"home": POLICY, "datasets": POLICY}


def test_one_key_is_switched_where_the_store_can(store: Store, identities: Identities, name: str) -> None:
    """AWS switches keys; Ceph 16 says that it cannot rather than doing something else."""
    key = identities.create_key(name)
    if store.is_ceph:
        with pytest.raises(Unsupported):
            identities.set_key_active(name, key.id, False)
        return
    identities.set_key_active(name, key.id, False)
    assert [one.is_active for one in identities.keys(name)] == [False]


def test_deleting_takes_keys_and_policies_along(identities: Identities, name: str) -> None:
    """An identity with keys and policies goes in one call, and can be asked for no more."""
    identities.create_key(name)
    identities.put_policy(user(name), "home", POLICY)
    identities.delete(user(name))
    with pytest.raises(NotFound):
        identities.keys(name)
    with pytest.raises(NotFound):
        identities.policies(user(name))


def test_an_unknown_identity_is_not_found(identities: Identities) -> None:
    """Looking at nobody is an error of ours."""
    with pytest.raises(NotFound) as caught:
        identities.keys("lab-nobody.nobody")
    assert caught.value.code == "not-at-store"
    with pytest.raises(NotFound):
        identities.create_key("lab-nobody.nobody")


def test_a_member_cannot_use_the_admin_api(store: Store, identities: Identities, name: str) -> None:
    """A member's key neither lists identities nor gives itself rights."""
    from dataclasses import replace

    from labops.drivers.aws import AwsKeys

    key = identities.create_key(name)
    kind = type(identities)
    theirs = kind(replace(store.access, keys=lambda: AwsKeys(key.id, key.secret.reveal())))
    with pytest.raises(AccessDenied):
        theirs.names(Kind.USER, "lab-")
    with pytest.raises(AccessDenied):
        theirs.put_policy(user(name), "all", POLICY)
    with pytest.raises(AccessDenied):
        theirs.create_key(name)


def test_groups_carry_policies_where_the_store_has_them(store: Store, identities: Identities, name: str) -> None:
    """A member gets a group's rights by joining, and loses them by leaving."""
    if Kind.GROUP not in identities.kinds:
        with pytest.raises(Unsupported):
            identities.join("any", name)
        assert identities.names(Kind.GROUP, "") == ()
        return
    bucket = store.lab().home_bucket
    store.client().create_bucket(Bucket=bucket)
    group = Identity(Kind.GROUP, f"{name}.students")
    identities.create(group, tags={})
    identities.put_policy(group, "list", POLICY.replace("contract", bucket))
    client = store.client(key=identities.create_key(name))
    for _ in range(2):
        identities.join(group.name, name)
    assert identities.groups_of(name) == (group.name,)
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    for _ in range(2):
        identities.leave(group.name, name)
    with pytest.raises(ClientError):
        client.list_objects_v2(Bucket=bucket)
    identities.delete(group)
    assert group.name not in identities.names(Kind.GROUP, "lab-")


def test_an_unreachable_store_is_unavailable(store: Store) -> None:
    """Nobody at the address: worth a retry, and named so."""
    from dataclasses import replace

    from labops.testing.servers import free_port

    kind = type(store.identities())
    lost = kind(replace(store.access, endpoint=f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(Unavailable):
        lost.names(Kind.USER, "lab-")


def test_nothing_shows_a_secret(store: Store, identities: Identities, name: str) -> None:
    """Neither the key nor the driver has the secret in its repr."""
    key = identities.create_key(name)
    assert key.secret.reveal() not in repr((key, identities, store.access))
    assert len(key.secret.reveal()) >= 40
