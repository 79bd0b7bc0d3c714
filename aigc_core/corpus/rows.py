"""What a row of the lake holds: pairs to learn from, items that want a text, and how contract rows become them."""

import re
from typing import Any

import pyarrow as pa

from aigc_core.contracts.content_line import ContentLine
from aigc_core.contracts.mapping import attributes_of, missing_attributes
from aigc_core.contracts.prompt import label_of
from aigc_core.ids import fingerprint
from aigc_core.storage.groups import is_held_out
from aigc_core.storage.intake import CAME, LICENCE, NUMBER, RAW, SOURCE

_ATTRIBUTES = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))
_SHARED = [
    pa.field("item_id", pa.string(), nullable=False),
    pa.field("product_group", pa.string(), nullable=False),
    pa.field("attributes", _ATTRIBUTES, nullable=False),
    pa.field("attributes_digest", pa.string(), nullable=False),
]
_ORIGIN = [
    pa.field("category", pa.string()),
    pa.field("licence", pa.string()),
    pa.field("source", pa.string()),
    pa.field("raw", pa.string()),
]
"""`raw`: the source's own values where cleaning changed them, as a JSON object of contract column -> value."""
_PAIR = [
    *_SHARED,
    pa.field("locale", pa.string(), nullable=False),
    pa.field("text", pa.string(), nullable=False),
    pa.field("held_out", pa.bool_(), nullable=False),
    *_ORIGIN,
]
PAIRS = pa.schema([*_PAIR, pa.field("flags", pa.list_(pa.string()), nullable=False)])
"""`flags`: ids of checks that found something and kept the pair."""
_ON_THE_WAY = [pa.field("number", pa.int64(), nullable=False), pa.field("came", pa.string())]
CANDIDATES = pa.schema([*_ON_THE_WAY, *_PAIR])
"""Pairs that hold their contract, before the checks of training pairs. `came`: the source row, as JSON."""
UNLABELLED_CANDIDATES = pa.schema(
    [
        *_ON_THE_WAY,
        *_SHARED,
        pa.field("locale", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        *_ORIGIN,
    ]
)
"""Items without a description, before the checks."""
UNLABELLED = pa.schema(
    [*_SHARED, pa.field("locale", pa.string(), nullable=False), pa.field("text", pa.string(), nullable=False), *_ORIGIN]
)
"""Items without a description, as text for continued pre-training: one `label: value` a line."""
ITEMS = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        *_SHARED,
        pa.field("variant_group", pa.string()),
        pa.field("category", pa.string()),
        pa.field("seller_id", pa.string()),
        pa.field("missing", pa.list_(pa.string()), nullable=False),
        pa.field("raw", pa.string()),
    ]
)
_LINE_ENDS = re.compile(r"\s*[\r\n]+\s*")


def candidate(row: dict[str, Any], line: ContentLine) -> dict[str, Any]:
    """A training pair from an accepted row of the corpus door. Held out or not depends on its product group alone."""
    shared = _shared(row, line)
    share = line.recipe.model.training.held_out_share
    return {
        **shared,
        **_origin(row, line),
        "number": row[NUMBER],
        "came": row[CAME],
        "locale": row["locale"],
        "text": row["text"],
        "held_out": is_held_out(line.name, shared["product_group"], share),
    }


def unlabelled(row: dict[str, Any], line: ContentLine) -> dict[str, Any]:
    """An item without a description: its attributes as text."""
    shared = _shared(row, line)
    return {
        **shared,
        **_origin(row, line),
        "number": row[NUMBER],
        "came": row[CAME],
        "locale": row["locale"],
        "text": _as_text(shared["attributes"], row, line),
    }


def item(row: dict[str, Any], line: ContentLine, position: int) -> dict[str, Any]:
    """An item of the catalogue from an accepted row of its door."""
    recipe = line.recipe
    return {
        **_shared(row, line),
        "position": position,
        "variant_group": _named(row, recipe.variant_group),
        "category": _named(row, recipe.category),
        "seller_id": _named(row, recipe.seller),
        "missing": missing_attributes(recipe, row),
        "raw": row[RAW],
    }


def _shared(row: dict[str, Any], line: ContentLine) -> dict[str, Any]:
    attributes = attributes_of(line.recipe, row)
    return {
        "item_id": row["item_id"],
        "product_group": str(row[line.recipe.product_group]),
        "attributes": attributes,
        "attributes_digest": fingerprint(attributes),
    }


def _origin(row: dict[str, Any], line: ContentLine) -> dict[str, Any]:
    category = line.recipe.category
    return {
        "category": _named(row, category if category in row else None),
        "licence": row[LICENCE],
        "source": row[SOURCE],
        "raw": row[RAW],
    }


def _as_text(attributes: list[dict[str, str]], row: dict[str, Any], line: ContentLine) -> str:
    labelled = ((label_of(line.recipe, one["name"], row["locale"]), one["value"]) for one in attributes)
    return "\n".join(f"{label}: {_LINE_ENDS.sub(' ', value)}" for label, value in labelled)


def _named(row: dict[str, Any], column: str | None) -> str | None:
    return None if column is None or row[column] is None else str(row[column])
