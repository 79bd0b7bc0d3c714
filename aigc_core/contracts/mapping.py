"""From a source's columns to the contract's, as the recipe says; and from a contract's row to attributes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from aigc_core.contracts.cleaning_columns import columns_after, origins_of
from aigc_core.contracts.cleaning_pairs import literal_pairs, pairs_json
from aigc_core.contracts.cleaning_steps import DoorName
from aigc_core.contracts.model import ObjectContract
from aigc_core.contracts.recipe import Recipe
from aigc_core.contracts.schema import RawRow, RawValue
from aigc_core.errors import SourceInvalid

PAIRS = "attributes"
"""Contract column that holds attributes given as a list of pairs, as JSON text."""
_MOST_PLANS = 32


class _Plan(NamedTuple):
    """What a recipe says of one door, ready for many rows."""

    recipe: Recipe
    contract: ObjectContract
    columns: list[tuple[str, str]]
    """Contract column, source column."""
    origins: list[tuple[str, str, tuple[str, ...]]]
    """What a changed value is called, its cleaned column, and the columns of the source it comes from."""


class _Attributes(NamedTuple):
    """What a recipe shows the model, ready for many rows."""

    recipe: Recipe
    columns: list[tuple[str, str, str]]
    """Name, contract column, unit."""


_PLANS: dict[tuple[int, int], _Plan] = {}
_ATTRIBUTES: dict[int, _Attributes] = {}


def catalogue_row(recipe: Recipe, contract: ObjectContract, values: Mapping[str, object]) -> dict[str, object]:
    """One source row as the catalogue contract's columns; absent ones are None."""
    return _mapped(recipe, contract, values)


def corpus_rows(recipe: Recipe, contract: ObjectContract, values: Mapping[str, object]) -> list[dict[str, object]]:
    """One source row as training pairs: one a locale where texts stand in columns of their own, else one."""
    row = _mapped(recipe, contract, values)
    if not recipe.columns.text:
        return [row]
    return [{**row, "locale": locale, "text": values.get(column)} for locale, column in recipe.columns.text.items()]


def changed_values(recipe: Recipe, contract: ObjectContract, row: RawRow) -> dict[str, str]:
    """What cleaning changed of a row, as it came: contract column -> raw value.

    A value made of several columns or lines shows them all, with ` | ` between. Texts in columns of their own are
    called `text`, or `text en` and `text zh` where there are several. Empty for a row that nothing changed.

    Args:
        row: a cleaned row, before it is mapped.
    """
    if row.source is None:
        return {}
    plan = _plan(recipe, contract)
    folded = row.source.get("lines") if row.lines > 1 else None
    lines = folded if isinstance(folded, list) else [row.source]
    found: dict[str, str] = {}
    for name, column, origins in plan.origins:
        value = row.values.get(column)
        if len(origins) == 1 and value == lines[0].get(origins[0]):
            continue
        raw = list(dict.fromkeys(text for origin in origins for text in _texts(lines, origin)))
        if raw and not (len(origins) == 1 and ("" if value is None else str(value)) in raw):
            found[name] = " | ".join(raw)
    return found


