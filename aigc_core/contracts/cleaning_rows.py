"""The cleaning steps that work on whole rows: columns renamed, made, filled and taken apart."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from aigc_core.contracts.cleaning_batch import Batch, Stage
from aigc_core.contracts.cleaning_pairs import Pair, filled, pairs_in, pairs_json, triples_in
from aigc_core.contracts.cleaning_steps import Compose, Constant, Key, Pairs, Split, Step, Triples
from aigc_core.contracts.schema import RawValue

_KEY_BYTES = 10
"""Two of 50 million rows share a key with a probability of one in a billion."""
Note = Callable[[int], None]
"""Counts rows changed."""


def row_stage(step: Step, label: str, counts: Counter[str]) -> Stage:
    """The step as a function on a batch; it adds the rows it changed to `counts[label]`."""

    def note(rows: int) -> None:
        counts[label] += rows

    what = getattr(step, step.name)
    match what:
        case Compose():
            return partial(_compose, step=what, note=note)
        case Key():
            return partial(_key, step=what, note=note)
        case Split():
            return partial(_split, step=what, note=note)
        case Pairs():
            return partial(_pairs, step=what, note=note)
        case Triples():
            return partial(_triples, step=what, note=note)
        case _ if step.name == "rename":
            return partial(_rename, names=what, note=note)
        case _:
            return partial(_fill, values=what, note=note, everywhere=step.name == "constants")


def is_filled(value: RawValue) -> bool:
    """Whether a cell holds something: neither null nor blank text."""
    if isinstance(value, str):
        return bool(value) and not value.isspace()
    return value is not None


def plain(value: RawValue) -> str:
    """A cell as part of a text: without outer space; a whole float without its `.0`."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value).strip()


def _rename(batch: Batch, *, names: Mapping[str, str], note: Note) -> None:
    changed = 0
    for row, values in enumerate(batch.values):
        if not any(old in values for old in names):
            continue
        own = batch.own(row)
        moved = {new: own.pop(old) for old, new in names.items() if old in own}
        own.update(moved)
        changed += 1
    note(changed)


def _compose(batch: Batch, *, step: Compose, note: Note) -> None:
    changed = 0
    for row, values in enumerate(batch.values):
        parts = {name: plain(values[name]) for name in step.named if is_filled(values.get(name))}
        if step.pattern is None:
            text: str | None = step.joined.join(parts[name] for name in step.columns if name in parts) or None
        else:
            text = filled(step.pattern, parts) if len(parts) == len(step.named) else None
        if text != values.get(step.into):
            batch.own(row)[step.into] = text
            changed += 1
    note(changed)


def _key(batch: Batch, *, step: Key, note: Note) -> None:
    for row, values in enumerate(batch.values):
        parts = [plain(value) if is_filled(value := values.get(name)) else "" for name in step.columns]
        digest = hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES)
        batch.own(row)[step.into] = digest.hexdigest() if any(parts) else None
    note(len(batch.values))


def _split(batch: Batch, *, step: Split, note: Note) -> None:
    changed = 0
    places = len(step.into)
    for row, values in enumerate(batch.values):
        value = values.get(step.column)
        if not is_filled(value):
            continue
        parts: list[str | None] = [part.strip() or None for part in plain(value).split(step.on, places - 1)]
        parts += [None] * (places - len(parts))
        batch.own(row).update(zip(step.into, parts, strict=True))
        changed += 1
    note(changed)


def _fill(batch: Batch, *, values: Mapping[str, Constant], note: Note, everywhere: bool) -> None:
    changed = 0
    for row, there in enumerate(batch.values):
        new = {
            name: value
            for name, value in values.items()
            if (there.get(name) != value if everywhere else not is_filled(there.get(name)))
        }
        if new:
            batch.own(row).update(new)
            changed += 1
    note(changed)


def _pairs(batch: Batch, *, step: Pairs, note: Note) -> None:
    words = f"not a list of name{step.within}value" if step.within else "not a list of names and values"

    def put(row: int, found: Sequence[Pair]) -> None:
        pairs = [(step.names.get(name, name), value) for name, value in found]
        own = batch.own(row)
        if step.into:
            own[step.into] = pairs_json(pairs)
        for column, name in step.columns.items():
            own[column] = step.joined.join(dict.fromkeys(value for one, value in pairs if one == name)) or None

    note(_taken_apart(batch, step.column, partial(pairs_in, step), put, words))


def _triples(batch: Batch, *, step: Triples, note: Note) -> None:
    words = f"not facts of three parts with {step.on} between"

    def put(row: int, pairs: Sequence[Pair]) -> None:
        batch.own(row)[step.into] = pairs_json(pairs)

    note(_taken_apart(batch, step.column, partial(triples_in, step), put, words))


def _taken_apart(
    batch: Batch,
    column: str,
    read: Callable[[object], list[Pair] | None],
    put: Callable[[int, Sequence[Pair]], None],
    words: str,
) -> int:
    """Rows whose cell was read; one that cannot be read is held against its row."""
    changed = 0
    for row, values in enumerate(batch.values):
        value = values.get(column)
        if not is_filled(value):
            continue
        pairs = read(value)
        if pairs is None:
            batch.complain(row, column, words)
        else:
            put(row, pairs)
            changed += 1
    return changed
