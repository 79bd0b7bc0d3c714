"""Corpus hygiene: which training pairs may train, what is masked in them, and what a person should know of them."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.checks.duplicates import signature
from aigc_core.checks.licences import held_against
from aigc_core.checks.near_duplicates import settle, spec_digest
from aigc_core.checks.training_pairs import JudgedPairs, PairJudge, Verdict, json_or_text, masked_jsons, replaced
from aigc_core.contracts.hygiene import Hygiene
from aigc_core.errors import ConservationBroken, SourceInvalid
from aigc_core.ids import fingerprint
from aigc_core.storage.files import ParquetSink, read_batches
from aigc_core.storage.indexes import spilling_database
from aigc_core.storage.intake import HELD

HARMFUL_SHARE = 0.05
"""A source with a larger share of rows with illegal or harmful content should be dropped (TRUST 4.3, S33b)."""
SOURCES_TOLD = 100
"""Most sources named in a report; the rows of the others are summed up."""
READ_ROWS = 4_000
CAME, DIGEST = "came", "attributes_digest"
OTHERS = "(all others)"
UNKNOWN = "(not said)"
_REASONS = {
    "D-1": "text: repeats another product's text (D-1)",
    "D-2": "text: nearly repeats another product's text (D-2)",
}
Judge = Callable[[pa.RecordBatch], JudgedPairs]
ATTRIBUTES = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))
_JUDGED = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        *(pa.field(name, pa.string()) for name in ("text", "raw", "source")),
        pa.field("attributes", ATTRIBUTES),
        pa.field("harmful", pa.bool_(), nullable=False),
        pa.field("column", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("flags", pa.list_(pa.string()), nullable=False),
        pa.field("masked", pa.list_(pa.struct([("entity", pa.string()), ("places", pa.int64())])), nullable=False),
    ]
)
"""Rows of which there is anything to say; text, raw and attributes where masking changed them."""
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
            raw; further columns are handed on. `came`, where it stands: the source row as JSON.
        kept: written in the order of the candidates; their columns but `came`, text, raw and attributes masked (and
            `attributes_digest` made anew), licence and source filled in, and `flags`.
        refused: written; rows of `storage.intake.HELD`. `raw` is what came, its strings masked where personal data is
            masked or refused.
        rules: the recipe's `hygiene`.
        scratch: folder for what is spilled, made when missing; about four times the size of the candidates.

    Raises:
        SourceInvalid: no licence is declared, or one that is not allowed.
        ConservationBroken: a row was lost or counted twice.
    """
    require_licence(rules, "The recipe")
    scratch.mkdir(parents=True, exist_ok=True)
    judged, texts = scratch / "judged.parquet", scratch / "texts.parquet"
    judge = PairJudge(rules)
    rows = _judge_all(_filled(candidates, rules), judge.judge, judged, texts)
    looked = rules.duplicates.exact != "off" or rules.duplicates.near != "off"
    settled = settle(texts, rules.duplicates, scratch=scratch / "duplicates") if looked else None
    texts.unlink()
    ends = _Ends(kept, refused, _kept_schema(candidates), masks=rules.personal_data in ("mask", "quarantine"))
    with ends:
        position = 0
        found, marks = _Ahead(_rows_of(judged)), _Ahead(_rows_of(settled.marks if settled else None))
        for batch in _filled(candidates, rules):
            ends.sort(batch, _with_marks(found, marks, (position, position + batch.num_rows)))
            position += batch.num_rows
    report = _report(rows, ends, _sources(candidates, judged, rules, scratch / "sources"))
    return replace(
        report,
        variants_sharing_text=settled.variants_sharing_text if settled else 0,
        similar_pairs=settled.similar_pairs if settled else 0,
        duplicates_digest=spec_digest() if rules.duplicates.near != "off" else "",
    )


