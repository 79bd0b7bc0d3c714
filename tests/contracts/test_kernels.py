import datetime as dt
import math

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigc_core.contracts import kernels
from aigc_core.contracts.expectations import Suite
from aigc_core.contracts.model import Expectation

TEXTS = st.sampled_from(
    [
        "",
        " ",
        "a",
        "A",
        "ab",
        "a\n",
        "\n",
        "nan",
        "None",
        "<NA>",
        "é",
        "e\u0301",
        "👩",
        "中文",
        "1",
        "٣",
        "\x00",
        "a\u2028b",
    ]
)
DATES = st.sampled_from([dt.date(1, 1, 1), dt.date(2026, 1, 31), dt.date(2026, 2, 1), dt.date(9999, 12, 31)])
INTEGERS = st.sampled_from([0, 1, -1, 2, 2**53, 2**53 + 1, -(2**63), 2**63 - 1])
NUMBERS = st.sampled_from([0.0, -0.0, 1.0, 0.1, 0.30000000000000004, -1.5, 1e308, 5e-324, math.nan])
TYPES: dict[str, tuple[pa.DataType, st.SearchStrategy[object]]] = {
    "string": (pa.string(), TEXTS),
    "integer": (pa.int64(), INTEGERS),
    "number": (pa.float64(), NUMBERS),
    "date": (pa.date32(), DATES),
    "boolean": (pa.bool_(), st.booleans()),
}
PATTERNS = ["a", "^a$", "a$", r"\d", r"\w", r"\s", "(a|b)", "[^\x00-\x1f\x7f]", "^.$", "(?i)A", "", r"\p{Han}"]


def rule(name: str, **kwargs: object) -> Expectation:
    return Expectation(rule_id="r", level="block", column="c", name=name, kwargs={"column": "c", **kwargs})


def by_great_expectations(one: Expectation, table: pa.Table) -> list[int]:
    """The rows that break the rule when no kernel may answer."""
    suite = Suite([one])
    (result,) = suite._validate([0], table, "COMPLETE")
    return sorted(int(row) for row in result.get("unexpected_index_list") or ())


def cells(kind: str) -> st.SearchStrategy[list[object]]:
    return st.lists(st.none() | TYPES[kind][1], min_size=1, max_size=12)


@st.composite
def ranges(draw: st.DrawFn, values: st.SearchStrategy[object]) -> dict[str, object]:
    low, high = draw(st.none() | values), draw(st.none() | values)
    if low is not None and high is not None and not low <= high:  # type: ignore[operator]
        low, high = high, low
    strict = {name: True for name in ("strict_min", "strict_max") if draw(st.booleans())}
    return {"min_value": low, "max_value": high, **strict}


@st.composite
def cases(draw: st.DrawFn) -> tuple[Expectation, str, list[object]]:
    kind = draw(st.sampled_from(list(TYPES)))
    values = TYPES[kind][1]
    prefix = "expect_column_value"
    choices = [
        rule(f"{prefix}s_to_not_be_null"),
        rule(f"{prefix}s_to_be_in_set", value_set=draw(st.lists(values, min_size=1, max_size=4))),
        rule(f"{prefix}s_to_not_be_in_set", value_set=draw(st.lists(values, min_size=1, max_size=4))),
    ]
    if kind == "string":
        pattern = draw(st.sampled_from(PATTERNS))
        choices += [rule(f"{prefix}s_to_{words}match_regex", regex=pattern) for words in ("", "not_")]
        choices.append(rule(f"{prefix}_lengths_to_be_between", **draw(ranges(st.integers(0, 4)))))
    elif kind != "boolean":
        choices.append(rule(f"{prefix}s_to_be_between", **draw(ranges(values))))
    return draw(st.sampled_from(choices)), kind, draw(cells(kind))


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_kernels_find_the_rows_that_great_expectations_finds(case: tuple[Expectation, str, list[object]]) -> None:
    one, kind, values = case
    table = pa.table({"c": pa.array(values, TYPES[kind][0])})
    found = kernels.broken_rows(one, table)
    if found is not None:
        assert pc.indices_nonzero(found).to_pylist() == by_great_expectations(one, table)
