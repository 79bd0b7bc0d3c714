"""Which columns the steps need and make: so that a source can be refused by name before its rows are read."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aigc_core.contracts.cleaning_steps import Compose, DoorName, Fold, Key, OnColumns, Pairs, Step, Triples
from aigc_core.errors import SourceInvalid


class Touched(NamedTuple):
    """What one step does to the set of columns."""

    needs: frozenset[str]
    makes: frozenset[str]
    takes: frozenset[str] = frozenset()
    """Columns that are gone afterwards."""


def steps_at(steps: Sequence[Step], door: DoorName) -> list[Step]:
    """The steps that run at a door, in order."""
    return [step for step in steps if step.only in (None, door)]


def touched(step: Step) -> Touched:
    """The columns a step needs, makes and takes away."""
    what = getattr(step, step.name)
    match what:
        case Fold():
            made = frozenset(what.collect) | ({what.count} if what.count else set())
            return Touched(frozenset({what.by, *what.collect.values(), *what.same}), made)
        case Compose():
            return Touched(frozenset(what.named), frozenset({what.into}))
        case Key():
            return Touched(frozenset(what.columns), frozenset({what.into}))
        case Pairs():
            return Touched(frozenset({what.column}), frozenset(what.columns) | ({what.into} if what.into else set()))
        case Triples():
            return Touched(frozenset({what.column}), frozenset({what.into}))
        case OnColumns():
            return Touched(frozenset(what.columns), frozenset())
        case dict() if step.name == "rename":
            return Touched(frozenset(what), frozenset(what.values()), frozenset(what) - frozenset(what.values()))
        case dict():
            return Touched(frozenset(), frozenset(what))
        case _:
            return Touched(frozenset({what.column}), frozenset(what.into))


def needed_and_made(steps: Sequence[Step], door: DoorName) -> tuple[frozenset[str], frozenset[str]]:
    """The source columns that the steps at a door need, and the columns that are there only through them."""
    needed: set[str] = set()
    made: set[str] = set()
    for step in steps_at(steps, door):
        one = touched(step)
        needed |= one.needs - made
        made = (made - one.takes) | one.makes
    return frozenset(needed), frozenset(made)


def columns_after(steps: Sequence[Step], door: DoorName, names: Iterable[str], source: str) -> frozenset[str]:
    """The columns a source has once it is cleaned.

    Raises:
        SourceInvalid: a step names a column that is not there, or renames one to a name that is taken.
    """
    there = frozenset(names)
    for step in steps_at(steps, door):
        one = touched(step)
        if missing := sorted(one.needs - there):
            raise SourceInvalid(
                f"{source} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}, "
                f"which the cleaning step `{step.label}` names.",
                f"It has {', '.join(sorted(there)) or 'no column'}.",
                "Correct the step in the recipe, or, where only the other door's file has it, add "
                f"`only: {'catalogue' if door == 'corpus' else 'corpus'}` to it.",
            )
        if step.rename and (taken := sorted(one.makes & (there - one.needs))):
            raise SourceInvalid(
                f"{source} has the column {taken[0]} already; the cleaning step `{step.label}` renames another to it.",
                f"It has {', '.join(sorted(there))}.",
                "Choose another name in the recipe.",
            )
        there = (there - one.takes) | one.makes
    return there


def origins_of(steps: Sequence[Step], door: DoorName, column: str) -> tuple[str, ...]:
    """The source columns that a cleaned column's values come from, in order; none for a constant."""
    names = [column]
    for step in reversed(steps_at(steps, door)):
        names = list(dict.fromkeys(origin for name in names for origin in _origins(step, name)))
    return tuple(names)


def _origins(step: Step, column: str) -> Sequence[str]:
    what = getattr(step, step.name)
    if column not in touched(step).makes:
        return (column,)
    match what:
        case Fold():
            return (what.collect[column],) if column in what.collect else ()
        case Compose():
            return what.named
        case Key():
            return ()
        case dict() if step.name == "rename":
            return [old for old, new in what.items() if new == column]
        case dict():
            return (column,) if step.name == "defaults" else ()
        case _:
            return (what.column,)
