"""What has been accepted so far: 16 bytes a row, whatever the rows hold."""

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Answer = Literal["new", "same", "other"]


def hash_of(value: object) -> int:
    """64 bits of BLAKE2b over the value's `repr`; two of a million rows collide with probability 3e-8."""
    return int.from_bytes(hashlib.blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=8).digest())


class Seen:
    """Keys already accepted, each with the hash of its content. Batches are looked up, judged, then kept."""

    def __init__(self) -> None:
        self._keys: Hashes = np.empty(0, np.uint64)
        self._contents: Hashes = np.empty(0, np.uint64)
        self._earlier: dict[int, int] = {}
        self._fresh: dict[int, int] = {}

    def begin(self, keys: Sequence[int]) -> None:
        """Look up one batch's keys among those of earlier batches."""
        self.end()
        wanted = np.unique(np.array(keys, np.uint64))
        places = np.searchsorted(self._keys, wanted)
        inside = places < len(self._keys)
        found = places[inside][self._keys[places[inside]] == wanted[inside]]
        self._earlier = dict(zip(self._keys[found].tolist(), self._contents[found].tolist(), strict=True))

    def ask(self, key: int, content: int) -> Answer:
        """Whether the key is new, or was accepted with the same or with other content."""
        before = self._earlier.get(key, self._fresh.get(key))
        if before is None:
            return "new"
        return "same" if before == content else "other"

    def add(self, key: int, content: int) -> None:
        """Remember an accepted row."""
        self._fresh[key] = content

    def end(self) -> None:
        """Fold the batch's accepted keys into the sorted store."""
        if not self._fresh:
            return
        keys = np.fromiter(self._fresh.keys(), np.uint64, len(self._fresh))
        contents = np.fromiter(self._fresh.values(), np.uint64, len(self._fresh))
        order = np.argsort(keys)
        places = np.searchsorted(self._keys, keys[order])
        self._keys = np.insert(self._keys, places, keys[order])
        self._contents = np.insert(self._contents, places, contents[order])
        self._fresh = {}
