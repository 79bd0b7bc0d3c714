"""Which cleaning a profiled source needs, as the steps a recipe lists."""

from collections.abc import Iterator, Mapping

from aigc_core.contracts.profile import ColumnProfile, Profile, Services
from aigc_core.lines.roles import DEFAULT_OPTION, Roles
from aigc_core.lines.services import REASON

PAIRS = "attributes"
"""Column that a step makes of pairs which are no list yet."""
Step = Mapping[str, object]
_Cleaned = Mapping[str, ColumnProfile]
"""Column, as cleaning calls it -> what the source holds of it."""


def steps_of(profile: Profile, roles: Roles) -> tuple[Step, ...]:
    """Steps in the order they run: rows become items, texts become plain, then what stands for nothing goes.

    Columns that only training pairs have are cleaned at the door of the corpus: a catalogue need not bring texts.
    """
    items, texts = _of_items(roles), {column.name: column for column in roles.texts.values()}
    texts = {name: column for name, column in texts.items() if name not in items}
    return (
        *_fold(profile, roles),
        *_pairs(roles),
        *_keys(roles),
        *_services(profile, roles),
        *_on_both("mojibake", items, texts, "mojibake"),
        *_on_both("controls", items, texts, "control characters"),
        *_on_both("html_to_text", items, texts, "html"),
        *_on_both("entities", _without_html(items), _without_html(texts), "entities"),
        {"unicode": "NFC"},
        {"whitespace": "all"},
        *_blanks({name: column for name, column in items.items() if name != roles.key.source}),
        *_options(roles),
        *({**step, "only": "corpus"} for step in _blanks(texts)),
        *_marks(roles),
    )


def pairs_column(roles: Roles) -> str | None:
    """The column with the pairs as a list, once the rows are cleaned; None where attributes are columns."""
    if roles.pairs is None:
        return None
    return roles.pairs.name if roles.written == "pairs" else PAIRS


def _of_items(roles: Roles) -> dict[str, ColumnProfile]:
    """The columns that a catalogue has, by their names after `fold` and `pairs`."""
    found = {one.source: one.profile for one in roles.columns if not one.made_of}
    pairs = pairs_column(roles)
    return found | ({pairs: roles.pairs} if pairs and roles.pairs else {})


def _fold(profile: Profile, roles: Roles) -> Iterator[Step]:
    if not profile.structure.fold_by:
        return
    gathered = {one.source: one.profile.name for one in roles.columns if one.collected}
    yield {"fold": {"by": profile.structure.fold_by, **({"collect": gathered} if gathered else {})}}


def _pairs(roles: Roles) -> Iterator[Step]:
    if roles.pairs and roles.written == "marked pairs":
        yield {"pairs": {"column": roles.pairs.name, "into": PAIRS, "between": "*", "within": "#"}}
    if roles.pairs and roles.written == "triples":
        # The subject stands with the value: numbers in a text must be found among the values.
        told = {"name": "{predicate}", "value": "{subject}: {object}"}
        yield {"triples": {"column": roles.pairs.name, "into": PAIRS, **told}}


def _keys(roles: Roles) -> Iterator[Step]:
    """An id made of what describes the item; a training pair's of its text too, so that each text stays a pair."""
    key, group = roles.key, roles.group
    if not key.made_of:
        return
    texts = [column.name for column in roles.texts.values()]
    made = {"into": key.source, "from": list(key.made_of)}
    if texts:
        yield {"key": made, "only": "catalogue"}
        yield {"key": made | {"from": [*key.made_of, *texts]}, "only": "corpus"}
    else:
        yield {"key": made}
    if group and group.made_of:
        yield {"key": {"into": group.source, "from": list(group.made_of)}}


def services_of(profile: Profile, roles: Roles) -> tuple[Services, ...]:
    """What the source sells beside products, by columns that the line has."""
    known = {one.source for one in roles.columns if not one.collected} | {profile.structure.fold_by}
    return tuple(one for one in profile.services if one.column in known)


def _services(profile: Profile, roles: Roles) -> Iterator[Step]:
    for found in services_of(profile, roles):
        values = [one.value for one in found.values]
        quarantine = {"do": "quarantine", "match": "cell", "reason": REASON}
        yield {"placeholders": {"columns": [found.column], "values": values, **quarantine}}


def _on_both(step: str, items: _Cleaned, texts: _Cleaned, defect: str) -> Iterator[Step]:
    if found := _with(items, defect):
        yield {step: found}
    if found := _with(texts, defect):
        yield {step: found, "only": "corpus"}


def _with(columns: _Cleaned, defect: str) -> list[str]:
    return [name for name, column in columns.items() if column.defects.get(defect)]


def _without_html(columns: _Cleaned) -> _Cleaned:
    return {name: column for name, column in columns.items() if not column.defects.get("html")}


def _blanks(columns: _Cleaned) -> Iterator[Step]:
    """Cells that stand for nothing."""
    found = {name: column for name, column in columns.items() if column.placeholders}
    if found:
        values = sorted({one.value for column in found.values() for one in column.placeholders})
        yield {"placeholders": {"columns": list(found), "values": values, "do": "blank"}}


def _options(roles: Roles) -> Iterator[Step]:
    options = [one.source for one in roles.columns if one.collected and _has_default(one.profile)]
    if options:
        yield {"placeholders": {"columns": options, "values": [DEFAULT_OPTION], "do": "blank"}}


def _has_default(column: ColumnProfile) -> bool:
    return any(one.value == DEFAULT_OPTION for one in column.top)


def _marks(roles: Roles) -> Iterator[Step]:
    """Rows whose text holds a placeholder teach the model to write it: quarantined."""
    marked = [column for column in roles.texts.values() if column.marks]
    if marked:
        values = sorted({one.value for column in marked for one in column.marks})
        columns = [column.name for column in marked]
        yield {"placeholders": {"columns": columns, "values": values, "do": "quarantine"}, "only": "corpus"}
