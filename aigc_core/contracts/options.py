"""A property's `logicalTypeOptions` as rules, and which of them no rule stands for."""

from collections.abc import Callable, Iterator, Mapping

from open_data_contract_standard.model import SchemaProperty

from aigc_core.contracts.constraints import pattern_rule, row_rule
from aigc_core.contracts.model import Column, Rule
from aigc_core.contracts.positions import Place
from aigc_core.contracts.schema import parsed
from aigc_core.contracts.sql_rules import Subject, condition_rule, literals, quoted
from aigc_core.errors import ContractInvalid

_FORMATS = {
    "email": r"^[^\s@]+@[^\s@]+\.[^\s@]+$",
    "uuid": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "uri": r"^[A-Za-z][A-Za-z0-9+.-]*:\S+$",
    "hostname": r"^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?$",
    "ipv4": r"^((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])$",
    "ipv6": r"^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$",
}
"""String formats as patterns: the shape is judged, not whether the address exists."""
_WIDTHS = {"i8": 8, "i16": 16, "i32": 32, "u8": 8, "u16": 16, "u32": 32, "i64": 64, "u64": 63}
"""Bits of the integer formats; columns hold 64 bits with a sign, so of u64 the half that fits."""
_RANGES = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_ORDERED = ("integer", "number", "date", "timestamp", "time")
_ELEMENTS = "'$[*]'"
Condition = tuple[str, str, str]
"""In SQL what a row that breaks the option meets; what is wrong with it; the option in words, after the column."""


def option_rules(declared: SchemaProperty, subject: Subject, place: Place) -> Iterator[Rule]:
    """Rules of the options that are enforced; each judges one row.

    Raises:
        ContractInvalid: an option with an impossible value.
    """
    if subject.column is None:
        return
    for option, value in (declared.logicalTypeOptions or {}).items():
        spot = place.at("logicalTypeOptions", option)
        yield from _rules(subject, subject.column, option, value, place=spot)


def unenforced_options(declared: SchemaProperty) -> Iterator[tuple[str, str]]:
    """(option, why nothing holds the data to it)."""
    for option, value in (declared.logicalTypeOptions or {}).items():
        kind = str(declared.logicalType)
        if option == "format":
            if kind == "string" and value not in _FORMATS:
                yield option, f"no pattern stands for the format {value!r}"
            if kind in ("date", "timestamp", "time"):
                yield option, "dates and times are read as ISO 8601 whatever the format"
            if kind == "number" or value in ("i128", "u128"):
                yield option, "numbers are kept in 64 bits"
        elif option in ("timezone", "defaultTimezone"):
            yield option, "a point in time without a zone is taken as UTC"
        elif option in ("elementType", "distanceMetric", "embeddingModel", "embeddingModelVersion", "normalized"):
            yield option, "what a list holds is for SQL rules to judge"


def _rules(subject: Subject, column: Column, option: str, value: object, *, place: Place) -> Iterator[Rule]:
    if option in _RANGES and column.type in _ORDERED:
        yield _range_rule(column, option, value, place)
    elif option == "pattern":
        yield pattern_rule(column.name, str(value), place)
    elif option in ("minLength", "maxLength"):
        side, words = ("min_value", "shorter than") if option == "minLength" else ("max_value", "longer than")
        lengths = "expect_column_value_lengths_to_be_between"
        yield row_rule(column.name, lengths, {side: value}, f"{words} {value}", option=option)
    elif option == "format":
        yield from _format_rules(column, str(value), place)
    elif option in _CONDITIONS:
        found = _CONDITIONS[option](quoted(column.name), value)
        if found:
            yield condition_rule(subject, option, found)


def _range_rule(column: Column, option: str, bound: object, place: Place) -> Rule:
    low = option in ("minimum", "exclusiveMinimum")
    kwargs: dict[str, object] = {"min_value" if low else "max_value": _bound(column, bound, place)}
    words = "below" if low else "above"
    if option.startswith("exclusive"):
        kwargs["strict_min" if low else "strict_max"] = True
        words = "not above" if low else "not below"
    name = "expect_column_values_to_be_between"
    return row_rule(column.name, name, kwargs, f"{words} {bound}", option=option)


def _bound(column: Column, bound: object, place: Place) -> object:
    if column.type in ("integer", "number"):
        return bound
    found = parsed(bound, column.type)
    if found is None and column.type == "date":
        # The standard's own examples bound dates by their midnight.
        found = parsed(parsed(bound, "timestamp"), "date")
    if found is None:
        looks = {"date": "2026-01-31", "timestamp": "2026-01-31T08:30:00Z", "time": "08:30:00"}[column.type]
        kind = {"date": "date", "timestamp": "point in time", "time": "time of day"}[column.type]
        raise ContractInvalid(f"{place}: {bound!r} is not a {kind}.", f"It looks like {looks}.")
    return found


def _format_rules(column: Column, value: str, place: Place) -> Iterator[Rule]:
    if column.type == "string" and value in _FORMATS:
        found = pattern_rule(column.name, _FORMATS[value], place)
        words = f"not a valid {value}"
        yield row_rule(column.name, found.name, {"regex": found.kwargs["regex"]}, words, option="format")
    if column.type == "integer" and value in _WIDTHS:
        signed = value.startswith("i")
        top = 2 ** (_WIDTHS[value] - signed) - 1
        kwargs = {"min_value": -top - 1 if signed else 0, "max_value": top}
        name = "expect_column_values_to_be_between"
        yield row_rule(column.name, name, kwargs, f"does not fit {value}", option="format")


def _multiple(name: str, value: object) -> Condition:
    fault, words = f"not a multiple of {value}", f"is a multiple of {value}"
    if isinstance(value, int):
        return f"{name} % {value} <> 0", fault, words
    # 0.3 is 2.9999999999999996 times 0.1: near enough counts.
    times = f"{name} / {value}"
    return f"abs({times} - round({times})) > 1e-9 * greatest(1, abs({times}))", fault, words


def _needed(name: str, value: object) -> Condition:
    keys = value if isinstance(value, list) else []
    listed = ", ".join(map(str, keys))
    condition = f"NOT list_has_all(json_keys({name}), [{literals(keys)}])"
    return condition, f"lacks one of {listed}", f"has the keys {listed}"


def _distinct(name: str, value: object) -> Condition | None:
    found = f"json_extract({name}, {_ELEMENTS})"
    condition = f"len({found}) <> list_unique({found})"
    return (condition, "holds an item twice", "holds each item once") if value is True else None


def _sized(size: str, sign: str, fault: str, words: str) -> Callable[[str, object], Condition]:
    def condition(name: str, value: object) -> Condition:
        return f"{size.format(name)} {sign} {value}", fault.format(value), words.format(value)

    return condition


_ITEMS, _KEYS = "json_array_length({})", "len(json_keys({}))"
_CONDITIONS: Mapping[str, Callable[[str, object], Condition | None]] = {
    "multipleOf": _multiple,
    "minItems": _sized(_ITEMS, "<", "fewer than {} items", "has at least {} items"),
    "maxItems": _sized(_ITEMS, ">", "more than {} items", "has at most {} items"),
    "uniqueItems": _distinct,
    "dimensions": _sized(_ITEMS, "<>", "not {} numbers", "has {} numbers"),
    "minProperties": _sized(_KEYS, "<", "fewer than {} keys", "has at least {} keys"),
    "maxProperties": _sized(_KEYS, ">", "more than {} keys", "has at most {} keys"),
    "required": _needed,
}
