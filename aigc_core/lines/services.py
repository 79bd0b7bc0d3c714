"""Rows of a source that are no products: insurance, gift cards, fees, which shops sell as if they were."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aigc_core.contracts.profile import ColumnProfile, Services, Structure, ValueCount
from aigc_core.lines.names import category_rank, name_rank, word_list

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_VALUES = 50
"""Values of one column that a step lists."""
MOST_CHARACTERS = 120
RARE = 0.2
"""A catalogue in which more items are services than this is one of services."""
MANY_LINES = 20
"""A price a line makes many lines: products with fewer may come in sizes such as 5.5."""
TIMES_THE_REST = 2
"""How many times the lines of the longest other product it has."""
REASON = "a service and no product"


def services_in(
    connection: "DuckDBPyConnection", columns: Sequence[ColumnProfile], on_disk: Mapping[str, str], structure: Structure
) -> tuple[Services, ...]:
    """Columns whose values name services; of a row that several columns tell, the category does.

    Args:
        connection: has the rows as the view `t`; `n` is their order.
        columns: what each column holds.
        on_disk: source column -> its name in the view.
        structure: how rows belong together.
    """
    asked = _Asked(connection, on_disk, structure)
    found = [*_named(asked, columns), *_priced(asked)]
    items = sum(value.rows for one in found for value in one.values)
    return tuple(found) if items <= RARE * structure.products else ()


@dataclass(slots=True)
class _Asked:
    connection: "DuckDBPyConnection"
    on_disk: Mapping[str, str]
    structure: Structure
    told: str = "false"
    """The test that a row is told by a column already."""

    def all(self, sql: str, given: Mapping[str, object]) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, dict(given)).fetchall()


def _named(asked: _Asked, columns: Sequence[ColumnProfile]) -> Iterator[Services]:
    """By a category or a name that says so: titles may say for whom and how much."""
    titled = _pattern(followed=r"(?: (?:by|for|from) .{0,60}| [-–—].{0,60}| ?[:|(（¥$£€0-9].{0,60})?")
    for rank, pattern in ((category_rank, _pattern()), (name_rank, titled)):
        for column in sorted((one for one in columns if rank(one.name) > 0), key=lambda one: -rank(one.name)):
            cell = f"trim(coalesce({asked.on_disk[column.name]}, ''))"
            matches = f"(length({cell}) <= {MOST_CHARACTERS} AND regexp_full_match({cell}, '{pattern}', 'i'))"
            rows = asked.all(
                f"SELECT {cell}, count(*) FROM t WHERE {matches} AND NOT ({asked.told}) "  # noqa: S608 -- our own words
                "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $most",
                {"most": MOST_VALUES},
            )
            if rows:
                yield Services(column=column.name, values=_counts(rows), basis="it is named like a service")
                asked.told += f" OR {matches}"


def _priced(asked: _Asked) -> Iterator[Services]:
    """By its options: one product with far more lines than any other, each of them an amount of money."""
    structure, cells = asked.structure, asked.on_disk
    options = [name for name in structure.varying if re.match(r"(?i)option.*value$", name)]
    if not structure.fold_by or not options:
        return
    key, option = cells[structure.fold_by], cells[options[0]]
    rows = asked.all(
        f"WITH p AS (SELECT trim({key}) AS k, count(*) AS n, count(DISTINCT {option}) AS options, "  # noqa: S608
        f"bool_and(regexp_full_match(trim({option}), '[0-9]+[.][0-9]{{1,2}}')) "
        f"FILTER (trim(coalesce({option}, '')) <> '') AS money, bool_or({asked.told}) AS told FROM t GROUP BY 1) "
        "SELECT k, 1 FROM p WHERE money AND NOT told AND options >= $many "
        "AND n >= $times * (SELECT coalesce(max(n), 0) FROM p WHERE NOT coalesce(money, false)) ORDER BY k LIMIT $most",
        {"many": MANY_LINES, "times": TIMES_THE_REST, "most": MOST_VALUES},
    )
    if rows:
        yield Services(
            column=structure.fold_by, values=_counts(rows), basis="its many lines differ by an amount of money"
        )


def _pattern(followed: str = "") -> str:
    """Matches a whole cell that names a service; phrases may have a word or two before them."""
    known = word_list("services")
    words, phrases, chinese = ("|".join(known[name]) for name in ("words", "phrases", "chinese"))
    # A single word says it alone only: `Tip` is a service, `Tip (steel)` a tool.
    return (
        rf"(?:(?:{words})s?|(?:[\w-]{{1,20}} ){{0,2}}(?:{phrases})s?{followed}"
        rf"|(?:{chinese}){{1,3}}(?:专用|专拍|链接){{0,2}}{followed})"
    )


def _counts(rows: Sequence[tuple[Any, ...]]) -> tuple[ValueCount, ...]:
    return tuple(ValueCount(value=str(value), rows=int(count)) for value, count in rows)