def inspect_unlabelled(candidates: Path, kept: Path, refused: Path, rules: Hygiene) -> HygieneReport:
    """Sort items without a description into those that may be learned from and refused ones, by licence and personal
    data alone; every row ends in one of the two files. Memory is bounded by the batch.

    Args:
        candidates: Parquet of `UNLABELLED_CANDIDATES`; text is made of the attributes, `label: value` a line.
        kept: written in the order of the candidates; their columns, attributes, text and raw masked, licence and
            source filled in, `came` empty.
        refused: written; rows of `storage.intake.HELD`.
        rules: the recipe's `hygiene`.

    Raises:
        SourceInvalid: no licence is declared, or one that is not allowed.
        ConservationBroken: a row was lost or counted twice.
    """
    import pyarrow.parquet as pq

    require_licence(rules, "The recipe")
    judge, rows = PairJudge(rules), 0
    ends = _Ends(kept, refused, pq.read_schema(candidates), masks=rules.personal_data in ("mask", "quarantine"))
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        judged = Path(folder) / "judged.parquet"
        with ends, ParquetSink(judged, _JUDGED) as sink:
            for batch in _filled(candidates, rules):
                table = _judged_table(batch, judge.judge_unlabelled(batch), rows)
                sink.write(table)
                ends.sort(batch, {row["position"] - rows: row for row in table.to_pylist()})
                rows += batch.num_rows
        return _report(rows, ends, _sources(candidates, judged, rules, Path(folder) / "sources"))


def _report(rows: int, ends: "_Ends", sources: tuple[dict[str, int], dict[str, float]]) -> HygieneReport:
    counted, tally = (ends.keeping.rows, ends.refusing.rows), ends.tally
    if rows != sum(counted):
        raise ConservationBroken(f"Of {rows} candidates {counted[0]} were kept and {counted[1]} refused.")
    return HygieneReport(
        rows=rows,
        kept=counted[0],
        refused=counted[1],
        reasons=_ordered(tally.reasons),
        flags=dict(sorted(tally.flags.items())),
        masked=dict(sorted(tally.masked.items())),
        licences=_ordered(tally.licences),
        sources=sources[0],
        sources_over_limit=sources[1],
    )


@dataclass(slots=True)
class _Tally:
    reasons: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    masked: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)


def _judge_all(batches: Iterator[pa.RecordBatch], judge: Judge, judged: Path, texts: Path) -> int:
    """First reading: each pair by itself."""
    position = 0
    with ParquetSink(judged, _JUDGED) as told, ParquetSink(texts, _TEXTS) as standing:
        for batch in batches:
            found = judge(batch)
            told.write(_judged_table(batch, found, position))
            standing.write(_standing(batch, found, position))
            position += batch.num_rows
    return position


def _filled(candidates: Path, rules: Hygiene) -> Iterator[pa.RecordBatch]:
    """Batches that hold rows, the declared licence and source where a row has none."""
    declared = {"licence": rules.licence.declared, "source": rules.licence.source}
    for batch in read_batches(candidates, rows=READ_ROWS):
        for name, value in declared.items():
            column = batch.column(name)
            given = pc.if_else(pc.equal(column, ""), pa.scalar(value, pa.string()), column)
            filled = given if value is None else pc.fill_null(given, value)
            batch = batch.set_column(batch.schema.get_field_index(name), batch.schema.field(name), filled)
        if batch.num_rows:
            yield batch


def _judged_table(batch: pa.RecordBatch, found: JudgedPairs, position: int) -> pa.Table:
    changed = {*found.verdicts, *found.texts, *found.raws, *found.attributes}
    sources = batch.column("source")
    rows = []
    for row in sorted(changed):
        verdict = found.verdicts.get(row) or Verdict()
        rows.append(
            {
                "position": position + row,
                "text": found.texts.get(row),
                "raw": found.raws.get(row),
                "source": sources[row].as_py(),
                "attributes": found.attributes.get(row),
                "harmful": verdict.harmful,
                "column": verdict.column,
                "reason": verdict.reason,
                "detail": "; ".join(verdict.details),
                "flags": sorted(verdict.flags),
                "masked": [{"entity": name, "places": count} for name, count in sorted(verdict.masked.items())],
            }
        )
    return pa.Table.from_pylist(rows, schema=_JUDGED)


