"""Cleaning one batch of rows: texts column by column, each distinct text once; the other steps row by row."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from aigc_core.contracts import cleaning_html, cleaning_text
from aigc_core.contracts.cleaning_pairs import inside_json
from aigc_core.contracts.cleaning_steps import (
    Columns,
    HtmlToText,
    Mojibake,
    OnColumns,
    Placeholders,
    Replace,
    Step,
    TitleCase,
    Unicode,
    Whitespace,
)
from aigc_core.contracts.schema import RawRow, RawValue

BETWEEN = "~"
"""Joins the texts of a column, to look at all of them at once: a character that means nothing to any step."""

_EMPTY = {None, ""}
_MOST_HOLES = 4
"""Cells looked up for each that is there: above it, each row is asked for its own columns only."""


class Batch:
    """Rows that could be read, and what cleaning makes of their values; the rows themselves do not change."""

    def __init__(self, rows: Sequence[RawRow]) -> None:
        self.rows = rows
        self.values = [row.values for row in rows]
        self._complaints: dict[int, list[tuple[str, str]]] = {}

    def own(self, row: int) -> dict[str, RawValue]:
        """The row's values, to be written to."""
        if self.values[row] is self.rows[row].values:
            self.values[row] = dict(self.values[row])
        return self.values[row]

    def complain(self, row: int, column: str, words: str) -> None:
        """Hold something against a row."""
        self._complaints.setdefault(row, []).append((column, f"{column}: {words}"))

    def cleaned(self) -> list[RawRow]:
        """The rows with their new values; one that nothing changed is the row that came."""
        made = list(self.rows)
        for place, (row, values) in enumerate(zip(self.rows, self.values, strict=True)):
            if values is not row.values or place in self._complaints:
                source = row.values if row.source is None else row.source
                against = (*row.complaints, *self._complaints.get(place, ()))
                made[place] = row._replace(values=values, source=source, complaints=against)
        return made


Stage = Callable[[Batch], None]
Near = Callable[[str], bool]
Change = Callable[[str], str | None]


class TextStep(NamedTuple):
    """One step on texts: what it may touch, and what it makes of one text."""

    label: str
    columns: Columns
    """Empty for all."""
    near: Near
    """Cheap, on all texts of a column joined: False when the step would change none of them."""
    change: Change
    complaint: Callable[[str], str] | None = None
    """What is held against the row of a text; empty for nothing."""


class TextRun:
    """Neighbouring steps on texts, done column by column. A text is cleaned once, however often it stands there."""

    def __init__(self, steps: Sequence[TextStep], counts: Counter[str]) -> None:
        self._steps = steps
        self._counts = counts
        self._all = any(not step.columns for step in steps)
        self._named = list(dict.fromkeys(name for step in steps for name in step.columns))

    def __call__(self, batch: Batch) -> None:
        """Clean the texts of a batch."""
        for name, places in self._columns(batch).items():
            steps = [step for step in self._steps if not step.columns or name in step.columns]
            self._clean_column(batch, name, places, steps)

    def _columns(self, batch: Batch) -> Mapping[str, Sequence[int]]:
        """Column -> the rows that may hold it."""
        everywhere = range(len(batch.values))
        if not self._all:
            return dict.fromkeys(self._named, everywhere)
        names: set[str] = set().union(*batch.values)
        if len(names) * len(everywhere) <= _MOST_HOLES * sum(map(len, batch.values)):
            return dict.fromkeys(sorted(names), everywhere)
        holders: dict[str, list[int]] = {}
        for row, values in enumerate(batch.values):
            for name in values:
                holders.setdefault(name, []).append(row)
        return holders

    def _clean_column(self, batch: Batch, name: str, places: Sequence[int], steps: Sequence[TextStep]) -> None:
        if len(places) == len(batch.values):
            cells = [values.get(name) for values in batch.values]
        else:
            cells = [batch.values[row].get(name) for row in places]
        kinds = set(map(type, cells))
        if str not in kinds:
            return
        others = kinds - {str, type(None)}
        texts: set[Any] = {cell for cell in cells if type(cell) is str} if others else set(cells) - _EMPTY
        column = _Column(list(texts))
        for step in steps:
            column.apply(step)
        changed = column.changed()
        if changed or column.held:
            self._count(cells, column)
            _write(batch, name, zip(places, cells, strict=True), changed=changed, held=column.held)

    def _count(self, cells: Sequence[object], column: "_Column") -> None:
        often = Counter(cell for cell in cells if type(cell) is str)
        for label, touched in column.touched.items():
            self._counts[label] += sum(often[text] for text in touched)


