"""From a source's columns to the contract's, as the recipe says; and from a contract's row to attributes."""

import ast
import json
from collections.abc import Iterable, Mapping
from typing import Any

from aigc_core.contracts.model import ObjectContract
from aigc_core.contracts.recipe import Recipe
from aigc_core.errors import SourceInvalid

PAIRS = "attributes"
"""Contract column that holds attributes given as a list of pairs, as JSON text."""


def catalogue_row(recipe: Recipe, contract: ObjectContract, values: Mapping[str, object]) -> dict[str, object]:
    """One source row as the catalogue contract's columns; absent ones are None."""
    return _mapped(recipe.columns.catalogue, recipe, contract, values)


def corpus_rows(recipe: Recipe, contract: ObjectContract, values: Mapping[str, object]) -> list[dict[str, object]]:
    """One source row as training pairs: one a locale where texts stand in columns of their own, else one."""
    row = _mapped(recipe.columns.corpus, recipe, contract, values)
    if not recipe.columns.text:
        return [row]
    return [{**row, "locale": locale, "text": values.get(column)} for locale, column in recipe.columns.text.items()]


def require_columns(recipe: Recipe, contract: ObjectContract, names: Iterable[str], source: str) -> None:
    """Refuse a source that lacks a column the recipe names or the contract requires.

    Raises:
        SourceInvalid: lists what is missing, what is there, and where to mend it.
    """
    there = set(names)
    wanted = set(_source_columns(recipe, contract).values())
    if missing := sorted(wanted - there):
        raise SourceInvalid(
            f"{source} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}.",
            f"It has {', '.join(sorted(there)) or 'no column'}.",
            f"Name the right file, or map the columns in the recipe of {recipe.line} (`columns.{contract.name}`).",
        )


def attributes_of(recipe: Recipe, row: Mapping[str, Any]) -> list[dict[str, str]]:
    """What the model is shown of one contract row: (name, value) in prompt order; absent values are left out."""
    if recipe.columns.attribute_pairs:
        return [{"name": str(name), "value": str(value)} for name, value in json.loads(row[PAIRS])]
    shown = []
    for name, attribute in recipe.attributes.items():
        value = row[attribute.column]
        if value is not None:
            text = written(value)
            shown.append({"name": name, "value": f"{text} {attribute.unit}" if attribute.unit else text})
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


def _mapped(
    names: Mapping[str, str], recipe: Recipe, contract: ObjectContract, values: Mapping[str, object]
) -> dict[str, object]:
    row = {column.name: _present(values.get(names.get(column.name, column.name))) for column in contract.columns}
    if recipe.columns.attribute_pairs:
        row[PAIRS] = _pairs(values.get(recipe.columns.attribute_pairs))
    return row


def _present(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _pairs(value: object) -> str | None:
    """Pairs as JSON text, or None when the value is not a list of [name, value]."""
    found = _literal(value) if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not found:
        return None
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in found):
        return None
    return json.dumps([[str(name), str(item)] for name, item in found], ensure_ascii=False)


def _literal(text: str) -> object:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _source_columns(recipe: Recipe, contract: ObjectContract) -> dict[str, str]:
    """Contract column -> source column, for those a source must have."""
    names = recipe.columns.corpus if contract.name == "corpus" else recipe.columns.catalogue
    made = {"locale", "text"} if contract.name == "corpus" and recipe.columns.text else set()
    needed = {column.name for column in contract.columns if column.required or column.name in names} - made
    found = {name: names.get(name, name) for name in needed}
    if recipe.columns.attribute_pairs:
        found[PAIRS] = recipe.columns.attribute_pairs
    if contract.name == "corpus":
        found |= {f"text {locale}": column for locale, column in recipe.columns.text.items()}
    return found
