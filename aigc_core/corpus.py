"""The two doors in: training pairs become a corpus version, tonight's items a pinned snapshot."""

import hashlib
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from aigc_core.contracts.content_line import ContentLine
from aigc_core.contracts.mapping import (
    attributes_of,
    catalogue_row,
    corpus_rows,
    missing_attributes,
    require_columns,
)
from aigc_core.contracts.schema import RawRow
from aigc_core.ids import canonical_json, fingerprint
from aigc_core.records import CatalogueSnapshot, CorpusVersion, Door
from aigc_core.storage.delta import Table
from aigc_core.storage.files import ParquetSink, read_batches
from aigc_core.storage.groups import is_held_out
from aigc_core.storage.intake import Entrance, Mapper, take_in
from aigc_core.storage.progress import as_record
from aigc_core.storage.sources import file_sha256

_ATTRIBUTES = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))
_SHARED = [
    pa.field("item_id", pa.string(), nullable=False),
    pa.field("product_group", pa.string(), nullable=False),
    pa.field("attributes", _ATTRIBUTES, nullable=False),
    pa.field("attributes_digest", pa.string(), nullable=False),
]
PAIRS = pa.schema(
    [
        *_SHARED,
        pa.field("locale", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("held_out", pa.bool_(), nullable=False),
    ]
)
ITEMS = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        *_SHARED,
        pa.field("variant_group", pa.string()),
        pa.field("category", pa.string()),
        pa.field("seller_id", pa.string()),
        pa.field("missing", pa.list_(pa.string()), nullable=False),
    ]
)


def ingest(source: str, line: ContentLine, table: Table, quarantine: Table) -> CorpusVersion:
    """Validate training pairs and make them the line's current corpus version.

    The same file under the same contract and recipe is found again by its hash: nothing is read or written.
    Whether a pair is held out depends on its product group alone.

    Raises:
        SourceInvalid: the file cannot be read, lacks columns, or its whole breaks the contract.
    """
    came = fingerprint([file_sha256(source), line.corpus.digest, line.recipe.columns.model_dump(), _split_of(line)])
    current = table.metadata_of_last_commit()
    if current.get("came") == came:
        return replace(as_record(CorpusVersion, str(current["corpus"])), version=int(str(current["version"])))
    with tempfile.TemporaryDirectory(prefix="aigc-ingest-") as scratch:
        accepted, pairs = Path(scratch) / "accepted.parquet", Path(scratch) / "pairs.parquet"
        door = take_in(source, _corpus_entrance(line), accepted, quarantine)
        table.create(PAIRS, stats=("item_id", "locale"))
        before = table.version() or 0
        version = replace(_write_pairs(accepted, pairs, line, door), table=table.uri)
        commit = table.replace_once(
            lambda: pa.RecordBatchReader.from_batches(PAIRS, read_batches(pairs)),
            key=f"corpus:{came}:{before}",
            note={"came": came, "corpus": canonical_json(version)},
        )
    return replace(version, version=commit.version)


def take_snapshot(source: str, line: ContentLine, path: Path, quarantine: Table) -> CatalogueSnapshot:
    """Validate tonight's catalogue and pin the accepted items in one Parquet file, in source order.

    Raises:
        SourceInvalid: the file cannot be read, lacks columns, or its whole breaks the contract.
    """
    with tempfile.TemporaryDirectory(prefix="aigc-snapshot-") as scratch:
        accepted = Path(scratch) / "accepted.parquet"
        door = take_in(source, _catalogue_entrance(line), accepted, quarantine)
        digest = hashlib.sha256()
        with ParquetSink(path, ITEMS) as sink:
            for batch in read_batches(accepted):
                rows = [_item(row, line, sink.rows + index) for index, row in enumerate(batch.to_pylist())]
                digest.update(canonical_json(rows).encode())
                sink.write(pa.Table.from_pylist(rows, schema=ITEMS))
    return CatalogueSnapshot(
        line=line.name, path=str(path), fingerprint=digest.hexdigest()[:32], items=door.accepted, door=door
    )


def _corpus_entrance(line: ContentLine) -> Entrance:
    recipe, contract = line.recipe, line.corpus_rows

    def mapper(row: RawRow) -> list[RawRow]:
        return [RawRow(row.number, made, source=row.values) for made in corpus_rows(recipe, contract, row.values)]

    return _entrance(line, "corpus", mapper)


def _catalogue_entrance(line: ContentLine) -> Entrance:
    recipe, contract = line.recipe, line.catalogue_rows

    def mapper(row: RawRow) -> list[RawRow]:
        return [RawRow(row.number, catalogue_row(recipe, contract, row.values), source=row.values)]

    return _entrance(line, "catalogue", mapper)


def _entrance(line: ContentLine, name: str, mapper: Mapper) -> Entrance:
    contract = line.corpus if name == "corpus" else line.catalogue
    rows = contract.objects[name]
    return Entrance(
        line=line.name,
        name=name,
        contract=rows,
        rules_digest=fingerprint([contract.digest, line.recipe.columns.model_dump()]),
        mapper=mapper,
        require=partial(require_columns, line.recipe, rows),
    )


def _split_of(line: ContentLine) -> list[object]:
    recipe = line.recipe
    attributes = {name: attribute.model_dump() for name, attribute in recipe.attributes.items()}
    return [recipe.line, recipe.model.training.held_out_share, recipe.product_group, attributes]


def _write_pairs(accepted: Path, path: Path, line: ContentLine, door: Door) -> CorpusVersion:
    digest, held_out = hashlib.sha256(), 0
    with ParquetSink(path, PAIRS) as sink:
        for batch in read_batches(accepted):
            rows = [_pair(row, line) for row in batch.to_pylist()]
            held_out += sum(row["held_out"] for row in rows)
            digest.update(canonical_json(rows).encode())
            sink.write(pa.Table.from_pylist(rows, schema=PAIRS))
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


def _shared(row: dict[str, Any], line: ContentLine) -> dict[str, Any]:
    attributes = attributes_of(line.recipe, row)
    return {
        "item_id": row["item_id"],
        "product_group": str(row[line.recipe.product_group]),
        "attributes": attributes,
        "attributes_digest": fingerprint(attributes),
    }


def _pair(row: dict[str, Any], line: ContentLine) -> dict[str, Any]:
    shared = _shared(row, line)
    share = line.recipe.model.training.held_out_share
    held_out = is_held_out(line.name, shared["product_group"], share)
    return {**shared, "locale": row["locale"], "text": row["text"], "held_out": held_out}


def _item(row: dict[str, Any], line: ContentLine, position: int) -> dict[str, Any]:
    recipe = line.recipe
    return {
        **_shared(row, line),
        "position": position,
        "variant_group": _named(row, recipe.variant_group),
        "category": _named(row, recipe.category),
        "seller_id": _named(row, recipe.seller),
        "missing": missing_attributes(recipe, row),
    }


def _named(row: dict[str, Any], column: str | None) -> str | None:
    return None if column is None or row[column] is None else str(row[column])
