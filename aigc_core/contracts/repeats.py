"""Rows that repeat an accepted one, and rows that reuse a key or a unique value: the first stands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.contracts.model import ObjectContract
from aigc_core.contracts.schema import RawRow, shown
from aigc_core.contracts.seen import FACT, Fact, Facts, Hashes, Places, Seen, fact_of, row_hashes


class Reuse(NamedTuple):
    """A row whose key or unique value another row has, with other content."""

    row: int
    """Index in the table."""
    names: tuple[str, ...]
    """The columns it is about."""
    reason: str
    detail: str
    """Names the value and where it stood first."""


@dataclass(slots=True)
class Repeats:
    """What became of one batch's candidates."""

    same: list[int] = field(default_factory=list)
    """Rows equal to an accepted one: same key, same content."""
    reused: list[Reuse] = field(default_factory=list)


@dataclass(slots=True)
class _Space:
    """One key or unique column: the hashes of this batch, and what was seen of earlier ones."""

    names: tuple[str, ...]
    seen: Seen
    hashes: Hashes
    valid: npt.NDArray[np.bool_]
    earlier: Places
    fresh: dict[int, Fact] = field(default_factory=dict)

    def before(self, place: int) -> Fact | None:
        """The accepted row with the same value, if any."""
        if self.earlier[place] >= 0:
            return self.seen.fact(int(self.earlier[place]))
        return self.fresh.get(int(self.hashes[place])) if self.valid[place] else None

    def doubtful(self) -> npt.NDArray[np.bool_]:
        """Candidates whose value came before or comes again in this batch."""
        _, inverse, counts = np.unique(self.hashes, return_inverse=True, return_counts=True)
        found: npt.NDArray[np.bool_] = ((counts[inverse] > 1) | (self.earlier >= 0)) & self.valid
        return found


class FirstStands:
    """Judges batches one after the other, remembering every accepted row."""

    def __init__(self, contract: ObjectContract) -> None:
        self._key = contract.key
        self._names = [contract.key] if contract.key else []
        self._names += [(one.name,) for one in contract.columns if one.unique and (one.name,) != contract.key]
        self._seen = [Seen() for _ in self._names]
        self._files: dict[str, int] = {}

    @property
    def spaces(self) -> tuple[tuple[str, ...], ...]:
        """The key, then each unique column."""
        return tuple(self._names)

    def judge(self, table: pa.Table, candidates: Sequence[int], rows: Sequence[RawRow]) -> Repeats:
        """What of the candidates repeats or reuses; the others are remembered as accepted.

        Args:
            table: all rows of the batch, typed.
            candidates: indices of the rows nothing else is held against.
            rows: the batch as it came.
        """
        found = Repeats()
        if not self._names or not len(candidates):
            return found
        chosen = table.take(pa.array(candidates, pa.int64()))
        facts = self._facts(row_hashes(chosen), [rows[row] for row in candidates])
        spaces = [_space(names, seen, chosen) for names, seen in zip(self._names, self._seen, strict=True)]
        kept = ~np.logical_or.reduce([space.doubtful() for space in spaces])
        for place in np.flatnonzero(~kept).tolist():
            taken = _taken(spaces, place)
            if taken is None:
                kept[place] = True
                _remember(spaces, place, fact_of(facts[place]))
                continue
            space, before = taken
            if space.names == self._key and before.content == int(facts[place]["content"]):
                found.same.append(candidates[place])
            else:
                found.reused.append(self._reuse(space, before, candidates[place], chosen.slice(place, 1)))
        places = np.flatnonzero(kept)
        for space in spaces:
            mine = places[space.valid[places]]
            space.seen.add(space.hashes[mine], facts[mine])
        return found

    def _facts(self, contents: Hashes, rows: Sequence[RawRow]) -> Facts:
        facts = np.empty(len(rows), FACT)
        facts["content"] = contents
        facts["number"] = [row.number for row in rows]
        facts["file"] = [self._files.setdefault(row.file, len(self._files)) for row in rows]
        return facts

    def _reuse(self, space: _Space, before: Fact, row: int, cells: pa.Table) -> Reuse:
        name = ", ".join(space.names)
        values = ", ".join(shown(cells[one][0].as_py()) for one in space.names)
        file = next(name for name, number in self._files.items() if number == before.file)
        where = f"row {before.number}" + (f" of {file}" if file else "")
        return Reuse(row, space.names, f"{name}: repeated", f"{name}: {values} is repeated, first at {where}")


def _taken(spaces: Sequence[_Space], place: int) -> tuple[_Space, Fact] | None:
    for space in spaces:
        before = space.before(place)
        if before is not None:
            return space, before
    return None


def _remember(spaces: Sequence[_Space], place: int, fact: Fact) -> None:
    for space in spaces:
        if space.valid[place]:
            space.fresh[int(space.hashes[place])] = fact


def _space(names: tuple[str, ...], seen: Seen, chosen: pa.Table) -> _Space:
    columns = chosen.select(list(names))
    hashes = row_hashes(columns)
    valid = _valid(columns.columns, chosen.num_rows)
    earlier = np.where(valid, seen.find(hashes), -1)
    return _Space(names=names, seen=seen, hashes=hashes, valid=valid, earlier=earlier)


def _valid(columns: Iterable[pa.ChunkedArray], rows: int) -> npt.NDArray[np.bool_]:
    """Rows where every column has a value: a null repeats nothing."""
    valid = np.ones(rows, np.bool_)
    for column in columns:
        if column.null_count:
            valid &= pc.is_valid(column).to_numpy()
    return valid
