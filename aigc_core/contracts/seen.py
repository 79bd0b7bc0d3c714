"""What has been accepted so far: 12 bytes of memory a row, and 20 on disk, whatever the rows hold.

Keys are looked up by a 64-bit hash: two of five million different keys share one with probability 7e-7. Hashes stand
in sorted runs whose sizes grow geometrically, so a row is moved about log2(batches) times, and the runs are cut by
the hash's first bits, so that joining two of them never needs more than a fraction of the whole once more.
"""

import os
import tempfile
import weakref
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Facts = npt.NDArray[np.void]
"""Of type `FACT`."""
_PARTS_BITS = 4
_SEED = 0x5EED
FACT = np.dtype([("content", np.uint64), ("number", np.int64), ("file", np.uint32)])


class Fact(NamedTuple):
    """An accepted row."""

    content: int
    """Hash of everything in it."""
    number: int
    """Where it stands in its file."""
    file: int
    """Which file, as the caller counts them."""


def row_hashes(table: pa.Table) -> Hashes:
    """64 bits of each row, equal for rows with equal values; the same for every table of the same types."""
    import polars as pl

    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 -- a table never becomes a series
    return frame.hash_rows(seed=_SEED).to_numpy()


def fact_of(record: np.void) -> Fact:
    """One record of `Facts`."""
    return Fact(int(record["content"]), int(record["number"]), int(record["file"]))


class Seen:
    """Keys already accepted, each with the facts of its row."""

    def __init__(self) -> None:
        self._parts = [_Runs() for _ in range(1 << _PARTS_BITS)]
        self._facts, path = tempfile.mkstemp(prefix="aigc-seen-")
        Path(path).unlink()  # it lives as long as it is open, and nothing is left behind by a killed process
        weakref.finalize(self, os.close, self._facts)
        self._rows = 0

    def find(self, keys: Hashes) -> Places:
        """For each key the place of its row among those added; -1 for a new key."""
        found = np.full(len(keys), -1, np.int64)
        part = keys >> np.uint64(64 - _PARTS_BITS)
        for number, runs in enumerate(self._parts):
            if runs:
                mine = np.flatnonzero(part == number)
                found[mine] = runs.find(keys[mine])
        return found

    def fact(self, place: int) -> Fact:
        """What was added at this place."""
        data = os.pread(self._facts, FACT.itemsize, place * FACT.itemsize)
        return fact_of(np.frombuffer(data, FACT)[0])

    def add(self, keys: Hashes, facts: Facts) -> None:
        """Remember accepted rows, whose keys are all new and all different."""
        if not len(keys):
            return
        places = np.arange(self._rows, self._rows + len(keys), dtype=np.uint32)
        part = keys >> np.uint64(64 - _PARTS_BITS)
        order = np.argsort(keys)
        bounds = np.searchsorted(part[order], np.arange(len(self._parts) + 1, dtype=np.uint64))
        for number, runs in enumerate(self._parts):
            mine = order[bounds[number] : bounds[number + 1]]
            if len(mine):
                runs.add(keys[mine], places[mine])
        _write(self._facts, facts.tobytes())
        self._rows += len(keys)


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


class _Runs:
    """Sorted runs of keys with their places, each more than twice as long as the next."""

    def __init__(self) -> None:
        self._runs: list[tuple[Hashes, npt.NDArray[np.uint32]]] = []

    def __bool__(self) -> bool:
        return bool(self._runs)

    def find(self, keys: Hashes) -> Places:
        found = np.full(len(keys), -1, np.int64)
        for known, places in self._runs:
            at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            hit = known[at] == keys
            found[hit] = places[at[hit]]
        return found

    def add(self, keys: Hashes, places: npt.NDArray[np.uint32]) -> None:
        self._runs.append((keys, places))
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            late, early = self._runs.pop(), self._runs.pop()
            keys = np.concatenate([early[0], late[0]])
            order = np.argsort(keys, kind="stable")
            self._runs.append((keys[order], np.concatenate([early[1], late[1]])[order]))
