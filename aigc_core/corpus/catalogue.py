"""The catalogue's door: a source becomes a version of the line's catalogue, pinned for a night in one file."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from aigc_core.contracts.check import UNREADABLE
from aigc_core.contracts.content_line import ContentLine
from aigc_core.corpus.entrances import catalogue_entrance
from aigc_core.corpus.rows import ITEMS, item
from aigc_core.errors import CatalogueShrunk
from aigc_core.ids import canonical_json, fingerprint
from aigc_core.records import CatalogueSnapshot, Door, Shift
from aigc_core.storage.delta import Table
from aigc_core.storage.files import ParquetSink, read_batches
from aigc_core.storage.intake import Origin, keep_refused, require_gates, require_unchanged, take_in
from aigc_core.storage.progress import as_record
from aigc_core.storage.scratch import alone_in
from aigc_core.storage.shift import shift_of
from aigc_core.storage.sources import file_sha256

MAX_DROP = 0.10
"""Share of the items that may go from one version to the next without a person's word."""
_CONTENT = ("product_group", "attributes_digest", "variant_group", "category", "seller_id", "missing")
_PRINTED = ("item_id", *_CONTENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueTables:
    """Where a line's items and its refused rows are kept."""

    items: Table
    quarantine: Table
    scratch: Path
    """Folder for what is made on the way; one ingest at a time works there."""
    on_refusal: Callable[[Door], None] | None = None
    """Gets what the contract found of a source that it refuses as a whole."""


def take_catalogue(
    source: str, line: ContentLine, tables: CatalogueTables, path: Path | None, *, confirm_drop: bool = False
) -> CatalogueSnapshot:
    """Make a source the current version of the line's catalogue, and pin its items in one Parquet file.

    The same source under the same contract and recipe is found again by its hash: it is not judged anew.

    Args:
        path: where the items go, in source order; None leaves them in the table alone.
        confirm_drop: go on though more than `MAX_DROP` of the items are gone.

    Raises:
        SourceInvalid: the source cannot be read, lacks columns, or its whole breaks the contract.
        CatalogueShrunk: too many items are gone; nothing was changed but the quarantine.
        CommitConflict: another writer changed the table meanwhile: the same call again compares with its version.
    """
    with alone_in(tables.scratch) as scratch:
        return _taken(source, line, tables, path, _Way(scratch=scratch, confirm_drop=confirm_drop))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    scratch: Path
    confirm_drop: bool


def _taken(source: str, line: ContentLine, tables: CatalogueTables, path: Path | None, way: _Way) -> CatalogueSnapshot:
    origin = _origin(source, line)
    note = tables.items.metadata_of_last_commit()
    if note.get("ingested") == origin.ingested:
        snapshot = replace(as_record(CatalogueSnapshot, str(note["catalogue"])), table=tables.items.uri, repeated=True)
        snapshot = replace(snapshot, version=int(str(note["version"])), shift=Shift(before=snapshot.items))
        if path is not None:
            _pin(tables.items.ordered("position", way.scratch, version=snapshot.version), path)
        return replace(snapshot, path=str(path or ""))
    fresh = way.scratch / "items.parquet"
    snapshot = _judged(origin, line, tables, fresh)
    tables.items.create(ITEMS, stats=("item_id",))
    before = tables.items.version() or 0
    shift = shift_of(tables.items, fresh, key=("item_id",), content=_CONTENT)
    if not way.confirm_drop:
        _require_little_drop(line, source, shift)
    require_unchanged(origin)
    snapshot = replace(snapshot, shift=shift, table=tables.items.uri)
    commit = tables.items.replace_once(
        lambda: pa.RecordBatchReader.from_batches(ITEMS, read_batches(fresh)),
        key=f"catalogue:{origin.ingested}:{before}",
        note={"ingested": origin.ingested, "catalogue": canonical_json(snapshot), **_told(shift)},
        expected=before,
    )
    if path is not None:
        _pin(read_batches(fresh), path)
    return replace(snapshot, path=str(path or ""), version=commit.version)


def _origin(source: str, line: ContentLine) -> Origin:
    sha256 = file_sha256(source)
    return Origin(source=source, sha256=sha256, ingested=fingerprint([sha256, *_shaping(line)]))


def _shaping(line: ContentLine) -> list[object]:
    recipe = line.recipe.model_dump(mode="json")
    names = ("columns", "reading", "cleaning", "attributes", "product_group", "variant_group", "category", "seller")
    return [line.catalogue.digest, {name: recipe[name] for name in names}]


def _judged(origin: Origin, line: ContentLine, tables: CatalogueTables, fresh: Path) -> CatalogueSnapshot:
    entrance = catalogue_entrance(line)
    taken = take_in(origin.source, entrance, fresh.parent)
    keep_refused(origin, entrance, [taken.refused], tables.quarantine)
    require_gates(taken, entrance, tables.on_refusal)
    door = _warned(taken.door, line)
    digest = hashlib.sha256()
    with ParquetSink(fresh, ITEMS) as sink:
        for rows in _items(taken.accepted, line):
            digest.update(canonical_json([[row[name] for name in _PRINTED] for row in rows]).encode())
            sink.write(pa.Table.from_pylist(rows, schema=ITEMS))
    return CatalogueSnapshot(
        line=line.name,
        path="",
        fingerprint=digest.hexdigest()[:32],
        items=taken.door.accepted,
        door=door,
        ingested=origin.ingested,
    )


def _warned(door: Door, line: ContentLine) -> Door:
    unread = door.reasons.get(UNREADABLE, 0)
    if line.recipe.on_missing != "withdraw" or not unread:
        return door
    told = f"{unread:,} rows cannot be read and may be any item's: no text is withdrawn this time"
    return replace(door, warnings=(*door.warnings, told))


def _items(accepted: Path, line: ContentLine) -> Iterator[list[dict[str, object]]]:
    position = 0
    for batch in read_batches(accepted):
        rows = batch.to_pylist()
        yield [item(row, line, position + index) for index, row in enumerate(rows)]
        position += len(rows)


def _require_little_drop(line: ContentLine, source: str, shift: Shift) -> None:
    if shift.drop > MAX_DROP:
        raise CatalogueShrunk(
            f"{source} lacks {shift.went:,} of the {shift.before:,} items that {line.name} had ({shift.drop:.0%}).",
            f"Up to {MAX_DROP:.0%} may go unnoticed: a file that was cut off looks the same.",
            "If they are really gone, say so with --confirm-drop; else bring the whole file.",
        )


def _pin(items: Iterator[pa.RecordBatch], path: Path) -> None:
    """Items in source order as one file."""
    with ParquetSink(path, ITEMS) as sink:
        for batch in items:
            sink.write(pa.Table.from_batches([batch]).select(ITEMS.names).cast(ITEMS))


def _told(shift: Shift) -> dict[str, str]:
    return {"came": str(shift.came), "changed": str(shift.changed), "went": str(shift.went)}
