"""Columns of a drafted contract: type, bounds and what speaks for them."""

import re
from dataclasses import dataclass, field

from aigc_core.contracts.profile import ColumnProfile, Profile
from aigc_core.lines.decisions import CATALOGUE, Decision
from aigc_core.lines.roles import Chosen, Roles
from aigc_core.lines.sizes import rounded_up
from aigc_core.lines.statistics import TOP, shortened

NO_CONTROLS = r"^[^\x00-\x1F\x7F]+$"
DIGITS, CODE = "^[0-9]+$", "^[A-Za-z0-9._-]+$"
ROOMY_ID = 64
"""An id may always be so long."""
FEW = TOP
"""A column with so few values has a list of them: the profile knows them all."""
OFTEN = 20
"""Each of the few values stands in so many rows on average, so that a new one is news."""
NUMERIC = ("integer", "number")
_PAIRS = {"triples": "facts of three parts", "marked pairs": "pairs as name#value*name#value"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One column as the contract templates write it."""

    name: str
    description: str
    type: str
    required: bool
    found: str
    """What the source holds, as a comment."""
    options: dict[str, object] = field(default_factory=dict)
    allowed: list[str] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)


def property_of(profile: Profile, chosen: Chosen) -> Property:
    """A column with the rules its values suggest, with room."""
    column = chosen.profile
    kind = (
        column.type if column.type in NUMERIC and not chosen.collected and chosen.name != "product_group" else "string"
    )
    allowed = _allowed(chosen)
    return Property(
        name=chosen.name,
        description=_made(chosen)
        or f"{chosen.label[:1].upper()}{chosen.label[1:]}, from the source's column {column.name}.",
        type=kind,
        required=(chosen.filled >= 1 and not chosen.collected) or chosen.name == "product_group",
        found=_found(profile, chosen),
        options=_range(column, kind) if kind in NUMERIC else _text_bounds(chosen),
        allowed=allowed,
        decisions=_decisions(column, kind, allowed),
    )


def key_property(profile: Profile, roles: Roles) -> Property:
    """The column that names an item."""
    column = roles.key.profile
    characters = _characters(roles.key)
    return Property(
        name="item_id",
        description=_made(roles.key)
        or f"Names the item, from the source's column {column.name}; text, so that no digit is lost.",
        type="string",
        required=True,
        found=_found(profile, roles.key),
        options={
            "minLength": 1,
            "maxLength": longest_id(roles.key),
            **({"pattern": characters} if characters else {}),
        },
    )


def longest_id(key: Chosen) -> int:
    """Characters that an id may have: what the source has, with room."""
    longest = key.profile.lengths.most if key.profile.lengths else 0
    return max(ROOMY_ID, longest if key.made_of else rounded_up(longest * 2))


def pairs_property(column: ColumnProfile, written: str) -> Property:
    """The column with lists of name and value pairs.

    Args:
        column: where the source has them.
        written: see `Roles.written`.
    """
    longest = column.lengths.most if column.lengths else 1000
    return Property(
        name="attributes",
        description="List of name and value pairs; a name may repeat.",
        type="string",
        required=True,
        found=f"{column.name!r}: {_PAIRS.get(written, 'lists of pairs')} in {column.values:,} rows",
        options={"minLength": 2, "maxLength": rounded_up(longest * 4)},
    )


def _made(chosen: Chosen) -> str:
    """What a made column is; empty for a column of the source."""
    if not chosen.made_of:
        return ""
    return f"Made of {', '.join(chosen.made_of)} by a `key` step of the recipe, because no column names an item."


def _found(profile: Profile, chosen: Chosen) -> str:
    column = chosen.profile
    if chosen.made_of:
        return column.basis
    told = f"{column.name!r}: {column.basis}; filled in {chosen.filled:.1%}, {column.distinct:,} different"
    examples = ", ".join(shortened(one.value, 30) for one in column.top[:3])
    text = f"{told}; e.g. {examples}" if examples else told
    return "".join(char if char.isprintable() else " " for char in text)


def _text_bounds(chosen: Chosen) -> dict[str, object]:
    lengths = chosen.profile.plain or chosen.profile.lengths
    longest = lengths.most if lengths else 100
    most = rounded_up(max(longest * 2, 20)) if not chosen.collected else 2000
    pattern = _characters(chosen) if chosen.name == "product_group" else ""
    return {"minLength": 1, "maxLength": most, "pattern": pattern or NO_CONTROLS}


def _characters(chosen: Chosen) -> str:
    """Which characters an id or a code is made of; empty where the source shows no rule.

    Neither a length nor a beginning: after 099999 comes 100000, and it is no fault. Only what this program makes itself
    has a form that holds.
    """
    pattern = chosen.profile.pattern
    if chosen.made_of or not pattern:
        return pattern
    return DIGITS if set(re.findall(r"\[.*?\]", pattern)) == {"[0-9]"} else CODE


def _range(column: ColumnProfile, kind: str) -> dict[str, object]:
    """Room of ten times the largest; a column without negative numbers gets none."""
    least, most = float(column.least), float(column.most)
    low = 0 if least >= 0 else -rounded_up(-least * 10)
    high = rounded_up(max(most, 1) * 10)
    return {"minimum": low, "maximum": high} if abs(high) < 10**15 else {"minimum": low}


def _allowed(chosen: Chosen) -> list[str]:
    column = chosen.profile
    few = 1 < column.distinct <= FEW and column.values >= OFTEN * column.distinct
    if not few or chosen.collected or column.type != "string" or chosen.name == "product_group":
        return []
    nothing = {one.value.lower() for one in column.placeholders}
    if any(one.value.endswith("…") for one in column.top):
        return []
    return sorted(one.value for one in column.top if one.value.lower() not in nothing)


def _decisions(column: ColumnProfile, kind: str, allowed: list[str]) -> list[Decision]:
    if allowed:
        return [
            Decision(
                topic="known values",
                file=CATALOGUE,
                chosen="another value warns",
                why=f"the source has just {len(allowed)}",
                instead="`severity: block` quarantines the row; remove the rule where new values are ordinary",
            )
        ]
    if kind in NUMERIC:
        return [
            Decision(
                topic="range",
                file=CATALOGUE,
                chosen="up to ten times the largest",
                why=f"the source has {column.least} to {column.most}",
                instead="the bounds you know; a row outside is quarantined",
            )
        ]
    return []
