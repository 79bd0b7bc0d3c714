"""What is done to a source's values before the contract judges them: in order, recorded, by rule."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from aigc_core.contracts.cleaning_batch import Batch, Stage, TextRun, TextStep, text_step
from aigc_core.contracts.cleaning_columns import needed_and_made, steps_at
from aigc_core.contracts.cleaning_rows import row_stage
from aigc_core.contracts.cleaning_steps import DoorName, Step
from aigc_core.contracts.fold import Folding
from aigc_core.contracts.schema import RawRow

__all__ = ["Cleaner", "Step"]

Rows = Sequence[RawRow]
_Pass = Callable[[Iterable[Rows]], Iterator[list[RawRow]]]


class Cleaner:
    """The steps of a recipe at one door. One cleaner cleans one source."""

    def __init__(self, steps: Sequence[Step], *, door: DoorName) -> None:
        """Make the steps ready; those of the other door are left out."""
        self.needed, self.made = needed_and_made(steps, door)
        """Columns the source must have for the steps; columns that are there only through them."""
        self._counts: Counter[str] = Counter()
        self._foldings: list[tuple[str, Folding]] = []
        self._labelled = _labelled(steps_at(steps, door))
        self._passes = self._ready(self._labelled)

    @property
    def counts(self) -> dict[str, int]:
        """Step -> what it changed so far, in the order of the steps: cells for steps on texts, rows for the others,
        records folded away for `fold`. A placeholder's quarantine counts the cells it holds against their rows."""
        folded = {label: folding.folded for label, folding in self._foldings}
        return {label: folded.get(label, self._counts[label]) for label, _ in self._labelled}

    @property
    def folded(self) -> int:
        """Records that became part of another's row."""
        return sum(folding.folded for _, folding in self._foldings)

    def clean(self, batches: Iterable[Rows]) -> Iterator[list[RawRow]]:
        """The rows, cleaned, in order; how they are cut into batches does not matter.

        A changed row keeps what it was in `source`: its values, or `{"lines": [...]}` for lines folded together. A
        row that nothing changed is the row that came, without `source`. Rows with an error pass as they are. The
        `lines` of the rows that go out add up to those of the rows that came in.
        """
        stream: Iterable[Rows] = batches
        for one in self._passes:
            stream = one(stream)
        for rows in stream:
            yield list(rows)

    def _ready(self, labelled: Sequence[tuple[str, Step]]) -> list[_Pass]:
        passes: list[_Pass] = []
        stages: list[Stage] = []
        texts: list[TextStep] = []
        for label, step in labelled:
            on_text = text_step(step, label)
            if on_text:
                texts.append(on_text)
                continue
            stages += _run_of(texts, self._counts)
            texts = []
            if step.fold:
                folding = Folding(step.fold)
                self._foldings.append((label, folding))
                passes += [_row_by_row(stages), folding.run]
                stages = []
            else:
                stages.append(row_stage(step, label, self._counts))
        return [*passes, _row_by_row([*stages, *_run_of(texts, self._counts)])]


def _labelled(steps: Sequence[Step]) -> list[tuple[str, Step]]:
    """Each step with a name of its own; the second of a kind says so."""
    often: Counter[str] = Counter()
    labelled = []
    for step in steps:
        often[step.label] += 1
        labelled.append((step.label if often[step.label] == 1 else f"{step.label} ({often[step.label]})", step))
    return labelled


def _run_of(texts: list[TextStep], counts: Counter[str]) -> list[Stage]:
    return [TextRun(texts, counts)] if texts else []


def _row_by_row(stages: Sequence[Stage]) -> _Pass:
    """A pass that changes rows and neither adds nor drops any."""

    def run(batches: Iterable[Rows]) -> Iterator[list[RawRow]]:
        for rows in batches:
            if not stages:
                yield list(rows)
                continue
            readable = [row for row in rows if not row.error]
            batch = Batch(readable)
            for stage in stages:
                stage(batch)
            cleaned = batch.cleaned()
            if len(readable) == len(rows):
                yield cleaned
            else:
                following = iter(cleaned)
                yield [row if row.error else next(following) for row in rows]

    return run
