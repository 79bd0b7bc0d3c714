"""Product groups: which are never trained on, and which a model has seen."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aigc_core.ids import stable_unit
from aigc_core.storage.files import read_table, write_table


def is_held_out(line: str, group: str, share: float) -> bool:
    """Whether a product group is kept from training. Fixed by the names alone, once per line, for ever."""
    return stable_unit(f"{line}\x1f{group}") < share


class GroupSet:
    """A set of group names as sorted 53-bit hashes: 8 bytes a group."""

    def __init__(self, hashes: npt.NDArray[np.int64]) -> None:
        self._hashes = hashes

    @classmethod
    def of(cls, groups: Iterable[str]) -> "GroupSet":
        """The set of these names."""
        return cls(np.unique(np.fromiter((cls.hash_of(group) for group in groups), dtype=np.int64)))

    @classmethod
    def read(cls, path: Path) -> "GroupSet":
        """A set written by `write`; empty when there is no file."""
        if not path.is_file():
            return cls.of(())
        return cls(read_table(path)["hash"].to_numpy())

    @staticmethod
    def hash_of(group: str) -> int:
        """A name's place in the fixed order of groups, in [0, 2**53)."""
        return int(stable_unit(group) * 2**53)

    def write(self, path: Path) -> None:
        """Write the set as one Parquet column."""
        write_table(path, pa.table({"hash": self._hashes}))

    def contains(self, groups: Sequence[str]) -> npt.NDArray[np.bool_]:
        """One boolean a name."""
        wanted = np.fromiter((self.hash_of(group) for group in groups), dtype=np.int64, count=len(groups))
        return np.isin(wanted, self._hashes)
