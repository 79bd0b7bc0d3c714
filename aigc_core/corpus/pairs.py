"""The corpus' door: training pairs become a version of the line's corpus."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.contracts.content_line import ContentLine
from aigc_core.corpus.entrances import corpus_entrance
from aigc_core.corpus.hygiene import HygieneReport, inspect_pairs, inspect_unlabelled, require_licence
from aigc_core.corpus.rows import CANDIDATES, PAIRS, UNLABELLED, UNLABELLED_CANDIDATES, candidate, unlabelled
from aigc_core.errors import SourceInvalid
from aigc_core.ids import canonical_json, fingerprint, text_sha256
from aigc_core.records import CorpusVersion, Door, Shift
from aigc_core.storage.delta import Table
from aigc_core.storage.files import ParquetSink, read_batches
from aigc_core.storage.intake import Origin, keep_refused, regated, require_gates, require_unchanged, take_in
from aigc_core.storage.progress import as_record
from aigc_core.storage.scratch import alone_in
from aigc_core.storage.shift import shift_of
from aigc_core.storage.sources import file_sha256
from aigc_core.storage.tombstones import Tombstones

MOST_REFUSED = 0.5
"""Share of the pairs above which their refusal by the checks is told first."""
_MADE = ("candidates", "bare", "kept", "unfit", "apart", "barred", "pairs")
_KEY = ("item_id", "locale")
_CONTENT = ("product_group", "attributes_digest", "text", "held_out", "category", "licence", "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusTables:
    """Where a line's pairs, its texts without labels and its refused rows are kept, and what is taken down."""

    pairs: Table
    unlabelled: Table
    quarantine: Table
    tombstones: Tombstones
    scratch: Path
    """Folder for what is made on the way; one ingest at a time works there."""
    on_refusal: Callable[[Door], None] | None = None
    """Gets what the contract found of a source that it refuses as a whole."""


def ingest(source: str, line: ContentLine, tables: CorpusTables) -> CorpusVersion:
    """Validate training pairs and make them the line's current corpus version.

    The same file under the same contract, recipe and takedowns is found again by its hash: nothing is read or written.

    Raises:
        SourceInvalid: the file cannot be read, lacks columns, declares no licence, or its whole breaks the contract.
    """
    require_licence(line.recipe.hygiene, str(line.folder / "recipe.yaml"))
    with alone_in(tables.scratch) as scratch:
        return _taken(source, line, tables, scratch)


def _taken(source: str, line: ContentLine, tables: CorpusTables, scratch: Path) -> CorpusVersion:
    origin = _origin(source, line, tables.tombstones)
    note = tables.pairs.metadata_of_last_commit()
    if note.get("ingested") == origin.ingested:
        kept = current_corpus(line.name, tables.pairs)
        return replace(kept, shift=Shift(before=kept.pairs), repeated=True)
    made = _judged(origin, line, tables, scratch)
    tables.pairs.create(PAIRS, stats=_KEY)
    before = tables.pairs.version() or 0
    shift = shift_of(tables.pairs, made.pairs, key=_KEY, content=_CONTENT)
    require_unchanged(origin)
    version = replace(made.version, table=tables.pairs.uri, shift=shift)
    _keep_unlabelled(tables.unlabelled, made.unlabelled, key=f"unlabelled:{origin.ingested}:{before}")
    commit = tables.pairs.replace_once(
        lambda: pa.RecordBatchReader.from_batches(PAIRS, read_batches(made.pairs)),
        key=f"corpus:{origin.ingested}:{before}",
        note={"ingested": origin.ingested, "corpus": canonical_json(version), **_told(shift)},
        expected=before,
    )
    return replace(version, version=commit.version)


def _origin(source: str, line: ContentLine, tombstones: Tombstones) -> Origin:
    sha256 = file_sha256(source)
    return Origin(source=source, sha256=sha256, ingested=fingerprint([sha256, *_shaping(line), tombstones.digest]))


def current_corpus(line: str, pairs: Table) -> CorpusVersion:
    """The line's latest corpus version.

    Raises:
        SourceInvalid: none was taken in yet.
    """
    note = pairs.metadata_of_last_commit()
    if "corpus" not in note:
        raise SourceInvalid(f"{line} has no corpus yet.", remedy=f"Take one in: aigc ingest {line} --corpus FILE.")
    version = int(str(note["version"]))
    return replace(as_record(CorpusVersion, str(note["corpus"])), table=pairs.uri, version=version)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    version: CorpusVersion
    pairs: Path
    unlabelled: Path


def _shaping(line: ContentLine) -> list[object]:
    recipe = line.recipe.model_dump(mode="json")
    names = ("line", "columns", "reading", "cleaning", "hygiene", "attributes", "product_group", "category")
    share = line.recipe.model.training.held_out_share
    return [line.corpus.digest, {name: recipe[name] for name in names}, share]


