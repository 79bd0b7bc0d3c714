"""Generation in left-padded batches through `model.generate`, for any causal language model."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from aigc_core.engines.decoder import DOES_NOT_FIT, Decoder, draw
from aigc_core.engines.memory import give_back, is_out_of_memory
from aigc_core.engines.rows import Row, Stopping
from aigc_core.engines.sampling import LogitsStep
from aigc_core.engines.writing import context_of
from aigc_core.records import Sampling

if TYPE_CHECKING:
    from torch import Tensor

MOST_ROWS = 32
"""Rows of one batch: with more, the short texts wait too long for the longest."""


class PaddedDecoder(Decoder):
    """Generates rows batch by batch, with any causal language model that `model.generate` serves."""

    def run(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Yield each row once its batch is finished; rows sorted by prompt length waste least."""
        waiting = deque(rows)
        while waiting:
            batch = [waiting.popleft() for _ in range(self._size(waiting))]
            if self._fits(batch):
                yield from batch
            elif self._room.halve(len(batch)):
                waiting.extendleft(reversed(batch))
            else:
                batch[0].fail(DOES_NOT_FIT)
                yield batch[0]

    def _size(self, waiting: Iterable[Row]) -> int:
        """How many of the first rows make the next batch.

        All of them are fed on until the last has its limit, and a model with learned positions has none beyond its
        context.
        """
        context = context_of(self._model.config)
        longest = limit = size = 0
        for row in islice(waiting, min(self._room.slots, MOST_ROWS)):
            longest, limit = max(longest, len(row.prompt)), max(limit, row.limit)
            if size and longest + limit > context:
                break
            size += 1
        return size

    def _fits(self, batch: Sequence[Row]) -> bool:
        """Finish a batch; False, and all as before, where memory ran out."""
        try:
            self._generate(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            return True
        give_back(self._model.device)
        for row in batch:
            row.restart()
        return False

    def _generate(self, batch: Sequence[Row]) -> None:
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        end = min(self._stopping.tokens)
        longest = max(len(row.prompt) for row in batch)
        padding = [[0] * (longest - len(row.prompt)) for row in batch]
        tokens = [pad + row.prompt for pad, row in zip(padding, batch, strict=True)]
        mask = [pad + [1] * len(row.prompt) for pad, row in zip(padding, batch, strict=True)]
        # A fresh configuration: the model's own may hold penalties that `Sampling` does not know.
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=False,
            max_new_tokens=max(row.limit for row in batch) + 1,
            eos_token_id=end,
            pad_token_id=end,
        )
        with torch.inference_mode():
            self._model.generate(  # type: ignore[operator]
                input_ids=torch.tensor(tokens, device=self._model.device),
                attention_mask=torch.tensor(mask, device=self._model.device),
                generation_config=config,
                logits_processor=LogitsProcessorList([self._choice(batch, end)]),
            )

    def _choice(self, batch: Sequence[Row], end: int) -> "_KeyedChoice":
        return _KeyedChoice(batch, self._sampling, self._stopping, self._steps, end)


class _KeyedChoice:
    """A logits processor that leaves a row one choice: its keyed draw, or the end token when finished."""

    def __init__(
        self, rows: Sequence[Row], sampling: Sampling, stopping: Stopping, steps: Sequence[LogitsStep], end: int
    ) -> None:
        self._rows = rows
        self._steps = steps
        self._sampling = sampling
        self._stopping = stopping
        self._end = end

    def __call__(self, input_ids: "Tensor", scores: "Tensor") -> "Tensor":
        import torch

        tokens, logprobs = draw(scores, self._rows, self._sampling, self._steps)
        chosen = [
            self._end if row.finish is not None or row.take(token, logprob, self._stopping) else token
            for row, token, logprob in zip(self._rows, tokens, logprobs, strict=True)
        ]
        index = torch.tensor(chosen, device=scores.device)[:, None]
        return torch.full_like(scores, -torch.inf).scatter_(1, index, 0.0)
