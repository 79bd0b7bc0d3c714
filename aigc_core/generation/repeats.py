"""Accepted texts that another item has: found over the whole run between attempts, so that shards never matter."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from aigc_core.checks.duplicates import OWNED, SHELVED, exact_duplicates
from aigc_core.records import Verdicts
from aigc_core.storage.delta import Table
from aigc_core.storage.files import read_table
from aigc_core.storage.progress import RunFolder


def repeated_requests(verdicts: Sequence[Verdicts], shelf: Table, folder: RunFolder) -> frozenset[str]:
    """Keys of the requests whose newest accepted text stands on the shelf or in this run for another item.

    Of equal texts the lowest item id keeps it; variants may share.
    """
    if not verdicts:
        return frozenset()
    scratch = folder.file("scratch", "repeats")
    return frozenset(exact_duplicates(_accepted(verdicts), published=shelf.stream(SHELVED.names), scratch=scratch))


def _accepted(verdicts: Sequence[Verdicts]) -> Iterator[pa.RecordBatch]:
    for verdict in verdicts:
        table = read_table(verdict.path, [*OWNED.names, "accepted"])
        yield from table.filter(table["accepted"]).to_batches()