def _standing(batch: pa.RecordBatch, found: JudgedPairs, position: int) -> pa.Table:
    """What is compared with other pairs: a refused one takes no text from another."""
    stands = np.ones(batch.num_rows, np.bool_)
    stands[[row for row, verdict in found.verdicts.items() if verdict.reason]] = False
    places = pa.array(np.arange(position, position + batch.num_rows))
    names = ("item_id", "product_group", "locale")
    columns = [places, *(batch.column(name) for name in names), replaced(batch.column("text"), found.texts)]
    chosen = pa.table(columns, names=_TEXTS.names[:-1]).filter(pa.array(stands))
    pairs = zip(chosen["text"].to_pylist(), chosen["locale"].to_pylist(), strict=True)
    signatures = pa.array([signature(text, locale=locale) for text, locale in pairs], pa.binary(16))
    return chosen.append_column(_TEXTS.field("signature"), signatures).cast(_TEXTS)


def _kept_schema(candidates: Path) -> pa.Schema:
    import pyarrow.parquet as pq

    schema = pq.read_schema(candidates)
    if CAME in schema.names:
        schema = schema.remove(schema.get_field_index(CAME))
    return schema.append(pa.field("flags", pa.list_(pa.string()), nullable=False))


def _rows_of(path: Path | None) -> Iterator[dict[str, Any]]:
    if path is not None:
        for batch in read_batches(path):
            yield from batch.to_pylist()


