"""The comparison words of the Open Data Contract Standard."""

import math
from collections.abc import Callable

Operand = float | tuple[float, float]

_SINGLE: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "mustBe": ("=", lambda value, bound: value == bound),
    "mustNotBe": ("!=", lambda value, bound: value != bound),
    "mustBeGreaterThan": (">", lambda value, bound: value > bound),
    "mustBeGreaterOrEqualTo": (">=", lambda value, bound: value >= bound),
    "mustBeLessThan": ("<", lambda value, bound: value < bound),
    "mustBeLessOrEqualTo": ("<=", lambda value, bound: value <= bound),
}
OPERATORS = (*_SINGLE, "mustBeBetween", "mustNotBeBetween")


def holds(value: float | None, operator: str, operand: Operand) -> bool:
    """Whether the value satisfies the rule, bounds included; a missing or not finite value never does."""
    if value is None or not math.isfinite(value):
        return False
    if isinstance(operand, tuple):
        low, high = operand
        return (low <= value <= high) is (operator == "mustBeBetween")
    return _SINGLE[operator][1](value, operand)


def as_text(operator: str, operand: Operand) -> str:
    """The rule in words, e.g. `<= 0.05` or `between 1 and 3`."""
    if isinstance(operand, tuple):
        return f"{'' if operator == 'mustBeBetween' else 'not '}between {_shown(operand[0])} and {_shown(operand[1])}"
    return f"{_SINGLE[operator][0]} {_shown(operand)}"


def _shown(bound: float) -> str:
    return str(int(bound)) if abs(bound) < 1e15 and bound == int(bound) else f"{bound:g}"
