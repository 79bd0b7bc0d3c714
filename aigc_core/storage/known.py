"""What earlier nights decided about each item: joined to tonight's catalogue as a stream, in catalogue order."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from aigc_core.storage.delta import Table

DIGESTS = ("attributes_digest", "prompt_digest", "model_digest", "decode_digest", "check_config_digest")
_MEMORY = "1GB"


class Known:
    """The published table and the kept rejections of one line."""

    def __init__(self, published: Table, rejects: Table, scratch: Path) -> None:
        self.published = published
        self.rejects = rejects
        self._scratch = scratch

    def beside(self, catalogue: str, locales: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        """The catalogue's rows times the locales, each with its published and its decided digests.

        Yields batches ordered by (position, locale's rank) with all catalogue columns, `locale`, and the columns
        `published_*` and `decided_*` (`run_id`, the digests, and for decisions `state` and `reason`); null where there
        is none.
        Memory is bounded: the join spills to disk.
        """
        import duckdb

        self._scratch.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            connection.execute(f"SET memory_limit = '{_MEMORY}'")
            connection.execute("SET threads = 1")
            connection.execute("SET temp_directory = ?", [str(self._scratch)])
            connection.register("published", self._rows(self.published, with_state=False))
            connection.register("rejects", self._rows(self.rejects, with_state=True))
            connection.register("locales", pa.table({"locale": list(locales), "rank": list(range(len(locales)))}))
            query = _JOIN.format(published=_prefixed("published"), decided=_prefixed("decided"))
            yield from connection.sql(query, params=[catalogue]).to_arrow_reader(2000)

    @staticmethod
    def _rows(table: Table, *, with_state: bool) -> object:
        names = ("item_id", "locale", "run_id", *DIGESTS, *(("state", "reason", "decided_at") if with_state else ()))
        if table.exists():
            return table.dataset().scanner(columns=list(names)).to_reader()
        types = {"decided_at": pa.timestamp("us", "UTC")}
        return pa.schema([(name, types.get(name, pa.string())) for name in names]).empty_table()


def _prefixed(side: str) -> str:
    names = ("run_id", *DIGESTS, *(("state", "reason") if side == "decided" else ()))
    return ", ".join(f"{side}.{name} AS {side}_{name}" for name in names)


_JOIN = """
WITH decided AS (
    SELECT * EXCLUDE (decided_at) FROM rejects
    QUALIFY row_number() OVER (PARTITION BY item_id, locale ORDER BY decided_at DESC, run_id DESC) = 1
)
SELECT items.*, locales.locale, {published}, {decided}
FROM read_parquet(?) AS items
CROSS JOIN locales
LEFT JOIN published ON published.item_id = items.item_id AND published.locale = locales.locale
LEFT JOIN decided ON decided.item_id = items.item_id AND decided.locale = locales.locale
ORDER BY items.position, locales.rank
"""
