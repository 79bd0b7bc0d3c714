import math

import pytest

from aigc_core.contracts.comparison import OPERATORS, Operand, as_text, holds


@pytest.mark.parametrize(
    ("operator", "operand", "passing", "failing"),
    [
        ("mustBe", 3.0, 3, 4),
        ("mustNotBe", 3.0, 4, 3),
        ("mustBeGreaterThan", 3.0, 3.1, 3),
        ("mustBeGreaterOrEqualTo", 3.0, 3, 2.9),
        ("mustBeLessThan", 3.0, 2.9, 3),
        ("mustBeLessOrEqualTo", 3.0, 3, 3.1),
        ("mustBeBetween", (1.0, 3.0), 3, 3.1),
        ("mustNotBeBetween", (1.0, 3.0), 0.9, 1),
    ],
)
def test_each_comparison_holds_as_the_standard_says(
    operator: str, operand: Operand, passing: float, failing: float
) -> None:
    assert holds(passing, operator, operand)
    assert not holds(failing, operator, operand)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_no_comparison_holds_for_a_value_that_is_not_there(operator: str, value: float | None) -> None:
    assert not holds(value, operator, (0.0, 1.0) if "Between" in operator else 0.0)


def test_rules_read_as_text() -> None:
    assert as_text("mustBeLessOrEqualTo", 0.05) == "<= 0.05"
    assert as_text("mustNotBeBetween", (1, 3)) == "not between 1 and 3"


def test_large_whole_bounds_are_written_out() -> None:
    assert as_text("mustBeGreaterThan", 1_000_000.0) == "> 1000000"
    assert as_text("mustBeLessThan", 0.000001) == "< 1e-06"
