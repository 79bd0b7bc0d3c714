"""What one column of a spilled source holds, found by queries whose memory does not grow with the rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aigc_core.contracts.profile import ColumnProfile, Lengths, ValueCount
from aigc_core.lines.languages import languages_of
from aigc_core.lines.names import word_list

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FEW = 50_000
"""Up to so many different values are counted first and looked at once each."""
TOP = 10
SHOWN_CHARACTERS = 120
SAMPLE = 300
"""Different values a column's languages are told from: the ones with the smallest hashes, so always the same."""
EXACT_DIGITS = 15
"""A double holds every whole number of so many digits; longer ones are codes, and lose digits as numbers."""

_SPACES = "' \t\r\n\f\v\u00a0\u3000\ufeff'"
_TAGS = (
    "p|br|div|span|b|i|u|em|strong|ul|ol|li|a|h[1-6]|hr|img|table|tr|td|th|tbody|thead|font|sup|sub|small|center|"
    "blockquote|section|article|iframe|script|style|meta|html|body|head|label|input|video|source|svg|path|dl|dt|dd|"
    "pre|code|strike|del|ins|figure|figcaption|main|header|footer|nav|button|form|link"
)
_MARK = (
    r"<(?:UNK|PAD|MASK|NUM|BRAND|NAME|URL|EMAIL|PHONE|PRICE)>|\{\{[^{}]{0,60}\}\}|\[(?:UNK|MASK|BRAND|NAME|TBD)\]"
    r"|\bBRAND\b|(?i:lorem ipsum)"
)
_KINDS: Mapping[str, str] = {
    "integer": r"^[+-]?[0-9]{1,19}$",
    "number": r"^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,4})?$",
    "boolean": r"^(?i:true|false|yes|no)$",
    "date": r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
    "timestamp": r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9]",
    "code": rf"^(0[0-9]+|[0-9]{{{EXACT_DIGITS + 1},}})$",
    "url": r"^(?i:https?://|www\.)[^ ]+$",
    "pairs": r"""^\[\s*[\[(]\s*["'][^"']+["']\s*,.*[\])]\s*\]$""",
    "triples": r"""^\[\s*["'][^|]+(\|\s*[A-Za-z_][A-Za-z0-9_/()-]*\s*\|[^|]+)+["']\s*\]$""",
    "marked pairs": r"^[^#*\n]{1,40}#[^#*\n]+(\*[^#*\n]{1,40}#[^#*\n]+)+$",
}
_DEFECTS: Mapping[str, tuple[str, str]] = {
    "html": ("<", rf"(?i)</?({_TAGS})(\s[^<>]*)?/?>"),
    "entities": ("&", r"&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});"),
    "mojibake": ("", r"Ã[\x{80}-\x{BF}]|Â[\x{A0}-\x{BF}]|â€|ï»¿|ð\x{9F}|锟斤拷|烫烫烫"),
    "line breaks": ("", r"[\r\n]"),
    "control characters": ("", r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"),
    "lost characters": ("\ufffd", ""),
}
"""Defect -> (what every such value holds, the pattern that tells)."""
_PATTERNS = (
    "^0[0-9]{%d}$",
    "^[0-9]{%d}$",
    "^[A-Z]+[0-9]+$",
    "^[A-Z0-9]+(-[A-Z0-9]+)+$",
    "^[0-9]+$",
    "^[A-Za-z0-9._-]+$",
)


@dataclass(frozen=True, slots=True)
class _Asked:
    connection: "DuckDBPyConnection"
    name: str
    column: str
    rows: int

    def row(self, sql: str, given: Mapping[str, object] | None = None) -> tuple[Any, ...]:
        return self.all(sql, given)[0]

    def all(self, sql: str, given: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, dict(given or {})).fetchall()


def column_profile(connection: "DuckDBPyConnection", name: str, column: str, rows: int) -> ColumnProfile:
    """What one column holds.

    Args:
        connection: has the rows as the view `t`.
        name: the column's name in the source.
        column: its name in the view.
        rows: rows of the view.
    """
    asked = _Asked(connection, name, column, rows)
    values, blank, near = asked.row(
        f"SELECT count(*) FILTER (x <> ''), count(*) FILTER (x = ''), approx_count_distinct(x) "  # noqa: S608
        f"FROM (SELECT trim({column}, {_SPACES}) AS x FROM t)"
    )
    if not values:
        return ColumnProfile(
            name=name, type="empty", basis="no value", values=0, missing=rows - blank, blank=blank, distinct=0
        )
    few = near <= FEW
    _make_values(asked, few=few)
    counts = _counts(asked)
    kinds = {kind: counts[kind] for kind in _KINDS if counts[kind]}
    kind, basis = _type_of(kinds, values)
    defects = {defect: counts[defect] for defect in (*_DEFECTS, "spaces around", "placeholder inside")}
    distinct, top = _distinct_and_top(asked, few=few)
    lengths = _lengths(asked, "x")
    assert lengths  # noqa: S101 -- there is a value
    return ColumnProfile(
        name=name,
        type=kind,
        basis=basis,
        values=values,
        missing=rows - values - blank,
        blank=blank,
        distinct=distinct,
        **_range(asked, kind),
        lengths=lengths,
        plain=_lengths(asked, _plain("x")) if defects["html"] else None,
        kinds=kinds,
        defects={defect: count for defect, count in defects.items() if count},
        placeholders=_counted(asked, "lower(x)", "lower(x) IN $nothing", {"nothing": word_list("nothing")}),
        marks=_marks(asked) if defects["placeholder inside"] else (),
        languages=_languages(asked, lengths),
        top=top,
        pattern=_pattern(asked, lengths) if kind == "string" and lengths.most <= 64 else "",
    )


def _make_values(asked: _Asked, *, few: bool) -> None:
    """The view `v`: `s` the value as it came, `x` without spaces around, `n` rows it stands in."""
    chosen = "count(*) AS n FROM t GROUP BY 1" if few else "1 AS n FROM t"
    inner = f"SELECT {asked.column} AS s, {chosen}"
    body = f"SELECT s, trim(s, {_SPACES}) AS x, n FROM ({inner}) WHERE s IS NOT NULL"  # noqa: S608 -- our own names
    asked.connection.execute("DROP TABLE IF EXISTS few")
    if few:
        asked.connection.execute(f"CREATE TEMP TABLE few AS SELECT * FROM ({body}) WHERE x <> ''")  # noqa: S608
        body = "SELECT * FROM few"
    asked.connection.execute(f"CREATE OR REPLACE TEMP VIEW v AS SELECT * FROM ({body}) WHERE x <> ''")  # noqa: S608


def _counts(asked: _Asked) -> dict[str, int]:
    """Rows of each kind and with each defect."""
    tests = {kind: f"length(x) <= 4000 AND regexp_matches(x, {_quoted(test)})" for kind, test in _KINDS.items()}
    for defect, (needle, test) in _DEFECTS.items():
        holds = f"contains(s, {_quoted(needle)})" if needle else ""
        matches = f"regexp_matches(s, {_quoted(test)})" if test else ""
        tests[defect] = " AND ".join(filter(None, (holds, matches)))
    tests["spaces around"] = "s <> x"
    tests["placeholder inside"] = f"regexp_matches(s, {_quoted(_MARK)})"
    sums = ", ".join(f"coalesce(sum(n) FILTER ({test}), 0)" for test in tests.values())
    return dict(zip(tests, map(int, asked.row(f"SELECT {sums} FROM v")), strict=True))  # noqa: S608


def _type_of(kinds: Mapping[str, int], values: int) -> tuple[str, str]:
    if codes := kinds.get("code", 0):
        digits = kinds.get("integer", 0) == values or codes == values
        why = f"{codes:,} values begin with 0 or have more than {EXACT_DIGITS} digits: digits would be lost"
        return "string", why if digits else "text"
    for kind in ("integer", "number", "boolean", "date", "timestamp"):
        found = kinds.get(kind, 0)
        if found == values:
            return kind, f"every value is {'an' if kind == 'integer' else 'a'} {kind}"
    for kind in ("number", "date", "timestamp", "boolean"):
        found = kinds.get(kind, 0)
        if found >= 0.5 * values:
            return "string", f"mixed: {found:,} of {values:,} values are {kind}s"
    return "string", "text"


def _range(asked: _Asked, kind: str) -> dict[str, str]:
    if kind not in ("integer", "number", "date", "timestamp"):
        return {}
    value = "x" if kind in ("date", "timestamp") else "try_cast(x AS DOUBLE)"
    least, most = asked.row(f"SELECT min({value}), max({value}) FROM v")  # noqa: S608
    return {"least": _written(least), "most": _written(most)}


def _written(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _lengths(asked: _Asked, value: str) -> Lengths | None:
    found = asked.row(
        f"SELECT quantile_disc(length(x), [0, 0.01, 0.5, 0.95, 0.99, 1]) FROM "  # noqa: S608
        f"(SELECT {value} AS x FROM (SELECT trim({asked.column}, {_SPACES}) AS x FROM t) WHERE x <> '') WHERE x <> ''"
    )[0]
    if not found:
        return None
    least, p01, median, p95, p99, most = found
    return Lengths(least=least, p01=p01, median=median, p95=p95, p99=p99, most=most)


def _plain(value: str) -> str:
    untagged = f"regexp_replace({value}, '<[^<>]*>', ' ', 'g')"
    return f"trim(regexp_replace({untagged}, '(\\s|&nbsp;)+', ' ', 'g'))"


def _distinct_and_top(asked: _Asked, *, few: bool) -> tuple[int, tuple[ValueCount, ...]]:
    if few:
        distinct = asked.row("SELECT count(DISTINCT x) FROM v")[0]
        return int(distinct), _counted(asked, "x", "true")
    asked.connection.execute(
        "CREATE OR REPLACE TEMP TABLE hashes AS SELECT hash(x) AS h, count(*) AS n FROM v GROUP BY 1"
    )
    distinct = asked.row("SELECT count(*) FROM hashes")[0]
    found = asked.all(
        f"SELECT any_value(left(v.x, {SHOWN_CHARACTERS + 1})) AS x, any_value(h.n) AS n FROM v JOIN "  # noqa: S608
        f"(SELECT * FROM hashes ORDER BY n DESC, h LIMIT {TOP}) AS h ON hash(v.x) = h.h GROUP BY h.h "
        "ORDER BY n DESC, x"
    )
    asked.connection.execute("DROP TABLE hashes")
    return int(distinct), _value_counts(found)


def _counted(
    asked: _Asked, value: str, where: str, given: Mapping[str, object] | None = None
) -> tuple[ValueCount, ...]:
    sql = f"SELECT {value} AS x, sum(n) AS n FROM v WHERE {where} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {TOP}"  # noqa: S608
    return _value_counts(asked.all(sql, given))


def _marks(asked: _Asked) -> tuple[ValueCount, ...]:
    found = asked.all(
        f"SELECT m, sum(n) FROM (SELECT unnest(list_distinct(regexp_extract_all(s, {_quoted(_MARK)}))) AS m, n "  # noqa: S608
        f"FROM v) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {TOP}"
    )
    return _value_counts(found)


def _value_counts(found: list[tuple[Any, ...]]) -> tuple[ValueCount, ...]:
    return tuple(ValueCount(value=shortened(str(value)), rows=int(count)) for value, count in found)


def shortened(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """A value on one line, at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _languages(asked: _Asked, lengths: Lengths) -> Any:  # noqa: ANN401 -- the tuple of languages_of
    if lengths.p95 < 8:
        return ()
    sample = asked.all(f"SELECT left(x, 1500) FROM v ORDER BY hash(x), x LIMIT {SAMPLE}")  # noqa: S608
    return languages_of(text for (text,) in sample if not text.startswith(("http://", "https://", "[[", "{")))


def _pattern(asked: _Asked, lengths: Lengths) -> str:
    """The tightest pattern that holds for every value; fixed lengths only where all values have one length."""
    fixed = lengths.least == lengths.most
    tried = [
        pattern % (lengths.most - ("^0" in pattern)) if "%d" in pattern else pattern
        for pattern in _PATTERNS
        if fixed or "%d" not in pattern
    ]
    tests = ", ".join(f"bool_and(regexp_matches(x, {_quoted(pattern)}))" for pattern in tried)
    holds = asked.row(f"SELECT {tests} FROM v")  # noqa: S608
    return next((pattern for pattern, held in zip(tried, holds, strict=True) if held), "")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
