"""The protocols every engine keeps; one behaviour suite runs over all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from aigc_core.records import ModelVersion, Sampling

FinishReason = Literal["stop", "length", "loop", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRequest:
    """One text to write."""

    key: str
    """The request key; with `attempt` it fixes all randomness."""
    locale: str
    prompt: str
    attributes: tuple[tuple[str, str], ...]
    """(name, value) in prompt order; names may repeat."""
    turns: tuple[tuple[str, str], ...] = ()
    """(role, content) said before the prompt; with any, the model's chat template is used."""
    limit: int | None = None
    """Most tokens of this text; the sampling's when None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedText:
    """What came of one request."""

    key: str
    text: str
    """Stripped of the prompt and of surrounding whitespace; empty when `finish_reason` is `error`."""
    finish_reason: FinishReason
    prompt_tokens: int = 0
    """Of all drafts together, where there are several."""
    tokens: int = 0
    """Generated tokens, the stop token left out."""
    discarded_tokens: int = 0
    """Tokens made for this text and thrown away, e.g. those of the drafts that were not kept."""
    mean_logprob: float | None = None
    """Mean natural-log probability per generated token under the unmodified model; None without a model."""
    error: str = ""


class Generator(Protocol):
    """Writes texts. Equal (request, attempt) gives the equal text in any batch, order and process."""

    @property
    def engine(self) -> str:
        """Short name, e.g. `hf`."""
        ...

    @property
    def model_digest(self) -> str:
        """Identity of what writes; part of every request key."""
        ...

    @property
    def dtype(self) -> str:
        """Numeric type, e.g. `float32`; part of every request key."""
        ...

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        """Yield exactly one text a request, in any order, each with its request's key.

        Args:
            requests: at most one shard; keys are distinct.
            sampling: greedy when `temperature` is 0.
            attempt: from 1; another attempt draws other randomness.

        A request the engine cannot serve (e.g. a prompt longer than the context) yields `error`, it never raises.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPair:
    """One supervised example."""

    prompt: str
    text: str


class Trainer(Protocol):
    """Makes a model from pairs."""

    def train(self, training: Sequence[TrainingPair], held_out: Sequence[TrainingPair], folder: str) -> ModelVersion:
        """Train and leave safetensors, tokenizer and log in `folder`.

        Raises:
            ModelInvalid: the base cannot be found or trusted.
            TrainingFailed: no usable model came of it (empty data, NaN loss).
        """
        ...
