"""`lab.toml` ⇄ values: what the lab is, with errors that name the line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from labops.errors import InvalidInput
from labops.formats.labschema import LISTS, NAME, NAMED, REQUIRED, TABLES, Field, complaint
from labops.formats.tomllines import Lines
from labops.membership import (
    ALUMNI,
    Budget,
    Grant,
    Lab,
    Machine,
    Member,
    Provider,
    Retention,
    Role,
    Tiering,
)

FILE: Final = "lab.toml"
_SECRET = re.compile(r"://[^/@\s]*:[^/@\s]*@")
_RESERVED: Final = {ALUMNI}


def read_lab(text: str) -> Lab:
    """What `text` says. Raises `InvalidInput` (`bad-lab-file`) whose message and field `line` say where it is wrong."""
    reader = _Reader(text)
    reader.check_shape()
    lab = reader.lab()
    reader.check_sense(lab)
    return lab


class _Reader:
    """One reading: the parsed document, and the lines that its keys stand on."""

    def __init__(self, text: str) -> None:
        self._lines = Lines(text)
        try:
            self._document: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            self._explain(text, str(error))

    def _explain(self, text: str, words: str) -> NoReturn:
        rows = text.splitlines()
        marker = next((at for at, row in enumerate(rows, 1) if row.startswith(("<<<<<<< ", ">>>>>>> "))), 0)
        if marker:
            raise _bad("both sides of a merge are in it: keep one, take the marker lines away", marker)
        found = re.search(r"\(at line (\d+), column \d+\)", words)
        line = int(found[1]) if found else len(rows)
        twice = self._lines.repeated()
        if twice is not None:
            path, line = twice
            raise _bad(f"'{'.'.join(path)}' stands there for the second time", line)
        day = _no_day(rows[line - 1]) if 0 < line <= len(rows) else ""
        if day:
            raise _bad(f"{day} is not a day", line)
        what = re.sub(r"\s*\(at .*\)$", "", words)
        raise _bad(f"this is not TOML: {what[:1].lower()}{what[1:]}", max(line, 1))

    def _fail(self, message: str, *path: str | int) -> NoReturn:
        raise _bad(message, self._lines.of(path))

    def check_shape(self) -> None:
        """Known keys alone, each of its kind."""
        known = {**TABLES, **NAMED, **LISTS}
        for key, value in self._document.items():
            if key not in known:
                self._fail(f"unknown table '{_short(key)}'{_near(key, known)}", key)
            if key in LISTS:
                if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
                    self._fail(f"'{key}' is written as [[{key}]]", key)
                for at, one in enumerate(value):
                    self._check_table(LISTS[key], one, key, at)
            elif not isinstance(value, dict):
                self._fail(f"'{key}' is a table: write [{key}]", key)
            elif key in TABLES:
                self._check_table(TABLES[key], value, key)
            else:
                self._check_named(key, value)
        for key in REQUIRED:
            if key not in self._document:
                self._fail(f"the table [{key}] is missing")

    def _check_named(self, key: str, table: Mapping[str, object]) -> None:
        for name, one in table.items():
            self._check_name(key, name)
            if not isinstance(one, dict):
                self._fail(f"'{key}.{name}' is a table, as in: {name} = {{ … }}", key, name)
            self._check_table(NAMED[key], one, key, name)

    def _check_name(self, table: str, name: str) -> None:
        if not re.fullmatch(NAME, name):
            words = "only small letters, digits, '.', '_' and '-', at most 32, a letter or digit first"
            self._fail(f"the name '{_short(name)}' in [{table}] will not do: {words}", table, name)
        if table == "members" and name in _RESERVED:
            self._fail(f"no member can be called '{name}': homes of those who left lie there", table, name)

    def _check_table(self, fields: Mapping[str, Field], table: Mapping[str, object], *path: str | int) -> None:
        where = ".".join(str(part + 1) if isinstance(part, int) else part for part in path)
        for key, value in table.items():
            if key not in fields:
                self._fail(f"unknown key '{_short(key)}' in '{where}'{_near(key, fields)}", *path, key)
            wrong = complaint(fields[key], value)
            if wrong:
                self._fail(f"'{where}.{key}': {wrong}", *path, key)
            if isinstance(value, str) and _SECRET.search(value):
                self._fail(f"'{where}.{key}' holds a password: this file is for everybody to read", *path, key)
        for key, field in fields.items():
            if field.is_required and key not in table:
                self._fail(f"'{where}' lacks '{key}'", *path)

    def lab(self) -> Lab:
        """The values; the shape has been checked."""
        document = self._document
        provider, buckets = document["provider"], document["buckets"]
        return Lab(
            name=document["lab"]["name"],
            repository=document["lab"].get("repository", ""),
            provider=Provider(provider["kind"]),
            region=provider.get("region", ""),
            endpoint=provider.get("endpoint", "").rstrip("/"),
            root=provider.get("root", ""),
            identity=provider.get("identity", "users"),
            trust=provider.get("trust", ""),
            home_bucket=buckets["home"],
            dataset_bucket=buckets["datasets"],
            write_once=buckets.get("write_once", "versions"),
            members=tuple(_member(name, table) for name, table in document.get("members", {}).items()),
            machines=tuple(
                Machine(name, table.get("shared", False), tuple(table.get("users", ())))
                for name, table in document.get("machines", {}).items()
            ),
            grants=tuple(
                Grant(table["home"], table.get("folder", ""), tuple(table["to"]))
                for table in document.get("grants", ())
            ),
            retention=Retention(**document.get("retention", {})),
            tiering=_tiering(document.get("tiering", {})),
            budgets=tuple(Budget(name, **table) for name, table in document.get("budgets", {}).items()),
        )

    def check_sense(self, lab: Lab) -> None:
        """What one key says about another."""
        for key, bucket in (("home", lab.home_bucket), ("datasets", lab.dataset_bucket)):
            if ".." in bucket or bucket.startswith("xn--") or re.fullmatch(r"[\d.]+", bucket):
                self._fail(f"'{bucket}' cannot be the name of a bucket", "buckets", key)
        if lab.home_bucket == lab.dataset_bucket:
            self._fail("homes and datasets need a bucket each", "buckets", "datasets")
        if lab.provider is Provider.S3 and not lab.endpoint:
            self._fail("provider 's3' needs the 'endpoint' of the store", "provider", "kind")
        if lab.provider is Provider.LOCAL and not lab.root:
            self._fail("provider 'local' needs the 'root' of its folders", "provider", "kind")
        if lab.identity == "roles" and (lab.provider is not Provider.AWS or not lab.trust):
            self._fail("identity 'roles' needs provider 'aws' and 'trust'", "provider", "identity")
        if lab.write_once == "condition" and not lab.is_write_conditional:
            self._fail("'write_once' by 'condition' is known to AWS itself alone", "buckets", "write_once")
        if 0 < lab.tiering.archive_days < 90:
            self._fail("'tiering.archive_days' is 0 or at least 90", "tiering", "archive_days")
        self._check_people(lab)

    def _check_people(self, lab: Lab) -> None:
        names = {member.name for member in lab.members}
        groups = {"@" + group for member in lab.members for group in member.groups}
        for machine in lab.machines:
            self._check_known(machine.users, names, "machines", machine.name, "users")
        for at, grant in enumerate(lab.grants):
            owner = lab.member(grant.home)
            if owner is None:
                self._fail(f"no member is called '{grant.home}'", "grants", at, "home")
            if not owner.has_home:
                self._fail(f"'{grant.home}' is a guest and has no home", "grants", at, "home")
            self._check_known(grant.to, names | groups, "grants", at, "to")

    def _check_known(self, wanted: Sequence[str], known: set[str], *path: str | int) -> None:
        for name in wanted:
            if name not in known:
                who = "is in the group" if name.startswith("@") else "is called"
                self._fail(f"no member {who} '{name.lstrip('@')}'{_near(name, known)}", *path)


def _member(name: str, table: Mapping[str, Any]) -> Member:
    ends = table.get("ends")
    return Member(
        name=name,
        role=Role(table["role"]),
        email=table.get("email", ""),
        groups=tuple(table.get("groups", ())),
        ends=ends.isoformat() if ends is not None else "",
        is_suspended=table.get("suspended", False),
    )


def _tiering(table: Mapping[str, Any]) -> Tiering:
    return Tiering(table.get("intelligent", True), table.get("archive_days", 0))


def _near(name: str, known: Mapping[str, object] | set[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _short(text: str) -> str:
    return repr(text[:80])[1:-1]


def _no_day(row: str) -> str:
    """The first date of the row that no calendar has: the parser's words for it lead nowhere."""
    for found in re.findall(r"=\s*(\d{4}-\d{2}-\d{2})", row):
        try:
            tomllib.loads(f"day = {found}")
        except tomllib.TOMLDecodeError:
            return str(found)
    return ""


def _bad(message: str, line: int) -> InvalidInput:
    where = f"{FILE}, line {line}" if line else FILE
    hint = "lab admin schema shows what may stand there"
    return InvalidInput(f"{where}: {message}", code="bad-lab-file", hint=hint, line=line or None)
