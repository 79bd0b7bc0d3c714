"""What stands between a model's logits and the choice of a token: grammar first, then the watermark."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aigc_core.engines.sampling import LogitsStep
from aigc_core.engines.structured import SchemaStep
from aigc_core.engines.watermark import WatermarkKey, open_mark
from aigc_core.errors import RecipeInvalid
from aigc_core.records import Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Steering:
    """Opens the steps that a sampling asks for; those of the last one stay open."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", ends: Sequence[int]) -> None:
        """Take the model's tokenizer and the tokens that end a text."""
        self._tokenizer = tokenizer
        self._ends = tuple(ends)
        self.key: WatermarkKey | None = None
        """The secret of the watermark."""
        self._open: tuple[Sampling, Sampling, tuple[LogitsStep, ...]] | None = None

    def of(self, sampling: Sampling) -> tuple[Sampling, tuple[LogitsStep, ...]]:
        """How tokens are chosen from what the steps leave, and the steps in order.

        Raises:
            MissingExtra: a schema needs a package that is not installed.
            RecipeInvalid: a schema that cannot be held; no watermark key, or another than the sampling names.
        """
        if self._open is None or self._open[0] != sampling:
            self._open = (sampling, *self._opened(sampling))
        return self._open[1:]

    def _opened(self, sampling: Sampling) -> tuple[Sampling, tuple[LogitsStep, ...]]:
        steps: list[LogitsStep] = []
        chosen = sampling
        if sampling.json_schema:
            steps.append(SchemaStep(sampling.json_schema, self._tokenizer, self._ends))
        if sampling.watermark:
            if self.key is None:
                raise RecipeInvalid("The texts are to be marked and the engine was opened without a watermark key.")
            chosen, mark = open_mark(sampling, self.key)
            steps.append(mark)
        return chosen, tuple(steps)
