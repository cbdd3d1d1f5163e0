"""Read policies as a suspicious person does: what is dangerous in one, and what one allows beyond another.

Written apart from the templates in `policy`, so that a mistake there is seen here.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_TAG: Final = re.compile(r"aws:PrincipalTag/[\w-]+")
_READS_NOTHING: Final = {"s3:GetBucketLocation", "s3:GetBucketVersioning"}


def dangers(text: str, *, home_bucket: str, is_admin: bool = False) -> Iterator[str]:
    """What no policy of a lab may hold; `is_admin` allows whole buckets."""
    try:
        statements = list(_statements(text))
    except (ValueError, TypeError, AttributeError):
        yield "it is no policy"
        return
    for statement in statements:
        if statement.get("Effect") != "Allow":
            continue
        if "NotAction" in statement or "NotResource" in statement or "NotPrincipal" in statement:
            yield "it allows everything but something"
            continue
        if _is_world(statement.get("Principal")):
            yield "it gives something to the whole world"
        actions, resources = _list(statement.get("Action")), _list(statement.get("Resource"))
        yield from _too_wide(actions, resources, is_admin=is_admin)
        if not is_admin:
            yield from _out_of_home(statement, actions, resources, home_bucket)
        for name in _VARIABLE.findall(json.dumps(statement)):
            if not _TAG.fullmatch(name):
                yield f"it relies on '{name}', which is not there for every member"


def _too_wide(actions: list[str], resources: list[str], *, is_admin: bool) -> Iterator[str]:
    if "*" in actions:
        yield "it allows every action of every service"
    if "*" in resources and any(action.startswith(("s3:", "*")) for action in actions):
        yield "it reaches every bucket"
    if not is_admin and any(action.partition(":")[2].startswith("*") for action in actions):
        yield "it allows every action of a service"
    if not is_admin and any(not action.startswith("s3:") for action in actions):
        yield "it allows more than S3"


def _out_of_home(
    statement: Mapping[str, Any], actions: list[str], resources: list[str], home_bucket: str
) -> Iterator[str]:
    """A member's policy lists no homes but by prefix, and names no objects but below one."""
    bucket = f"arn:aws:s3:::{home_bucket}"
    lists = any(
        fnmatch.fnmatchcase(name, action) for action in actions for name in ("s3:ListBucket", "s3:ListBucketVersions")
    )
    if lists and any(fnmatch.fnmatchcase(bucket, resource) for resource in resources):
        prefixes = _list(statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix"))
        if not prefixes or any(not re.fullmatch(r"[^*?]+/\*", prefix) for prefix in prefixes):
            yield "it lists homes without a prefix that ends one home"
    for resource in resources:
        inside = resource.removeprefix(f"{bucket}/")
        if inside != resource and not re.fullmatch(r"[^*?]+/\*", inside):
            yield "it reaches more than one home"
        elif inside == resource and resource not in {bucket} and fnmatch.fnmatchcase(f"{bucket}/x/y", resource):
            yield "it reaches the homes by a pattern"


def wider(seen: str, template: str) -> Iterator[str]:
    """What `seen` allows and `template` does not, as actions on resources; and refusals it lacks."""
    try:
        mine, theirs = list(_statements(template)), list(_statements(seen))
    except (ValueError, TypeError, AttributeError):
        yield "it is no policy"
        return
    allowed = [one for one in mine if one.get("Effect") == "Allow"]
    for statement in theirs:
        if statement.get("Effect") != "Allow":
            continue
        for action in _list(statement.get("Action")) or ["everything but something"]:
            for resource in _list(statement.get("Resource")) or ["everything but something"]:
                if not any(_covers(one, action, resource, statement) for one in allowed):
                    yield f"{action} on {resource}"
    for statement in mine:
        if statement.get("Effect") == "Deny" and statement not in theirs:
            yield f"no refusal of {', '.join(_list(statement.get('Action')))}"


def _covers(one: Mapping[str, Any], action: str, resource: str, statement: Mapping[str, Any]) -> bool:
    """True when `one` allows that too, under conditions that are no stricter, to the same principal."""
    if one.get("Principal") != statement.get("Principal"):
        return False
    return (
        any(_matches(action, pattern) for pattern in _list(one.get("Action")))
        and any(_matches(resource, pattern) for pattern in _list(one.get("Resource")))
        and _conditions(one.get("Condition", {})) <= _conditions(statement.get("Condition", {}))
    )


def _matches(text: str, pattern: str) -> bool:
    """True when whatever `text` matches, `pattern` matches too; `*` in `text` is a letter like any other here."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text) is not None


def _conditions(condition: Mapping[str, Mapping[str, Any]]) -> set[tuple[str, str, str]]:
    """Each operator, key and set of values as one row: more rows are stricter."""
    return {
        (operator, key, json.dumps(sorted(_list(values))))
        for operator, pairs in condition.items()
        for key, values in pairs.items()
    }


def _statements(text: str) -> Iterator[Mapping[str, Any]]:
    statements = json.loads(text).get("Statement", [])
    yield from statements if isinstance(statements, list) else [statements]


def _list(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _is_world(principal: Any) -> bool:
    if isinstance(principal, dict):
        return any("*" in _list(names) for names in principal.values())
    return bool(principal == "*")
