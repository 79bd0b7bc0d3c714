"""Indexes that live on disk while they are built: rows that agree in a hash, found without comparing all with all."""

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

FIRST, BESIDE = 4, 4
"""In a bucket a row is compared with the first four rows and the four beside it when sketches are sorted. Buckets
of up to five are compared whole. In larger ones, as templated texts make them, a row still meets the first rows,
which are the ones that stay when duplicates go, and those most like it; every band sorts by other bits."""
TURN = 6
"""Bits by which the sketches are turned from one band to the next but one."""
PART_ROWS = 250_000
"""Rows read and sorted together: about 100 bytes each while it lasts."""
SPAN = 20_000
"""Later rows whose candidates are held together: at most 160 of 8 bytes for each, usually ten."""


@contextmanager
def spilling_database(folder: Path, *, memory_mb: int = 256) -> Iterator[Any]:
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
                    near = self.agreement(one, other) >= agree
                    if near.any():
                        yield np.minimum(one, other)[near], np.maximum(one, other)[near]

    def agreement(self, one: Places, other: Places) -> npt.NDArray[np.int16]:
        """Equal bits of the sketches of each pair, of 128."""
        apart = np.bitwise_count(self._sketches[one] ^ self._sketches[other])
        equal: npt.NDArray[np.int16] = 128 - (apart[:, 0].astype(np.int16) + apart[:, 1])
        return equal

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


class PairSpill:
    """Candidate pairs on disk by ranges of their later row, read back sorted and each once."""

    def __init__(self, folder: Path, *, rows: int) -> None:
        """Prepare for pairs of rows named 0 to rows - 1, fewer than 2 ** 32."""
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = [folder / f"span-{span:05}.u64" for span in range(-(-rows // SPAN))]
        for path in self._paths:
            path.write_bytes(b"")

    def add(self, earlier: Places, later: Places) -> None:
        """Add pairs in any order."""
        keys = np.sort((later.astype(np.uint64) << np.uint64(32)) | earlier.astype(np.uint64))
        keys = keys[np.diff(keys, prepend=~keys[:1]) != 0]
        spans = (keys >> np.uint64(32)) // np.uint64(SPAN)
        for span in np.unique(spans).tolist():
            low, high = np.searchsorted(spans, [span, span + 1])
            _append(self._paths[span], keys[low:high])

    def spans(self) -> Iterator[tuple[Places, Places]]:
        """(earlier, later) of one range after the other, by later, then by earlier row."""
        for path in self._paths:
            keys = np.sort(np.fromfile(path, np.uint64))
            path.unlink()
            keys = keys[np.diff(keys, prepend=~keys[:1]) != 0]
            yield (keys & np.uint64(0xFFFFFFFF)).astype(np.int64), (keys >> np.uint64(32)).astype(np.int64)


class TextFile:
    """Texts on disk by number; in memory stay 12 bytes a text."""

    def __init__(self, path: Path, *, rows: int) -> None:
        """Prepare for texts numbered 0 to rows - 1; those not added are empty."""
        self._file = path.open("w+b")
        self._starts, self._lengths = np.zeros(rows, np.int64), np.zeros(rows, np.uint32)
        self._end = 0

    def add(self, numbers: Places, texts: Sequence[str]) -> None:
        """Append texts; each number comes once."""
        pieces = [text.encode("utf-8", "surrogatepass") for text in texts]
        lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
        self._starts[numbers] = self._end + np.cumsum(lengths) - lengths
        self._lengths[numbers] = lengths
        self._file.write(b"".join(pieces))
        self._end += int(lengths.sum())

    def read(self, numbers: Places) -> list[str]:
        """The texts of the numbers."""
        self._file.flush()
        file = self._file.fileno()
        places = zip(self._lengths[numbers].tolist(), self._starts[numbers].tolist(), strict=True)
        return [os.pread(file, length, start).decode("utf-8", "surrogatepass") for length, start in places]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def release_memory() -> None:
    """Give the operating system back what earlier work no longer holds."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


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
