"""How the sources of a line come to its two doors: read, cleaned and mapped as the recipe says."""

from functools import partial

import orjson

from aigc_core.contracts.content_line import ContentLine
from aigc_core.contracts.mapping import catalogue_row, changed_values, corpus_rows, held_against, require_columns
from aigc_core.contracts.model import ObjectContract
from aigc_core.contracts.schema import RawRow, raw_json
from aigc_core.storage.intake import CAME, LICENCE, RAW, SOURCE, Entrance, Mapper

TEXT = "text"


def corpus_entrance(line: ContentLine) -> Entrance:
    """The door of training pairs: one row a locale where texts stand in columns of their own."""
    recipe, contract = line.recipe, line.corpus_rows
    terms = recipe.hygiene.licence

    def mapper(row: RawRow) -> list[RawRow]:
        came = row.values if row.source is None else row.source
        origin = {
            LICENCE: _text(row.values.get(terms.column)) if terms.column else terms.declared,
            SOURCE: (_text(row.values.get(terms.source_column)) if terms.source_column else terms.source) or row.file,
            RAW: _changed(line, contract, row),
            CAME: raw_json(row._replace(source=came)),
        }
        return [
            row._replace(
                values={**values, **origin},
                source=came,
                complaints=held_against(recipe, values, row.complaints),
            )
            for values in corpus_rows(recipe, contract, row.values)
        ]

    return _entrance(line, contract, mapper, set_aside=TEXT)


def catalogue_entrance(line: ContentLine) -> Entrance:
    """The door of items."""
    recipe, contract = line.recipe, line.catalogue_rows

    def mapper(row: RawRow) -> list[RawRow]:
        came = row.values if row.source is None else row.source
        values = catalogue_row(recipe, contract, row.values)
        values[RAW] = _changed(line, contract, row)
        return [row._replace(values=values, source=came)]

    return _entrance(line, contract, mapper)


def _entrance(line: ContentLine, contract: ObjectContract, mapper: Mapper, *, set_aside: str | None = None) -> Entrance:
    recipe = line.recipe
    return Entrance(
        line=line.name,
        name=contract.name,
        contract=contract,
        mapper=mapper,
        require=partial(require_columns, recipe, contract),
        reading=recipe.reading,
        steps=recipe.cleaning,
        set_aside=set_aside,
    )


def _changed(line: ContentLine, contract: ObjectContract, row: RawRow) -> str | None:
    if row.source is None:
        return None
    found = changed_values(line.recipe, contract, row)
    return orjson.dumps(found).decode() if found else None


def _text(value: object) -> str | None:
    text = "" if value is None else str(value).strip()
    return text or None
