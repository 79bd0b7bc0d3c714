"""Keys and values of many texts in one pre-allocated block a layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aigc_core.engines.memory import heads_of

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

KeysAndValues = tuple["Tensor", "Tensor"]


class SlotCache:
    """Keys and values: per layer two blocks of shape (slots, length, heads, head size).

    Takes the place of a `transformers` cache in a model's forward. Before each forward the caller says what is
    coming, by one of the `expect` methods.
    """

    is_compileable = False

    def __init__(self, model: "PreTrainedModel", slots: int, length: int) -> None:
        """Allocate, zeroed: masked positions still enter the attention as 0 times their value."""
        import torch

        self.slots = slots
        self.length = length
        shape = (slots, length, *heads_of(model))
        layers = range(model.config.num_hidden_layers)
        self._keys = [torch.zeros(shape, dtype=model.dtype, device=model.device) for _ in layers]
        self._values = [torch.zeros_like(keys) for keys in self._keys]
        self._rows = slice(0, 0)
        self._seen = 0
        self._places: Tensor | None = None
        self._kept: list[KeysAndValues] | None = None

    def expect_prompts(self, first: int, count: int) -> None:
        """The next forward is over whole prompts, into rows from `first` on."""
        self._rows, self._places, self._kept = slice(first, first + count), None, None

    def expect_beginning(self) -> list[KeysAndValues]:
        """The next forward is over the beginning of prompts; the list gets its (1, length, heads, size) a layer."""
        self._kept = []
        return self._kept

    def expect_tokens(self, first: int, positions: "Tensor", seen: int) -> None:
        """The next forward is over tokens at `positions` (rows, tokens) of rows from `first` on.

        Args:
            first: row of the cache.
            positions: of the tokens within their texts.
            seen: positions, from 0, that the attention is shown.
        """
        import torch

        count = len(positions)
        rows = torch.arange(first, first + count, device=positions.device)[:, None]
        self._places = (rows * self.length + positions).flatten()
        self._rows, self._seen, self._kept = slice(first, first + count), seen, None

    def put_beginning(self, row: int, beginning: Sequence[KeysAndValues]) -> None:
        """Copy what a forward after `expect_beginning` left into a row."""
        for layer, (keys, values) in enumerate(beginning):
            self._keys[layer][row, : keys.shape[1]] = keys[0]
            self._values[layer][row, : values.shape[1]] = values[0]

    def update(self, keys: "Tensor", values: "Tensor", layer_idx: int, *_: object) -> KeysAndValues:
        """Store one layer's new keys and values (rows, heads, tokens, size); what the attention shall see."""
        new = keys.transpose(1, 2), values.transpose(1, 2)
        if self._kept is not None:
            self._kept.append((new[0].contiguous(), new[1].contiguous()))
            return keys, values
        blocks = self._keys[layer_idx], self._values[layer_idx]
        if self._places is None:
            for block, fresh in zip(blocks, new, strict=True):
                block[self._rows, : fresh.shape[1]] = fresh
            return keys, values
        for block, fresh in zip(blocks, new, strict=True):
            block.flatten(0, 1).index_copy_(0, self._places, fresh.reshape(-1, *fresh.shape[2:]))
        seen_keys, seen_values = (block[self._rows, : self._seen].transpose(1, 2) for block in blocks)
        return seen_keys, seen_values

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of one row over another."""
        for block in (*self._keys, *self._values):
            block[target, :length] = block[source, :length]

    def get_seq_length(self, *_: object) -> int:
        """0: positions and masks are given to the forward."""
        return 0

    def get_query_offset(self, *_: object) -> int:
        """0, as above."""
        return 0

    def get_mask_sizes(self, query_length: int, *_: object) -> tuple[int, int]:
        """(length, offset) of what a prompt attends to: itself."""
        return query_length, 0
