"""Indexes that live on disk while they are built: rows that agree in a hash, found without comparing all with all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

FIRST, BESIDE = 8, 8
"""In a bucket a row is compared with the first eight rows and the eight beside it when sketches are sorted. Buckets
of up to nine are compared whole. In larger ones, as templated texts make them, a row still meets the first rows,
which are the ones that stay when duplicates go, and those most like it; every band sorts by other bits."""
TURN = 6
"""Bits by which the sketches are turned from one band to the next but one."""
SPILL_ROWS = 10_000
"""Later rows whose pairs are sorted together: at most 336 pairs a row, 16 bytes each."""
PART_ROWS = 1_000_000
"""Rows read and sorted together: about 60 bytes each while it lasts."""


@contextmanager
def spilling_database(folder: Path, *, memory_mb: int = 400) -> Iterator[Any]:
    """A DuckDB connection for one thread whose tables and intermediate results go to files in the folder.

    Args:
        folder: scratch space; the caller removes it.
        memory_mb: bound of what the queries hold, in MiB.
    """
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_mb}MiB",
        "threads": "1",
        "temp_directory": str(folder / "spill"),
        "preserve_insertion_order": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    connection = duckdb.connect(str(folder / "index.duckdb"), config=settings)
    try:
        connection.execute("SET enable_progress_bar = false")
        yield connection
    finally:
        connection.close()


class BandIndex:
    """Locality-sensitive hashing: rows whose hashes agree in a band are candidates, if their sketches agree too.

    Hashes are spilled, one file a band; in memory stay the sketches (16 bytes a row) and one sorted part of one band.
    """

    def __init__(self, folder: Path, *, rows: int, bands: int) -> None:
        """Prepare for `rows` rows, named 0 to rows - 1 in the order of their precedence."""
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = [folder / f"band-{band:02}.u64" for band in range(bands)]
        self._rows = rows
        self._places = folder / "places.i64"
        self._sketches = np.zeros((rows, 2), np.uint64)
        for path in (*self._paths, self._places):
            path.write_bytes(b"")

    def add(self, places: Places, bands: Hashes, sketches: Hashes) -> None:
        """Add rows in any order.

        Args:
            places: shape (n,), which rows these are; each is added once.
            bands: shape (n, bands), the hash of each band.
            sketches: shape (n, 2), 128 bits of which similar rows share many.
        """
        self._sketches[places] = sketches
        for path, column in zip(self._paths, bands.T, strict=True):
            _append(path, np.ascontiguousarray(column))
        _append(self._places, places.astype(np.int64))

    def pairs(self, *, agree: int) -> Iterator[tuple[Places, Places]]:
        """Candidates (earlier row, later row), band after band; a pair comes once for each band it agrees in.

        Args:
            agree: least number of equal bits of the sketches, of 128.
        """
        parts = max(-(-self._rows // PART_ROWS), 1)
        for band, path in enumerate(self._paths):
            for part in range(parts):
                hashes, places = self._part(path, part, parts)
                for one, other in self._met(hashes, places, band):
                    apart = np.bitwise_count(self._sketches[one] ^ self._sketches[other]).sum(axis=1)
                    near = 128 - apart.astype(np.int64) >= agree
                    if near.any():
                        yield np.minimum(one, other)[near], np.maximum(one, other)[near]

    def _met(self, hashes: Hashes, places: Places, band: int) -> Iterator[tuple[Places, Places]]:
        """Rows of one bucket that are compared; they come by hash, then by place."""
        within, starts = _buckets(hashes)
        for offset in range(FIRST):
            later = np.flatnonzero(within > offset)
            yield places[starts[later] + offset], places[later]
        large = np.flatnonzero(_sizes(starts) > FIRST + 1)
        hashes, places, within = hashes[large], places[large], within[large]
        keys = _turned(self._sketches[places, band % 2], band // 2 * TURN)
        order = np.lexsort((places, keys, hashes))
        for distance in range(1, BESIDE + 1):
            later = np.flatnonzero(within >= distance)
            yield places[order[later - distance]], places[order[later]]

    def _part(self, path: Path, part: int, parts: int) -> tuple[Hashes, Places]:
        """The rows of one part of a band that share their hash with another, by hash, then by place."""
        found = [
            (hashes[chosen], places[chosen])
            for hashes, places in zip(_read(path, np.uint64), _read(self._places, np.int64), strict=True)
            for chosen in (hashes % np.uint64(parts) == part,)
        ]
        hashes = np.concatenate([one for one, _ in found]) if found else np.empty(0, np.uint64)
        places = np.concatenate([one for _, one in found]) if found else np.empty(0, np.int64)
        order = np.lexsort((places, hashes))
        hashes, places = hashes[order], places[order]
        same = hashes[1:] == hashes[:-1]
        shared = np.zeros(len(hashes), np.bool_)
        shared[1:] |= same
        shared[:-1] |= same
        return hashes[shared], places[shared]


def _append(path: Path, values: npt.NDArray[Any]) -> None:
    with path.open("ab") as file:
        file.write(values.tobytes())


def _read(path: Path, kind: type[Any]) -> Iterator[npt.NDArray[Any]]:
    """The numbers of a file in order, a part of them at a time."""
    with path.open("rb") as file:
        while len(values := np.fromfile(file, kind, PART_ROWS)):
            yield values


def _sizes(starts: Places) -> Places:
    """Rows in the bucket of each row."""
    _, which, counts = np.unique(starts, return_inverse=True, return_counts=True)
    sizes: Places = counts[which]
    return sizes


def _turned(words: Hashes, bits: int) -> Hashes:
    """The bits of each word turned left, so that others decide the order."""
    return (words << np.uint64(bits)) | (words >> np.uint64(64 - bits)) if bits else words


def _buckets(hashes: Hashes) -> tuple[Places, Places]:
    """Of rows sorted by hash: the place of each within its bucket, and where its bucket begins."""
    fresh = np.r_[True, hashes[1:] != hashes[:-1]][: len(hashes)]
    starts = np.flatnonzero(fresh)[np.cumsum(fresh) - 1]
    return np.arange(len(hashes)) - starts, starts


class PairSpill:
    """Pairs of rows on disk, in files by the later row, so that what belongs to one row is sorted in bounded memory."""

    def __init__(self, folder: Path, *, rows: int) -> None:
        """Prepare for pairs of `rows` rows."""
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = [folder / f"pairs-{part:05}.i64" for part in range(-(-rows // SPILL_ROWS))]

    def add(self, earlier: Places, later: Places) -> None:
        """Add pairs, each as often as it is found."""
        parts = later // SPILL_ROWS
        order = np.argsort(parts, kind="stable")
        pairs = np.stack([earlier, later], axis=1)[order]
        filled, starts = np.unique(parts[order], return_index=True)
        for part, own in zip(filled.tolist(), np.split(pairs, starts[1:]), strict=True):
            _append(self._paths[part], np.ascontiguousarray(own))

    def parts(self) -> Iterator[tuple[Places, Places, Places]]:
        """(earlier, later, times found) of distinct pairs, by later, then by earlier; a part at a time."""
        for path in self._paths:
            if not path.exists():
                continue
            pairs = np.fromfile(path, np.int64).reshape(-1, 2)
            path.unlink()
            pairs = pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]
            fresh = np.flatnonzero(np.r_[True, (pairs[1:] != pairs[:-1]).any(axis=1)])
            times = np.diff(np.r_[fresh, len(pairs)])
            yield pairs[fresh, 0], pairs[fresh, 1], times


def first_of_each(groups: Places, most: int) -> npt.NDArray[np.bool_]:
    """Of rows that stand together by group, the first `most` of each group."""
    fresh = np.r_[True, groups[1:] != groups[:-1]]
    starts = np.flatnonzero(fresh)[np.cumsum(fresh) - 1]
    chosen: npt.NDArray[np.bool_] = np.arange(len(groups)) - starts < most
    return chosen
