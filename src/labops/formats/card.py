"""Cards: what people ask of a dataset, kept where dvc allows it: `desc`, `type`, `labels` and four keys of `meta`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from labops.errors import InvalidInput
from labops.formats.yamltext import dump_yaml, load_yaml
from labops.model import Output

IN_META: Final = ("source", "licence", "citation", "contact")
"""The keys below `meta`, in the order in which they are written."""
_SPELLINGS: Final = {"licence": ("licence", "license")}
"""Other names under which an entry is found and removed; it is written under the first."""
_CODE: Final = "bad-card"


class Card(NamedTuple):
    """What is known about a dataset. Empty means that nobody has said."""

    desc: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""
    contact: str = ""
    type: str = ""
    labels: tuple[str, ...] = ()

    def texts(self) -> tuple[str, ...]:
        """Everything it says, for a search."""
        return tuple(text for text in (*self[:6], *self.labels) if text)


FIELDS: Final = Card._fields


def card_of(output: Output) -> Card:
    """The card of an output."""
    meta = output.meta or {}
    found = {name: _meta_text(meta, name) for name in IN_META}
    return Card(desc=output.desc or "", type=output.type or "", labels=output.labels or (), **found)


def _meta_text(meta: Mapping[str, object], name: str) -> str:
    values = (meta.get(key) for key in _SPELLINGS.get(name, (name,)))
    return next((str(value) for value in values if value is not None and value != ""), "")


def with_card(output: Output, card: Card) -> Output:
    """`output` with this card. Other keys of its `meta` stay, and so does the order of all; equal is untouched."""
    meta = dict(output.meta or {})
    old = card_of(output)
    for name in IN_META:
        new = getattr(card, name)
        if new == getattr(old, name):
            continue
        key, *others = [key for key in _SPELLINGS.get(name, (name,)) if key in meta] or [name]
        for other in others:
            meta.pop(other)
        if new:
            meta[key] = new
        else:
            meta.pop(key, None)
    return output._replace(
        desc=card.desc or None, type=card.type or None, labels=card.labels or None, meta=meta or None
    )


def render_card(card: Card, name: str) -> str:
    """The card as a small YAML text for an editor, every entry named."""
    head = (
        f"# The card of {name!a}. An empty entry is removed; lines that start with # are not kept.\n"
        "# desc: a sentence; source: where it is from (a url); licence: MIT, CC-BY-4.0 …; labels: [a, b]\n"
    )
    lines = []
    for field, value in card._asdict().items():
        lines.append(dump_yaml({field: list(value) if field == "labels" else value}) if value else f"{field}:\n")
    return head + "".join(lines)


def parse_card(text: str) -> Card:
    """What somebody made of `render_card`; raises `InvalidInput` (`bad-card`)."""
    raw = load_yaml(text, name="card", code=_CODE)
    unknown = [key for key in raw if key not in FIELDS]
    if unknown:
        raise _bad(f"the card has no entry '{unknown[0]}'")
    values: dict[str, str] = {}
    for field in FIELDS[:-1]:
        value = raw.get(field)
        if isinstance(value, (dict, list)):
            raise _bad(f"the card's '{field}' is not a text")
        values[field] = "" if value is None else str(value).strip()
    return Card(**values, labels=_labels(raw.get("labels")))


def _labels(value: object) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, list) or any(isinstance(one, (dict, list)) or one is None for one in value):
        raise _bad("the card's 'labels' is not a list of words")
    return tuple(str(one) for one in value if one != "")


def _bad(problem: str) -> InvalidInput:
    return InvalidInput(problem, code=_CODE, hint=f"known entries: {', '.join(FIELDS)}")
