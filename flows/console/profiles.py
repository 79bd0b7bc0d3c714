"""`aigc profile`: what a file or a line holds, on the terminal."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aigc_core.lines.line_profile import profile_line
from aigc_core.lines.profile import ColumnProfile, LineProfile, Profile, declared, profile_source, shown_source
from aigc_core.reporting.profile_page import how_read, notes_on, structure_in_words, write_profile_page
from aigc_core.workspace import Workspace, open_workspace
from flows.console.progress import shown_progress
from flows.console.tables import visible

WIDE = 120
"""Terminals from this width show the most frequent values beside each column."""
SHOWN = 3
NAME, VALUE = 34, 24


def take_profile(
    console: Console, target: str, *, lake: str | None, encoding: str | None, delimiter: str | None
) -> Profile | LineProfile:
    """Profile a content line when there is one of that name, else a source.

    Raises:
        UserError: neither a line nor a source that can be read.
    """
    reading = declared(encoding=encoding, delimiter=delimiter)
    workspace = open_workspace(lake)
    with shown_progress(console):
        if target in workspace.line_names() and not Path(target).is_file():
            return profile_of_line(workspace, target)
        return profile_source(target, reading=reading)


def profile_of_line(workspace: Workspace, name: str) -> LineProfile:
    """A line's sources, and what the lake has of it."""
    line = workspace.line(name)
    tables = {
        "items in the catalogue": workspace.catalogue_table(name),
        "training pairs in the corpus": workspace.corpus_table(name),
        "texts without attributes or items without a text": workspace.unlabelled(name),
        "published texts": workspace.published(name),
        "rejected texts": workspace.rejects(name),
        "rows in quarantine": workspace.quarantine(name),
    }
    return profile_line(line, tables=tables, quarantine=workspace.quarantine(name))


def show(console: Console, found: Profile | LineProfile, *, html: Path | None, page_only: bool = False) -> None:
    """Print the profile, and write its page where one is asked for."""
    if page_only:
        pass
    elif isinstance(found, LineProfile):
        _show_line(console, found)
    else:
        show_profile(console, found)
    if html is not None:
        page = write_profile_page(found, html.absolute())
        console.print(f"page: {escape(page)}", soft_wrap=True, highlight=False)


def show_profile(console: Console, profile: Profile) -> None:
    """What one source holds."""
    unreadable = f", {profile.unreadable_rows:,} cannot be read" if profile.unreadable_rows else ""
    source = escape(visible(shown_source(profile)))
    said = f"[bold]{source}[/]: {profile.rows:,} rows{unreadable}, {len(profile.columns)} columns"
    console.print(f"{said}, {profile.seconds} s", highlight=False, soft_wrap=True)
    for file in profile.files[:SHOWN]:
        notes = f"; {'; '.join(file.notes)}" if file.notes else ""
        console.print(
            f"  {escape(visible(Path(file.path).name))}: {escape(visible(how_read(file) + notes))}", highlight=False
        )
    if len(profile.files) > SHOWN:
        console.print(f"  and {len(profile.files) - SHOWN} more files", highlight=False)
    for sentence in structure_in_words(profile):
        console.print(f"  {escape(visible(sentence))}", highlight=False)
    console.print()
    console.print(_columns(profile.columns, wide=console.width >= WIDE))
    if profile.unreadable:
        console.print()
        rows = [(one.reason, f"{one.rows:,}", f"{one.number:,}", one.example) for one in profile.unreadable[:20]]
        console.print(table_of(("cannot be read", "rows", "first at", "it reads"), rows, right=(1, 2)))


def table_of(head: Iterable[str], rows: Iterable[Iterable[object]], *, right: Iterable[int] = ()) -> Table:
    """A plain table whose cells fold and whose texts cannot drive the terminal."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    numbers = set(right)
    for place, name in enumerate(head):
        made.add_column(name, overflow="fold", justify="right" if place in numbers else "left")
    for row in rows:
        made.add_row(*(escape("\n".join(map(visible, str(cell).split("\n")))) for cell in row))
    return made


def _columns(columns: Iterable[ColumnProfile], *, wide: bool) -> Table:
    head = [
        "column",
        "type",
        "values",
        "empty",
        "different",
        "length",
        "remarkable",
        *(["most frequent"] if wide else []),
    ]
    rows = [
        [
            _cut(column.name, NAME),
            column.type,
            f"{column.values:,}",
            f"{column.missing + column.blank:,}",
            f"{column.distinct:,}",
            _lengths(column),
            "; ".join(notes_on(column)),
            *([_most_frequent(column)] if wide else []),
        ]
        for column in columns
    ]
    return table_of(head, rows, right=(2, 3, 4, 5))


def _lengths(column: ColumnProfile) -> str:
    found = column.lengths
    if found is None:
        return ""
    return f"{found.least:,}" if found.least == found.most else f"{found.least:,}-{found.most:,}"


def _most_frequent(column: ColumnProfile) -> str:
    if column.key or not column.top or column.top[0].rows < 2:
        return _cut(column.top[0].value, VALUE) if column.top else ""
    return ", ".join(f"{_cut(one.value, VALUE)} {one.rows:,}" for one in column.top[:SHOWN])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _show_line(console: Console, found: LineProfile) -> None:
    console.print(f"[bold]{escape(found.line)}[/]", highlight=False)
    if not found.sources and not found.unread:
        console.print("The recipe names no source; profile a file by its own name.")
    for name, profile in found.sources.items():
        console.print()
        console.print(f"[bold]{escape(name)}[/]")
        show_profile(console, profile)
    for name, why in found.unread.items():
        console.print(f"[bold red]{escape(name)}[/]: {escape(visible(why))}", highlight=False)
    console.print()
    counts = [(name, f"{count:,}") for name, count in found.counts.items()]
    console.print(table_of(("in the lake", "rows"), counts or [("nothing yet", "")], right=(1,)))
    if found.held:
        console.print()
        rows = [(one.door, one.reason, f"{one.rows:,}", "\n".join(one.examples)) for one in found.held]
        console.print(table_of(("door", "quarantined because", "rows", "examples"), rows, right=(2,)))
