"""What every way of decoding has: a model, room for its texts, and how the next token is drawn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from aigc_core.engines.memory import Room
from aigc_core.engines.rows import Row, Stopping
from aigc_core.engines.sampling import LogitsStep, choose
from aigc_core.events import stir
from aigc_core.records import Sampling

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

DOES_NOT_FIT = "The text does not fit the memory, not even alone."


class Decoder:
    """The model and the settings of one call."""

    def __init__(
        self,
        model: "PreTrainedModel",
        room: Room,
        sampling: Sampling,
        stopping: Stopping,
        steps: Sequence[LogitsStep] = (),
    ) -> None:
        """Take what decoding needs; `steps` change the logits before each choice, in order."""
        self._model = model
        self._room = room
        self._sampling = sampling
        self._stopping = stopping
        self._steps = steps


def draw(
    logits: "Tensor", rows: Sequence[Row], sampling: Sampling, steps: Sequence[LogitsStep] = ()
) -> tuple[list[int], list[float]]:
    """Each row's next token and its log-probability under the model, from logits (rows, vocabulary)."""
    stir()
    seeds = np.array([row.seed for row in rows], dtype=np.uint64)
    positions = np.array([len(row.tokens) for row in rows], dtype=np.uint64)
    steered = logits
    for step in steps:
        steered = step(steered, rows)
    return choose(logits, sampling, seeds=seeds, positions=positions, steered=steered)
