"""Reads data contracts: Open Data Contract Standard v3, as YAML."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path

import yaml
from jsonschema import Draft201909Validator
from jsonschema.exceptions import ValidationError as SchemaError
from jsonschema.exceptions import best_match
from open_data_contract_standard.model import DataQuality, OpenDataContractStandard, SchemaObject
from pydantic import ValidationError

from aigc_core.contracts.constraints import column_of, constraints
from aigc_core.contracts.expectations import require_makeable
from aigc_core.contracts.model import Column, Contract, Expectation, ObjectContract, Rule
from aigc_core.contracts.options import option_rules
from aigc_core.contracts.positions import Place, load_yaml
from aigc_core.contracts.rules import columns_named, judges_rows, quality_rule
from aigc_core.contracts.sql import first_broken_query
from aigc_core.contracts.sql_rules import Subject
from aigc_core.contracts.unenforced import unenforced
from aigc_core.errors import ContractInvalid
from aigc_core.ids import fingerprint

__all__ = ["Contract", "ObjectContract", "parse_contract", "read_contract"]

SHOWN = 5
_REMEDY = "The standard is described at https://bitol-io.github.io/open-data-contract-standard/."


def read_contract(path: Path) -> Contract:
    """Read one contract that data can be held to, and check it as far as can be without data.

    Structure is checked against the standard's own JSON schema, every SQL rule is run on an empty table, every
    expectation is made. What the file says beyond that, such as servers or service levels, is in `unenforced`.

    Raises:
        ContractInvalid: not UTF-8 YAML, not the standard, no object, an object without columns, or a rule that
            cannot be evaluated; names the line.
    """
    place = Place(file=path.name, text=_text(path))
    contract = _contract(place.file, place.text)
    if not contract.objects:
        raise ContractInvalid(
            f"{place.at('schema')}: the contract describes no object.",
            "`schema` lists objects, each with its own name and its properties.",
        )
    for i, found in enumerate(contract.objects.values()):
        if not found.columns:
            raise ContractInvalid(f"{place.at('schema', i)}: the object {found.name!r} has no properties.")
    return contract


def parse_contract(path: Path) -> Contract:
    """Like `read_contract`, of any file that follows the standard: it may describe no object, or one without columns.

    Raises:
        ContractInvalid: not UTF-8 YAML, not the standard, or a rule that cannot be evaluated; names the line.
    """
    return _contract(path.name, _text(path))


@lru_cache(maxsize=64)
def _contract(file: str, text: str) -> Contract:
    # Kept by content: every step of a night asks for the same contracts, and one takes a quarter of a second.
    place = Place(file=file, text=text)
    document = _document(place)
    _require_standard(document, place)
    standard = _model(document, place)
    declared = standard.schema_ or []
    objects = {str(found.name): _object(found, place.at("schema", i)) for i, found in enumerate(declared)}
    if len(objects) < len(declared):
        raise ContractInvalid(
            f"{place.at('schema')}: two objects share a name.",
            "`schema` lists objects, each with its own name and its properties.",
        )
    return Contract(
        id=str(standard.id),
        version=str(standard.version),
        digest=fingerprint(document),
        objects=objects,
        unenforced=tuple(unenforced(standard, place)),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContractInvalid(f"{path} cannot be read: {error}.", "A contract is a UTF-8 YAML file.") from error


def _document(place: Place) -> Mapping[str, object]:
    try:
        document = load_yaml(place.text)
    except yaml.YAMLError as error:
        raise ContractInvalid(f"{place.file} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(document, Mapping):
        raise ContractInvalid(f"{place.file} holds {type(document).__name__}, not a mapping.", "", _REMEDY)
    return document


@cache
def _validator() -> Draft201909Validator:
    shipped = files("open_data_contract_standard").joinpath("schema.json")
    return Draft201909Validator(json.loads(shipped.read_text("utf-8")))


def _require_standard(document: Mapping[str, object], place: Place) -> None:
    found = [best_match([error]) or error for error in _validator().iter_errors(document)]
    if found:
        shown = "; ".join(f"{place.at(*error.absolute_path)}: {_words(error)}" for error in _telling(found)[:SHOWN])
        raise ContractInvalid(f"Not an Open Data Contract: {shown}.", "", _REMEDY)
    if not str(document["apiVersion"]).startswith("v3."):
        raise ContractInvalid(
            f"{place.at('apiVersion')}: {document['apiVersion']!r} is an older form of the standard.",
            "v3.x is read.",
        )


def _telling(errors: Iterable[SchemaError]) -> list[SchemaError]:
    """Without the complaints about unknown fields that only follow from another error further in."""
    ordered = sorted(errors, key=lambda error: [str(step) for step in error.absolute_path])
    certain = [error for error in ordered if error.validator != "unevaluatedProperties"]
    return certain or ordered


def _words(error: SchemaError) -> str:
    # Without a type the standard's schema takes the property for a map and asks for its parts.
    untyped = isinstance(error.instance, Mapping) and "logicalType" not in error.instance
    if error.validator == "required" and "'map'" in error.message and untyped:
        return "the property has no logicalType"
    return error.message if len(error.message) <= 200 else f"{error.message[:100]} ... {error.message[-80:]}"


def _model(document: Mapping[str, object], place: Place) -> OpenDataContractStandard:
    try:
        return OpenDataContractStandard.model_validate(document)
    except ValidationError as error:
        shown = "; ".join(f"{place.at(*item['loc'])}: {item['msg']}" for item in error.errors()[:SHOWN])
        raise ContractInvalid(f"Not an Open Data Contract: {shown}.", "", _REMEDY) from error


def _object(declared: SchemaObject, place: Place) -> ObjectContract:
    subject = Subject(name=str(declared.name), columns=_columns(declared, place))
    placed = list(_rules(declared, subject, place))
    rules = [rule for rule, _ in placed]
    found = ObjectContract(
        name=subject.name,
        columns=subject.columns,
        row_rules=tuple(rule for rule in rules if judges_rows(rule)),
        set_rules=tuple(rule for rule in rules if not judges_rows(rule)),
    )
    for rule, at in placed:
        if isinstance(rule, Expectation):
            _require_expectation(rule, subject, at)
    broken = first_broken_query(found) if subject.columns else None
    if broken:
        at = next(at for rule, at in placed if rule is broken.rule)
        raise ContractInvalid(
            f"{at.at('query')}: {broken.why}.",
            f"A query is one SELECT of one number; it sees {{object}} with the columns {', '.join(subject.names)}.",
        )
    return found


def _columns(declared: SchemaObject, place: Place) -> tuple[Column, ...]:
    properties = enumerate(declared.properties or [])
    columns = tuple(column_of(found, place.at("properties", i)) for i, found in properties)
    names = [column.name for column in columns]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ContractInvalid(f"{place.at('properties', i)}: the column {name!r} is declared twice.")
    return columns


def _rules(declared: SchemaObject, subject: Subject, place: Place) -> Iterator[tuple[Rule, Place]]:
    for i, (found, column) in enumerate(zip(declared.properties or [], subject.columns, strict=True)):
        spot, own = place.at("properties", i), replace(subject, column=column)
        yield from ((rule, spot) for rule in constraints(found, column, spot))
        yield from ((rule, spot) for rule in option_rules(found, own, spot))
        yield from _quality_rules(found.quality, own, spot)
    yield from _quality_rules(declared.quality, subject, place)


def _quality_rules(entries: list[DataQuality] | None, subject: Subject, place: Place) -> Iterator[tuple[Rule, Place]]:
    for j, entry in enumerate(entries or []):
        at = place.at("quality", j)
        yield from ((rule, at) for rule in quality_rule(entry, subject, at))


def _require_expectation(rule: Expectation, subject: Subject, at: Place) -> None:
    strangers = [name for name in columns_named(rule.kwargs) if name not in subject.names]
    if strangers:
        raise ContractInvalid(
            f"{at}: there is no column {strangers[0]!r}.", f"Columns are: {', '.join(subject.names)}."
        )
    try:
        require_makeable(rule)
    except ContractInvalid as error:
        raise ContractInvalid(f"{at}: {error.came}", error.valid, error.remedy) from error
