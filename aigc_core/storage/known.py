"""What earlier nights decided about each item: compared with tonight, in catalogue order, by a join on disk."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.storage.delta import THIN, Table
from aigc_core.storage.tombstones import Tombstones

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COMPARED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "attributes": ("attributes_digest",),
        "prompt": ("template_digest",),
        "examples": ("examples_digest",),
        "model": ("model_digest",),
        "engine": ("engine", "dtype"),
        "sampling": ("sampling_digest",),
        "rules": ("check_config_digest",),
    }
)
"""What may have changed since a text was decided, most telling first -> the columns that tell."""
WHOLE: Mapping[str, str] = MappingProxyType({"template_digest": "prompt_digest", "sampling_digest": "decode_digest"})
"""Column that rows of an older lake lack -> the one that tells of it together with more, and answers for it there."""
BIT: Mapping[str, int] = MappingProxyType({name: 1 << place for place, name in enumerate(COMPARED)})
"""What may have changed -> its bit in the columns `published_changed` and `refused_changed`."""
Side = Literal["published", "refused"]
TOGETHER = 20_000
"""Most rows of a batch."""
_MEMORY = "512MB"
_COLUMNS = (*dict.fromkeys(name for names in COMPARED.values() for name in names), *WHOLE.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The tables of one line that say what was decided."""

    published: Table
    rejects: Table
    rejudged: Table
    """Verdicts on texts of earlier nights under rules that came later."""
    tombstones: Tombstones
    scratch: Path
    """Where the join spills to."""

    @contextmanager
    def beside(self, catalogue: str, kinds: pa.Table, now: Mapping[str, str]) -> Iterator["Beside"]:
        """Join the catalogue's items and the locales with what is known of them.

        Args:
            catalogue: Parquet file with `position`, `item_id`, `product_group`, `category`, `attributes_digest`,
                `attributes` and `missing`.
            kinds: rows of `contracts.prompt.Kind`, locales in order.
            now: tonight's value of the other columns in `COMPARED`, of `decode_digest`, and of `template_digest`,
                `examples_digest` and `prompt_digest` as rows of an older lake tell them.
        """
        import duckdb

        self.scratch.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            connection.execute(f"SET memory_limit = '{_MEMORY}'")
            connection.execute("SET threads = 1")
            connection.execute("SET temp_directory = ?", [str(self.scratch)])
            any_item = pc.and_(pc.equal(kinds["category"], ""), pc.equal(kinds["product_group"], ""))
            locales = kinds.filter(any_item)
            rank = pa.array(range(locales.num_rows), pa.int64())
            connection.register("locales", locales.append_column("rank", rank))
            connection.register("kinds", kinds)
            self._compare(connection, catalogue, locales.num_rows, now)
            yield Beside(self, connection, catalogue)

    def rows(self, side: Side, columns: Sequence[str]) -> pa.RecordBatchReader:
        """One table's rows, read once from front to end; a column it does not have yet is null."""
        table = self.published if side == "published" else self.rejects
        return _rows(table, columns)

    def _compare(self, connection: "DuckDBPyConnection", catalogue: str, locales: int, now: Mapping[str, str]) -> None:
        named = ("item_id", "locale", "run_id", *_COLUMNS)
        connection.register("published", self.rows("published", (*named, "content_sha256")))
        connection.register("rejects", self.rows("refused", (*named, "state", "reason", "decided_at")))
        connection.register("taken_items", self.tombstones.items)
        connection.register("taken_texts", self.tombstones.texts)
        judged = self._judged(connection, now["check_config_digest"])
        query = _BESIDE.format(
            published=_changed("published", judged="holds" if judged else ""),
            rejects=_changed("rejects", judged="NOT holds" if judged else ""),
            locales=locales,
            attributes=BIT["attributes"],
            examples=BIT["examples"],
        )
        connection.execute(query, {"catalogue": catalogue, **now})

    def _judged(self, connection: "DuckDBPyConnection", rules: str) -> bool:
        """Put aside what was said under tonight's rules; whether there is anything."""
        if not self.rejudged.exists():
            return False
        wanted = pc.field("check_config_digest") == rules
        columns = ["item_id", "locale", "of_run", "holds"]
        found = self.rejudged.dataset().scanner(columns=columns, filter=wanted, **THIN)
        connection.register("rejudged", found.to_reader())
        connection.execute("CREATE TEMP TABLE judged AS SELECT * FROM rejudged")
        return bool(connection.sql("SELECT count(*) FROM judged").fetchall()[0][0])


