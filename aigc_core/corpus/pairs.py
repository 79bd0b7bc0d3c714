"""The corpus' door: training pairs become a version of the line's corpus."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.contracts.content_line import ContentLine
from aigc_core.corpus.entrances import corpus_entrance
from aigc_core.corpus.hygiene import HygieneReport, inspect_pairs, require_licence
from aigc_core.corpus.rows import CANDIDATES, PAIRS, UNLABELLED, candidate, unlabelled
from aigc_core.errors import SourceInvalid
from aigc_core.ids import canonical_json, fingerprint, text_sha256
from aigc_core.records import CorpusVersion, Door, Shift
from aigc_core.storage.delta import Table
from aigc_core.storage.files import ParquetSink, read_batches
from aigc_core.storage.intake import TakenIn, keep_refused, require_gates, take_in
from aigc_core.storage.progress import as_record
from aigc_core.storage.scratch import alone_in
from aigc_core.storage.shift import shift_of
from aigc_core.storage.sources import file_sha256
from aigc_core.storage.tombstones import Tombstones

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
    ingested = fingerprint([file_sha256(source), *_shaping(line), tables.tombstones.digest])
    note = tables.pairs.metadata_of_last_commit()
    if note.get("ingested") == ingested:
        kept = as_record(CorpusVersion, str(note["corpus"]))
        return replace(
            kept,
            table=tables.pairs.uri,
            version=int(str(note["version"])),
            shift=Shift(before=kept.pairs),
            repeated=True,
        )
    made = _judged(source, line, tables, scratch)
    shift = shift_of(tables.pairs, made.pairs, key=_KEY, content=_CONTENT)
    tables.pairs.create(PAIRS, stats=_KEY)
    version = replace(made.version, table=tables.pairs.uri, shift=shift)
    before = tables.pairs.version() or 0
    _keep_unlabelled(tables.unlabelled, made.unlabelled, key=f"unlabelled:{ingested}:{before}")
    commit = tables.pairs.replace_once(
        lambda: pa.RecordBatchReader.from_batches(PAIRS, read_batches(made.pairs)),
        key=f"corpus:{ingested}:{before}",
        note={"ingested": ingested, "corpus": canonical_json(version), **_told(shift)},
    )
    return replace(version, version=commit.version)


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


def _judged(source: str, line: ContentLine, tables: CorpusTables, scratch: Path) -> _Judged:
    entrance = corpus_entrance(line)
    taken = take_in(source, entrance, scratch)
    candidates, kept, refused, pairs, apart = (
        scratch / f"{name}.parquet" for name in ("candidates", "kept", "unfit", "pairs", "apart")
    )
    withheld = _write_candidates(taken, line, tables.tombstones, candidates)
    found = inspect_pairs(candidates, kept, refused, line.recipe.hygiene, scratch=scratch / "hygiene")
    keep_refused(source, entrance, [taken.refused, refused], tables.quarantine)
    require_gates(taken, entrance, tables.on_refusal)
    _write_rows(taken.unlabelled, apart, UNLABELLED, lambda row: unlabelled(row, line))
    version = _write_pairs(kept, pairs, line, _door(taken.door, found, withheld))
    return _Judged(version=replace(version, hygiene=asdict(found)), pairs=pairs, unlabelled=apart)


def _write_candidates(taken: TakenIn, line: ContentLine, tombstones: Tombstones, path: Path) -> int:
    """Write the pairs that are not under takedown; how many are."""
    withheld = 0
    with ParquetSink(path, CANDIDATES) as sink:
        for batch in read_batches(taken.accepted):
            hashes = [text_sha256(text) for text in batch.column("text").to_pylist()] if tombstones.digest else []
            if hashes:
                items, locales = (batch.column(name).to_pylist() for name in _KEY)
                down = pa.array(tombstones.cover(items, locales, hashes), pa.bool_())
                withheld += pc.sum(down).as_py()
                batch = batch.filter(pc.invert(down))
            rows = [candidate(row, line) for row in batch.to_pylist()]
            sink.write(pa.Table.from_pylist(rows, schema=CANDIDATES))
    return withheld


def _door(door: Door, found: HygieneReport, withheld: int) -> Door:
    """The door as it stands after the checks of training pairs."""
    reasons = Counter(door.reasons) + Counter(found.reasons)
    return replace(
        door,
        accepted=found.kept,
        quarantined=door.quarantined + found.refused,
        withheld=withheld,
        reasons=dict(reasons.most_common()),
        flagged=found.flags,
        masked=found.masked,
        sharing=found.variants_sharing_text,
        warnings=tuple(_told_of(found)),
    ).require_conserved()


def _told_of(found: HygieneReport) -> Iterator[str]:
    for source, share in found.sources_over_limit.items():
        yield f"{share:.1%} of the rows of {source} hold illegal, harmful or personal words: better leave it out"


def _write_rows(source: Path, path: Path, schema: pa.Schema, make: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    with ParquetSink(path, schema) as sink:
        for batch in read_batches(source):
            sink.write(pa.Table.from_pylist([make(row) for row in batch.to_pylist()], schema=schema))


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
        lambda: pa.RecordBatchReader.from_batches(UNLABELLED, read_batches(rows)), key=key, note={"kind": "unlabelled"}
    )


def _told(shift: Shift) -> dict[str, str]:
    return {"came": str(shift.came), "changed": str(shift.changed), "went": str(shift.went)}
