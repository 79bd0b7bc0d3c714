"""Generation in refilled slots over a pre-allocated cache: the fast way, for plain causal attention.

Each row of the cache holds one text, and live rows are kept together: the last ones move into the slots of
finished texts, and waiting prompts are taken in behind them. The model's own forward runs over the live rows.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from aigc_core.engines.rows import Row, Stopping
from aigc_core.engines.sampling import LogitsStep, choose
from aigc_core.records import Sampling

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

PLAIN_MODEL_TYPES = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Tested architectures: causal attention, rotary positions, logits that are the head over the last states."""
STEADY_ROPE = frozenset({"default", "linear", "llama3", "yarn"})
"""Rotary embeddings that depend on a token's own position alone, not on the longest row of the batch."""
REFILL_SHARE = 0.125
"""Share of slots that must be free before prompts are taken in: a forward over few prompts does not pay."""
CACHE_SHARE = 0.6
"""Of the memory free on the device, at most so much is taken for keys and values."""
CPU_CACHE_BYTES = 6 * 2**30


def fits_slots(model: "PreTrainedModel") -> bool:
    """Whether `SlotCache` serves this model: a tested architecture, full attention, steady positions."""
    config = model.config
    layers = getattr(config, "layer_types", None) or ["full_attention"]
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    return (
        config.model_type in PLAIN_MODEL_TYPES
        and set(layers) == {"full_attention"}
        and (config.model_type != "mistral" or config.sliding_window is None)
        and rope in STEADY_ROPE
        and config._attn_implementation == "sdpa"
    )


class SlotCache:
    """Keys and values: per layer two blocks of shape (slots, heads, length, head size).

    Takes the place of a `transformers` cache in a model's forward. Before each forward the caller says what
    is coming: `expect_prompts` for whole prompts into fresh rows, `expect_tokens` for one token a live row.
    """

    is_compileable = False

    def __init__(self, model: "PreTrainedModel", slots: int, length: int) -> None:
        """Allocate, zeroed: masked positions still enter the attention as 0 times their value."""
        import torch

        heads, size = _heads(model)
        block = torch.zeros((slots, heads, length, size), dtype=model.dtype, device=model.device)
        self._keys = [torch.zeros_like(block) for _ in range(model.config.num_hidden_layers)]
        self._values = [torch.zeros_like(keys) for keys in self._keys]
        self._first = 0
        self._positions: Tensor | None = None
        self._rows: Tensor | None = None
        self._length = 0

    def expect_prompts(self, first: int) -> None:
        """The next forward is over prompts from position 0, into rows from `first` on."""
        self._first, self._positions = first, None

    def expect_tokens(self, positions: "Tensor", length: int) -> None:
        """The next forward is over one token a row, at `positions` (rows,), and sees `length` positions."""
        import torch

        self._positions, self._length = positions, length
        self._rows = torch.arange(len(positions), device=positions.device)

    def update(self, keys: "Tensor", values: "Tensor", layer_idx: int, *_: object) -> tuple["Tensor", "Tensor"]:
        """Store one layer's new keys and values (rows, heads, tokens, size); what the attention shall see."""
        all_keys, all_values = self._keys[layer_idx], self._values[layer_idx]
        if self._positions is None:
            rows = slice(self._first, self._first + len(keys))
            all_keys[rows, :, : keys.shape[2]] = keys
            all_values[rows, :, : keys.shape[2]] = values
            return keys, values
        count = len(self._positions)
        all_keys[self._rows, :, self._positions] = keys[:, :, 0]
        all_values[self._rows, :, self._positions] = values[:, :, 0]
        return all_keys[:count, :, : self._length], all_values[:count, :, : self._length]

    def move(self, source: list[int], target: list[int], length: int) -> None:
        """Copy the first `length` positions of some rows over other rows."""
        for block in (*self._keys, *self._values):
            block[target, :, :length] = block[source, :, :length]

    def get_seq_length(self, *_: object) -> int:
        """0: positions and masks are given to the forward."""
        return 0

    def get_query_offset(self, *_: object) -> int:
        """0, as above."""
        return 0

    def get_mask_sizes(self, query_length: int, *_: object) -> tuple[int, int]:
        """(length, offset) of what a prompt attends to: itself."""
        return query_length, 0


