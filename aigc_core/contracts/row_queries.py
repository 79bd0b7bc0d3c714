"""SQL rules that judge single rows: `SELECT count(*) FROM {object} WHERE <condition>`, which must be 0.

Whether a query is of that form is read from DuckDB's own parse of it, never from its text, so that a comment, a string
with the word WHERE in it or an alias changes nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aigc_core.contracts.model import ROW_PLACE, SqlRule

_NOTHING: dict[str, object] = {
    "modifiers": [],
    "group_expressions": [],
    "group_sets": [],
    "having": None,
    "qualify": None,
    "sample": None,
}
_PLACE = {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "column_names": [ROW_PLACE]}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowQuery:
    """A counting query taken apart."""

    query: str
    """Gives the place of every row that the original counts."""
    condition: str
    """What such a row meets, as DuckDB writes it."""
    columns: tuple[str, ...]
    """Names the condition uses, in the order they come."""


def row_query(query: str, name: str) -> RowQuery | None:
    """The query by rows, when it counts the rows of `name` that meet a condition and does nothing else.

    A query that reads the object twice, groups, limits, samples or has a common table expression judges the set; so
    does one that is not SQL at all: what is wrong with it is said where rules are tried out.
    """
    import duckdb

    with duckdb.connect(":memory:", config={"python_enable_replacements": False}) as connection:
        parsed = json.loads(_first(connection.execute("SELECT json_serialize_sql(?)", [query])))
        node = _counting(parsed, name)
        if node is None:
            return None
        condition = node["where_clause"]
        by_place = {**node, "select_list": [_PLACE]}
        alone = {**by_place, "from_table": _EMPTY, "where_clause": None, "select_list": [condition]}
        write = "SELECT json_deserialize_sql(?::JSON)"
        return RowQuery(
            query=_first(connection.execute(write, [json.dumps(_statement(parsed, by_place))])),
            condition=_first(connection.execute(write, [json.dumps(_statement(parsed, alone))])).removeprefix(
                "SELECT "
            ),
            columns=tuple(dict.fromkeys(_columns(condition))),
        )


_EMPTY = {"type": "EMPTY", "alias": "", "sample": None}


def by_rows(rule: SqlRule, found: RowQuery, *, names: Sequence[str], said: str) -> SqlRule:
    """The rule as one on rows.

    Args:
        rule: the rule as it judges the set.
        found: its query by rows.
        names: the object's columns.
        said: the contract's description or name of the rule; without one the condition itself is the reason.
    """
    known = {name.lower(): name for name in names}
    about = ", ".join(dict.fromkeys(known[name.lower()] for name in found.columns if name.lower() in known))
    words = said or f"meets {found.condition}"
    reason = f"{about}: {words}" if about else words
    return replace(rule, by_row=found.query, condition=found.condition, column=about, reason=reason)


def careful(rule: SqlRule, result: str) -> str:
    """The query by rows of the rows on which the condition, tried row by row, comes out so.

    Args:
        rule: a rule on rows.
        result: `= 1` for the rows that meet it, `IS NULL` for those on which it cannot be evaluated, such as a failed
            cast.
    """
    head = rule.by_row.removesuffix(rule.condition)
    return f"{head} TRY(CASE WHEN {rule.condition} THEN 1 ELSE 0 END) {result}"


def _first(answer: Any) -> str:  # noqa: ANN401 -- duckdb is untyped
    return str(answer.fetchone()[0])


def _statement(parsed: Mapping[str, Any], node: Mapping[str, object]) -> dict[str, object]:
    return {**parsed, "statements": [{**parsed["statements"][0], "node": node}]}


def _counting(parsed: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    statements = parsed.get("statements") or []
    node: dict[str, Any] = statements[0]["node"] if len(statements) == 1 else {}
    plain = node.get("type") == "SELECT_NODE" and all(node.get(key) == empty for key, empty in _NOTHING.items())
    if not plain or node["cte_map"]["map"] or not node["where_clause"]:
        return None
    tables = list(_tables(node))
    one = len(tables) == 1 and tables[0] is node["from_table"]
    if not one or str(tables[0]["table_name"]).lower() != name.lower() or tables[0]["sample"]:
        return None
    return node if _counts_rows(node["select_list"]) else None


def _counts_rows(selected: list[Mapping[str, Any]]) -> bool:
    if len(selected) != 1 or selected[0].get("function_name") not in ("count_star", "count"):
        return False
    count = selected[0]
    # count(1) counts rows as count(*) does; count(NULL) counts nothing and count(column) its values.
    ones = all((one["expression"].get("literal") or {}).get("kind") == "INTEGER" for one in count["arguments"])
    return ones and not count["filter"] and not count["distinct"]


def _nodes(tree: object) -> Iterator[Mapping[str, Any]]:
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            yield part
            waiting += reversed(list(part.values()))
        elif isinstance(part, list):
            waiting += reversed(part)


def _tables(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (part for part in _nodes(node) if part.get("type") in ("BASE_TABLE", "TABLE_FUNCTION"))


def _columns(condition: object) -> Iterator[str]:
    return (str(part["column_names"][-1]) for part in _nodes(condition) if part.get("class") == "COLUMN_REF")
