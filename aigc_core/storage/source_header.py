"""The header of a delimited file: where it stands, what it names, or that there is none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aigc_core.errors import SourceInvalid
from aigc_core.storage.source_dialect import DELIMITERS, RARE_DELIMITERS, Fit, Seen
from aigc_core.storage.source_records import Records
from aigc_core.storage.source_text import shown

TYPED_SHARE = 0.9
"""A column is typed when so many of its cells look like numbers, dates, times or addresses."""
BODY_RECORDS = 200
HEADER_LINES = 3
_KINDS = (
    ("number", re.compile(r"[-+]?[$€£¥]?[-+]?\d[\d,. ']{0,30}(?:[eE][-+]?\d{1,3})?\s?[%€]?")),
    ("date", re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ][\d:.+Z-]{1,32})?")),
    ("time", re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")),
    ("address", re.compile(r"https?://\S+")),
)
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True, slots=True)
class Header:
    """What the columns are called and which lines say so."""

    names: tuple[str, ...]
    first: int
    """Line it begins on, from 1; 0 when there is none."""
    last: int
    """Line it ends on; rows begin after it."""
    line: tuple[str, ...]
    """Its cells as they stand: a row that equals them is the header once more."""
    notes: tuple[str, ...] = ()


def find_header(name: str, fit: Fit) -> Header:
    """The header of a file from its sample.

    Lines before the first one that is as wide as the rows are no rows. There is no header when the first such line
    looks like the rows below it in every column of numbers, dates or times.

    Raises:
        SourceInvalid: the line before the rows looks like a header of another number of names.
    """
    fullest = max((_filled(seen) for seen in fit.records if len(seen.cells) == fit.width), default=0)
    wide = [place for place, seen in enumerate(fit.records) if _may_head(seen, fit.width, fullest)]
    if not wide:
        return _without(fit.width, ())
    place = wide[0]
    first = fit.records[place]
    body = [seen.cells for seen in fit.records[place + 1 :] if len(seen.cells) == fit.width][:BODY_RECORDS]
    kinds = _typed(body[HEADER_LINES - 1 :] or body, fit.width)
    before = fit.records[place - 1] if place else None
    is_data = _looks_like_rows(first.cells, body, kinds)
    if before:
        mended = _mended(before, fit) if is_data or not kinds else None
        if mended:
            return _named(mended[0], before, before.last, (mended[1],))
        _require_no_header(name, before, fit, certain=is_data)
    if before and before.error:
        raise SourceInvalid(
            f"{name} line {before.number}: the header cannot be read: {before.error}.",
            "The line before the rows names the columns.",
            f"Mend it, or name the columns in the recipe: `reading.skip_lines: {before.last}` and `reading.header`.",
        )
    if is_data:
        return _without(fit.width, ("no header line was found: the columns are numbered",))
    return _with_further_lines(first, fit.records[place + 1 : place + HEADER_LINES], kinds)


def distinct(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Column names that are all there and all different, and notes of what was changed."""
    given = [" ".join(name.split()) for name in names]
    taken, made, notes = set(given), list[str](), list[str]()
    seen = set[str]()
    for place, name in enumerate(given, 1):
        new, number = name or f"column_{place}", 2
        while new in seen or (new != name and new in taken):
            new, number = f"{name or f'column_{place}'}_{number}", number + 1
        if new != name:
            notes.append(
                f"column {place} is named {new!r}: " + (f"{name!r} is there twice" if name else "it has no name")
            )
        seen.add(new)
        made.append(new)
    return tuple(made), tuple(notes)


def _filled(seen: Seen) -> int:
    return sum(bool(cell.strip()) for cell in seen.cells)


def _may_head(seen: Seen, width: int, fullest: int) -> bool:
    """Whether a record is as wide as the rows and names at least half of what the fullest of them holds."""
    filled = _filled(seen)
    return not seen.error and len(seen.cells) == width and filled * 2 >= fullest and filled > 0


def _kind(cell: str) -> str:
    text = cell.strip()
    return next((kind for kind, shape in _KINDS if shape.fullmatch(text)), "")


def _typed(body: Sequence[Sequence[str]], width: int) -> dict[int, str]:
    """Columns of the rows whose cells are nearly all of one kind."""
    typed = {}
    for column in range(width):
        kinds = [_kind(cells[column]) for cells in body if cells[column].strip()]
        for kind in set(kinds) - {""}:
            if kinds.count(kind) >= TYPED_SHARE * len(kinds):
                typed[column] = kind
    return typed


