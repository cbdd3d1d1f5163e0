"""AWS's own files of profiles, changed line by line: other profiles and comments stay as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping

_HEAD = re.compile(r"\s*\[\s*([^\]]*?)\s*\]\s*(?:[#;].*)?")
_KEY = re.compile(r"([A-Za-z0-9_]+)\s*[=:]")


def set_section(text: str, name: str, values: Mapping[str, str]) -> str:
    """`text` with the section `name` holding just `values`; made at the end where there is none."""
    body = [f"{key} = {value}" for key, value in values.items()]
    span = _span(text, name)
    lines = text.splitlines()
    if span is None:
        gap = [""] if lines and lines[-1].strip() else []
        return _joined([*lines, *gap, f"[{name}]", *body])
    start, end = span
    comments = [line for line in lines[start + 1 : end] if line.lstrip().startswith(("#", ";"))]
    return _joined([*lines[: start + 1], *comments, *body, *_blank_tail(lines[start:end]), *lines[end:]])


def remove_section(text: str, name: str) -> str:
    """`text` without the section `name`; unchanged when there is none."""
    span = _span(text, name)
    if span is None:
        return text
    lines = text.splitlines()
    start, end = span
    before = lines[:start]
    while before and not before[-1].strip() and end >= len(lines):
        before.pop()
    return _joined([*before, *lines[end:]])


def section(text: str, name: str) -> dict[str, str] | None:
    """The values of a section, without nested ones; None when it is not there."""
    span = _span(text, name)
    if span is None:
        return None
    found = {}
    for line in text.splitlines()[span[0] + 1 : span[1]]:
        match = _KEY.match(line)
        if match:
            found[match[1].lower()] = line[match.end() :].strip()
    return found


def _span(text: str, name: str) -> tuple[int, int] | None:
    """The lines [start, end) of the section; comments before the next head belong to the next."""
    lines = text.splitlines()
    heads = [(number, match[1]) for number, line in enumerate(lines) if (match := _HEAD.fullmatch(line))]
    for position, (number, found) in enumerate(heads):
        if " ".join(found.split()) != name:
            continue
        end = heads[position + 1][0] if position + 1 < len(heads) else len(lines)
        while end < len(lines) and end > number + 1 and lines[end - 1].lstrip().startswith(("#", ";")):
            end -= 1
        return number, end
    return None


def _blank_tail(lines: list[str]) -> list[str]:
    tail = []
    for line in reversed(lines):
        if line.strip():
            break
        tail.append(line)
    return tail


def _joined(lines: list[str]) -> str:
    return "\n".join(lines) + "\n" if lines else ""
