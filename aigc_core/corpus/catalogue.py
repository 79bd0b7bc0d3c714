"""The catalogue's door: a source becomes a version of the line's catalogue, pinned for a night in one file."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from aigc_core.contracts.content_line import ContentLine
from aigc_core.corpus.entrances import catalogue_entrance
from aigc_core.corpus.rows import ITEMS, item
from aigc_core.errors import CatalogueShrunk
from aigc_core.ids import canonical_json, fingerprint
from aigc_core.records import CatalogueSnapshot, Door, Shift
from aigc_core.storage.delta import Table
from aigc_core.storage.files import ParquetSink, read_batches
from aigc_core.storage.intake import keep_refused, require_gates, take_in
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
    source: str, line: ContentLine, tables: CatalogueTables, path: Path, *, confirm_drop: bool = False
) -> CatalogueSnapshot:
    """Make a source the current version of the line's catalogue, and pin its items in one Parquet file.

    The same source under the same contract and recipe is found again by its hash: it is not judged anew.

    Args:
        path: where the items go, in source order.
        confirm_drop: go on though more than `MAX_DROP` of the items are gone.

    Raises:
        SourceInvalid: the source cannot be read, lacks columns, or its whole breaks the contract.
        CatalogueShrunk: too many items are gone; nothing was changed but the quarantine.
    """
    with alone_in(tables.scratch) as scratch:
        return _taken(source, line, tables, path, _Way(scratch=scratch, confirm_drop=confirm_drop))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    scratch: Path
    confirm_drop: bool


def _taken(source: str, line: ContentLine, tables: CatalogueTables, path: Path, way: _Way) -> CatalogueSnapshot:
    ingested = fingerprint([file_sha256(source), *_shaping(line)])
    note = tables.items.metadata_of_last_commit()
    if note.get("ingested") == ingested:
        kept = as_record(CatalogueSnapshot, str(note["catalogue"]))
        _pin(tables.items, path, way.scratch)
        unmoved = Shift(before=kept.items)
        return replace(
            kept,
            path=str(path),
            table=tables.items.uri,
            version=int(str(note["version"])),
            shift=unmoved,
            repeated=True,
        )
    fresh = way.scratch / "items.parquet"
    snapshot = _judged(source, line, tables, fresh)
    shift = shift_of(tables.items, fresh, key=("item_id",), content=_CONTENT)
    if not way.confirm_drop:
        _require_little_drop(line, source, shift)
    snapshot = replace(snapshot, shift=shift, table=tables.items.uri)
    tables.items.create(ITEMS, stats=("item_id",))
    commit = tables.items.replace_once(
        lambda: pa.RecordBatchReader.from_batches(ITEMS, read_batches(fresh)),
        key=f"catalogue:{ingested}:{tables.items.version() or 0}",
        note={"ingested": ingested, "catalogue": canonical_json(snapshot), **_told(shift)},
    )
    with ParquetSink(path, ITEMS) as sink:
        for batch in read_batches(fresh):
            sink.write(batch)
    return replace(snapshot, path=str(path), version=commit.version)


def _shaping(line: ContentLine) -> list[object]:
    recipe = line.recipe.model_dump(mode="json")
    names = ("columns", "reading", "cleaning", "attributes", "product_group", "variant_group", "category", "seller")
    return [line.catalogue.digest, {name: recipe[name] for name in names}]


def _judged(source: str, line: ContentLine, tables: CatalogueTables, fresh: Path) -> CatalogueSnapshot:
    entrance = catalogue_entrance(line)
    taken = take_in(source, entrance, fresh.parent)
    keep_refused(source, entrance, [taken.refused], tables.quarantine)
    require_gates(taken, entrance, tables.on_refusal)
    digest = hashlib.sha256()
    with ParquetSink(fresh, ITEMS) as sink:
        for rows in _items(taken.accepted, line):
            digest.update(canonical_json([[row[name] for name in _PRINTED] for row in rows]).encode())
            sink.write(pa.Table.from_pylist(rows, schema=ITEMS))
    return CatalogueSnapshot(
        line=line.name, path="", fingerprint=digest.hexdigest()[:32], items=taken.door.accepted, door=taken.door
    )


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


def _pin(table: Table, path: Path, scratch: Path) -> None:
    """The table's current items as one file, in source order."""
    with ParquetSink(path, ITEMS) as sink:
        for batch in table.ordered("position", scratch):
            sink.write(pa.Table.from_batches([batch]).select(ITEMS.names).cast(ITEMS))


def _told(shift: Shift) -> dict[str, str]:
    return {"came": str(shift.came), "changed": str(shift.changed), "went": str(shift.went)}
