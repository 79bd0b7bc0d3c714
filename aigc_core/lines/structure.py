"""How the rows of a source belong together: keys, lines of one product, texts, items that share a text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aigc_core.contracts.profile import ColumnProfile, Structure
from aigc_core.lines.names import is_bookkeeping, key_rank, locale_in, name_rank, text_rank

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

KEY_CHARACTERS = 64
"""Longest id of an item; see `ids.SAFE_ID`."""
NEARLY_KEY = 0.8
"""A column named like a key with so many different values is one, with repeats."""
LEADING = 0.5
"""Products that must have a title or text on their first line, for a source to be one of lines of products."""
SHARED_BY = 0.995
"""A column groups items that share a text when so many of its values come with one text only."""
PROSE = {"zh": 20, "ja": 20, "ko": 25}
PROSE_CHARACTERS = 45
"""Median length from which values are prose; `PROSE` for scripts that say more in a character."""
SURE = 0.6
"""A column is in one language when so many of its values are."""
MOST_CANDIDATES = 12


@dataclass(frozen=True, slots=True)
class _Rows:
    connection: "DuckDBPyConnection"
    columns: Sequence[ColumnProfile]
    on_disk: Mapping[str, str]
    rows: int

    def ask(self, sql: str) -> tuple[Any, ...]:
        """The first row of an answer."""
        row = self.connection.execute(sql).fetchone()
        return row or ()

    def hashed(self, *names: str) -> str:
        """One 64-bit number a row over these columns."""
        return f"hash({', '.join(self.on_disk[name] for name in names)})"

    def filled(self, name: str) -> str:
        """The test that a row has a value in the column."""
        return f"trim(coalesce({self.on_disk[name]}, '')) <> ''"


def structure_of(
    connection: "DuckDBPyConnection", columns: Sequence[ColumnProfile], on_disk: Mapping[str, str], rows: int
) -> Structure:
    """What belongs together.

    Args:
        connection: has the rows as the view `t`; `n` is their order.
        columns: what each column holds.
        on_disk: source column -> its name in the view.
        rows: rows of the view.
    """
    asked = _Rows(connection, columns, on_disk, rows)
    texts = texts_of(columns)
    if fold_by := _fold_by(asked, texts):
        return _folded(asked, fold_by, texts)
    key = _key(columns)
    first = next(iter(texts.values()), "")
    repeated = _repeated(asked, first) if first else 0
    return Structure(
        key=key.name if key else "",
        key_repeats=key.values - key.distinct if key else 0,
        products=rows,
        texts=texts,
        group=_group(asked, key, first) if repeated and key else "",
        repeated_texts=repeated,
    )


def texts_of(columns: Iterable[ColumnProfile]) -> dict[str, str]:
    """Locale -> the column with prose in it; several where columns say the same in several languages."""
    prose = sorted(filter(is_prose, columns), key=_prose_rank, reverse=True)
    if not prose:
        return {}
    best = prose[0]
    family = [column for column in prose if locale_in(column.name)[0] == locale_in(best.name)[0]]
    if len(family) < 2 or not locale_in(best.name)[1]:
        return {best.languages[0].language: best.name}
    found: dict[str, str] = {}
    for column in family:
        found.setdefault(column.languages[0].language, column.name)
    return dict(sorted(found.items(), key=lambda item: (item[0] != "en", item[0])))


def is_prose(column: ColumnProfile) -> bool:
    """Whether the column holds sentences a person wrote."""
    lengths = column.plain or column.lengths
    if lengths is None or not column.languages or column.type != "string":
        return False
    listed = max(column.kinds.get(kind, 0) for kind in ("url", "pairs", "triples", "marked pairs"))
    if listed >= 0.5 * column.values or column.constant:
        return False
    language = column.languages[0]
    named = text_rank(column.name) > 0
    least = PROSE.get(language.language, PROSE_CHARACTERS)
    return language.share >= SURE and lengths.median >= (least // 2 if named else least)


def _prose_rank(column: ColumnProfile) -> tuple[int, int, int]:
    lengths = column.plain or column.lengths
    return text_rank(column.name), lengths.median if lengths else 0, column.values


def _key(columns: Sequence[ColumnProfile]) -> ColumnProfile | None:
    """The column that names an item: different in every row, or named like a key and different in most."""
    short = [column for column in columns if column.lengths and column.lengths.most <= KEY_CHARACTERS]
    sure = [column for column in short if column.key and _is_code(column)]
    named = [column for column in short if key_rank(column.name) and column.distinct >= NEARLY_KEY * column.rows]
    for found in ([column for column in named if column.key], sure, named):
        if found:
            return max(found, key=lambda column: key_rank(column.name))
    return None


def _is_code(column: ColumnProfile) -> bool:
    """Whether values that are all different are ids: names of things change, and two things may share one."""
    return (
        column.type in ("string", "integer")
        and not column.languages
        and not name_rank(column.name)
        and text_rank(column.name) <= 0
    )


def _fold_by(asked: _Rows, texts: Mapping[str, str]) -> str:
    """The column shared by consecutive lines of one product, where only the first line says what it is."""
    leading = [
        column.name
        for column in asked.columns
        if column.name in texts.values() or (column.values < asked.rows and not is_bookkeeping(column.name))
    ][:MOST_CANDIDATES]
    candidates = [
        column
        for column in asked.columns
        if column.values == asked.rows and 1 < column.distinct < asked.rows and column.type in ("string", "integer")
    ]
    for column in sorted(candidates, key=lambda one: -one.distinct)[:MOST_CANDIDATES]:
        if leading and _leads(asked, column, leading):
            return column.name
    return ""


def _leads(asked: _Rows, column: ColumnProfile, leading: Sequence[str]) -> bool:
    key = asked.hashed(column.name)
    counts = ", ".join(
        f"count(*) FILTER ({asked.filled(name)}), count(*) FILTER (first AND {asked.filled(name)})" for name in leading
    )
    blocks, *found = asked.ask(
        f"SELECT count(*) FILTER (first), {counts} FROM (SELECT *, "  # noqa: S608 -- our own names
        f"{key} IS DISTINCT FROM lag({key}) OVER (ORDER BY n) AS first FROM t)"
    )
    pairs = zip(found[::2], found[1::2], strict=True)
    return blocks == column.distinct and any(every == first >= LEADING * blocks for every, first in pairs)


def _folded(asked: _Rows, fold_by: str, texts: Mapping[str, str]) -> Structure:
    key = asked.hashed(fold_by)
    filled, varying = {}, []
    for column in asked.columns:
        if not column.values:
            continue
        products, pairs = asked.ask(
            f"SELECT count(DISTINCT {key}), count(DISTINCT {asked.hashed(fold_by, column.name)}) FROM t "  # noqa: S608
            f"WHERE {asked.filled(column.name)}"
        )
        filled[column.name] = int(products)
        if pairs > products:
            varying.append(column.name)
    first = next(iter(texts.values()), "")
    return Structure(
        key=fold_by,
        fold_by=fold_by,
        products=asked.ask(f"SELECT count(DISTINCT {key}) FROM t")[0],  # noqa: S608 -- our own names
        filled=filled,
        varying=tuple(varying),
        texts=texts,
        repeated_texts=_repeated(asked, first) if first else 0,
    )


def _repeated(asked: _Rows, text: str) -> int:
    column = next(column for column in asked.columns if column.name == text)
    return column.values - column.distinct


def _group(asked: _Rows, key: ColumnProfile | None, text: str) -> str:
    """The column with the fewest values of which each still comes with one text: variants of one product."""
    texts = next(column for column in asked.columns if column.name == text)
    candidates = [
        column
        for column in asked.columns
        if column is not key
        and column.values >= 0.99 * asked.rows
        and column.lengths
        and column.lengths.most <= KEY_CHARACTERS
        and 0.5 * texts.distinct <= column.distinct < asked.rows
    ]
    for column in sorted(candidates, key=lambda one: one.distinct)[:MOST_CANDIDATES]:
        groups, pairs = asked.ask(
            f"SELECT count(DISTINCT {asked.hashed(column.name)}), "  # noqa: S608 -- our own names
            f"count(DISTINCT {asked.hashed(column.name, text)}) FROM t "
            f"WHERE {asked.filled(text)} AND {asked.filled(column.name)}"
        )
        if groups and groups >= SHARED_BY * pairs:
            return column.name
    return ""
