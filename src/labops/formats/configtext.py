"""The text of dvc's config files: the `configobj` dialect ⇄ sections, byte for byte as dvc writes it.

The regular expressions and quoting rules are configobj's (5.0), because its quirks are the format. The
library itself stays out: it would cost more start-up time than everything else `lab status` does here.
Nested sections and `%(name)s` interpolation, which no dvc option uses, are refused instead of guessed.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from labops.errors import InvalidInput, NotFound

Value = str | tuple[str, ...]

NAMED = ("remote", "machine", "db")
"""Kinds of section that carry a name; dvc writes them last, in this order."""

_PATH_OPTIONS = {
    "cache": frozenset({"dir"}),
    "machine": frozenset({"startup_script", "setup_script"}),
    "remote": frozenset(
        {
            *("url", "credentialpath", "configpath", "keyfile", "cert_path", "key_path"),
            *("gdrive_user_credentials_file", "gdrive_service_account_json_file_path"),
        }
    ),
}
_URL = re.compile(r"\w+://")
_HEADER = r"""\s*((?:\[\s*)+)((?:"\s*\S.*?\s*")|(?:'\s*\S.*?\s*')|(?:[^'"\s].*?))((?:\s*\])+)\s*(?:\#.*)?$"""
_OPTION = r"""\s*((?:".*?")|(?:'.*?')|(?:[^'"=].*?))\s*=\s*(.*)$"""
_VALUE = (
    r"""(?:((?:(?:(?:".*?")|(?:'.*?')|(?:[^'",\#][^,\#]*?))\s*,\s*)*)"""
    r"""((?:".*?")|(?:'.*?')|(?:[^'",\#\s][^,]*?)|(?:(?<!,)))?|(,))\s*(?:\#.*)?$"""
)
_ITEM = r"""((?:".*?")|(?:'.*?')|(?:[^'",\#]?.*?))\s*,\s*"""
# Strings, not compiled: `re` compiles them on first use, and the files that dvc writes need none of them.
_INTERPOLATION = r"%\([^)]*\)s"
_EDGE = " \r\n\v\t'\""


class ConfigLevel(NamedTuple):
    """One config file as it stands: section → option → value, all names lower-case.

    Sections are called `core`, `cache`, … and `remote.NAME`, `db.NAME`, `machine.NAME`. A value is text, or
    a tuple where the file holds a list (`a, b` without quotes).
    """

    sections: Mapping[str, Mapping[str, Value]] = MappingProxyType({})

    def get(self, section: str, option: str) -> str | None:
        """The value as text (a list joined with commas), or None."""
        value = self.sections.get(section, {}).get(option)
        return ",".join(value) if isinstance(value, tuple) else value

    def names(self, kind: str) -> tuple[str, ...]:
        """The names in use for `kind` (`remote`, `machine`, `db`), in file order."""
        prefix = kind + "."
        return tuple(name.removeprefix(prefix) for name in self.sections if name.startswith(prefix))

    def listed(self) -> Iterator[tuple[str, str]]:
        """(`section.option`, value) in the order of `dvc config --list`: named sections first."""
        for section in sorted(self.sections, key=_rank_listed):
            for option in self.sections[section]:
                yield f"{section}.{option}", self.get(section, option) or ""


def _rank_listed(section: str) -> int:
    kind, dot, _ = section.partition(".")
    return NAMED.index(kind) if dot and kind in NAMED else len(NAMED)


def is_path_option(section: str, option: str) -> bool:
    """True for options whose relative value counts from the directory of the config file."""
    return option in _PATH_OPTIONS.get(section.partition(".")[0], ())


def is_relative(value: str) -> bool:
    """True for a path that counts from somewhere: no url, not absolute, not from a home directory."""
    return not (_URL.match(value) or value.startswith(("/", "~")))


def split_option_name(name: str) -> tuple[str, str]:
    """`core.remote` → (`core`, `remote`), `remote.NAME.url` → (`remote.name`, `url`), lower-cased as by dvc.

    Raises `InvalidInput` (`bad-config`) for anything else.
    """
    match = re.fullmatch(r"((?:(?:remote|db)\.)?[^.]*)\.([^.]*)", name)
    if not match:
        raise InvalidInput(
            f"'{name[:200]}' is not the name of an option",
            code="bad-config",
            hint="write 'section.option' or 'remote.NAME.option'",
        )
    return match.group(1).lower(), match.group(2).lower()


def parse_config(text: str, *, name: str) -> ConfigLevel:
    """The sections of a config file; empty text has none. `name` is the file's name for error messages.

    Whether dvc knows the options is not looked at (`merge_config` does). Raises `InvalidInput`
    (`bad-config`) with the line for what configobj cannot read either.
    """
    sections: dict[str, dict[str, Value]] = {}
    headers: set[str] = set()
    options: dict[str, Value] | None = None
    seen: set[str] = set()
    lines = list(enumerate(text.removeprefix("\ufeff").splitlines(), 1))
    lines.reverse()
    while lines:
        number, line = lines.pop()
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        title = _title(line, name, number)
        if title is not None:
            if title in headers:
                raise _bad(f"section '{title[:80]}' stands there twice", name, number)
            headers.add(title)
            options, seen = {}, set()
            sections[_section_name(title)] = options  # names that differ in case alone: the last one counts
            continue
        key, value = _option(line, lines, name, number)
        if options is None:
            raise _bad(f"option '{key[:80]}' stands outside of any section", name, number)
        if key in seen:
            raise _bad(f"option '{key[:80]}' stands there twice", name, number)
        seen.add(key)
        options[key.lower()] = value
    return ConfigLevel(sections)


def _title(line: str, name: str, number: int) -> str | None:
    """What stands between the brackets if `line` is a section header."""
    text = line.strip()
    if not text.startswith("["):
        return None
    inner = text[1:-1].strip()
    if text.endswith("]") and inner and not _holds(inner, "[]#"):
        quote = inner[0] if inner[0] in "\"'" else ""
        if not quote and not _holds(inner, "\"'"):
            return inner
        if quote and inner.count(quote) == 2 and inner.endswith(quote) and inner[1:-1].strip():
            return inner[1:-1]
    header = re.match(_HEADER, line)
    if header is None:
        return None
    if header.group(1).count("[") != 1 or header.group(3).count("]") != 1:
        raise _bad("sections cannot be nested", name, number)
    return _unquote(header.group(2))


def _section_name(title: str) -> str:
    kind, quote, rest = title.lower().partition('"')
    if quote and kind.strip() in NAMED and rest.rstrip().endswith('"'):
        return f"{kind.strip()}.{rest.rstrip()[:-1]}"
    return title.lower()


def _option(line: str, following: list[tuple[int, str]], name: str, number: int) -> tuple[str, Value]:
    if not _holds(line, "\"'#,"):
        key, sign, value = (part.strip() for part in line.partition("="))
        if sign and key and "%(" not in value:
            return key, value
    match = re.match(_OPTION, line)
    if match is None:
        raise _bad("the line is neither '[section]' nor 'option = value'", name, number)
    key, text = match.groups()
    found = _multiline(text, following) if text[:3] in ('"""', "'''") else _single_line(text)
    if found is None:
        raise _bad("the value's quotes or commas do not match", name, number)
    if any(re.search(_INTERPOLATION, one) for one in ((found,) if isinstance(found, str) else found)):
        raise _bad("'%(name)s' in a value is not supported", name, number)
    return _unquote(key), found


def _holds(text: str, letters: str) -> bool:
    return any(letter in text for letter in letters)


def _single_line(text: str) -> Value | None:
    match = re.match(_VALUE, text)
    if match is None:
        return None
    items, single, lone_comma = match.groups()
    if lone_comma is not None:
        return ()
    if items == "":
        return None if single is None else _unquote(single or '""')
    found = [str(item) for item in re.findall(_ITEM, items)]
    if "" in found:
        return None
    return tuple(_unquote(item) for item in (*found, *([single] if single else ())))


def _multiline(text: str, following: list[tuple[int, str]]) -> str | None:
    quote, rest = text[:3], text[3:]
    before = ""
    while quote not in rest:
        if not following:
            return None
        before += rest + "\n"
        rest = following.pop()[1]
    end = re.fullmatch(rf"(.*?){quote}\s*(#.*)?", rest)
    return before + end.group(1) if end else None


def _unquote(text: str) -> str:
    return text[1:-1] if text and text[0] == text[-1] and text[0] in "\"'" else text


def _bad(problem: str, name: str, line: int) -> InvalidInput:
    return InvalidInput(
        f"'{name}' is not valid: {problem}, line {line}",
        code="bad-config",
        hint=f"correct line {line} of '{name}'",
        path=name,
        line=line,
    )


def render_config(level: ConfigLevel) -> str:
    """The file as dvc writes it: plain sections without the empty ones, then named ones; no comments.

    Raises `InvalidInput` (`bad-config`) for a value or name that the dialect cannot express.
    """
    lines: list[str] = []
    for section in sorted(level.sections, key=_rank_written):
        options = level.sections[section]
        kind, dot, name = section.partition(".")
        is_named = bool(dot) and kind in NAMED
        if not options and not is_named:
            continue
        title = f'{kind} "{name}"' if is_named else section
        lines.append(f"[{_quote(title, is_value=False)}]")
        lines.extend(
            f"    {_quote(option, is_value=False)} = {_written(section, option, value)}"
            for option, value in options.items()
        )
    return "\n".join(lines) + "\n"


def _rank_written(section: str) -> int:
    kind, dot, _ = section.partition(".")
    return 1 + NAMED.index(kind) if dot and kind in NAMED else 0


def _written(section: str, option: str, value: Value) -> str:
    if isinstance(value, tuple):
        if len(value) == 1:
            return _quote(value[0], is_value=False) + ","
        return ", ".join(_quote(one, is_value=False) for one in value) or ","
    if value and is_path_option(section, option) and is_relative(value):
        value = posixpath.normpath(value)  # dvc resolves paths when it reads and shortens them when it writes
    return _quote(value, is_value=True)


def _quote(text: str, *, is_value: bool) -> str:
    """configobj's `_quote`: bare where possible, triple quotes only for a value."""
    if not text:
        return '""'
    has_both = "'" in text and '"' in text
    if is_value and (has_both or "\n" in text):
        for quote in ("'''", '"""') if '"""' not in text else ('"""', "'''"):
            if '"""' not in text or "'''" not in text:
                return f"{quote}{text}{quote}"
        raise _unwritable(text)
    if "\n" in text:
        raise _unwritable(text)
    if text[0] not in _EDGE and text[-1] not in _EDGE and "," not in text and "#" not in text:
        return text
    if has_both:
        raise _unwritable(text)
    return f"'{text}'" if '"' in text else f'"{text}"'


def _unwritable(text: str) -> InvalidInput:
    return InvalidInput(f"'{text[:80]}' cannot be written into a config file", code="bad-config")


def set_option(level: ConfigLevel, section: str, option: str, value: str) -> ConfigLevel:
    """`level` with the option set; a new option or section comes last. Nothing is validated here."""
    options = {**level.sections.get(section, {}), option.lower(): value}
    return ConfigLevel({**level.sections, section.lower(): options})


def unset_option(level: ConfigLevel, section: str, option: str) -> ConfigLevel:
    """`level` without the option. Raises `NotFound` (`no-such-option`) when it was not there."""
    options = dict(level.sections.get(section, {}))
    if option not in options:
        raise NotFound(
            f"option '{section}.{option}' is not set",
            code="no-such-option",
            hint="see what is set with 'lab config --list'",
        )
    del options[option]
    return ConfigLevel({**level.sections, section: options})


def remove_section(level: ConfigLevel, section: str) -> ConfigLevel:
    """`level` without the section. Raises `NotFound` (`no-such-section`) when it was not there."""
    if section not in level.sections:
        raise NotFound(f"section '{section}' is not there", code="no-such-section")
    return ConfigLevel({name: options for name, options in level.sections.items() if name != section})


def rename_remote(level: ConfigLevel, old: str, new: str) -> ConfigLevel:
    """`level` with remote `old` called `new` (last among the remotes, as in dvc), in `core.remote` too.

    A level that knows nothing of `old` comes back unchanged.
    """
    sections = dict(level.sections)
    if f"remote.{old}" in sections:
        sections[f"remote.{new.lower()}"] = sections.pop(f"remote.{old}")
    if sections.get("core", {}).get("remote") == old:
        sections["core"] = {**sections["core"], "remote": new.lower()}
    return ConfigLevel(sections)
