"""A journal of finished rows: small immutable Parquet files beside the file that they will become."""

import os
import secrets
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from aigc_core.errors import IntegrityBroken
from aigc_core.storage.failpoints import reach
from aigc_core.storage.files import lake_errors, read_json, read_table, write_json, write_table

EVERY_SECONDS = 3.0
FLIGHT = "flight.json"
# Of the whole process: its first row is written at once, and small pieces of work need no journal each.
_written = {"at": float("-inf")}


class Journal:
    """One folder of rows. Two writers do not disturb each other: every file has a name of its own."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        """Look at a folder; it is made with the first row."""
        self.folder = folder
        self._schema = schema
        self._waiting: list[Mapping[str, object]] = []

    def read(self) -> pa.Table:
        """All rows of whole files; a damaged file, or one of another form, is passed over."""
        tables = [table for path in self.files() if (table := self.table(path)) is not None]
        return pa.concat_tables([self._schema.empty_table(), *tables])

    def files(self) -> list[Path]:
        """Its files of rows, sorted by name; those still being written are not among them."""
        found: list[Path] = []
        # Another worker may end the shard, and remove the folder, while one looks.
        with suppress(OSError), os.scandir(self.folder) as entries:
            found = [Path(entry.path) for entry in entries if entry.name.endswith(".parquet")]
        return sorted(path for path in found if not path.name.startswith("."))

    def table(self, path: Path) -> pa.Table | None:
        """A file's rows; None where it is damaged, gone, or of another form."""
        try:
            table = read_table(path)
        except IntegrityBroken:
            return None
        return table if table.schema.equals(self._schema) else None

    def add(self, row: Mapping[str, object]) -> None:
        """Take a row; it is on disk within seconds.

        Raises:
            LakeUnusable: it cannot be written.
        """
        self._waiting.append(row)
        if time.monotonic() - _written["at"] >= EVERY_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        reach("journal.write")
        self.put(pa.Table.from_pylist(self._waiting, schema=self._schema))
        self._waiting = []
        _written["at"] = time.monotonic()

    def put(self, table: pa.Table) -> None:
        """Write rows at once."""
        write_table(self.folder / f"{secrets.token_hex(8)}.parquet", table)

    def mark(self, flight: object) -> None:
        """Say what is being worked on, before it is begun."""
        write_json(self.folder / FLIGHT, flight)

    def marked(self) -> object:
        """What was being worked on when the last worker ended without a word; None when it did not."""
        path = self.folder / FLIGHT
        try:
            return read_json(path) if path.exists() else None
        except IntegrityBroken:
            return None

    def unmark(self) -> None:
        """Say that nothing is being worked on."""
        with lake_errors(self.folder):
            (self.folder / FLIGHT).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder: its rows stand elsewhere."""
        if self.folder.exists():
            shutil.rmtree(self.folder, ignore_errors=True)
