"""Catalogue and corpus files as raw rows: CSV, JSON, Parquet and plain text, streamed, nothing lost."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from aigc_core.contracts.reading import Reading
from aigc_core.contracts.schema import RawRow
from aigc_core.errors import SourceInvalid
from aigc_core.records import SourceFile
from aigc_core.storage.source_csv import read_csv, read_text
from aigc_core.storage.source_files import VALID, Place, file_sha256, public_name, require_no_secret, source_files
from aigc_core.storage.source_json import VALID as VALID_JSON
from aigc_core.storage.source_json import read_json, read_json_lines
from aigc_core.storage.source_parquet import read_parquet
from aigc_core.storage.source_survey import Plan, plan_reading

__all__ = [
    "BATCH_ROWS",
    "file_sha256",
    "public_name",
    "read_source",
    "require_no_secret",
    "source_columns",
    "source_files",
    "survey",
]

BATCH_ROWS = 10_000
DETECTED = Reading()


def read_source(path: str, *, reading: Reading = DETECTED, columns: Collection[str] = ()) -> Iterator[list[RawRow]]:
    """Raw rows in source order, in batches of at most 10,000.

    Delimited files give text, JSON its values, Parquet the types of its columns; nested values are JSON text. A
    record that cannot be taken apart is a row whose `error` says why and whose `raw` is its source text. Files of a
    source may differ in columns and in their order.

    Args:
        path: what `source_files` takes: a file, a glob, a folder or a URI; suffixes name format and compression.
        reading: what of encoding, dialect and header is declared; the rest is detected, as `survey` tells.
        columns: columns that must be there: in the header, or in some row of the first batch.

    Raises:
        SourceInvalid: at once when nothing is there, it is empty or of unknown format; while reading for damage, a
            missing column, a header that does not fit, or no row at all.
    """
    return _batches(path, source_files(path), reading, columns)


def survey(path: str, *, reading: Reading = DETECTED) -> tuple[SourceFile, ...]:
    """How each file of a source is read: declared or detected from a sample of it, and what was assumed.

    Raises:
        SourceInvalid: as `read_source`, as far as samples show it.
    """
    return tuple(_planned(place, reading).said for place in source_files(path))


def source_columns(path: str, *, reading: Reading = DETECTED) -> tuple[str, ...]:
    """The columns of the first batch of rows, in order of appearance.

    Raises:
        SourceInvalid: as `read_source`.
    """
    return _columns(next(read_source(path, reading=reading)))


def _planned(place: Place, reading: Reading) -> Plan:
    if place.size:
        return plan_reading(place, reading)
    return Plan(place=place, said=SourceFile(path=place.name, bytes=0, format="", notes=("empty: it has no rows",)))


def _rows(places: Sequence[Place], reading: Reading) -> Iterator[RawRow]:
    for place in places:
        plan = _planned(place, reading)
        yield from _rows_of(plan, place.relative if len(places) > 1 else "")


def _rows_of(plan: Plan, name: str) -> Iterator[RawRow]:
    match plan:
        case Plan(said=SourceFile(format="")):
            return iter(())
        case Plan(text=None):
            return read_parquet(plan.place, plan.said.compression, name, batch_rows=BATCH_ROWS)
        case Plan(text=text, layout=layout) if text and layout:
            return read_csv(text, layout, name)
        case Plan(text=text, shape=shape) if text and shape:
            return read_json_lines(text, name) if shape.kind == "lines" else read_json(text, shape, name)
        case Plan(text=text):
            assert text is not None  # noqa: S101 -- the case of no text stands above
            return read_text(text, name)


def _batches(path: str, places: Sequence[Place], reading: Reading, columns: Collection[str]) -> Iterator[list[RawRow]]:
    rows = _rows(places, reading)
    batch = list(islice(rows, BATCH_ROWS))
    _require_readable(path, batch)
    _require_columns(path, batch, columns)
    while batch:
        yield batch
        batch = list(islice(rows, BATCH_ROWS))


def _require_readable(path: str, batch: list[RawRow]) -> None:
    if not batch:
        raise SourceInvalid(f"{path} has no rows.", "A source has at least one row; a CSV file also a header.")
    if all(row.error for row in batch):
        first = batch[0]
        raise SourceInvalid(
            f"None of the first {len(batch)} rows of {path} can be read; row {first.number}: {first.error}.",
            VALID if "JSON" not in first.error else VALID_JSON,
            "Where the file is right, say how to read it: with `--encoding` and `--delimiter` while it has no line, "
            "in a line's recipe under `reading`: encoding, delimiter, quote.",
        )


def _require_columns(path: str, batch: list[RawRow], columns: Collection[str]) -> None:
    there = _columns(batch)
    missing = [column for column in columns if column not in there]
    if missing:
        raise SourceInvalid(
            f"{path} has no column {', '.join(map(repr, missing))}.",
            f"Its columns are: {', '.join(there)}.",
            "Correct `columns` in the recipe, or the file's header.",
        )


def _columns(batch: list[RawRow]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in batch for name in row.values))
