"""A source as strings on disk: read once, in bounded memory, asked about as often as needed."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from aigc_core.contracts.profile import Unreadable
from aigc_core.contracts.schema import RawRow
from aigc_core.errors import SourceInvalid
from aigc_core.events import Progress, report_progress
from aigc_core.storage.files import ParquetSink

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_COLUMNS = 2000
FLUSH_ROWS = 50_000
"""Rows of one file on disk: the most that is held in memory."""
MEMORY_LIMIT = "512MB"
"""What DuckDB may hold; the rest it spills to the scratch folder."""
MOST_REASONS = 50
EXAMPLE_CHARACTERS = 200


@dataclass(slots=True)
class _Held:
    rows: int
    number: int
    example: str


@dataclass(slots=True)
class Spilled:
    """Where a source's rows lie as strings. Columns are named `c0`, `c1` ... in order of appearance."""

    folder: Path
    names: dict[str, str] = field(default_factory=dict)
    """Source column -> column on disk."""
    rows: int = 0
    """Rows that could be taken apart."""
    files: list[str] = field(default_factory=list)
    _held: dict[str, _Held] = field(default_factory=dict)

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """Rows that could not be taken apart, most frequent reason first."""
        found = [
            Unreadable(reason=reason, rows=held.rows, number=held.number, example=held.example)
            for reason, held in self._held.items()
        ]
        return tuple(sorted(found, key=lambda one: (-one.rows, one.number)))

    def hold(self, row: RawRow) -> None:
        """Count a row that could not be taken apart."""
        reason = row.error if row.error in self._held or len(self._held) < MOST_REASONS else "other reasons"
        held = self._held.setdefault(reason, _Held(0, row.number, _shortened(row.raw)))
        held.rows += 1


def spill(source: str, batches: Iterable[Sequence[RawRow]], folder: Path) -> Spilled:
    """Write every readable row of a source to Parquet files of strings, and count the others.

    Raises:
        SourceInvalid: more than 2,000 columns; whatever the reader raises.
    """
    spilled = Spilled(folder)
    waiting: list[dict[str, object]] = []
    for batch in batches:
        for row in batch:
            if row.error:
                spilled.hold(row)
            else:
                waiting.append(row.values)
        if len(waiting) >= FLUSH_ROWS:
            _flush(source, spilled, waiting)
            waiting = []
        report_progress(Progress(stage="profile", done=spilled.rows + len(waiting), total=None))
    _flush(source, spilled, waiting)
    return spilled


@contextmanager
def asked(spilled: Spilled) -> Iterator["DuckDBPyConnection"]:
    """A connection with the rows as the view `t`: their columns, and `n`, their order from 0."""
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY_LIMIT,
        "temp_directory": str(spilled.folder / "spill"),
        "threads": 2,
        "preserve_insertion_order": False,
        "python_enable_replacements": False,
        "autoinstall_known_extensions": False,
    }
    with duckdb.connect(":memory:", config=settings) as connection:
        connection.read_parquet(spilled.files, union_by_name=True).create_view("t")
        yield connection


def _flush(source: str, spilled: Spilled, rows: list[dict[str, object]]) -> None:
    for name in dict.fromkeys(name for row in rows for name in row):
        spilled.names.setdefault(name, f"c{len(spilled.names)}")
    if len(spilled.names) > MOST_COLUMNS:
        raise SourceInvalid(
            f"{source} has more than {MOST_COLUMNS} columns.",
            "A source has a column a fact, the same in every row.",
            "Objects whose names are values belong in one column, as a list of name and value pairs.",
        )
    if not rows and spilled.files:
        return
    arrays = [_texts([row.get(name) for row in rows]) for name in spilled.names]
    order = pa.array(range(spilled.rows, spilled.rows + len(rows)), pa.int64())
    table = pa.table([*arrays, order], names=[*spilled.names.values(), "n"])
    path = spilled.folder / f"rows-{len(spilled.files):06d}.parquet"
    with ParquetSink(path, table.schema) as sink:
        sink.write(table)
    spilled.files.append(str(path))
    spilled.rows += len(rows)


def _texts(values: list[object]) -> pa.Array:
    if set(map(type, values)) <= {str, type(None)}:
        try:
            return pa.array(values, pa.string())
        except UnicodeEncodeError:
            pass  # a lone surrogate: spelt out below
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: object) -> str | None:
    """A value as the contract's own casting writes it; what cannot be encoded is spelt out."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False, default=str)
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _shortened(text: str) -> str:
    clean = text[:EXAMPLE_CHARACTERS].encode("utf-8", "backslashreplace").decode("utf-8")
    return clean if len(text) <= EXAMPLE_CHARACTERS else f"{clean}..."
