"""Why a request is or is not generated: decided for a batch at once, from what changed since the last decision."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.checks.injection import injection_in
from aigc_core.checks.registry import CHECK_FAILED
from aigc_core.contracts.recipe import Recipe
from aigc_core.contracts.sanitising import excess
from aigc_core.storage.known import BIT

RETRY = "retry of "
TAKEN = "taken down"
FAILED_RULES = "failed the new rules"
HOLDS = "published before, holds under the new rules"
FAILS_TOO = "before, fails under the new rules too"
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Decided:
    """One entry a request."""

    states: Words
    """Terminal state, or None to generate."""
    reasons: Words
    previous: Words
    """Run that decided before, or None."""

    def hold_back(self, row: int, why: str) -> None:
        """Quarantine a request that would be generated."""
        # What fails the new rules leaves the shelf by that reason, whatever else holds its successor back.
        failed = self.reasons[row] == FAILED_RULES
        self.states[row] = "quarantined"
        self.reasons[row] = f"{FAILED_RULES}: {why}" if failed else why


def decide(known: pa.RecordBatch, missing: pa.Array, recipe: Recipe, *, retry: bool) -> Decided:
    """Decide each request.

    Args:
        known: a batch of `Beside.rows`.
        missing: names of the required attributes that each request's item lacks.
        retry: whether refusals are tried again.
    """
    case = _Case(known, recipe)
    decided = Decided(*(np.full(known.num_rows, None, np.object_) for _ in range(3)))
    left = np.ones(known.num_rows, np.bool_)

    def settle(chosen: Flags, state: str | None, reasons: str | Words, previous: Words | None = None) -> None:
        now = left & chosen
        decided.states[now] = state
        decided.reasons[now] = reasons if isinstance(reasons, str) else reasons[now]
        if previous is not None:
            decided.previous[now] = previous[now]
        left[now] = False

    settle(case.taken, "withheld", TAKEN)
    lacking, told = _lacking(missing)
    settle(lacking, "no_data", told)
    settle(case.fits & ~case.published_rules, "unchanged", "published before", case.published_run)
    settle(case.fits & case.holds, "unchanged", HOLDS, case.published_run)
    failing = case.fits & case.fails
    if recipe.publish.on_failed_rules == "withdraw":
        settle(failing, "rejected", _joined(f"{FAILED_RULES}: ", case.judged), case.published_run)
    settle(failing, None, FAILED_RULES, case.published_run)
    settle(case.fits, None, "rules changed", case.published_run)
    again = case.refused_as_now & (case.never_judged | retry)
    settle(again, None, _joined(RETRY, case.refused_state), case.refused_run)
    settle(case.refused_as_now, "unchanged", case.stale(), case.refused_run)
    settle(
        case.refused_rules_only & case.refused_fails,
        "unchanged",
        _before(case.refused_state, FAILS_TOO),
        case.refused_run,
    )
    for name, bit in BIT.items():
        settle((case.published_changed & bit) != 0, None, f"{name} changed", case.published_run)
    for name, bit in BIT.items():
        settle((case.refused_changed & bit) != 0, None, f"{name} changed", case.refused_run)
    settle(left.copy(), None, "new")
    return decided


def refuse_instructions(decided: Decided, items: pa.Table) -> None:
    """Hold back, before a token is spent, what its own attributes would make of the prompt: instructions, or a flood.

    Args:
        items: the requests' items, with `item_id` and `attributes`.
    """
    wanted = np.flatnonzero(np.fromiter((state is None for state in decided.states), np.bool_, len(decided.states)))
    chosen = items.select(["item_id", "attributes"]).take(pa.array(wanted)).to_pylist()
    for row, item in zip(wanted.tolist(), chosen, strict=True):
        pairs = item["attributes"]
        why = excess(item["item_id"], pairs)
        if why is None:
            found = injection_in(text for pair in pairs for text in (pair["name"], pair["value"]))
            why = None if found is None else f"injection: {found}"
        if why is not None:
            decided.hold_back(row, why)


class _Case:
    """A batch's facts as arrays."""

    def __init__(self, known: pa.RecordBatch, recipe: Recipe) -> None:
        rules = BIT["rules"]
        watched = sum(BIT[name] for name in recipe.generation.regenerate_on)
        self.taken = _flags(known, "taken")
        self.published_run, self.refused_run = _words(known, "published_run_id"), _words(known, "refused_run_id")
        self.refused_state = _words(known, "refused_state")
        self.judged = _words(known, "judged")
        has_published, has_refused = _there(self.published_run), _there(self.refused_run)
        changed, refused = _bits(known, "published_changed"), _bits(known, "refused_changed")
        self.fits = has_published & ((changed & watched) == 0)
        self.published_rules = (changed & rules) != 0
        # A published text is written again only for what the recipe watches, a refused one for any change.
        self.published_changed = np.where(has_published, changed & (watched | rules), 0)
        self.refused_changed = np.where(has_refused, refused, 0)
        self.refused_as_now = has_refused & (refused == 0)
        self.refused_rules_only = has_refused & (refused == rules)
        self.holds, self.fails = _flags(known, "holds"), _flags(known, "holds", value=False)
        self.refused_fails = _flags(known, "refused_holds", value=False)
        reason = _words(known, "refused_reason")
        self.never_judged = _equals(self.refused_state, "failed") | np.fromiter(
            (str(one).endswith(CHECK_FAILED) for one in reason), np.bool_, len(reason)
        )

    def stale(self) -> Words:
        """`rejected before`, and that an older text stays where there is one."""
        plain = _before(self.refused_state, "before")
        older = _before(self.refused_state, "before, an older text stays on the shelf")
        return np.where(_there(self.published_run), older, plain)


def _lacking(missing: pa.Array) -> tuple[Flags, Words]:
    told = np.full(len(missing), None, np.object_)
    lengths = np.asarray(pc.list_value_length(missing).fill_null(0).to_numpy(zero_copy_only=False))
    for row in np.flatnonzero(lengths):
        told[row] = f"no data: {', '.join(missing[int(row)].as_py())}"
    return lengths > 0, told


def _before(states: Words, words: str) -> Words:
    return _array(f"{state} {words}" for state in states)


def _joined(words: str, ends: Words) -> Words:
    return _array(f"{words}{end}" for end in ends)


def _array(values: Iterable[object]) -> Words:
    listed = list(values)
    made = np.empty(len(listed), np.object_)
    made[:] = listed
    return made


def _words(batch: pa.RecordBatch, name: str) -> Words:
    return _array(batch.column(name).to_pylist())


def _there(values: Words) -> Flags:
    return np.fromiter((value is not None for value in values), np.bool_, len(values))


def _equals(values: Words, word: str) -> Flags:
    return np.fromiter((value == word for value in values), np.bool_, len(values))


def _flags(batch: pa.RecordBatch, name: str, *, value: bool = True) -> Flags:
    """Where the column says so; null says nothing."""
    told = pc.is_in(batch.column(name), value_set=pa.array([value]))
    return np.asarray(told.to_numpy(zero_copy_only=False), np.bool_)


def _bits(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.int64]:
    return np.asarray(batch.column(name).fill_null(0).to_numpy(zero_copy_only=False), np.int64)