def _looks_like_rows(cells: Sequence[str], body: Sequence[Sequence[str]], kinds: dict[int, str]) -> bool:
    filled = {column: cells[column].strip() for column in kinds if cells[column].strip()}
    if filled:
        years = [text for text in filled.values() if _YEAR.fullmatch(text)]
        if len(years) == len(filled) and len(years) > 1 and years == sorted(set(years)):
            return False
        return all(_kind(text) == kinds[column] for column, text in filled.items())
    if kinds or len(cells) < 2 or len(body) < 5:
        return False
    again = sum(any(row[column] == cell for row in body) for column, cell in enumerate(cells) if cell)
    return again * 2 >= len(cells)


def _mended(before: Seen, fit: Fit) -> tuple[list[str], str] | None:
    """The header in a line that is not as wide as the rows, when there is exactly one way to read it so."""
    records = Records(iter(()), fit.dialect)
    line = before.raw
    if shown(line) != line:
        return None
    others = [one for one in (*DELIMITERS, *RARE_DELIMITERS) if one != fit.dialect.delimiter and one in line]
    ways = [
        (records.split_as(line, delimiter=one), f"the header is parted by {one!r}, the rows are not") for one in others
    ]
    filled = [cell for cell in before.cells if cell.strip()]
    if len(before.cells) == fit.width + 1:
        ways.append((filled, "the header has an empty cell more than the rows: it was left out"))
    if before.error and fit.dialect.quote:
        ways += [
            (cells, "a quote in the header that does not close was taken as text")
            for cells in _with_a_bare_quote(records, line, fit.dialect.quote)
        ]
    fitting = [(cells, why) for cells, why in ways if len(cells) == fit.width and all(cell.strip() for cell in cells)]
    return fitting[0] if len(fitting) == 1 else None


def _with_a_bare_quote(records: Records, line: str, quote: str) -> list[list[str]]:
    """The cells of a line when one of its quotes is ordinary text, for each quote for which that works."""
    stand_in = "\ud801"
    found = list[list[str]]()
    for quoted in re.finditer(re.escape(quote), line):
        cells = records.split_as(f"{line[: quoted.start()]}{stand_in}{line[quoted.end() :]}")
        cells = [cell.replace(stand_in, quote) for cell in cells]
        if cells and cells not in found:
            found.append(cells)
    return found[:1] if found else []


def _require_no_header(name: str, before: Seen, fit: Fit, *, certain: bool) -> None:
    width = len(before.cells)
    filled = all(cell.strip() for cell in before.cells)
    near = width * 2 > fit.width if certain else abs(width - fit.width) == 1
    if width > 1 and filled and near and not any(map(_kind, before.cells)):
        raise SourceInvalid(
            f"{name} line {before.number} looks like a header of {width} names, but the rows have {fit.width} cells.",
            "A header has as many names as rows have cells; otherwise values would come under the wrong name.",
            f"Mend the header, or name the columns in the recipe: `reading.skip_lines: {before.last}` and "
            "`reading.header`.",
        )


def _without(width: int, notes: tuple[str, ...]) -> Header:
    return Header(tuple(f"column_{place}" for place in range(1, width + 1)), 0, 0, (), notes)


def _with_further_lines(first: Seen, following: Sequence[Seen], kinds: dict[int, str]) -> Header:
    """The header with the lines below it that are header too: repeated, or text where every row has a number."""
    cells, last, notes = list(first.cells), first.last, list[str]()
    for seen in following:
        if len(seen.cells) != len(first.cells) or len(first.cells) < 2:
            break
        texts = [seen.cells[column].strip() for column in kinds]
        more = len(kinds) > 1 and all(texts) and len(set(texts)) == len(texts) and not any(map(_kind, texts))
        if seen.cells == first.cells:
            notes.append(f"line {seen.number} is the header once more")
        elif more:
            cells = [f"{above.strip()} {below.strip()}".strip() for above, below in zip(cells, seen.cells, strict=True)]
            notes.append(f"the header goes on in line {seen.number}")
        else:
            break
        last = seen.last
    return _named(cells, first, last, tuple(notes))


def _named(cells: Sequence[str], first: Seen, last: int, notes: tuple[str, ...]) -> Header:
    names, changed = distinct(cells)
    return Header(names, first.number, last, tuple(first.cells or cells), notes + changed)
