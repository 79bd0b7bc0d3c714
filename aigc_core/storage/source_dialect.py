"""The dialect of a delimited file, found by trying: the one under which most records are as wide as the first."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aigc_core.contracts.reading import Reading
from aigc_core.storage.source_records import ONE_COLUMN, Dialect, Records

DELIMITERS = (",", "\t", ";", "|")
SPACED = ", "
RARE_DELIMITERS = ("^", "~", ":", " ")
"""Stand in ordinary text too: taken only when nearly every record agrees, or cells are quoted around them."""
QUOTES = ('"', "'")
PERFECT = 1.5
SAMPLE_CHARACTERS = 256 << 10
SAMPLE_LINES = 1000
FEW, MOST, NEARLY_ALL = 0.3, 0.6, 0.9
"""Least share of records of one width: when the first record has it too; when it has not; for rare delimiters."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One record of the sample."""

    number: int
    cells: list[str]
    error: str
    raw: str
    last: int
    """The line it ends on."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A dialect and what the sample looks like under it."""

    dialect: Dialect
    records: tuple[Seen, ...]
    width: int
    """Cells of the first record when at least a third of all have as many, else of most."""
    share: float
    """Of the records, how many are that wide."""
    agrees: bool
    """Whether the first record is."""

    @property
    def score(self) -> float:
        """More is better: the share, and half a point for a first record that agrees."""
        return self.share + 0.5 * self.agrees


def find_dialect(lines: Sequence[str], reading: Reading, *, cut: bool, start: int = 1) -> Fit:
    """The dialect that fits the sample best, and the sample's records.

    Args:
        lines: the first lines of the file, at most `SAMPLE_LINES` and about `SAMPLE_CHARACTERS`.
        reading: what is declared is not searched for.
        cut: whether the file goes on after them; the last record is left out then.
        start: number of the first line.
    """
    text = "".join(lines)
    best: Fit | None = None
    for delimiter in _candidates(text, reading):
        for dialect in _quotings(text, delimiter, reading):
            fit = _fit(lines, dialect, cut=cut, start=start)
            if _acceptable(fit, lines, reading) and (best is None or fit.score > best.score + 1e-9):
                best = fit
            if best and best.score >= PERFECT:
                return _spaced(best, lines, reading, cut=cut)
    if best is None:
        single = Dialect(reading.delimiter or ONE_COLUMN, '"' if reading.quote is None else reading.quote)
        return _fit(lines, single, cut=cut, start=start)
    return _spaced(best, lines, reading, cut=cut)


def sample_lines(source: Iterator[str]) -> tuple[list[str], bool]:
    """The first lines of a file and whether it goes on after them."""
    taken, size = list[str](), 0
    for line in source:
        if len(taken) >= SAMPLE_LINES or size > SAMPLE_CHARACTERS:
            return taken, True
        taken.append(line)
        size += len(line)
    return taken, False


def _candidates(text: str, reading: Reading) -> list[str]:
    if reading.delimiter:
        return [reading.delimiter]
    spaced = [SPACED] if SPACED in text.split("\n", 1)[0] else []
    return [one for one in (*DELIMITERS, *spaced, *RARE_DELIMITERS) if one in text]


def _quotings(text: str, delimiter: str, reading: Reading) -> Iterator[Dialect]:
    """Dialects worth trying, the usual one first: among equals the first is kept."""
    quotes = QUOTES if reading.quote is None else (reading.quote,)
    if reading.quote is None and _is_wrapped(text, delimiter):
        quotes = QUOTES[::-1]
    for quote in quotes:
        begins = f"(?:^|{re.escape(delimiter)}){re.escape(quote)}"
        if quote == "'" and reading.quote is None and not re.search(begins, text, re.MULTILINE):
            continue
        if reading.escape:
            yield Dialect(delimiter, quote, "escaped", reading.escape)
            continue
        yield Dialect(delimiter, quote)
        if quote and reading.escape is None and quote in text:
            if f"\\{quote}" in text:
                yield Dialect(delimiter, quote, "escaped", "\\")
            if not re.search(_doubled(delimiter, quote), text):
                yield Dialect(delimiter, quote, "bare")
            if delimiter == "\t" and not reading.quote and not re.search(_wrapping(quote), text, re.MULTILINE):
                yield Dialect(delimiter, "")


def _doubled(delimiter: str, quote: str) -> str:
    """A doubled quote in the midst of a cell."""
    other = f"[^{re.escape(delimiter + quote)}\\r\\n]"
    return f"{other}{quote}{quote}{other}"


def _wrapping(quote: str) -> str:
    """A cell between tabs with quotes around it: where there is none, quotes are ordinary text."""
    return f"(?:^|\\t){quote}[^\\t\\r\\n]*{quote}(?=\\t|\\r|$)"


def _is_wrapped(text: str, delimiter: str) -> bool:
    """Whether the first line has cells in single quotes and the text none in double ones."""
    first = text.split("\n", 1)[0].rstrip("\r")
    return any(len(cell) > 1 and cell[0] == cell[-1] == "'" for cell in first.split(delimiter)) and '"' not in text


def _fit(lines: Sequence[str], dialect: Dialect, *, cut: bool, start: int) -> Fit:
    records = Records(iter(lines), dialect, start=start)
    seen = [Seen(number, cells, error, records.raw, records.last_line) for number, cells, error in records]
    if cut and len(seen) > 1:
        seen.pop()
    widths = Counter(len(record.cells) for record in seen if not record.error)
    if not widths:
        return Fit(dialect, tuple(seen), 1, 0.0, agrees=False)
    first = len(seen[0].cells)
    width = first if first > 1 and widths[first] * 3 >= len(seen) else widths.most_common(1)[0][0]
    return Fit(dialect, tuple(seen), width, widths[width] / len(seen), agrees=first == width)


def _acceptable(fit: Fit, lines: Sequence[str], reading: Reading) -> bool:
    if reading.delimiter:
        return True
    if fit.width < 2:
        return False
    if fit.dialect.delimiter in RARE_DELIMITERS and not (fit.agrees and fit.share >= NEARLY_ALL):
        between = f"{fit.dialect.quote}{fit.dialect.delimiter}{fit.dialect.quote}"
        return fit.agrees and sum(between in line for line in lines) * 2 >= len(lines)
    agreeing = fit.share * len(fit.records)
    return fit.share >= FEW if fit.agrees else fit.share >= MOST and agreeing >= 2


def _spaced(best: Fit, lines: Sequence[str], reading: Reading, *, cut: bool) -> Fit:
    """The same dialect with a space after each comma, when that is how the file is written."""
    if reading.delimiter or best.dialect.delimiter != "," or SPACED not in best.records[0].raw:
        return best
    spaced = _fit(lines, replace(best.dialect, delimiter=SPACED), cut=cut, start=best.records[0].number)
    text = "".join(lines)
    everywhere = text.count(",") == text.count(SPACED)
    better = spaced.score > best.score or (spaced.score == best.score and everywhere)
    return spaced if better and spaced.width > 1 else best