class _Column:
    """The distinct texts of a column on their way through the steps."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self._now: list[str | None] = list(texts)
        self._joined = BETWEEN.join(texts)
        self.touched: dict[str, list[str]] = {}
        self.held: dict[str, list[str]] = {}
        """Text as it came -> what is held against its rows."""

    def apply(self, step: TextStep) -> None:
        """Take every text through one step."""
        if not step.near(self._joined):
            return
        touched = []
        for place, text in enumerate(self._now):
            if not text:
                continue
            if step.complaint and (words := step.complaint(text)):
                self.held.setdefault(self._texts[place], []).append(words)
                touched.append(self._texts[place])
            elif (new := _changed(step, text)) != text:
                self._now[place] = new
                touched.append(self._texts[place])
        if touched:
            self.touched[step.label] = touched
            self._joined = BETWEEN.join(text for text in self._now if text)

    def changed(self) -> dict[str, str | None]:
        """Text as it came -> what it became, for those that changed."""
        return {old: new for old, new in zip(self._texts, self._now, strict=True) if old != new}


def _changed(step: TextStep, text: str) -> str | None:
    new = step.change(text)
    if new is None or new == text:
        return new
    inside = inside_json(text, step.change)
    return new if inside is None else inside


def _write(
    batch: Batch,
    name: str,
    cells: Iterable[tuple[int, Any]],
    *,
    changed: Mapping[str, str | None],
    held: Mapping[str, Sequence[str]],
) -> None:
    for row, cell in cells:
        if type(cell) is not str:
            continue
        if cell in changed:
            batch.own(row)[name] = changed[cell]
        for words in held.get(cell, ()):
            batch.complain(row, name, words)


def text_step(step: Step, label: str) -> TextStep | None:
    """The step as one on texts; None when it is of another kind."""
    what = getattr(step, step.name)
    if isinstance(what, Placeholders):
        return _placeholder_step(what, label)
    return TextStep(label, what.columns, *_work(step.name, what)) if isinstance(what, OnColumns) else None


def _work(name: str, what: OnColumns) -> tuple[Near, Change]:
    match what:
        case HtmlToText():
            return cleaning_html.suspect, partial(cleaning_html.html_to_text, item=what.item)
        case Mojibake() if what.full:
            return bool, cleaning_text.restyled
        case Mojibake():
            return cleaning_text.maybe_garbled, cleaning_text.mended
        case Unicode():
            return _not_ascii, partial(cleaning_text.normalised, form=what.form)
        case Whitespace():
            return cleaning_text.has_odd_space, partial(cleaning_text.spaced, keep_lines=what.lines == "keep")
        case TitleCase():
            return bool, partial(cleaning_text.without_capitals, style=what.style, keep=frozenset(what.keep))
        case Replace():
            return bool, partial(_replaced, values=what.values)
    if name == "entities":
        return cleaning_html.suspect, cleaning_html.decode_entities
    return cleaning_text.has_controls, cleaning_text.uncontrolled


def _placeholder_step(what: Placeholders, label: str) -> TextStep:
    parts = cleaning_text.placeholder_parts(what.values)
    cells = frozenset(map(cleaning_text.folded, what.values))
    longest = max(map(len, what.values))

    def found(text: str) -> str:
        if what.anywhere:
            inside = parts.search(text)
            return inside["value"] if inside else ""
        return text.strip() if len(text.strip()) <= longest and cleaning_text.folded(text) in cells else ""

    def complaint(text: str) -> str:
        value = found(text)
        return value and (what.reason or f"holds the placeholder {value}")

    def emptied(text: str) -> str | None:
        return None if found(text) else text

    near = _finds(parts) if what.anywhere else bool
    if what.do == "quarantine":
        return TextStep(label, what.columns, near, _same, complaint)
    if what.do == "remove" and what.anywhere:
        return TextStep(label, what.columns, near, partial(cleaning_text.removed, parts=parts))
    return TextStep(label, what.columns, near, emptied)


def _finds(parts: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: parts.search(text) is not None


def _replaced(text: str, values: Mapping[str, str]) -> str:
    return values.get(text.strip(), text)


def _not_ascii(text: str) -> bool:
    return not text.isascii()


def _same(text: str) -> str:
    return text