class Beside:
    """Tonight's requests beside what is known of them; open as long as its `Known.beside` is."""

    def __init__(self, known: Known, connection: "DuckDBPyConnection", catalogue: str) -> None:
        self._known = known
        self._connection = connection
        self._catalogue = catalogue

    def rows(self, judged: Path | None = None) -> Iterator[pa.RecordBatch]:
        """One row a request, in the order of `position`, at most `TOGETHER` at a time.

        Columns: `position` (the item's position times the number of locales plus the locale's rank), `taken`,
        `published_run_id` and `published_changed` (bits of `BIT`; null without a published text), `refused_run_id`,
        `refused_changed`, `refused_state` and `refused_reason`, `holds` and `judged` (what tonight said of the
        published text and why; null where it said nothing), `refused_holds` (of the refused one).

        Args:
            judged: Parquet file with `position`, `side`, `holds` and `reason`.
        """
        if judged is None:
            yield from self._connection.sql(_WITHOUT_VERDICTS).to_arrow_reader(TOGETHER)
        else:
            yield from self._connection.sql(_WITH_VERDICTS, params=[str(judged)]).to_arrow_reader(TOGETHER)

    def count_under_other_rules(self, side: Side) -> int:
        """Texts of one side that were judged by other rules than tonight's, whatever else changed."""
        query = f"SELECT count(*) FROM beside WHERE ({side}_changed & {BIT['rules']}) <> 0"  # noqa: S608 -- our own names
        return int(self._connection.sql(query).fetchall()[0][0])

    def texts(self, side: Side, columns: Sequence[str], *, watched: int) -> Iterator[pa.RecordBatch]:
        """Texts that were judged by other rules than tonight's, in the order of `position`.

        Yields batches with `position`, `item_id`, `locale`, `product_group`, `category`, `attributes` and
        `attributes_digest` of tonight, `of_run`, and the columns asked for. Of published texts all that other rules
        judged, whatever else changed; of refused ones those of which nothing else did, of items that lack no attribute,
        and beside no published text that fits. Items under takedown are left out.

        Args:
            columns: of the side's own table; what it does not have is null.
            watched: bits that make a published text be written again.
        """
        rules = BIT["rules"]
        fits = f"published_run_id IS NOT NULL AND (published_changed & {watched}) = 0"
        chosen = {
            "published": f"published_run_id IS NOT NULL AND (published_changed & {rules}) <> 0",
            "refused": f"refused_changed = {rules} AND NOT ({fits}) AND len(items.missing) = 0",
        }
        own = [name for name in columns if name not in ("item_id", "locale", "attributes_digest", "run_id")]
        self._connection.register("texts", self._known.rows(side, ("item_id", "locale", "run_id", *own)))
        wanted = "".join(f", texts.{name}" for name in own)
        query = _TEXTS.format(side=side, chosen=chosen[side], wanted=wanted)
        yield from self._connection.sql(query, params=[self._catalogue]).to_arrow_reader(2000)


def _rows(table: Table, columns: Sequence[str]) -> pa.RecordBatchReader:
    types = {"decided_at": pa.timestamp("us", "UTC")}
    if not table.exists():
        empty = pa.schema([(name, types.get(name, pa.string())) for name in columns]).empty_table()
        return empty.to_reader()
    dataset = table.dataset()
    there = set(dataset.schema.names)
    wanted = {name: pc.field(name) if name in there else pc.scalar(pa.scalar(None, pa.string())) for name in columns}
    return dataset.scanner(columns=wanted, **THIN).to_reader()


def _changed(side: str, *, judged: str) -> str:
    """An SQL expression of the bits that differ from tonight, whatever the item; what is not known has not changed."""
    bits = []
    for name, columns in COMPARED.items():
        if name in ("attributes", "examples"):
            continue
        differs = " OR ".join(_differs(side, column) for column in columns)
        if name == "rules" and judged:
            differs = f"({differs}) AND NOT EXISTS ({_VERDICT.format(side=side, judged=judged)})"
        bits.append(f"CASE WHEN {differs} THEN {BIT[name]} ELSE 0 END")
    return " | ".join(bits)


def _differs(side: str, column: str) -> str:
    other = _other(side, column)
    if column == "template_digest":
        # What rows of an older lake tell of all locales together stands as well.
        other = f"{side}.{column} NOT IN (locales.{column}, ${column})"
    known = [other, _other(side, WHOLE[column])] if column in WHOLE else [other]
    return f"coalesce({', '.join(known)}, false)"


