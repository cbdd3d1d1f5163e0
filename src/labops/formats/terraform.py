"""The state that a lab asks for, as Terraform's language: a grown lab can leave."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from labops.membership import Lab

_TYPES = {"user": "aws_iam_user", "group": "aws_iam_group", "role": "aws_iam_role"}


def terraform(lab: Lab, things: Sequence[tuple[str, str, Mapping[str, str]]], *, with_imports: bool = True) -> str:
    """One file of resources, with `import` blocks for what exists already. Keys are left out: they are secrets.

    Each of `things` is a kind (`bucket`, `user`, `group`, `role`), a name and the settings that are asked for.
    """
    parts = [_head(lab)]
    for kind, name, settings in things:
        if kind == "bucket":
            parts += _bucket(name, settings)
        else:
            parts += _identity(kind, name, settings)
    for budget in lab.budgets:
        parts.append(
            _block("aws_budgets_budget", budget.name, [
                f"name = {_text(f'{lab.name}-{budget.name}')}", 'budget_type = "COST"', 'time_unit = "MONTHLY"',
                f'limit_amount = "{budget.monthly_usd}"', 'limit_unit = "USD"',
                *_notification(budget.email, budget.warn_percent),
            ])
        )  # fmt: skip
    if with_imports:
        for kind, name, _ in things:
            resource = "aws_s3_bucket" if kind == "bucket" else _TYPES[kind]
            parts.append(f"import {{\n  to = {resource}.{_label(name)}\n  id = {_text(name)}\n}}\n")
    return "\n".join(parts)


def _head(lab: Lab) -> str:
    region = f"  region = {_text(lab.region)}\n" if lab.region else ""
    return (
        f"# Made by `lab admin export terraform` from lab.toml of {lab.name}. It holds no secrets.\n"
        'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws", version = ">= 5.0" }\n  }\n}\n\n'
        f'provider "aws" {{\n{region}}}\n'
    )


def _bucket(name: str, settings: Mapping[str, str]) -> Iterator[str]:
    label = _label(name)
    bucket = f"bucket = aws_s3_bucket.{label}.id"
    tags = json.loads(settings.get("tags", "{}"))
    rows = [f"bucket = {_text(name)}", "lifecycle {\n    prevent_destroy = true\n  }"]
    if tags:
        rows.append(
            "tags = {\n" + "".join(f"    {_text(key)} = {_text(value)}\n" for key, value in tags.items()) + "  }"
        )
    yield _block("aws_s3_bucket", name, rows)
    if "public-access" in settings:
        blocks = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
        yield _block("aws_s3_bucket_public_access_block", name, [bucket, *(f"{block} = true" for block in blocks)])
    if "ownership" in settings:
        rule = f"rule {{\n    object_ownership = {_text(settings['ownership'])}\n  }}"
        yield _block("aws_s3_bucket_ownership_controls", name, [bucket, rule])
    if "encryption" in settings:
        default = (
            f"apply_server_side_encryption_by_default {{\n      sse_algorithm = {_text(settings['encryption'])}\n    }}"
        )
        rows = [bucket, f"rule {{\n    {default}\n  }}"]
        yield _block("aws_s3_bucket_server_side_encryption_configuration", name, rows)
    if "versioning" in settings:
        rows = [bucket, f"versioning_configuration {{\n    status = {_text(settings['versioning'])}\n  }}"]
        yield _block("aws_s3_bucket_versioning", name, rows)
    if "lifecycle" in settings:
        yield _block("aws_s3_bucket_lifecycle_configuration", name, [bucket, *_rules(settings["lifecycle"])])
    if "tiering" in settings:
        tier = f'tiering {{\n    access_tier = "ARCHIVE_ACCESS"\n    days = {settings["tiering"]}\n  }}'
        yield _block("aws_s3_bucket_intelligent_tiering_configuration", name, [bucket, 'name = "labops"', tier])
    if "bucket-policy" in settings:
        yield _block("aws_s3_bucket_policy", name, [bucket, f"policy = {_document(settings['bucket-policy'])}"])


def _rules(text: str) -> Iterator[str]:
    for rule in json.loads(text):
        rows = [f"id = {_text(rule['ID'])}", 'status = "Enabled"', "filter {}"]
        if "NoncurrentVersionExpiration" in rule:
            days = rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
            rows.append(f"noncurrent_version_expiration {{\n      noncurrent_days = {days}\n    }}")
        if "AbortIncompleteMultipartUpload" in rule:
            days = rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
            rows.append(f"abort_incomplete_multipart_upload {{\n      days_after_initiation = {days}\n    }}")
        if "Expiration" in rule:
            rows.append("expiration {\n      expired_object_delete_marker = true\n    }")
        for step in rule.get("Transitions", ()):
            days, storage = step["Days"], _text(step["StorageClass"])
            rows.append(f"transition {{\n      days = {days}\n      storage_class = {storage}\n    }}")
        yield "rule {\n" + "".join(f"    {row}\n" for row in rows) + "  }"


def _identity(kind: str, name: str, settings: Mapping[str, str]) -> Iterator[str]:
    resource, label = _TYPES[kind], _label(name)
    rows = [f"name = {_text(name)}"]
    if "trust" in settings:
        rows.append(f"assume_role_policy = {_document(settings['trust'])}")
    yield _block(resource, name, rows)
    groups = []
    for setting, value in settings.items():
        what, _, rest = setting.partition(":")
        if what == "policy":
            owner = f"{kind} = {resource}.{label}.name"
            yield _block(f"{resource}_policy", f"{name}.{rest}", [
                f"name = {_text(rest)}", owner, f"policy = {_document(value)}",
            ])  # fmt: skip
        elif what == "group":
            groups.append(f"aws_iam_group.{_label(rest)}.name")
        elif setting == "suspended":
            yield f"# {name} is suspended: switch its keys off by hand.\n"
    if groups:
        rows = [f"user = {resource}.{label}.name", f"groups = [{', '.join(groups)}]"]
        yield _block("aws_iam_user_group_membership", name, rows)


def _notification(email: str, percent: int) -> list[str]:
    if not email:
        return []
    rows = (
        'comparison_operator = "GREATER_THAN"', f"threshold = {percent}", 'threshold_type = "PERCENTAGE"',
        'notification_type = "ACTUAL"', f"subscriber_email_addresses = [{_text(email)}]",
    )  # fmt: skip
    return ["notification {\n" + "".join(f"    {row}\n" for row in rows) + "  }"]


def _block(resource: str, name: str, rows: list[str]) -> str:
    body = "".join(f"  {row}\n" for row in rows)
    return f'resource "{resource}" "{_label(name)}" {{\n{body}}}\n'


def _label(name: str) -> str:
    """A name that Terraform takes, different for different names."""
    return "n_" + re.sub(r"[^A-Za-z0-9-]", lambda match: f"_{ord(match[0]):x}_" if match[0] != "." else "_", name)


def _text(value: str) -> str:
    # `${` begins an expression in Terraform; policies of roles hold it as plain text.
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _document(text: str) -> str:
    """A policy as `jsonencode({…})`: Terraform's objects are written with `=` or `:` alike."""
    value = json.dumps(json.loads(text), indent=2, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
    return f"jsonencode({value})"