class SlotDecoder:
    """Generates rows in slots."""

    def __init__(
        self,
        model: "PreTrainedModel",
        slots: int,
        sampling: Sampling,
        stopping: Stopping,
        steps: Sequence[LogitsStep] = (),
    ) -> None:
        """Take a model for which `fits_slots` holds; `steps` change the logits before each choice, in order."""
        self._model = model
        self._steps = steps
        self._slots = slots
        self._sampling = sampling
        self._stopping = stopping
        self._live: list[Row] = []

    def run(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Yield each row once it is finished; rows sorted by prompt length waste least."""
        if not rows:
            return
        length = max(len(row.prompt) + row.limit for row in rows)
        slots = min(self._slots, len(rows), affordable_slots(self._model, length))
        cache = SlotCache(self._model, slots, length)
        waiting = deque(rows)
        enough = max(1, int(slots * REFILL_SHARE))
        while waiting or self._live:
            free = slots - len(self._live)
            if waiting and (free >= enough or not self._live):
                fresh = [waiting.popleft() for _ in range(min(free, len(waiting)))]
                yield from self._start(fresh, cache)
            else:
                yield from self._step(cache)

    def _start(self, fresh: list[Row], cache: SlotCache) -> list[Row]:
        import torch

        first = len(self._live)
        longest = max(len(row.prompt) for row in fresh)
        padded = torch.tensor([row.prompt + [0] * (longest - len(row.prompt)) for row in fresh])
        cache.expect_prompts(first)
        positions = torch.arange(longest)[None]
        # Padding stands on the right, where causal attention keeps it out of every prompt.
        with torch.inference_mode():
            hidden = self._forward(cache, padded, positions, None)
            ends = torch.tensor([len(row.prompt) - 1 for row in fresh], device=hidden.device)
            logits = self._logits(hidden[torch.arange(len(fresh), device=hidden.device), ends])
        self._live.extend(fresh)
        return self._take(logits, first, cache)

    def _step(self, cache: SlotCache) -> list[Row]:
        import torch

        length = max(row.length for row in self._live)
        tokens = torch.tensor([[row.tokens[-1]] for row in self._live])
        positions = torch.tensor([row.length - 1 for row in self._live]).to(self._model.device)
        cache.expect_tokens(positions, length)
        seen = torch.arange(length, device=positions.device)[None] <= positions[:, None]
        with torch.inference_mode():
            hidden = self._forward(cache, tokens, positions[:, None], seen[:, None, None])
            logits = self._logits(hidden[:, -1])
        return self._take(logits, 0, cache)

    def _forward(self, cache: SlotCache, tokens: "Tensor", positions: "Tensor", mask: "Tensor | None") -> "Tensor":
        device = self._model.device
        output = self._model.base_model(
            input_ids=tokens.to(device),
            position_ids=positions.to(device),
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
        )
        hidden: Tensor = output.last_hidden_state
        return hidden

    def _logits(self, hidden: "Tensor") -> "Tensor":
        logits: Tensor = self._model.get_output_embeddings()(hidden)  # type: ignore[no-untyped-call]
        return logits

    def _take(self, logits: "Tensor", first: int, cache: SlotCache) -> list[Row]:
        """Give each live row from `first` on its next token; return those that finish, their slots freed."""
        rows = self._live[first:]
        tokens, logprobs = draw(logits, rows, self._sampling, self._steps)
        ended = [
            first + offset
            for offset, (row, token, logprob) in enumerate(zip(rows, tokens, logprobs, strict=True))
            if row.take(token, logprob, self._stopping)
        ]
        finished = [self._live[index] for index in ended]
        self._close_ranks(ended, cache)
        return finished

    def _close_ranks(self, ended: list[int], cache: SlotCache) -> None:
        gone = set(ended)
        count = len(self._live) - len(gone)
        holes = [index for index in ended if index < count]
        movers = [index for index in range(count, len(self._live)) if index not in gone]
        if holes:
            cache.move(movers, holes, max(self._live[index].length for index in movers))
        for hole, mover in zip(holes, movers, strict=True):
            self._live[hole] = self._live[mover]
        del self._live[count:]


def draw(
    logits: "Tensor", rows: Sequence[Row], sampling: Sampling, steps: Sequence[LogitsStep] = ()
) -> tuple[list[int], list[float]]:
    """Each row's next token and its log-probability under the model, from logits (rows, vocabulary)."""
    seeds = np.array([row.seed for row in rows], dtype=np.uint64)
    positions = np.array([len(row.tokens) for row in rows], dtype=np.uint64)
    steered = logits
    for step in steps:
        steered = step(steered, rows)
    return choose(logits, sampling, seeds=seeds, positions=positions, steered=steered)


def affordable_slots(model: "PreTrainedModel", length: int) -> int:
    """How many texts of `length` tokens the memory for keys and values holds; at least one."""
    import torch

    heads, size = _heads(model)
    each = 2 * model.config.num_hidden_layers * heads * size * length * model.dtype.itemsize
    if model.device.type == "cuda":
        free = int(torch.cuda.mem_get_info(model.device)[0] * CACHE_SHARE)
    else:
        free = CPU_CACHE_BYTES
    return max(1, free // int(each))


def _heads(model: "PreTrainedModel") -> tuple[int, int]:
    config = model.config
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return config.num_key_value_heads, size