def held_against(
    recipe: Recipe, pair: Mapping[str, object], complaints: Sequence[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """What cleaning holds against one training pair of a row: not what is wrong with its text in other locales.

    Args:
        pair: one of `corpus_rows`.
        complaints: of the row; see `RawRow.complaints`.
    """
    if not complaints:
        return ()
    own = recipe.columns.text.get(str(pair.get("locale")))
    others = set(recipe.columns.text.values()) - {own}
    return tuple((column, reason) for column, reason in complaints if column not in others)


def require_columns(recipe: Recipe, contract: ObjectContract, names: Iterable[str], source: str) -> None:
    """Refuse a source that lacks a column the recipe names or the contract requires.

    Args:
        names: the columns as the source has them, before cleaning.

    Raises:
        SourceInvalid: lists what is missing, what is there, and where to mend it.
    """
    raw = set(names)
    there = columns_after(recipe.cleaning, _door(contract), raw, source)
    wanted = set(_source_columns(recipe, contract).values())
    if missing := sorted(wanted - there):
        made = there - raw
        raise SourceInvalid(
            f"{source} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}.",
            f"It has {', '.join(sorted(raw)) or 'no column'}"
            + (f"; cleaning makes {', '.join(sorted(made))}." if made else "."),
            f"Name the right file, or map the columns in the recipe of {recipe.line} (`columns.{contract.name}`).",
        )


def attributes_of(recipe: Recipe, row: Mapping[str, Any]) -> list[dict[str, str]]:
    """What the model is shown of one contract row: (name, value) in prompt order; absent values are left out."""
    if recipe.columns.attribute_pairs:
        return [{"name": name, "value": value} for name, value in literal_pairs(row[PAIRS]) or ()]
    shown = []
    for name, column, unit in _shown(recipe):
        value = row[column]
        if value is not None:
            text = " ".join(value.split()) if type(value) is str else written(value)
            shown.append({"name": name, "value": f"{text} {unit}" if unit else text})
    return shown


def missing_attributes(recipe: Recipe, row: Mapping[str, Any]) -> list[str]:
    """Names of required attributes the row does not have: such an item is never given a text."""
    return [
        name for name, attribute in recipe.attributes.items() if attribute.required and row[attribute.column] is None
    ]


def written(value: object) -> str:
    """A value as a person writes it: no trailing `.0`, no exponent, booleans as yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10f}".rstrip("0").rstrip(".")
    return " ".join(str(value).split())


def _mapped(recipe: Recipe, contract: ObjectContract, values: Mapping[str, object]) -> dict[str, object]:
    row: dict[str, object] = {}
    for name, column in _plan(recipe, contract).columns:
        value = values.get(column)
        row[name] = None if isinstance(value, str) and (not value or value.isspace()) else value
    if recipe.columns.attribute_pairs:
        pairs = literal_pairs(values.get(recipe.columns.attribute_pairs))
        row[PAIRS] = pairs_json(pairs) if pairs else None
    return row


def _plan(recipe: Recipe, contract: ObjectContract) -> _Plan:
    """The plan made for these two objects, which do not change; the newest are kept."""
    key = id(recipe), id(contract)
    plan = _PLANS.get(key)
    if plan is None or plan.recipe is not recipe or plan.contract is not contract:
        if len(_PLANS) >= _MOST_PLANS:
            _PLANS.clear()
        _PLANS[key] = plan = _planned(recipe, contract)
    return plan


def _shown(recipe: Recipe) -> list[tuple[str, str, str]]:
    """Name, contract column and unit of each attribute, found once a recipe."""
    ready = _ATTRIBUTES.get(id(recipe))
    if ready is None or ready.recipe is not recipe:
        if len(_ATTRIBUTES) >= _MOST_PLANS:
            _ATTRIBUTES.clear()
        columns = [(name, attribute.column, attribute.unit) for name, attribute in recipe.attributes.items()]
        _ATTRIBUTES[id(recipe)] = ready = _Attributes(recipe, columns)
    return ready.columns


def _planned(recipe: Recipe, contract: ObjectContract) -> _Plan:
    names = _names(recipe, contract)
    columns = [(column.name, names.get(column.name, column.name)) for column in contract.columns]
    called = dict(columns)
    if recipe.columns.attribute_pairs:
        called[PAIRS] = recipe.columns.attribute_pairs
    if contract.name == "corpus":
        several = len(recipe.columns.text) > 1
        called |= {f"text {one}" if several else "text": column for one, column in recipe.columns.text.items()}
    origins = [(name, column, origins_of(recipe.cleaning, _door(contract), column)) for name, column in called.items()]
    return _Plan(recipe, contract, columns, [one for one in origins if one[2]])


def _texts(lines: Sequence[Mapping[str, RawValue]], column: str) -> Iterable[str]:
    cells = (line.get(column) for line in lines)
    return (str(cell) for cell in cells if cell is not None and cell != "")


def _door(contract: ObjectContract) -> DoorName:
    return "corpus" if contract.name == "corpus" else "catalogue"


def _names(recipe: Recipe, contract: ObjectContract) -> Mapping[str, str]:
    return recipe.columns.corpus if contract.name == "corpus" else recipe.columns.catalogue


def _source_columns(recipe: Recipe, contract: ObjectContract) -> dict[str, str]:
    """Contract column -> source column, for those a source must have."""
    names = _names(recipe, contract)
    made = {"locale", "text"} if contract.name == "corpus" and recipe.columns.text else set()
    needed = {column.name for column in contract.columns if column.required or column.name in names} - made
    found = {name: names.get(name, name) for name in needed}
    if recipe.columns.attribute_pairs:
        found[PAIRS] = recipe.columns.attribute_pairs
    if contract.name == "corpus":
        found |= {f"text {locale}": column for locale, column in recipe.columns.text.items()}
    return found
