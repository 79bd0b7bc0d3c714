"""Which cleaning a profiled source needs, as the steps a recipe lists."""

from collections.abc import Iterable, Iterator, Mapping

from aigc_core.contracts.profile import ColumnProfile, Profile
from aigc_core.lines.roles import DEFAULT_OPTION, Roles

PAIRS = "attributes"
"""Column that a `pairs` step makes."""
Step = Mapping[str, object]


def steps_of(profile: Profile, roles: Roles) -> tuple[Step, ...]:
    """Steps in the order they run: lines become products, texts become plain, then what stands for nothing goes."""
    used = _used(roles)
    html = _with(used, "html")
    return (
        *_fold(profile, roles),
        *_on("html_to_text", html),
        *_on("entities", [name for name in _with(used, "entities") if name not in html]),
        *_on("mojibake", _with(used, "mojibake")),
        {"unicode": "NFC"},
        *_on("controls", _with(used, "control characters")),
        {"whitespace": "all"},
        *_blanks(used, roles),
        *_marks(roles),
        *_pairs(roles),
    )


def _used(roles: Roles) -> tuple[ColumnProfile, ...]:
    columns = [*(chosen.profile for chosen in roles.columns), *roles.texts.values()]
    columns += [roles.pairs] if roles.pairs else []
    return tuple({column.name: column for column in columns}.values())


def _fold(profile: Profile, roles: Roles) -> Iterator[Step]:
    if not profile.structure.fold_by:
        return
    gathered = {one.source: one.profile.name for one in roles.columns if one.collected}
    yield {"fold": {"by": profile.structure.fold_by, **({"collect": gathered} if gathered else {})}}


def _with(columns: Iterable[ColumnProfile], defect: str) -> list[str]:
    return [column.name for column in columns if column.defects.get(defect)]


def _on(step: str, columns: list[str]) -> Iterator[Step]:
    if columns:
        yield {step: columns}


def _blanks(columns: Iterable[ColumnProfile], roles: Roles) -> Iterator[Step]:
    """Cells that stand for nothing; a key is never blanked."""
    found = [column for column in columns if column.placeholders and column is not roles.key.profile]
    values = sorted({one.value for column in found for one in column.placeholders})
    if found:
        yield {"placeholders": {"columns": [column.name for column in found], "values": values, "do": "blank"}}
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


def _pairs(roles: Roles) -> Iterator[Step]:
    if roles.pairs and roles.marked:
        yield {"pairs": {"column": roles.pairs.name, "into": PAIRS, "between": "*", "within": "#"}}
