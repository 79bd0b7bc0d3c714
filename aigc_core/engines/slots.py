"""Generation in refilled slots over a pre-allocated cache: the fast way, for plain causal attention.

Each row of the cache holds one text, and live rows are kept together: the last ones move into the slots of
finished texts, and waiting prompts are taken in behind them. The model's own forward runs over the live rows.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from aigc_core.engines.cache import KeysAndValues, SlotCache
from aigc_core.engines.decoder import DOES_NOT_FIT, Decoder, draw
from aigc_core.engines.memory import Room, affordable_slots, give_back, is_out_of_memory
from aigc_core.engines.prefixes import shared_beginnings
from aigc_core.engines.rows import Row, Stopping
from aigc_core.engines.sampling import LogitsStep
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


class SlotDecoder(Decoder):
    """Generates rows in slots, with a model for which `fits_slots` holds."""

    def __init__(
        self,
        model: "PreTrainedModel",
        room: Room,
        sampling: Sampling,
        stopping: Stopping,
        steps: Sequence[LogitsStep] = (),
    ) -> None:
        """Begin with nothing in the slots; see `Decoder`."""
        super().__init__(model, room, sampling, stopping, steps)
        self._live: list[Row] = []
        self._waiting: deque[Row] = deque()
        self._cache: SlotCache | None = None
        # One is enough: rows that begin alike wait one behind the other.
        self._begun: tuple[list[int], list[KeysAndValues]] = ([], [])

    def run(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Yield each row once it is finished; rows sorted by prompt length waste least."""
        for row, shared in zip(rows, shared_beginnings([row.prompt for row in rows]), strict=True):
            row.shared = shared
        self._waiting.extend(_alike_together(rows))
        while self._waiting or self._live:
            finished = self._try_on()
            yield from self._begin_again() if finished is None else finished

    def _try_on(self) -> list[Row] | None:
        """One forward; the rows it finished, or None where memory ran out."""
        try:
            return self._go_on()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _go_on(self) -> list[Row]:
        cache = self._open_cache()
        free = cache.slots - len(self._live)
        if self._waiting and (not self._live or free >= max(1, int(cache.slots * REFILL_SHARE))):
            fresh = [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]
            self._live.extend(fresh)
            logits = self._start(fresh, cache)
            return self._take(logits, len(self._live) - len(fresh), cache)
        return self._take(self._step(cache), 0, cache)

    def _open_cache(self) -> SlotCache:
        if self._cache is not None and not self._live and self._room.slots == 1:
            self._cache = None
        if self._cache is None:
            # Where a text is made alone, it alone decides what is allocated for it.
            rows = [self._waiting[0]] if self._room.slots == 1 else self._waiting
            length = max(len(row.prompt) + row.limit for row in rows)
            slots = min(self._room.slots, len(self._waiting), affordable_slots(self._model, length))
            self._cache = SlotCache(self._model, slots, length)
        return self._cache

    def _begin_again(self) -> list[Row]:
        """After an out-of-memory: live rows wait again, for fewer slots; a row that was alone is finished."""
        used = self._cache.slots if self._cache else self._room.slots
        began, self._live = self._live, []
        self._cache, self._begun = None, ([], [])
        give_back(self._model.device)
        for row in began:
            row.restart()
        self._waiting.extendleft(reversed(began))
        if self._room.halve(used):
            return []
        row = self._waiting.popleft()
        row.fail(DOES_NOT_FIT)
        return [row]

    def _start(self, fresh: list[Row], cache: SlotCache) -> "Tensor":
        """The logits behind each prompt."""
        import torch

        shared = any(row.shared for row in fresh)
        first, count = len(self._live) - len(fresh), len(fresh)
        rests = [row.prompt[row.shared :] for row in fresh]
        longest = max(map(len, rests))
        tokens = torch.tensor([rest + [0] * (longest - len(rest)) for rest in rests])
        # Padding stands on the right, where causal attention keeps it out of every prompt.
        positions = torch.arange(longest)[None]
        mask = None
        if shared:
            for place, row in enumerate(fresh):
                cache.put_beginning(first + place, self._beginning(row, cache))
            positions = positions + torch.tensor([[row.shared] for row in fresh])
            positions = positions.clamp(max=cache.length - 1).to(self._model.device)
            seen = max(len(row.prompt) for row in fresh)
            cache.expect_tokens(first, positions, seen)
            mask = self._mask(positions, seen)
        else:
            cache.expect_prompts(first, count)
        with torch.inference_mode():
            hidden = self._forward(cache, tokens, positions, mask)
            ends = torch.tensor([len(rest) - 1 for rest in rests], device=hidden.device)
            return self._logits(hidden[torch.arange(count, device=hidden.device), ends])

    def _beginning(self, row: Row, cache: SlotCache) -> list[KeysAndValues]:
        import torch

        if not row.shared:
            return []
        beginning = row.prompt[: row.shared]
        if beginning != self._begun[0]:
            # The one before is let go first: two are never held.
            self._begun = ([], [])
            kept = cache.expect_beginning()
            with torch.inference_mode():
                self._forward(cache, torch.tensor([beginning]), torch.arange(row.shared)[None], None)
            self._begun = (beginning, kept)
        return self._begun[1]

    def _step(self, cache: SlotCache) -> "Tensor":
        import torch

        lengths = [row.length for row in self._live]
        seen = max(lengths)
        tokens = torch.tensor([[row.tokens[-1]] for row in self._live])
        positions = (torch.tensor(lengths)[:, None] - 1).to(self._model.device)
        cache.expect_tokens(0, positions, seen)
        with torch.inference_mode():
            hidden = self._forward(cache, tokens, positions, self._mask(positions, seen))
            return self._logits(hidden[:, -1])

    def _mask(self, positions: "Tensor", seen: int) -> "Tensor":
        """(rows, 1, tokens, seen): 0 up to a token's own position, else minus infinity.

        Added to scores as it is: a boolean one would be turned into this in every layer.
        """
        import torch

        later = torch.arange(seen, device=positions.device)[None, None] > positions[:, :, None]
        mask = torch.zeros(later.shape, dtype=self._model.dtype, device=positions.device)
        return mask.masked_fill_(later, -torch.inf)[:, None]

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
        for hole, mover in zip(holes, movers, strict=True):
            cache.move(mover, hole, self._live[mover].length)
            self._live[hole] = self._live[mover]
        del self._live[count:]


def _alike_together(rows: Iterable[Row]) -> list[Row]:
    """The rows in order, but each directly behind the last that begins as it does: a beginning is computed once."""
    groups: dict[object, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.prompt[: row.shared]) or row.key, []).append(row)
    return [row for group in groups.values() for row in group]
