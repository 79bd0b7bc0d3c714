"""The engine over CTranslate2: plain text on a CPU, greedy at more than the speed of our own loop."""

import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.loading import find_model, folder_digest, load_tokenizer
from aigc_core.engines.memory import Room, is_out_of_memory
from aigc_core.engines.rows import Row, Stopping
from aigc_core.engines.sampling import COLDEST
from aigc_core.engines.stopping import Spelling
from aigc_core.engines.variants import Ct2Dtype, Variant, ct2_library, read_variant
from aigc_core.engines.writing import Desk, by_length, context_of, failed, stop_tokens
from aigc_core.errors import ModelInvalid
from aigc_core.events import Progress, report_progress
from aigc_core.records import Sampling

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedConfig

MOST_ROWS = 64
"""Rows of one call: the library takes in no new ones before the last is finished, so with more the short texts wait."""


class Ct2Engine:
    """Writes texts with a converted model, in one thread of a CPU.

    Greedy texts depend on the request alone, as those of `hf` do. Sampled ones do not: the library draws from one
    stream of random numbers a thread and takes no seed once it runs, so the same request gets another text each
    time. Whoever needs sampled texts that can be made again takes `hf`, which is also the faster one there.

    `mean_logprob` counts the end token's probability too, where there is one and nothing is looked for in the text
    (neither stop strings nor loops): the library sums it up so.
    """

    engine = "ct2"

    def __init__(self, source: str, variant: str, *, slots: int = MOST_ROWS) -> None:
        """Load the converted model.

        Args:
            source: the model it was made from: a local folder or hub id. Its digest is the engine's.
            variant: a folder that `variants.convert` left; its numeric type is the engine's.
            slots: texts written side by side, at most; never more than `MOST_ROWS`.

        Raises:
            ModelInvalid: no such model, or the variant is damaged or made from another model or library.
            MissingExtra: CTranslate2 is not installed.
        """
        library = ct2_library()
        folder = find_model(source)
        self.model_digest = folder_digest(folder)
        made = _checked(Path(variant), self.model_digest)
        self.dtype: Ct2Dtype = made.dtype
        tokenizer = load_tokenizer(folder)
        settings, config = _settings(folder)
        ends = stop_tokens(settings, int(tokenizer.eos_token_id))
        self._desk = Desk(tokenizer, Spelling(tokenizer), ends, context_of(config))
        self._room = Room(min(slots, MOST_ROWS))
        self._pieces = made.vocabulary
        self._opened: list[Any] = [
            library.Generator(variant, device="cpu", compute_type=self.dtype, inter_threads=1, intra_threads=1)
        ]
        # The library's threads must end before Python does: one that called back would abort the process.
        weakref.finalize(self, self._opened.clear)

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        """Yield one text a request; see `Generator`. Requests with `turns` need the model's chat template."""
        rows = self._desk.rows(requests, sampling, attempt)
        done = tokens = 0
        for row in (row for row in rows if row.finish):
            done += 1
            yield failed(row)
        stop = self._desk.stop_strings(sampling)
        for batch in self._batches(by_length(rows)):
            self._write(batch, sampling, self._desk.stopping(sampling, stop))
            done, tokens = done + len(batch), tokens + sum(len(row.tokens) for row in batch)
            report_progress(Progress(stage="generate", done=done, total=len(rows), tokens=tokens, note=self._room.note))
            yield from (self._desk.text(row, stop) for row in batch)

    def _batches(self, rows: Sequence[Row]) -> Iterator[list[Row]]:
        """Rows with one limit: the library takes one a call."""
        for _, group in groupby(sorted(rows, key=_limit), key=_limit):
            waiting = list(group)
            while waiting:
                yield waiting[: self._room.slots]
                del waiting[: self._room.slots]

    def _write(self, batch: list[Row], sampling: Sampling, stopping: Stopping) -> None:
        """Finish all rows of a batch; what the library cannot do together it does in halves, down to single rows."""
        try:
            self._call(batch, sampling, stopping)
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                self._room.halve(len(batch))
            if len(batch) == 1:
                batch[0].fail(f"The engine failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
                return
            middle = len(batch) // 2
            for half in (batch[:middle], batch[middle:]):
                for row in half:
                    row.restart()
                self._write(half, sampling, stopping)

    def _call(self, batch: list[Row], sampling: Sampling, stopping: Stopping) -> None:
        watch = _watcher(batch, stopping) if stopping.strings or stopping.repetition_window else None
        results = self._opened[0].generate_batch(
            [[self._pieces[token] for token in row.prompt] for row in batch],
            max_length=batch[0].limit,
            include_prompt_in_result=False,
            end_token=sorted(self._desk.stop_tokens),
            return_scores=True,
            callback=watch,
            **_choosing(sampling),
        )
        for row, result in zip(batch, results, strict=True):
            if watch is None:
                _fill(row, result.sequences_ids[0], result.scores[0])
            elif row.finish is None:
                row.finish = "stop"


def _limit(row: Row) -> int:
    return row.limit


def _choosing(sampling: Sampling) -> dict[str, float]:
    if sampling.temperature < COLDEST:
        return {"sampling_topk": 1}
    return {
        "sampling_topk": sampling.top_k,
        "sampling_topp": sampling.top_p,
        "sampling_temperature": sampling.temperature,
    }


def _watcher(batch: Sequence[Row], stopping: Stopping) -> Callable[[Any], bool]:
    """Called with each token as it is made; says whether its row ends here."""

    def take(step: Any) -> bool:  # noqa: ANN401 -- a type of an optional package
        row = batch[step.batch_id]
        return row.finish is not None or row.take(step.token_id, step.log_prob, stopping)

    return take


def _fill(row: Row, tokens: Sequence[int], score: float) -> None:
    """Finish a row with what the library wrote and its mean log-probability."""
    if not math.isfinite(score):
        row.fail("The model gave no finite probabilities.")
        return
    row.tokens, row.logprob = list(tokens), score * len(tokens)
    row.finish = "length" if len(tokens) >= row.limit else "stop"


def _checked(folder: Path, digest: str) -> Variant:
    made = read_variant(folder)
    if made is None or made.source != digest:
        raise ModelInvalid(
            f"The converted model in {folder} is damaged, or was made from another model or by another CTranslate2.",
            remedy="Begin the night anew: it is converted again.",
        )
    return made


def _settings(folder: Path) -> "tuple[GenerationConfig, PreTrainedConfig]":
    from transformers import AutoConfig, GenerationConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if (folder / "generation_config.json").is_file():
        return GenerationConfig.from_pretrained(folder, local_files_only=True), config
    return GenerationConfig.from_model_config(config), config
