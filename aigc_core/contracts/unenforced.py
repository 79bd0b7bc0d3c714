"""What a contract says that nothing here holds data to: listed, so that nobody takes it for checked."""

from collections.abc import Iterator

from open_data_contract_standard.model import DataQuality, OpenDataContractStandard, SchemaObject, SchemaProperty

from aigc_core.contracts.options import unenforced_options
from aigc_core.contracts.positions import Place
from aigc_core.contracts.rules import for_people

_PARTS = {
    "servers": "data comes from the files a night names",
    "slaProperties": "service levels are not measured",
    "roles": "access is not managed",
    "team": "for people",
    "support": "for people",
    "price": "for people",
}
_TRAITS = {
    "relationships": "other objects are not looked at",
    "partitioned": "tables are laid out by this program",
    "encryptedName": "nothing is encrypted",
    "transformLogic": "values are changed by the recipe alone",
    "classification": "access is not managed",
    "physicalName": "columns are named by `name`",
}


def unenforced(standard: OpenDataContractStandard, place: Place) -> Iterator[str]:
    """One line a statement: where it stands and why nothing comes of it."""
    for part, why in _PARTS.items():
        if getattr(standard, part, None):
            yield f"{place.at(part)}: {why}"
    for i, found in enumerate(standard.schema_ or []):
        yield from _of_object(found, place.at("schema", i))


def _of_object(found: SchemaObject, place: Place) -> Iterator[str]:
    if found.relationships:
        yield f"{place.at('relationships')}: {_TRAITS['relationships']}"
    for i, declared in enumerate(found.properties or []):
        yield from _of_property(declared, place.at("properties", i))
    yield from _of_rules(found.quality, place)


def _of_property(declared: SchemaProperty, place: Place) -> Iterator[str]:
    for trait, why in _TRAITS.items():
        value = getattr(declared, trait)
        if value and value != declared.name:
            yield f"{place.at(trait)}: {why}"
    if declared.semanticType in ("measure", "dimension"):
        yield f"{place.at('semanticType')}: nothing is computed: the {declared.semanticType} is a column like any other"
    for option, why in unenforced_options(declared):
        yield f"{place.at('logicalTypeOptions', option)}: {why}"
    for part in ("properties", "items", "map"):
        if getattr(declared, part, None):
            yield f"{place.at(part)}: kept as JSON text; what is inside is for SQL rules to judge"
    yield from _of_rules(declared.quality, place)


def _of_rules(entries: list[DataQuality] | None, place: Place) -> Iterator[str]:
    for j, entry in enumerate(entries or []):
        at = place.at("quality", j)
        if for_people(entry):
            yield f"{at}: for people: {entry.description or entry.name or 'no description'}"
        elif entry.schedule or entry.scheduler:
            yield f"{at.at('schedule')}: rules are held whenever data comes"
