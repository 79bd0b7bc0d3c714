"""Corpus hygiene: which training pairs may train, what is masked in them, and what a person should know of them."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from aigc_core.checks.duplicates import signature
from aigc_core.checks.licences import held_against
from aigc_core.checks.near_duplicates import Settled, settle, spec_digest
from aigc_core.checks.training_pairs import JudgedPairs, PairJudge, Verdict, json_or_text
from aigc_core.contracts.check import REFUSED_SCHEMA
from aigc_core.contracts.hygiene import Hygiene
from aigc_core.errors import ConservationBroken, SourceInvalid
from aigc_core.storage.files import ParquetSink, read_batches, read_row_groups
from aigc_core.storage.indexes import spilling_database

HARMFUL_SHARE = 0.05
"""A source with a larger share of rows with illegal or harmful content should be dropped (TRUST 4.3, S33b)."""
SOURCES_TOLD = 100
"""Most sources named in a report; the rows of the others are summed up."""
OTHERS = "(all others)"
UNKNOWN = "(not said)"
_REASONS = {
    "D-1": "text: repeats another product's text (D-1)",
    "D-2": "text: nearly repeats another product's text (D-2)",
}
_JUDGED = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("raw", pa.string()),
        pa.field("licence", pa.string()),
        pa.field("source", pa.string()),
        pa.field("harmful", pa.bool_(), nullable=False),
        pa.field("column", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("flags", pa.list_(pa.string()), nullable=False),
        pa.field("masked", pa.list_(pa.struct([("entity", pa.string()), ("places", pa.int64())])), nullable=False),
    ]
)
_TEXTS = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in ("item_id", "product_group", "locale", "text")),
        pa.field("signature", pa.binary(16), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HygieneReport:
    """What was found among the candidates of one corpus: rows = kept + refused."""

    rows: int
    kept: int
    refused: int
    reasons: dict[str, int] = field(default_factory=dict)
    """Why rows were refused -> rows; the values add up to `refused`."""
    flags: dict[str, int] = field(default_factory=dict)
    """Check id -> kept rows in which it found something."""
    masked: dict[str, int] = field(default_factory=dict)
    """Entity -> places masked in kept rows."""
    variants_sharing_text: int = 0
    """Rows that say what an earlier row of their own product group says: legitimate, kept."""
    similar_pairs: int = 0
    """Pairs of kept texts of different product groups that are alike, but less than a near duplicate."""
    licences: dict[str, int] = field(default_factory=dict)
    """Licence -> kept rows."""
    sources: dict[str, int] = field(default_factory=dict)
    """Source -> candidates, the hundred largest by name."""
    sources_over_limit: dict[str, float] = field(default_factory=dict)
    """Source -> share of its candidates with unsafe, personal or forbidden words, where that is above 5 %."""
    duplicates_digest: str = ""
    """Of how near duplicates are looked for; another digest may find others."""


def require_licence(rules: Hygiene, recipe: str) -> None:
    """Refuse a corpus of which nobody says under which terms it may train, or whose terms are not allowed.

    Args:
        rules: the recipe's `hygiene`.
        recipe: the recipe's path or the line's name, for the message.

    Raises:
        SourceInvalid: neither a licence for all rows nor a column with one a row is declared, or the one for all
            rows is not among the allowed.
    """
    terms = rules.licence
    if terms.declared is None and terms.column is None:
        raise SourceInvalid(
            f"{recipe} declares no licence for the corpus.",
            "A licence is an SPDX id such as CC-BY-4.0, a name of your own, or `internal` for your own data.",
            "Write `hygiene: {licence: {declared: internal}}` in the recipe, or name the column that holds the licence "
            "of each row: `hygiene: {licence: {column: licence}}`; `allowed` lists the ones that may train.",
        )
    if terms.column is None and held_against(terms.declared, terms.allowed):
        raise SourceInvalid(
            f"{recipe} declares the licence {terms.declared!r} for the corpus, which is not among the allowed.",
            f"Allowed are {', '.join(terms.allowed)}.",
            "If texts under it may train a model, add it to `allowed` under `hygiene: {licence: ...}` in the recipe.",
        )


def inspect_pairs(candidates: Path, kept: Path, refused: Path, rules: Hygiene, *, scratch: Path) -> HygieneReport:
    """Sort candidates into pairs that may train and refused ones; every row ends in one of the two files.

    Memory is bounded by the batch but for about 60 bytes a distinct text. Neither the order of the rows nor the size
    of a batch changes what is kept.

    Args:
        candidates: Parquet with number, item_id, product_group, locale, text, category, licence, source, attributes,
            raw; further columns are handed on.
        kept: written in the order of the candidates; their columns, text and raw masked, licence and source filled in,
            and `flags`.
        refused: written; rows of `REFUSED_SCHEMA`.
        rules: the recipe's `hygiene`.
        scratch: folder for what is spilled, made when missing; about four times the size of the candidates.

    Raises:
        SourceInvalid: no licence is declared, or one that is not allowed.
        ConservationBroken: a row was lost or counted twice.
    """
    require_licence(rules, "The recipe")
    scratch.mkdir(parents=True, exist_ok=True)
    judged, texts = scratch / "judged.parquet", scratch / "texts.parquet"
    rows = _judge(candidates, PairJudge(rules), judged, texts)
    looked = rules.duplicates.exact != "off" or rules.duplicates.near != "off"
    settled = settle(texts, rules.duplicates, scratch=scratch / "duplicates") if looked else None
    tally = _Tally()
    with ParquetSink(kept, _kept_schema(candidates)) as keeping, ParquetSink(refused, REFUSED_SCHEMA) as refusing:
        for batch, table, marks in _together(candidates, judged, settled):
            _sort(batch, table.to_pylist(), marks, (keeping, refusing, tally))
        counted = keeping.rows, refusing.rows
    if rows != sum(counted):
        raise ConservationBroken(f"Of {rows} candidates {counted[0]} were kept and {counted[1]} refused.")
    sources, over = _sources(judged, scratch / "sources")
    return HygieneReport(
        rows=rows,
        kept=counted[0],
        refused=counted[1],
        reasons=_ordered(tally.reasons),
        flags=dict(sorted(tally.flags.items())),
        masked=dict(sorted(tally.masked.items())),
        variants_sharing_text=settled.variants_sharing_text if settled else 0,
        similar_pairs=settled.similar_pairs if settled else 0,
        licences=_ordered(tally.licences),
        sources=sources,
        sources_over_limit=over,
        duplicates_digest=spec_digest() if rules.duplicates.near != "off" else "",
    )


@dataclass(slots=True)
class _Tally:
    reasons: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    masked: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)


def _judge(candidates: Path, judge: PairJudge, judged: Path, texts: Path) -> int:
    """First reading: each pair by itself. One row group of `judged` for each batch of candidates."""
    position = 0
    with ParquetSink(judged, _JUDGED) as all_rows, ParquetSink(texts, _TEXTS) as standing:
        for batch in _filled(candidates):
            verdicts = judge.judge(batch)
            places = range(position, position + batch.num_rows)
            all_rows.write(_judged_table(verdicts, places))
            standing.write(_standing(batch, verdicts, places))
            position += batch.num_rows
    return position


def _filled(candidates: Path) -> Iterator[pa.RecordBatch]:
    return (batch for batch in read_batches(candidates) if batch.num_rows)


def _judged_table(judged: JudgedPairs, places: range) -> pa.Table:
    verdicts = judged.verdicts
    columns = [
        pa.array(places, pa.int64()),
        judged.texts,
        judged.raws,
        judged.licences,
        judged.sources,
        [verdict.harmful for verdict in verdicts],
        [verdict.column for verdict in verdicts],
        [verdict.reason for verdict in verdicts],
        ["; ".join(verdict.details) for verdict in verdicts],
        [sorted(verdict.flags) for verdict in verdicts],
        [_places(verdict) for verdict in verdicts],
    ]
    arrays = [pa.array(column, one.type) for column, one in zip(columns, _JUDGED, strict=True)]
    return pa.Table.from_arrays(arrays, schema=_JUDGED)


def _places(verdict: Verdict) -> list[dict[str, object]]:
    return [{"entity": entity, "places": places} for entity, places in sorted(verdict.masked.items())]


def _standing(batch: pa.RecordBatch, judged: JudgedPairs, places: range) -> pa.Table:
    """What is compared with other pairs: a refused one takes no text from another."""
    stands = pa.array([not verdict.reason for verdict in judged.verdicts])
    names = ("item_id", "product_group", "locale")
    columns = [pa.array(places, pa.int64()), *(batch.column(name) for name in names), judged.texts]
    chosen = pa.table([column.filter(stands) for column in columns], names=[*_TEXTS.names[:-1]])
    pairs = zip(chosen["text"].to_pylist(), chosen["locale"].to_pylist(), strict=True)
    signatures = pa.array([signature(text, locale=locale) for text, locale in pairs], pa.binary(16))
    return chosen.append_column(_TEXTS.field("signature"), signatures).cast(_TEXTS)


def _kept_schema(candidates: Path) -> pa.Schema:
    import pyarrow.parquet as pq

    schema = pq.read_schema(candidates)
    return schema.append(pa.field("flags", pa.list_(pa.string()), nullable=False))


Marks = Mapping[int, list[dict[str, Any]]]


def _together(
    candidates: Path, judged: Path, settled: Settled | None
) -> Iterator[tuple[pa.RecordBatch, pa.Table, Marks]]:
    """Second reading: candidates, what each was judged, and the duplicates among them, side by side."""
    marks = _marks(settled)
    ahead = next(marks, None)
    position = 0
    for batch, table in zip(_filled(candidates), read_row_groups(judged), strict=True):
        position += batch.num_rows
        here: dict[int, list[dict[str, Any]]] = {}
        while ahead is not None and ahead["position"] < position:
            here.setdefault(ahead["position"], []).append(ahead)
            ahead = next(marks, None)
        yield batch, table, here


def _marks(settled: Settled | None) -> Iterator[dict[str, Any]]:
    if settled is not None:
        for batch in read_batches(settled.marks):
            yield from batch.to_pylist()


def _sort(
    batch: pa.RecordBatch,
    judged: list[dict[str, Any]],
    marks: Marks,
    ends: tuple[ParquetSink, ParquetSink, _Tally],
) -> None:
    keeping, refusing, tally = ends
    for row in judged:
        for mark in marks.get(row["position"], ()):
            _apply(row, mark)
    stands = [index for index, row in enumerate(judged) if not row["reason"]]
    for index in stands:
        row = judged[index]
        tally.flags.update(row["flags"])
        tally.masked.update({one["entity"]: one["places"] for one in row["masked"]})
        tally.licences[row["licence"] or UNKNOWN] += 1
    keeping.write(_kept(batch, judged, stands))
    fallen = [index for index, row in enumerate(judged) if row["reason"]]
    tally.reasons.update(judged[index]["reason"] for index in fallen)
    refusing.write(_refused(batch, judged, fallen))


def _apply(row: dict[str, Any], mark: Mapping[str, Any]) -> None:
    check, keeper = mark["check"], mark["keeper"]
    row["flags"] = sorted({*row["flags"], check})
    if mark["refused"] and not row["reason"]:
        alike = "the same text" if check == "D-1" else f"{mark['jaccard']:.0%} the same text"
        row |= {"column": "text", "reason": _REASONS[check], "detail": f"{_REASONS[check]}: {alike} as item {keeper}"}


def _kept(batch: pa.RecordBatch, judged: list[dict[str, Any]], stands: list[int]) -> pa.Table:
    table = pa.Table.from_batches([batch]).take(pa.array(stands, pa.int64()))
    for name in ("text", "raw", "licence", "source"):
        place, column = table.schema.get_field_index(name), table.schema.field(name)
        table = table.set_column(place, column, pa.array([judged[index][name] for index in stands], column.type))
    flags = pa.field("flags", pa.list_(pa.string()), nullable=False)
    return table.append_column(flags, pa.array([judged[index]["flags"] for index in stands], flags.type))


def _refused(batch: pa.RecordBatch, judged: list[dict[str, Any]], fallen: list[int]) -> pa.Table:
    rows = [
        {
            "number": came["number"],
            "column": judged[index]["column"],
            "reason": judged[index]["reason"],
            "detail": judged[index]["detail"],
            "raw": _raw(came),
        }
        for index, came in zip(fallen, batch.take(pa.array(fallen, pa.int64())).to_pylist(), strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=REFUSED_SCHEMA)


def _raw(came: Mapping[str, Any]) -> str:
    """The pair as it came: its values before cleaning, where those are known."""
    pair = {name: came[name] for name in ("item_id", "product_group", "locale", "text", "licence", "source")}
    pair["attributes"] = [[one["name"], one["value"]] for one in came["attributes"] or ()]
    before = json_or_text(came["raw"]) if came["raw"] else {}
    return json.dumps(pair | (before if isinstance(before, dict) else {"raw": before}), ensure_ascii=False)


def _sources(judged: Path, folder: Path) -> tuple[dict[str, int], dict[str, float]]:
    """Rows by source, and the sources of which too much is harmful."""
    grouped = """
        SELECT coalesce(nullif(source, ''), $unknown) AS name, count(*) AS rows, count_if(harmful) AS harmful
        FROM read_parquet($judged) GROUP BY name
    """
    with spilling_database(folder) as database:
        database.execute(f"CREATE TABLE sources AS {grouped}", {"judged": str(judged), "unknown": UNKNOWN})
        top = "SELECT name, rows FROM sources ORDER BY rows DESC, name LIMIT $most"
        largest = dict(database.execute(top, {"most": SOURCES_TOLD}).fetchall())
        over = """
            SELECT name, harmful / rows FROM sources WHERE harmful > $share * rows
            ORDER BY harmful DESC, name LIMIT $most
        """
        found = database.execute(over, {"share": HARMFUL_SHARE, "most": SOURCES_TOLD}).fetchall()
        total = database.execute("SELECT coalesce(sum(rows), 0) FROM sources").fetchone()[0]
    rest = int(total) - sum(largest.values())
    return largest | ({OTHERS: rest} if rest else {}), {name: round(share, 4) for name, share in found}


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))