class _Ahead:
    """Rows that come in the order of their position, taken as far as a batch of candidates goes."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def before(self, position: int) -> Iterator[dict[str, Any]]:
        """Those not yet taken, below the position."""
        while self._next is not None and self._next["position"] < position:
            yield self._next
            self._next = next(self._rows, None)


def _with_marks(found: _Ahead, marks: _Ahead, places: tuple[int, int]) -> dict[int, dict[str, Any]]:
    """Index in the batch -> what is known of the row; of the others there is nothing to say."""
    start, stop = places
    rows = {row["position"] - start: row for row in found.before(stop)}
    for mark in marks.before(stop):
        _apply(rows.setdefault(mark["position"] - start, _blank()), mark)
    return rows


def _blank() -> dict[str, Any]:
    empty = {"text": None, "raw": None, "attributes": None, "column": "", "reason": "", "detail": ""}
    return empty | {"flags": [], "masked": []}


def _apply(row: dict[str, Any], mark: Mapping[str, Any]) -> None:
    check, keeper = mark["check"], mark["keeper"]
    row["flags"] = sorted({*row["flags"], check})
    if mark["refused"] and not row["reason"]:
        alike = "the same text" if check == "D-1" else f"{mark['jaccard']:.0%} the same text"
        row |= {"column": "text", "reason": _REASONS[check], "detail": f"{_REASONS[check]}: {alike} as item {keeper}"}


class _Ends:
    """The two files in which every candidate ends, and what is counted on the way."""

    def __init__(self, kept: Path, refused: Path, schema: pa.Schema, *, masks: bool) -> None:
        self.keeping, self.refusing = ParquetSink(kept, schema), ParquetSink(refused, HELD)
        self.tally, self._schema, self._masks = _Tally(), schema, masks

    def __enter__(self) -> None:
        self._open = ExitStack()
        self._open.enter_context(self.keeping)
        self._open.enter_context(self.refusing)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.__exit__(kind, error, at)

    def sort(self, batch: pa.RecordBatch, known: Mapping[int, dict[str, Any]]) -> None:
        """Write each row of the batch to its end; `known`: index -> what there is to say of the row."""
        fallen = sorted(index for index, row in known.items() if row["reason"])
        self.tally.reasons.update(known[index]["reason"] for index in fallen)
        for row in known.values():
            if not row["reason"]:
                self.tally.flags.update(row["flags"])
                self.tally.masked.update({one["entity"]: one["places"] for one in row["masked"]})
        stands = np.ones(batch.num_rows, np.bool_)
        stands[fallen] = False
        self.keeping.write(self._kept(batch, known, stands))
        if fallen:
            self.refusing.write(_refused(batch, known, fallen, masks=self._masks))

    def _kept(
        self, batch: pa.RecordBatch, known: Mapping[int, dict[str, Any]], stands: npt.NDArray[np.bool_]
    ) -> pa.Table:
        columns = {name: batch.column(name) for name in batch.schema.names}
        for name in ("text", "raw", "attributes"):
            changed = {at: row[name] for at, row in known.items() if row[name] is not None}
            columns[name] = replaced(columns[name], changed)
            if name == "attributes" and DIGEST in columns:
                digests = {at: fingerprint(value) for at, value in changed.items()}
                columns[DIGEST] = replaced(columns[DIGEST], digests)
        if CAME in columns:
            columns[CAME] = pa.nulls(batch.num_rows, pa.string())
        flags = {at: row["flags"] for at, row in known.items() if row["flags"]}
        columns["flags"] = replaced(pa.array([[]] * batch.num_rows, pa.list_(pa.string())), flags)
        table = pa.table([columns[name] for name in self._schema.names], schema=self._schema).filter(pa.array(stands))
        for one in pc.value_counts(table["licence"]).to_pylist():
            self.tally.licences[one["values"] or UNKNOWN] += one["counts"]
        return table


def _refused(batch: pa.RecordBatch, known: Mapping[int, dict[str, Any]], fallen: list[int], *, masks: bool) -> pa.Table:
    rows = batch.take(pa.array(fallen, pa.int64())).to_pylist()
    raws = [_raw(row) for row in rows]
    if masks:
        owns = [_own(known[index]["attributes"] or row["attributes"]) for index, row in zip(fallen, rows, strict=True)]
        raws = masked_jsons([(raw, own, row["locale"]) for raw, own, row in zip(raws, owns, rows, strict=True)])
    told = [
        {name: known[index][name] for name in ("column", "reason", "detail")}
        | {"number": row["number"], "item_id": row["item_id"], "raw": raw}
        for index, row, raw in zip(fallen, rows, raws, strict=True)
    ]
    return pa.Table.from_pylist(told, schema=HELD)


def _own(attributes: Sequence[Mapping[str, str | None]] | None) -> list[tuple[str, str]]:
    return [(one["name"] or "", one["value"] or "") for one in attributes or ()]


def _raw(row: Mapping[str, Any]) -> str:
    """The source row as it came; where that is not known, the pair with its values before cleaning."""
    if row.get(CAME):
        return str(row[CAME])
    pair = {name: row[name] for name in ("item_id", "product_group", "locale", "text", "licence", "source")}
    pair["attributes"] = [[one["name"], one["value"]] for one in row["attributes"] or ()]
    before = json_or_text(row["raw"]) if row["raw"] else {}
    return json.dumps(pair | (before if isinstance(before, dict) else {"raw": before}), ensure_ascii=False)


def _sources(candidates: Path, judged: Path, rules: Hygiene, folder: Path) -> tuple[dict[str, int], dict[str, float]]:
    """Rows by source, and the sources of which too much is harmful."""
    grouped = """
        SELECT coalesce(nullif(source, ''), $declared, $unknown) AS name, count(*) AS rows
        FROM read_parquet($rows) GROUP BY name
    """
    declared = {"declared": rules.licence.source, "unknown": UNKNOWN}
    with spilling_database(folder, memory_mb=128) as database:
        database.execute(f"CREATE TABLE sources AS {grouped}", declared | {"rows": str(candidates)})
        harmful = f"CREATE TABLE harm AS {grouped}".replace("GROUP", "WHERE harmful GROUP")
        database.execute(harmful, declared | {"rows": str(judged)})
        top = "SELECT name, rows FROM sources ORDER BY rows DESC, name LIMIT $most"
        largest = dict(database.execute(top, {"most": SOURCES_TOLD}).fetchall())
        over = """
            SELECT name, harm.rows / sources.rows FROM sources JOIN harm USING (name)
            WHERE harm.rows > $share * sources.rows ORDER BY harm.rows DESC, name LIMIT $most
        """
        found = database.execute(over, {"share": HARMFUL_SHARE, "most": SOURCES_TOLD}).fetchall()
        total = database.execute("SELECT coalesce(sum(rows), 0) FROM sources").fetchone()[0]
    rest = int(total) - sum(largest.values())
    return largest | ({OTHERS: rest} if rest else {}), {name: round(share, 4) for name, share in found}


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))
