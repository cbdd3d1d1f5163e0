"""What may stand in `lab.toml`: one table, from which the reader's checks and the JSON schema are made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from labops.membership import Provider, Role

NAME: Final = r"[a-z0-9][a-z0-9._-]{0,31}"
"""Members, machines, groups and budgets: a folder, a key's prefix and part of an identity's name at once."""
LAB_NAME: Final = r"[a-z0-9][a-z0-9-]{0,23}"
BUCKET: Final = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_FOLDER: Final = r"(?!/)(?!.*(?:^|/)\.{1,2}(?:/|$))(?!.*//)[^\x00-\x1f\x7f*?$\"\\]*[^\x00-\x1f\x7f*?$\"\\/]|"
_EMAIL: Final = r"[^@\s\"<>]+@[^@\s\"<>]+"
_NO_CONTROL: Final = r"[^\x00-\x1f\x7f]*"


class Field(NamedTuple):
    """One key: its kind (`text`, `flag`, `number`, `date`, `names`), what it means, what values it takes."""

    kind: str
    doc: str
    is_required: bool = False
    pattern: str = ""
    """Of a text, or of each text of `names`; the whole of it must match."""
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 100_000
    expected: str = ""
    """The pattern in words."""


_NAME_WORDS: Final = "small letters, digits, '.', '_' and '-', at most 32, a letter or digit first"
_BUCKET_WORDS: Final = "3 to 63 small letters, digits, '.' and '-'"

LAB: Final = {
    "name": Field("text", "The lab's name; identities at the store are called lab-<lab>.<member>.", True,
                  LAB_NAME, expected="small letters, digits and '-', at most 24, a letter or digit first"),
    "repository": Field("text", "Where members clone the datasets repository from.", pattern=_NO_CONTROL),
}  # fmt: skip
PROVIDER: Final = {
    "kind": Field("text", "Who keeps the bytes: AWS, another store that speaks S3, or folders of a lab server.", True,
                  choices=tuple(Provider)),
    "region": Field("text", "The region of the buckets.", pattern=r"[a-z0-9-]*", expected="a region as AWS spells it"),
    "endpoint": Field("text", "The address of the store; empty for AWS itself.",
                      pattern=r"(?:https?://[^\s@/?#]+(?:/[^\s@?#]*)?)?",
                      expected="http(s)://host, without user or password"),
    "root": Field("text", "With kind 'local', the folder below which everything lies.", pattern=r"(?:/" + _NO_CONTROL
                  + ")?", expected="an absolute path"),
    "identity": Field("text", "'users': a key for each member. 'roles': members log in by SSO.",
                      choices=("users", "roles")),
    "trust": Field("text", "With identity 'roles', the ARN of the SAML or OIDC provider that vouches for members.",
                   pattern=r"(?:arn:[a-z-]+:iam::\d{12}:(?:saml-provider|oidc-provider)/[\w.+=,@/:-]+)?",
                   expected="the ARN of a SAML or OIDC provider"),
}  # fmt: skip
BUCKETS: Final = {
    "home": Field("text", "The bucket of homes.", True, BUCKET, expected=_BUCKET_WORDS),
    "datasets": Field("text", "The bucket of datasets; nobody but an admin replaces or deletes there.", True, BUCKET,
                      expected=_BUCKET_WORDS),
    "write_once": Field("text", "'versions': what a curator overwrites stays as an old version, and any S3 client can "
                        "push. 'condition' (AWS): overwriting is refused, and so is every client that does not send "
                        "If-None-Match, dvc among them.", choices=("versions", "condition")),
}  # fmt: skip
MEMBER: Final = {
    "role": Field("text", "What the member may do.", True, choices=tuple(Role)),
    "email": Field("text", "Where to write to the member.", pattern=f"(?:{_EMAIL})?", expected="name@host"),
    "groups": Field("names", "Groups the member belongs to, for grants.", pattern=NAME, expected=_NAME_WORDS),
    "ends": Field("date", "The last day; from the next on, `lab admin apply` switches the keys off."),
    "suspended": Field("flag", "Keys off, nothing deleted."),
}
MACHINE: Final = {
    "shared": Field("flag", "Several members work on it."),
    "users": Field("names", "The members who use it; none means everybody.", pattern=NAME, expected=_NAME_WORDS),
}
GRANT: Final = {
    "home": Field("text", "Whose home.", True, NAME, expected=_NAME_WORDS),
    "folder": Field("text", "A folder of that home; empty for all of it.", pattern=_FOLDER,
                    expected="a relative path without '..', '*', '?', '$' or quotes"),
    "to": Field("names", "The members and @groups who may read it.", True, "@?" + NAME,
                expected="names of members, or of groups with @ before them"),
}  # fmt: skip
RETENTION: Final = {
    "old_versions_days": Field("number", "Days that replaced and deleted objects can be brought back.", least=1,
                               most=3650),
    "aborted_uploads_days": Field("number", "Days after which the parts of unfinished uploads go.", least=1, most=365),
}  # fmt: skip
TIERING: Final = {
    "intelligent": Field("flag", "Let AWS move objects to cheaper tiers by use; reading stays immediate."),
    "archive_days": Field("number", "Days without a read before the archive tier (reads take hours); 0 is never.",
                          most=730),
}  # fmt: skip
BUDGET: Final = {
    "monthly_usd": Field("number", "The sum per month.", True, least=1, most=10_000_000),
    "warn_percent": Field("number", "At which part of it somebody is told.", least=1, most=100),
    "email": Field("text", "Who is told.", pattern=f"(?:{_EMAIL})?", expected="name@host"),
}

TABLES: Final[Mapping[str, Mapping[str, Field]]] = {
    "lab": LAB, "provider": PROVIDER, "buckets": BUCKETS, "retention": RETENTION, "tiering": TIERING,
}  # fmt: skip
"""Tables that hold keys."""
NAMED: Final[Mapping[str, Mapping[str, Field]]] = {"members": MEMBER, "machines": MACHINE, "budgets": BUDGET}
"""Tables that hold one table for each name."""
LISTS: Final[Mapping[str, Mapping[str, Field]]] = {"grants": GRANT}
"""Lists of tables."""
REQUIRED: Final = ("lab", "provider", "buckets")


def complaint(field: Field, value: object) -> str:
    """What is wrong with `value`, as in "expected a date, as in 2027-03-31"; empty when nothing is."""
    if field.kind == "flag":
        return "" if isinstance(value, bool) else "expected true or false"
    if field.kind == "number":
        fits = isinstance(value, int) and not isinstance(value, bool) and field.least <= value <= field.most
        return "" if fits else f"expected a whole number from {field.least} to {field.most}"
    if field.kind == "date":
        # The class is named, not imported: this floor knows no clock, and tomllib has made the value.
        return "" if type(value).__name__ == "date" else "expected a date without quotes, as in 2027-03-31"
    if field.kind == "names":
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            return 'expected a list of texts, as in ["russell"]'
        bad = next((one for one in value if not re.fullmatch(field.pattern, one)), None)
        return "" if bad is None else f"'{bad[:80]}' will not do: expected {field.expected}"
    if not isinstance(value, str):
        return "expected a text in quotes"
    if field.choices:
        return "" if value in field.choices else f"expected one of {', '.join(field.choices)}"
    if re.fullmatch(field.pattern, value):
        return ""
    return f"expected {field.expected or 'a line of text'}"


def json_schema() -> dict[str, object]:
    """The JSON schema (draft 2020-12) of `lab.toml`, for editors; the reader checks the same table and more."""
    sections: dict[str, object] = {name: _table_schema(fields) for name, fields in TABLES.items()}
    for name, fields in NAMED.items():
        sections[name] = {
            "type": "object",
            "propertyNames": {"pattern": f"^(?:{NAME})$"},
            "additionalProperties": _table_schema(fields),
        }
    for name, fields in LISTS.items():
        sections[name] = {"type": "array", "items": _table_schema(fields)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lab.toml",
        "type": "object",
        "properties": sections,
        "required": list(REQUIRED),
        "additionalProperties": False,
    }


def _table_schema(fields: Mapping[str, Field]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {name: _field_schema(field) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.is_required],
        "additionalProperties": False,
    }


def _field_schema(field: Field) -> dict[str, object]:
    schema: dict[str, object] = {"description": field.doc}
    text: dict[str, object] = {"type": "string"}
    if field.choices:
        text["enum"] = list(field.choices)
    elif field.pattern:
        text["pattern"] = f"^(?:{field.pattern})$"
    kinds: dict[str, dict[str, object]] = {
        "text": text,
        "flag": {"type": "boolean"},
        "number": {"type": "integer", "minimum": field.least, "maximum": field.most},
        "date": {"type": "string", "format": "date"},
        "names": {"type": "array", "items": text},
    }
    return schema | kinds[field.kind]
