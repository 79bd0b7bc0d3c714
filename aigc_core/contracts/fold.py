"""Products that span several lines, as shop exports write them, folded into one row each."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from aigc_core.contracts.cleaning_rows import is_filled, plain
from aigc_core.contracts.cleaning_steps import Fold
from aigc_core.contracts.schema import RawRow, RawValue

MOST_WAITING = 1_000
"""Rows that may wait behind an open product for their turn, beside the products that `within` allows."""


class Folding:
    """One fold over a stream of rows; batches may be cut anywhere."""

    def __init__(self, step: Fold) -> None:
        self.folded = 0
        """Records that became part of another's row."""
        self._step = step
        self._open: dict[tuple[str, str], list[RawRow]] = {}
        self._queue: deque[list[RawRow]] = deque()
        """Products and single rows in the order they began; a closed one in front may go."""
        self._waiting: set[int] = set()
        """Identities of the open products in the queue."""
        self._cut: set[int] = set()
        """Identities of the pieces of products that have too many lines."""

    def run(self, batches: Iterable[Sequence[RawRow]]) -> Iterator[list[RawRow]]:
        """Rows in the order in which their products begin; at most `within` products are open at a time."""
        for batch in batches:
            for row in batch:
                self._take(row)
            if done := list(self._done()):
                yield done
        self._close(len(self._open))
        if done := list(self._done()):
            yield done

    def _take(self, row: RawRow) -> None:
        value = row.values.get(self._step.by)
        if row.error or not is_filled(value):
            self._queue.append([row])
            if len(self._queue) > MOST_WAITING + self._step.within:
                self._close(1)
            return
        key = (row.file, plain(value))
        lines = self._open.get(key)
        if lines is None:
            self._close(len(self._open) + 1 - self._step.within)
            self._start(key, row)
        elif len(lines) >= self._step.at_most:
            self._waiting.discard(id(lines))
            self._cut |= {id(lines), id(self._start(key, row))}
        else:
            lines.append(row)

    def _start(self, key: tuple[str, str], row: RawRow) -> list[RawRow]:
        self._open[key] = lines = [row]
        self._queue.append(lines)
        self._waiting.add(id(lines))
        return lines

    def _close(self, products: int) -> None:
        for key in list(self._open)[: max(0, products)]:
            self._waiting.discard(id(self._open.pop(key)))

    def _done(self) -> Iterator[RawRow]:
        while self._queue and id(self._queue[0]) not in self._waiting:
            yield self._row(self._queue.popleft())

    def _row(self, lines: Sequence[RawRow]) -> RawRow:
        first = lines[0]
        if first.error or not is_filled(first.values.get(self._step.by)):
            return first
        self.folded += len(lines) - 1
        values = _merged(lines, last=self._step.keep == "last") if len(lines) > 1 else dict(first.values)
        for column, gathered in self._step.collect.items():
            values[column] = self._step.joined.join(_distinct(lines, gathered)) or None
        if self._step.count:
            values[self._step.count] = len(lines)
        return first._replace(
            values=values if values != first.values else first.values,
            source=_source(lines) if len(lines) > 1 or values != first.values else first.source,
            lines=sum(line.lines for line in lines),
            complaints=(*(one for line in lines for one in line.complaints), *self._against(lines)),
        )

    def _against(self, lines: Sequence[RawRow]) -> Iterator[tuple[str, str]]:
        for column in self._step.same:
            if len(list(_distinct(lines, column))) > 1:
                yield column, f"{column}: differs between the lines of one product"
        if id(lines) in self._cut:
            self._cut.discard(id(lines))
            yield self._step.by, f"{self._step.by}: more than {self._step.at_most} lines of one product"


def _merged(lines: Sequence[RawRow], *, last: bool) -> dict[str, RawValue]:
    """Each column's first filled cell, or its last; columns in order of appearance."""
    names = dict.fromkeys(name for line in lines for name in line.values)
    values: dict[str, RawValue] = dict.fromkeys(names)
    missing = list(names)
    for line in reversed(lines) if last else lines:
        found = {name: line.values.get(name) for name in missing}
        values.update({name: value for name, value in found.items() if value is not None})
        missing = [name for name, value in found.items() if not is_filled(value)]
    return values


def _distinct(lines: Sequence[RawRow], column: str) -> Iterable[str]:
    cells = (line.values.get(column) for line in lines)
    return dict.fromkeys(plain(cell) for cell in cells if is_filled(cell))


def _source(lines: Sequence[RawRow]) -> dict[str, RawValue]:
    """The lines as they came; of several, each without its empty cells."""
    raw = [line.values if line.source is None else line.source for line in lines]
    if len(raw) == 1:
        return raw[0]
    return {"lines": [{name: value for name, value in one.items() if value not in (None, "")} for one in raw]}
