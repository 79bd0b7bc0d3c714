"""How a night's texts are made: the recipe's `generation`."""

from typing import Literal

from pydantic import Field, field_serializer

from aigc_core.contracts.strict import Locale, Strict
from aigc_core.records import EngineName

Dtype = Literal["auto", "float32", "bfloat16", "int8"]


class Sampled(Strict):
    """Decoding; see `records.Sampling`."""

    temperature: float = Field(0.7, ge=0, le=2)
    top_p: float = Field(0.95, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    max_new_tokens: int = Field(160, ge=1, le=4096)
    repetition_window: int = Field(0, ge=0, le=64)
    stop: tuple[str, ...] = ()
    """A text ends before the first of these."""


class Caps(Strict):
    """What a night may take before a person is asked; None: no cap."""

    texts: int | None = Field(None, ge=1)
    """Texts generated, later attempts included."""
    tokens: int | None = Field(None, ge=1)
    seconds: float | None = Field(None, gt=0)
    """Of the device."""
    money: float | None = Field(None, gt=0)
    """In the recipe's currency."""


class Generation(Strict):
    """How a night's texts are made."""

    engine: EngineName = "hf"
    dtype: Dtype = "auto"
    """Numeric type the engine computes in; `auto` is the engine's own choice for the device."""
    sampling: Sampled = Sampled()
    attempts: int = Field(3, ge=1, le=10)
    slots: int = Field(128, ge=1, le=4096)
    """Requests generated side by side."""
    shard_rows: int = Field(2000, ge=1, le=2000)
    regenerate_on: frozenset[Literal["attributes", "prompt", "model", "sampling"]] = frozenset({"attributes", "prompt"})
    """Changes that make a published text be written again."""
    caps: Caps = Caps()
    template: dict[Locale, str] = Field(default_factory=dict)
    """Sandboxed Jinja for the template engine, per locale."""

    @field_serializer("regenerate_on")
    def _in_order(self, value: frozenset[str]) -> list[str]:
        """Sorted: a set's own order differs from process to process, and digests are made of this."""
        return sorted(value)
