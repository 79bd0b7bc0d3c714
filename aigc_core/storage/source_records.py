"""Records of a delimited file under one dialect; a record that is broken never takes its neighbours with it."""

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from aigc_core.storage.source_text import MAX_CHARACTERS, FaultyLine

ONE_COLUMN = "\ud800"
"""Stands for no delimiter at all: half a surrogate pair is in no decoded text."""
_RETURN = "\ud802"
Style = Literal["doubled", "escaped", "bare"]
Found = tuple[int, list[str], str]
"""The line a record begins on, its cells, and why it is broken (its cells are empty then)."""
_ENDLESS = f"a cell of more than {MAX_CHARACTERS} characters: a quote is opened and never closed"
_UNCLOSED = "a quote is opened and never closed"
_TRAILING = "text follows a closing quote"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are told apart."""

    delimiter: str = ","
    """One character or two; `ONE_COLUMN` for none."""
    quote: str = '"'
    """Around cells; empty for none."""
    style: Style = "doubled"
    """A quote inside quotes is doubled, stands behind `escape`, or is bare: only one before a delimiter closes."""
    escape: str = ""


class Records:
    """Records in file order. Empty lines are none; each line of the file is in exactly one record.

    A quote that does not close would take in all that follows it: when that shows, the line it was opened on is one
    broken record and reading goes on with the next line.
    """

    def __init__(self, source: Iterator[str], dialect: Dialect, *, start: int = 1) -> None:
        self._source = source
        self._dialect = dialect
        self._next_line = start
        self._taken: list[str] = []
        self._back: deque[str] = deque()
        self._faulty = self._returns = False
        quote, alone = re.escape(dialect.quote), f"(?!{re.escape(dialect.quote)})" if dialect.style == "doubled" else ""
        self._opening = re.compile(f"(?:^|{re.escape(dialect.delimiter)}){quote}{alone}")

    @property
    def raw(self) -> str:
        """The source text of the last record."""
        return "".join(self._taken)

    @property
    def last_line(self) -> int:
        """The line the last record ends on."""
        return self._next_line - 1

    def __iter__(self) -> Iterator[Found]:
        one, dialect = len(self._dialect.delimiter) == 1, self._dialect
        return self._by_module() if one and (dialect.style == "doubled" or not dialect.quote) else self._by_hand()

    def split_as(self, text: str, delimiter: str = "") -> list[str]:
        """One line's cells, under another delimiter where one is given; empty when it is broken so."""
        found = list(Records(iter([text]), replace(self._dialect, delimiter=delimiter or self._dialect.delimiter)))
        return found[0][1] if len(found) == 1 and not found[0][2] else []

    def _feed(self) -> Iterator[str]:
        back, taken, source = self._back, self._taken, self._source
        while True:
            line = back.popleft() if back else next(source, None)
            if line is None:
                return
            taken.append(line)
            if type(line) is not str:
                line = self._noticed(line)
            yield line

    def _noticed(self, line: str) -> str:
        """A marked line as it is taken apart: carriage returns inside it end nothing."""
        if isinstance(line, FaultyLine):
            self._faulty = True
        self._returns = True
        end = len(line.rstrip("\r\n"))
        return line[:end].replace("\r", _RETURN) + line[end:]

    def _restored(self, cells: list[str]) -> list[str]:
        self._returns = False
        return [cell.replace(_RETURN, "\r") for cell in cells]

    def _by_module(self) -> Iterator[Found]:
        csv.field_size_limit(MAX_CHARACTERS)
        taken = self._taken
        reader = self._reader()
        while True:
            taken.clear()
            error, cells = "", list[str]()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as problem:
                error = str(problem)
                if self._ran_away(error):
                    self._give_back()
                    reader = self._reader()
            number = self._next_line
            self._next_line += len(taken)
            if error or self._faulty:
                yield number, [], self._words(error)
            elif cells:
                yield number, self._restored(cells) if self._returns else cells, ""

    def _reader(self) -> Iterator[list[str]]:
        quote = self._dialect.quote or None
        return csv.reader(
            self._feed(),
            delimiter=self._dialect.delimiter,
            quotechar=quote,
            quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
            strict=True,
        )

    def _ran_away(self, error: str) -> bool:
        """Whether the quote that seemed to close is one that opens a cell further down."""
        if len(self._taken) < 2:
            return False
        if "expected after" not in error:
            return True
        last = self._taken[-1]
        quote = last.find(self._dialect.quote)
        return quote == 0 or last.endswith(self._dialect.delimiter, 0, max(quote, 0))

    def _give_back(self) -> None:
        self._back.extendleft(reversed(self._taken[1:]))
        del self._taken[1:]
        self._faulty = any(isinstance(line, FaultyLine) for line in self._taken)

    def _words(self, error: str) -> str:
        if self._faulty:
            self._faulty = False
            return next(line.fault.words for line in self._taken if isinstance(line, FaultyLine))
        if "unexpected end" in error:
            return _UNCLOSED
        if "field larger" in error:
            return _ENDLESS
        return _TRAILING if "expected after" in error else error

    def _by_hand(self) -> Iterator[Found]:
        taken = self._taken
        feed = self._feed()
        while True:
            taken.clear()
            first = next(feed, None)
            if first is None and self._back:
                feed = self._feed()
                continue
            if first is None:
                return
            cells, error = self._cells(first, feed)
            if error == _UNCLOSED:
                self._give_back()
            number = self._next_line
            self._next_line += len(taken)
            if error or self._faulty:
                yield number, [], self._words(error)
            elif first.strip("\r\n") or len(cells) > 1:
                yield number, self._restored(cells) if self._returns else cells, ""

    def _cells(self, line: str, feed: Iterator[str]) -> tuple[list[str], str]:
        """The cells of the record that begins with the line; takes further lines while a quote is open."""
        delimiter, quote = self._dialect.delimiter, self._dialect.quote
        cells, place = list[str](), 0
        while True:
            text = line.rstrip("\r\n") if not line.endswith(delimiter) else line
            if quote and text.startswith(quote, place):
                taken = self._quoted(line, place + len(quote), feed)
                if taken is None:
                    return [], _UNCLOSED
                cell, line, place = taken
                cells.append(cell)
                text = line.rstrip("\r\n")
                if place >= len(text):
                    return cells, ""
                if not text.startswith(delimiter, place):
                    return [], _TRAILING
                place += len(delimiter)
                continue
            end = text.find(delimiter, place)
            if end < 0:
                cells.append(text[place:])
                return cells, ""
            cells.append(text[place:end])
            place = end + len(delimiter)

    def _quoted(self, line: str, place: int, feed: Iterator[str]) -> tuple[str, str, int] | None:
        """The cell whose quote stands before the place, the line it ends on and where; None when it never does."""
        pieces, size, continued = list[str](), 0, False
        while True:
            close = self._closing(line, place)
            if continued and self._opens(line, close):
                return None
            if close >= 0:
                pieces.append(line[place:close])
                return self._unescaped("".join(pieces)), line, close + len(self._dialect.quote)
            pieces.append(line[place:])
            size += len(line)
            following = next(feed, None) if size <= MAX_CHARACTERS else None
            if following is None:
                return None
            line, place, continued = following, 0, True

    def _closing(self, line: str, place: int) -> int:
        """Where the next closing quote of a line stands; -1 when none does."""
        quote, delimiter = self._dialect.quote, self._dialect.delimiter
        end = len(line.rstrip("\r\n"))
        while (found := line.find(quote, place)) >= 0:
            after = found + len(quote)
            if self._dialect.style == "escaped":
                if not _is_escaped(line, found, self._dialect.escape):
                    return found
            elif self._dialect.style == "bare":
                if after >= end or line.startswith(delimiter, after):
                    return found
            elif not line.startswith(quote, after):
                return found
            else:
                after += len(quote)
            place = after
        return -1

    def _opens(self, line: str, close: int) -> bool:
        """Whether a quote opens a cell before the closing one: the cell before should have been closed long ago."""
        end = len(line) if close < 0 else close
        return self._opening.search(line, 0, end) is not None

    def _unescaped(self, cell: str) -> str:
        quote, escape = self._dialect.quote, self._dialect.escape
        if self._dialect.style == "doubled":
            return cell.replace(quote * 2, quote)
        if self._dialect.style == "bare" or escape not in cell:
            return cell
        parts = cell.split(escape * 2)
        return escape.join(part.replace(escape + quote, quote) for part in parts)


def _is_escaped(line: str, place: int, escape: str) -> bool:
    """Whether an odd number of escapes stands before the place."""
    before = place
    while before and line[before - 1] == escape:
        before -= 1
    return (place - before) % 2 == 1
