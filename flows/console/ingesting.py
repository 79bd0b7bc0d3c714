"""`aigc ingest`: a line's sources in, and where every row went."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from aigc_core.records import CatalogueSnapshot, CorpusVersion, Door, Intake
from aigc_core.reporting.profile_page import how_read
from flows.console.nights import in_prefect
from flows.console.profiles import table_of
from flows.console.tables import visible

MOST = 12


def take_in(console: Console, **order: Any) -> Intake:  # noqa: ANN401 -- the flow's own parameters
    """Run the ingest flow in this process.

    Raises:
        UserError: the order cannot be carried out.
    """
    with in_prefect(console):
        from flows.ingest_corpus import ingest_line

        taken: Intake = ingest_line(**order)
    return taken


def show_intake(console: Console, taken: Intake) -> None:
    """For each door: rows in = accepted + quarantined + repeated + unlabelled + withheld, reasons, what changed."""
    console.print(
        f"[bold green]taken in[/] {escape(visible(taken.line))}, lake {escape(visible(taken.lake))}", highlight=False
    )
    for version in (taken.corpus, taken.catalogue):
        if version is not None:
            console.print()
            _show(console, version)


def _show(console: Console, version: CorpusVersion | CatalogueSnapshot) -> None:
    door = version.door
    console.print(f"[bold]{escape(door.name)}[/] {escape(visible(door.source))}", highlight=False, soft_wrap=True)
    for file in door.files[:MOST]:
        notes = f"; {'; '.join(file.notes)}" if file.notes else ""
        console.print(f"  {escape(visible(Path(file.path).name + ': ' + how_read(file) + notes))}", highlight=False)
    console.print(f"  {conservation(door)}", highlight=False)
    console.print(f"  {escape(visible(_changes(version)))}", highlight=False)
    if door.cleaned:
        rows = [(step, f"{count:,}") for step, count in list(door.cleaned.items())[:MOST]]
        console.print(table_of(("  cleaning", "changed"), [(f"  {step}", count) for step, count in rows], right=(1,)))
    if door.reasons:
        rows = [(f"  {reason}", f"{count:,}") for reason, count in list(door.reasons.items())[:MOST]]
        console.print(table_of(("  quarantined because", "rows"), rows, right=(1,)))
    for words in _found(door):
        console.print(f"  {escape(visible(words))}", highlight=False)
    warned = [rule for rule in door.rules if rule.level == "warn" and not rule.passed][:MOST]
    if warned:
        rows = [(f"  {rule.words}", f"{rule.broken:,}") for rule in warned]
        console.print(table_of(("  warned of", "rows"), rows, right=(1,)))


def _found(door: Door) -> Iterator[str]:
    """What the checks of training pairs found among the accepted."""
    if door.sharing:
        yield f"{door.sharing:,} variants say what another of their product says: kept"
    for word, counts in (("flagged", door.flagged), ("masked", door.masked)):
        if counts:
            yield f"{word}: {', '.join(f'{name} {count:,}' for name, count in counts.items())}"
    yield from door.warnings


def conservation(door: Door) -> str:
    """The door's sum in one line."""
    parts = [f"{door.accepted:,} accepted", f"{door.quarantined:,} quarantined", f"{door.repeated:,} repeated"]
    parts += [f"{door.unlabelled:,} unlabelled"] if door.unlabelled else []
    parts += [f"{door.withheld:,} withheld"] if door.withheld else []
    folded = f" (from {door.read:,} lines)" if door.folded else ""
    return f"{door.rows:,} rows{folded} = {' + '.join(parts)}"


def _changes(version: CorpusVersion | CatalogueSnapshot) -> str:
    if version.repeated:
        return f"version {version.version}: the same source under the same rules was taken in before, nothing to do"
    return f"version {version.version}: {', '.join(_shifted(version))}"


def _shifted(version: CorpusVersion | CatalogueSnapshot) -> Iterator[str]:
    shift = version.shift
    yield f"{shift.came:,} came"
    yield f"{shift.changed:,} changed"
    yield f"{shift.went:,} went"
    if isinstance(version, CorpusVersion):
        yield f"{version.pairs:,} pairs, of which {version.held_out_pairs:,} are held out"
    else:
        yield f"{version.items:,} items"
