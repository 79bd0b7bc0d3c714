"""Attributes written into one cell: lists of pairs, delimited text, triples. Repeated names keep every value."""

import ast
import json
import re
from collections.abc import Callable, Sequence

import orjson

from aigc_core.contracts.cleaning_steps import FIELD, Pairs, Triples

Pair = tuple[str, str]
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_MOST_LITERAL = 100_000
"""Characters of a Python literal that is looked into: its reader needs a hundred times as much memory."""


def pairs_json(pairs: Sequence[Pair]) -> str:
    """Pairs as a JSON list of [name, value]."""
    return json.dumps(pairs, ensure_ascii=False)


def literal_pairs(value: object) -> list[Pair] | None:
    """The pairs in a value or in its JSON or Python text; None when it is no such list, or an empty one.

    A list of [name, value], a list of {name, value}, or a mapping, in which a list stands for several values and a
    repeated name keeps them all. Numbers in JSON stay as they are written.
    """
    if not isinstance(value, str):
        return _listed(value)
    return _plain_pairs(value) or _listed(literal(value))


def literal(text: str) -> object:
    """What JSON or Python text says; None when it is neither. Nothing is run. JSON objects are `Members`."""
    try:
        return json.loads(text, object_pairs_hook=Members, parse_float=str, parse_int=str, parse_constant=str)
    except (json.JSONDecodeError, RecursionError):
        pass
    if len(text) > _MOST_LITERAL:
        return None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


class Members(list[tuple[str, object]]):
    """A JSON object as its (name, value) in order: a name may stand twice."""


def _plain_pairs(text: str) -> list[Pair] | None:
    """The usual case, fast: a JSON list of pairs of strings."""
    if not text.startswith("[["):
        return None
    try:
        found = orjson.loads(text)
        pairs = [(name, value) for name, value in found]
    except (orjson.JSONDecodeError, TypeError, ValueError):
        return None
    plain = all(type(name) is str and type(value) is str for name, value in pairs)
    return pairs if plain else None


def _listed(found: object) -> list[Pair] | None:
    if isinstance(found, dict):
        found = Members(found.items())
    if isinstance(found, Members):
        return [pair for name, item in found for pair in _spread(name, item)] or None
    if not isinstance(found, list | tuple) or not found:
        return None
    pairs: list[Pair] = []
    for entry in found:
        named = dict(entry) if isinstance(entry, dict | Members) else None
        if named is not None and set(named) == {"name", "value"}:
            pairs += _spread(named["name"], named["value"])
        elif named is None and isinstance(entry, list | tuple) and len(entry) == 2:
            pairs.append((str(entry[0]), str(entry[1])))
        else:
            return None
    return pairs or None


def delimited_pairs(text: str, between: str, within: str) -> list[Pair] | None:
    """The pairs of `type#skirt*pattern#stripes`; None when a piece has no `within` or no name."""
    pairs = []
    for piece in text.split(between):
        if not piece.strip():
            continue
        name, mark, value = piece.partition(within)
        if not mark or not name.strip():
            return None
        pairs.append((name.strip(), value.strip()))
    return pairs


def pairs_in(step: Pairs, value: object) -> list[Pair] | None:
    """The pairs in a cell, as the step reads it; None when it cannot be read so."""
    if step.between is not None and step.within is not None:
        return delimited_pairs(str(value), step.between, step.within)
    return literal_pairs(value)


def triples_in(step: Triples, value: object) -> list[Pair] | None:
    """The facts in a cell as pairs; None when one has not three parts."""
    found = literal(value) if isinstance(value, str) else value
    facts = found if isinstance(found, list | tuple) else [value]
    pairs = []
    for fact in facts:
        parts = list(fact) if isinstance(fact, list | tuple) else str(fact).split(step.on, 2)
        if len(parts) != 3:
            return None
        said = dict(
            zip(("subject", "predicate", "object"), (_spoken(str(part), step.spaces) for part in parts), strict=True)
        )
        pairs.append((filled(step.name, said), filled(step.value, said)))
    return pairs


def filled(pattern: str, values: dict[str, str]) -> str:
    """A pattern with `{names}` replaced; `{{` and `}}` stand for braces."""
    return FIELD.sub(lambda found: values[found[1]] if found[1] is not None else found[0][0], pattern)


def inside_json(text: str, change: Callable[[str], str | None]) -> str | None:
    """A JSON list or object with its strings changed, one by one, and all else as it is written.

    None when the text is no such thing. Changed as a whole it might be JSON no longer: `&quot;` becomes a quote.
    """
    if text[:1] not in ("[", "{"):
        return None
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return _STRING.sub(lambda found: _requoted(found[0], change), text)


def _requoted(quoted: str, change: Callable[[str], str | None]) -> str:
    came = json.loads(quoted)
    new = change(came)
    return quoted if new == came else json.dumps(new or "", ensure_ascii=False)


def _spread(name: object, value: object) -> list[Pair]:
    if isinstance(value, list | tuple):
        return [(str(name), str(one)) for one in value if one is not None]
    return [] if value is None else [(str(name), str(value))]


def _spoken(part: str, spaces: str) -> str:
    for character in spaces:
        part = part.replace(character, " ")
    part = part.strip()
    return part[1:-1] if len(part) > 1 and part[0] == part[-1] == '"' else part