def _judged(origin: Origin, line: ContentLine, tables: CorpusTables, scratch: Path) -> _Judged:
    entrance, rules = corpus_entrance(line), line.recipe.hygiene
    taken = take_in(origin.source, entrance, scratch)
    files = {name: scratch / f"{name}.parquet" for name in _MADE}
    withheld = _write_free(taken.accepted, files["candidates"], line, _Kind(CANDIDATES, candidate, tables.tombstones))
    bare = _Kind(UNLABELLED_CANDIDATES, unlabelled, tables.tombstones)
    withheld_bare = _write_free(taken.unlabelled, files["bare"], line, bare)
    found = inspect_pairs(files["candidates"], files["kept"], files["unfit"], rules, scratch=scratch / "hygiene")
    apart = inspect_unlabelled(files["bare"], files["apart"], files["barred"], rules)
    keep_refused(origin, entrance, [taken.refused, files["unfit"], files["barred"]], tables.quarantine)
    door = _door(taken.door, found, apart, withheld + withheld_bare)
    require_gates(
        replace(taken, door=door, gates=regated(entrance.contract, taken.gates, door.accepted)),
        entrance,
        tables.on_refusal,
    )
    version = _write_pairs(files["kept"], files["pairs"], line, door)
    return _Judged(version=replace(version, hygiene=asdict(found)), pairs=files["pairs"], unlabelled=files["apart"])


class _Kind(NamedTuple):
    """Rows of one kind on their way to the checks."""

    schema: pa.Schema
    make: Callable[[dict[str, Any], ContentLine], dict[str, Any]]
    tombstones: Tombstones


def _write_free(rows: Path, path: Path, line: ContentLine, kind: _Kind) -> int:
    """Write the rows that are not under takedown; how many are."""
    withheld = 0
    with ParquetSink(path, kind.schema) as sink:
        for batch in read_batches(rows):
            down = _taken_down(batch, kind.tombstones)
            withheld += sum(down)
            made = [kind.make(row, line) for row, is_down in zip(batch.to_pylist(), down, strict=True) if not is_down]
            sink.write(pa.Table.from_pylist(made, schema=kind.schema))
    return withheld


def _taken_down(batch: pa.RecordBatch, tombstones: Tombstones) -> list[bool]:
    if not tombstones.digest:
        return [False] * batch.num_rows
    items, locales, texts = (batch.column(name).to_pylist() for name in (*_KEY, "text"))
    return tombstones.cover(items, locales, [text_sha256(text or "") for text in texts])


def _door(door: Door, found: HygieneReport, apart: HygieneReport, withheld: int) -> Door:
    """The door as it stands after the checks of training pairs and of texts without labels."""
    reasons = Counter(door.reasons) + Counter(found.reasons) + Counter(apart.reasons)
    return replace(
        door,
        accepted=found.kept,
        quarantined=door.quarantined + found.refused + apart.refused,
        unlabelled=apart.kept,
        withheld=withheld,
        reasons=dict(reasons.most_common()),
        flagged=found.flags,
        masked=dict(Counter(found.masked) + Counter(apart.masked)),
        sharing=found.variants_sharing_text,
        warnings=tuple(_told_of(found)),
    ).require_conserved()


def _told_of(found: HygieneReport) -> Iterator[str]:
    if found.refused > MOST_REFUSED * found.rows:
        yield f"the checks refused {found.refused:,} of the {found.rows:,} pairs that hold their contract"
    for source, share in found.sources_over_limit.items():
        yield f"{share:.1%} of the rows of {source} hold illegal, harmful or personal words: better leave it out"


def _write_pairs(kept: Path, path: Path, line: ContentLine, door: Door) -> CorpusVersion:
    digest, held_out = hashlib.sha256(), 0
    with ParquetSink(path, PAIRS) as sink:
        for batch in _pairs(kept):
            held_out += pc.sum(batch["held_out"]).as_py() or 0
            names = ("item_id", "locale", "product_group", "attributes_digest", "text", "held_out")
            for row in zip(*(batch[name].to_pylist() for name in names), strict=True):
                digest.update(canonical_json(row).encode())
            sink.write(batch)
    return CorpusVersion(
        line=line.name,
        table="",
        version=0,
        fingerprint=digest.hexdigest()[:32],
        pairs=door.accepted,
        training_pairs=door.accepted - held_out,
        held_out_pairs=held_out,
        door=door,
    )


def _pairs(kept: Path) -> Iterator[pa.Table]:
    for batch in read_batches(kept):
        yield pa.Table.from_batches([batch]).select(PAIRS.names).cast(PAIRS)


def _keep_unlabelled(table: Table, rows: Path, *, key: str) -> None:
    """The texts without labels of this source in the place of the earlier ones."""
    if not table.exists() and not any(batch.num_rows for batch in read_batches(rows, ["item_id"])):
        return
    table.create(UNLABELLED, stats=_KEY)
    table.replace_once(
        lambda: pa.RecordBatchReader.from_batches(UNLABELLED, _only(rows, UNLABELLED)),
        key=key,
        note={"kind": "unlabelled"},
    )


def _only(rows: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in read_batches(rows):
        yield from pa.Table.from_batches([batch]).select(schema.names).cast(schema).to_batches()


def _told(shift: Shift) -> dict[str, str]:
    return {"came": str(shift.came), "changed": str(shift.changed), "went": str(shift.went)}
