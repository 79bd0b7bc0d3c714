"""Delta tables: one commit a change, found again by its transaction id, so that doing it twice does nothing.

delta-rs does not deduplicate transactions by itself: every writer asks `transaction_version` of a fresh handle
first and commits without retries, so that of two writers one wins and the other looks again.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from aigc_core.errors import CommitConflict, LakeUnusable
from aigc_core.ids import fingerprint, is_safe_id
from aigc_core.storage.files import lake_errors
from aigc_core.storage.upsert import Change, file_actions

Rows = Any
"""A `pa.Table` or a `pa.RecordBatchReader`; Arrow ships no types."""
THIN: Mapping[str, Any] = {"use_threads": False, "batch_readahead": 1, "fragment_readahead": 1}
"""How a large table is scanned: Arrow otherwise reads half a gigabyte ahead of a slow consumer."""
_TRIES = 8
_SORTING = "512MB"


@dataclass(frozen=True, slots=True)
class Commit:
    """The table's version that holds the change, and whether an earlier try had made it."""

    version: int
    repeated: bool


class Table:
    """One Delta table at a URI; opened afresh at every call, because stale handles lie."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def exists(self) -> bool:
        """Whether a table is there."""
        return DeltaTable.is_deltatable(self.uri)

    def version(self) -> int | None:
        """Current version, or None without a table."""
        return self._open().version() if self.exists() else None

    def metadata_of_last_commit(self) -> dict[str, object]:
        """What the writer of the latest version noted; empty without a table."""
        return dict(self._open().history(1)[0]) if self.exists() else {}

    def note_of(self, key: str) -> dict[str, object] | None:
        """What the commit of that key noted; None where there is none."""
        found = (entry for entry in self._open().history() if entry.get("key") == key)
        return next((dict(entry) for entry in found), None)

    def dataset(self, version: int | None = None) -> ds.Dataset:
        """The rows as an Arrow dataset: filters and columns are pushed down."""
        return self._open(version).to_pyarrow_dataset()

    def stream(self, columns: Sequence[str], *, version: int | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of these columns, a batch at a time; nothing is read far ahead; none without a table."""
        if self.exists():
            yield from self.dataset(version).scanner(columns=list(columns), **THIN).to_batches()

    def ordered(self, column: str, scratch: Path, *, version: int) -> Iterator[pa.RecordBatch]:
        """A version's rows in the order of a column, at most 2,000 at a time; sorting spills to the scratch folder."""
        import duckdb

        with duckdb.connect() as connection:
            connection.execute(f"SET memory_limit = '{_SORTING}'")
            connection.execute("SET threads = 1")
            connection.execute("SET temp_directory = ?", [str(scratch / "spill")])
            connection.register("rows", self.dataset(version).scanner().to_reader())
            yield from connection.sql(f"SELECT * FROM rows ORDER BY {column}").to_arrow_reader(2000)  # noqa: S608 -- our own column

    def create(self, schema: pa.Schema, *, stats: tuple[str, ...]) -> None:
        """Make an empty table unless there is one.

        Args:
            stats: columns whose minima and maxima may enter the log; never a text.
        """
        if self.exists():
            return
        configuration = {
            "delta.dataSkippingStatsColumns": ",".join(stats),
            "delta.deletedFileRetentionDuration": "interval 7 days",
            "delta.logRetentionDuration": "interval 7 days",
        }
        with lake_errors(self.uri), _delta_errors(self.uri):
            Path(self.uri).parent.mkdir(parents=True, exist_ok=True)
            try:
                DeltaTable.create(
                    self.uri,
                    schema,
                    mode="ignore",
                    configuration=configuration,
                    commit_properties=CommitProperties(max_commit_retries=0),
                )
            except CommitFailedError:
                # A rival made it at the same moment.
                if not self.exists():
                    raise

    def append_once(self, rows: Callable[[], Rows], *, key: str, note: Mapping[str, str]) -> Commit:
        """Append rows in one commit, unless a commit of that key is there."""
        return self._once(
            key,
            note,
            lambda table, how: write_deltalake(
                table, rows(), mode="append", schema_mode="merge", commit_properties=how
            ),
        )

    def replace_once(
        self, rows: Callable[[], Rows], *, key: str, note: Mapping[str, str], expected: int | None = None
    ) -> Commit:
        """Put rows in the place of all others in one commit, unless a commit of that key is there.

        Args:
            expected: version the rows were compared with; None for any.

        Raises:
            CommitConflict: another writer changed the table since that version.
        """

        def swap(table: DeltaTable, how: CommitProperties) -> None:
            if expected is not None and table.version() != expected:
                raise CommitConflict(
                    f"The table at {self.uri} is at version {table.version()}, not at {expected} as a moment ago.",
                    remedy="Run the same command again.",
                )
            write_deltalake(table, rows(), mode="overwrite", schema_mode="overwrite", commit_properties=how)

        return self._once(key, note, swap)

    def upsert_once(self, change: Change, *, key: str, note: Mapping[str, str]) -> Commit:
        """Put rows in the place of those whose key matches, add the others, drop those gone: one commit a key.

        Columns that the rows have and the table lacks are added first, in a commit of their own.
        """

        def swap(table: DeltaTable, how: CommitProperties) -> None:
            _widen(table, change.rows().schema)
            # The log spells paths as addresses: a name of plain letters is spelt the same everywhere.
            name = key if is_safe_id(key) else fingerprint(key)
            actions = file_actions(table, Path(self.uri), change, f"{name}-{table.version()}")
            table.create_write_transaction(
                actions, mode="append", schema=table.schema(), partition_by=[], commit_properties=how
            )

        return self._once(key, note, swap)

    def _once(self, key: str, note: Mapping[str, str], act: Callable[[DeltaTable, CommitProperties], None]) -> Commit:
        how = CommitProperties(
            max_commit_retries=0,
            custom_metadata={**note, "key": key},
            app_transactions=[Transaction(f"aigc:{key}", 1)],
        )
        for attempt in range(_TRIES):
            table = self._open()
            if table.transaction_version(f"aigc:{key}") is not None:
                return Commit(_version_of(table, key), repeated=True)
            try:
                with lake_errors(self.uri):
                    act(table, how)
                return Commit(_version_of(self._open(), key), repeated=False)
            except CommitFailedError:
                time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 -- jitter between rival writers
            except DeltaError as error:
                raise LakeUnusable(f"The table at {self.uri} refused the change: {_short(error)}.") from error
        raise CommitConflict(
            f"Other writers were first {_TRIES} times at {self.uri}.", remedy="Run the same command again."
        )

    def _open(self, version: int | None = None) -> DeltaTable:
        with lake_errors(self.uri), _delta_errors(self.uri):
            return DeltaTable(self.uri, version=version)


def _version_of(table: DeltaTable, key: str) -> int:
    """The version that the key's commit made; the current one where the log was cleaned since."""
    found = (int(entry["version"]) for entry in table.history() if entry.get("key") == key)
    return next(found, table.version())


def _widen(table: DeltaTable, schema: pa.Schema) -> None:
    """Add the columns the table lacks: a write of files of our own cannot."""
    there = {field.name for field in table.schema().fields}
    lacking = [field for field in Schema.from_arrow(schema).fields if field.name not in there]
    if lacking:
        table.alter.add_columns(lacking, commit_properties=CommitProperties(max_commit_retries=0))


class _delta_errors:
    def __init__(self, uri: str) -> None:
        self.uri = uri

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, TableNotFoundError):
            raise LakeUnusable(f"There is no table at {self.uri}.") from error
        if isinstance(error, DeltaError):
            raise LakeUnusable(f"The table at {self.uri} cannot be used: {_short(error)}.") from error


def _short(error: DeltaError) -> str:
    return str(error).splitlines()[0][:300]
