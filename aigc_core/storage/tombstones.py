"""Items under takedown: what may neither be learnt from nor published again."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.ids import fingerprint
from aigc_core.storage.delta import Table

TOMBSTONES = pa.schema(
    [
        pa.field("tombstone_id", pa.string(), nullable=False),
        pa.field("line", pa.string()),
        pa.field("item_id", pa.string()),
        pa.field("locale", pa.string()),
        pa.field("content_sha256", pa.string()),
        pa.field("reason_code", pa.string(), nullable=False),
        pa.field("effective_at", pa.timestamp("us", "UTC"), nullable=False),
    ]
)
"""A tombstone names an item (in one locale, or in all) or a text by its hash; a null line means every line."""


class Tombstones:
    """The takedowns in force for one line; held in memory, for they are few."""

    def __init__(self, table: Table, line: str) -> None:
        self.digest = ""
        """Changes with every tombstone of this line; empty while there is none."""
        self._items: set[tuple[str, str | None]] = set()
        self._texts: set[str] = set()
        if table.exists():
            self._read(table, line)

    def _read(self, table: Table, line: str) -> None:
        mine = pc.field("line").is_null() | (pc.field("line") == line)
        rows = table.dataset().to_table(filter=mine, columns=["item_id", "locale", "content_sha256"]).to_pylist()
        self._items = {(row["item_id"], row["locale"]) for row in rows if row["item_id"] is not None}
        self._texts = {row["content_sha256"] for row in rows if row["content_sha256"] is not None}
        told = sorted([row["item_id"] or "", row["locale"] or "", row["content_sha256"] or ""] for row in rows)
        self.digest = fingerprint(told) if told else ""

    @property
    def items(self) -> pa.Table:
        """(item_id, locale) of every item taken down; a null locale means all of them."""
        rows = sorted(self._items, key=lambda one: (one[0], one[1] or ""))
        schema = pa.schema([("item_id", pa.string()), ("locale", pa.string())])
        return pa.Table.from_pylist([{"item_id": item, "locale": locale} for item, locale in rows], schema=schema)

    @property
    def hashes(self) -> frozenset[str]:
        """`content_sha256` of every text taken down."""
        return frozenset(self._texts)

    @property
    def texts(self) -> pa.Table:
        """The same as a column."""
        return pa.table({"content_sha256": pa.array(sorted(self._texts), pa.string())})

    def cover(self, items: Sequence[str], locales: Sequence[str], text_hashes: Sequence[str]) -> list[bool]:
        """One boolean a row: whether it is taken down."""
        return [
            (item, locale) in self._items or (item, None) in self._items or text in self._texts
            for item, locale, text in zip(items, locales, text_hashes, strict=True)
        ]
