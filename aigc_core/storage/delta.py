"""Delta tables: one commit a change, found again by its transaction id, so that doing it twice does nothing.

delta-rs does not deduplicate transactions by itself: every writer asks `transaction_version` of a fresh handle
first and commits without retries, so that of two writers one wins and the other looks again.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from aigc_core.errors import CommitConflict, LakeUnusable
from aigc_core.storage.files import lake_errors

Rows = Any
"""A `pa.Table` or a `pa.RecordBatchReader`; Arrow ships no types."""
_TRIES = 8


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

    def dataset(self, version: int | None = None) -> ds.Dataset:
        """The rows as an Arrow dataset: filters and columns are pushed down."""
        table = self._open(version)
        dataset = table.to_pyarrow_dataset()
        # A merge writes `string_view` where the log says `string`, and Arrow compares the two with nothing: readers
        # that push filters down need the types that lie in the files.
        stored = [fragment.physical_schema for fragment in dataset.get_fragments()]
        alike = stored and all(schema.equals(stored[0]) for schema in stored)
        if not alike:
            return dataset
        return table.to_pyarrow_dataset(
            schema=pa.schema([field.with_metadata(dataset.schema.field(field.name).metadata) for field in stored[0]])
        )

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
            key, note, lambda table, how: write_deltalake(table, rows(), mode="append", commit_properties=how)
        )

    def replace_once(self, rows: Callable[[], Rows], *, key: str, note: Mapping[str, str]) -> Commit:
        """Put rows in the place of all others in one commit, unless a commit of that key is there."""
        return self._once(
            key,
            note,
            lambda table, how: write_deltalake(
                table, rows(), mode="overwrite", schema_mode="overwrite", commit_properties=how
            ),
        )

    def upsert_once(
        self, rows: Callable[[], Rows], *, on: tuple[str, ...], key: str, note: Mapping[str, str]
    ) -> Commit:
        """Update the rows whose `on` columns match and insert the others, in one commit a key."""
        match = " AND ".join(f"target.{column} = source.{column}" for column in on)

        def merge(table: DeltaTable, how: CommitProperties) -> None:
            merger = table.merge(rows(), match, source_alias="source", target_alias="target", commit_properties=how)
            merger.when_matched_update_all().when_not_matched_insert_all().execute()

        return self._once(key, note, merge)

    def _once(self, key: str, note: Mapping[str, str], act: Callable[[DeltaTable, CommitProperties], None]) -> Commit:
        how = CommitProperties(
            max_commit_retries=0, custom_metadata=dict(note), app_transactions=[Transaction(f"aigc:{key}", 1)]
        )
        for attempt in range(_TRIES):
            table = self._open()
            if table.transaction_version(f"aigc:{key}") is not None:
                return Commit(table.version(), repeated=True)
            try:
                with lake_errors(self.uri):
                    act(table, how)
                return Commit(self._open().version(), repeated=False)
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