def _other(side: str, column: str) -> str:
    return f"{side}.{column} <> ${column}"


_VERDICT = """
SELECT 1 FROM judged
WHERE {judged} AND judged.item_id = {side}.item_id AND judged.locale = {side}.locale AND judged.of_run = {side}.run_id
"""
_BESIDE = """
CREATE TEMP TABLE beside AS
WITH shelf AS (
    SELECT item_id, locale, run_id, attributes_digest, {published} AS changed,
           nullif(published.examples_digest, $examples_digest) AS examples_digest,
           content_sha256 IN (SELECT content_sha256 FROM taken_texts) AS taken
    FROM published JOIN locales USING (locale)
), latest AS (
    SELECT * FROM rejects
    QUALIFY row_number() OVER (PARTITION BY item_id, locale ORDER BY decided_at DESC, run_id DESC) = 1
), refused AS (
    SELECT item_id, locale, run_id, attributes_digest, state, reason, {rejects} AS changed,
           nullif(rejects.examples_digest, $examples_digest) AS examples_digest
    FROM latest AS rejects JOIN locales USING (locale)
), requests AS (
    SELECT items.position * {locales} + locales.rank AS position, items.item_id, locales.locale, attributes_digest,
           coalesce(own.examples_digest, kind.examples_digest, locales.examples_digest) AS examples_digest
    FROM read_parquet($catalogue) AS items CROSS JOIN locales
    LEFT JOIN kinds AS kind
    ON kind.locale = locales.locale AND kind.category = items.category AND kind.product_group = ''
    LEFT JOIN kinds AS own
    ON own.locale = locales.locale AND own.category = coalesce(kind.category, '')
    AND own.product_group = items.product_group
)
SELECT requests.position,
       coalesce(shelf.taken, false)
       OR EXISTS (
           SELECT 1 FROM taken_items
           WHERE taken_items.item_id = requests.item_id
           AND (taken_items.locale IS NULL OR taken_items.locale = requests.locale)
       ) AS taken,
       shelf.run_id AS published_run_id,
       (shelf.changed
        | CASE WHEN shelf.attributes_digest <> requests.attributes_digest THEN {attributes} ELSE 0 END
        | CASE WHEN shelf.examples_digest <> requests.examples_digest THEN {examples} ELSE 0 END)
       ::UTINYINT AS published_changed,
       refused.run_id AS refused_run_id,
       (refused.changed
        | CASE WHEN refused.attributes_digest <> requests.attributes_digest THEN {attributes} ELSE 0 END
        | CASE WHEN refused.examples_digest <> requests.examples_digest THEN {examples} ELSE 0 END)
       ::UTINYINT AS refused_changed,
       refused.state AS refused_state, refused.reason AS refused_reason
FROM requests
LEFT JOIN shelf ON shelf.item_id = requests.item_id AND shelf.locale = requests.locale
LEFT JOIN refused ON refused.item_id = requests.item_id AND refused.locale = requests.locale
"""
_WITHOUT_VERDICTS = """
SELECT *, NULL::BOOLEAN AS holds, NULL::VARCHAR AS judged, NULL::BOOLEAN AS refused_holds FROM beside ORDER BY position
"""
_WITH_VERDICTS = """
WITH verdicts AS (SELECT position, side, holds, reason FROM read_parquet(?))
SELECT beside.*, on_shelf.holds, on_shelf.reason AS judged, refused.holds AS refused_holds
FROM beside
LEFT JOIN (FROM verdicts WHERE side = 'published') AS on_shelf USING (position)
LEFT JOIN (FROM verdicts WHERE side = 'refused') AS refused USING (position)
ORDER BY position
"""
_TEXTS = """
WITH counted AS (SELECT count(*) AS number FROM locales)
SELECT beside.position, items.item_id, locales.locale, items.product_group, items.category, items.attributes,
       items.attributes_digest, beside.{side}_run_id AS of_run{wanted}
FROM beside
JOIN read_parquet(?) AS items ON items.position = beside.position // (SELECT number FROM counted)
JOIN locales ON locales.rank = beside.position % (SELECT number FROM counted)
JOIN texts ON texts.item_id = items.item_id AND texts.locale = locales.locale AND texts.run_id = beside.{side}_run_id
WHERE NOT beside.taken AND {chosen}
ORDER BY beside.position
"""
