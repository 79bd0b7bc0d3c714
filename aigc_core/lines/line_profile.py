"""A content line as it stands: its sources, and what the lake has of it."""

from collections.abc import Iterator, Mapping
from typing import Any

from aigc_core.contracts.content_line import ContentLine
from aigc_core.contracts.profile import HeldReason, LineProfile, Profile
from aigc_core.errors import UserError
from aigc_core.lines.profile import profile_source
from aigc_core.lines.statistics import shortened
from aigc_core.storage.delta import Table

EXAMPLES = 3
EXAMPLE_CHARACTERS = 160
MOST_REASONS = 100


def profile_line(line: ContentLine, *, tables: Mapping[str, Table], quarantine: Table) -> LineProfile:
    """Profile the sources a recipe names, and count what ingest made of them.

    Args:
        line: the content line.
        tables: what to call the rows -> the Delta table they are in; tables that are not there are left out.
        quarantine: the line's refused rows.
    """
    sources: dict[str, Profile] = {}
    unread: dict[str, str] = {}
    for name, path in _sources(line).items():
        try:
            sources[name] = profile_source(path, reading=line.recipe.reading)
        except UserError as error:
            unread[name] = str(error)
    return LineProfile(
        line=line.name,
        sources=sources,
        unread=unread,
        counts={name: table.dataset().count_rows() for name, table in tables.items() if table.exists()},
        held=tuple(_held(quarantine)) if quarantine.exists() else (),
    )


def _sources(line: ContentLine) -> dict[str, str]:
    """What it is -> where; one entry where both are the same."""
    recipe = line.recipe
    named = {"catalogue": recipe.source, "corpus": recipe.corpus}
    found = {name: _place(line, path) for name, path in named.items() if path}
    if len(set(found.values())) < len(found):
        return {"catalogue and corpus": found["catalogue"]}
    return found


def _place(line: ContentLine, path: str) -> str:
    return path if "://" in path else str(line.folder / path)


def _held(quarantine: Table) -> Iterator[HeldReason]:
    """Reasons with examples. The table is scanned by DuckDB: rows of the lake are never all in memory."""
    import duckdb

    with duckdb.connect(":memory:", config={"memory_limit": "512MB", "python_enable_replacements": False}) as asked:
        asked.register("held", quarantine.dataset())
        found = asked.execute(
            "SELECT door, reason, count(*), "
            "arg_min({'number': number, 'detail': detail, 'raw': left(raw, $wide)}, number, $n) "
            "FROM held GROUP BY ALL ORDER BY 3 DESC, 1, 2 LIMIT $most",
            {"wide": 4 * EXAMPLE_CHARACTERS, "n": EXAMPLES, "most": MOST_REASONS},
        ).fetchall()
    for door, reason, rows, examples in found:
        yield HeldReason(door=door, reason=reason, rows=rows, examples=tuple(_example(one) for one in examples))


def _example(row: Mapping[str, Any]) -> str:
    return f"row {row['number']}: {shortened(row['detail'], 80)} | {shortened(row['raw'], EXAMPLE_CHARACTERS)}"
