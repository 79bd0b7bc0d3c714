"""A night of fewer items: which of the catalogue are drawn, the same ones every time."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from aigc_core.contracts.recipe import Recipe
from aigc_core.storage.files import ParquetSink, read_batches
from aigc_core.storage.groups import GroupSet, is_held_out

TOGETHER = 20_000
"""Rows looked at together."""
_AFTER = 2**53
"""Added to the hash of a group that is not held out: above every hash."""
Numbers = npt.NDArray[np.int64]


class Smallest:
    """Positions of the `limit` smallest (key, position) that come by; holds at most twice as many and a batch."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._keys, self._positions = np.empty(0, np.int64), np.empty(0, np.int64)

    def add(self, keys: Numbers, positions: Numbers) -> None:
        """Look at some more."""
        self._keys, self._positions = np.append(self._keys, keys), np.append(self._positions, positions)
        if len(self._keys) > 2 * self._limit:
            self._cut()

    def positions(self) -> Numbers:
        """Of the smallest, the smallest first."""
        self._cut()
        return self._positions

    def _cut(self) -> None:
        first = np.lexsort((self._positions, self._keys))[: self._limit]
        self._keys, self._positions = self._keys[first], self._positions[first]


def drawn(catalogue: str, recipe: Recipe, limit: int, path: Path) -> str:
    """A smaller catalogue, put beside that path: the items drawn, in the order they had."""
    chosen = np.sort(draw(catalogue, recipe, limit))
    smaller = path.with_name("drawn.parquet")
    with ParquetSink(smaller, pq.read_schema(catalogue)) as sink:
        for batch in read_batches(catalogue):
            positions = batch.column("position").to_numpy()
            # Arrow's `is_in` would hash all that were drawn again for every batch.
            there = np.searchsorted(chosen, positions, "right") > np.searchsorted(chosen, positions, "left")
            sink.write(batch.filter(pa.array(there)))
    return str(smaller)


def draw(path: str, recipe: Recipe, limit: int) -> Numbers:
    """Positions of the items drawn: whole held-out groups first, then the others, each in the order of a fixed hash."""
    smallest = Smallest(limit)
    for batch in read_batches(path, ["position", "product_group"], rows=TOGETHER):
        groups = batch.column("product_group").to_pylist()
        keys = np.fromiter((_key(group, recipe) for group in groups), np.int64, len(groups))
        smallest.add(keys, batch.column("position").to_numpy())
    return smallest.positions()


def _key(group: str, recipe: Recipe) -> int:
    held_out = is_held_out(recipe.line, group, recipe.model.training.held_out_share)
    return GroupSet.hash_of(group) + (0 if held_out else _AFTER)
