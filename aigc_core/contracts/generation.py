"""How a night's texts are made: the recipe's `generation`."""

from typing import Annotated, Literal

from pydantic import Field, field_serializer, model_validator

from aigc_core.contracts.endpoint import Endpoint
from aigc_core.contracts.steering import (
    MOST_CANDIDATES,
    JsonSchema,
    SynthIdMark,
    Watermark,
    schema_text,
    text_property_refusal,
)
from aigc_core.contracts.strict import Locale, Strict
from aigc_core.ids import canonical_json
from aigc_core.records import EngineName, Sampling

Dtype = Literal["auto", "float32", "bfloat16", "int8"]
Change = Literal["attributes", "prompt", "examples", "model", "engine", "sampling"]


class Sampled(Strict):
    """Decoding; see `records.Sampling`."""

    temperature: float = Field(0.7, ge=0, le=2)
    top_p: float = Field(0.95, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    max_new_tokens: int = Field(160, ge=1, le=4096)
    repetition_window: int = Field(8, ge=0, le=64)
    """A text whose last three times so many tokens repeat a phrase of at most so many, or are blank, is cut; 0: never.

    At 8 none of 46,359 texts that people wrote would be cut, and a loop costs 31 tokens at most.
    """
    stop: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = Field((), max_length=8)
    """A text ends before the first of these."""
    best_of: int = Field(1, ge=1, le=16)
    """Drafts of each text, of which the best is kept: a finished one first, then the likeliest under the model."""

    @model_validator(mode="after")
    def _drafts_differ(self) -> "Sampled":
        if self.best_of > 1 and self.temperature == 0:
            raise ValueError("`best_of` above 1 needs a temperature above 0: with 0 all drafts are the same text")
        return self


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
    parity: float | None = Field(None, ge=0, le=1)
    """Share of greedy texts a model converted for engine `ct2` must have in common with engine `hf` in fp32; None:
    0.98 in float32, which changes ties only, and 0.75 in int8, which is a coarser model."""
    sampling: Sampled = Sampled()
    watermark: Watermark | None = None
    """A mark in the choice of words, found again with the key in AIGC_WATERMARK_KEY; only engine `hf` carries it."""
    json_schema: JsonSchema | None = None
    """What the model writes is JSON of this schema; engine `hf` holds it to that, `endpoint` asks its server to.
    Give strings a `maxLength`: what is cut by a limit is no JSON."""
    json_text: str | None = None
    """Property of the object that becomes the text; the rest is dropped. None: the JSON is the text."""
    attempts: int = Field(3, ge=1, le=10)
    workers: Literal["auto"] | Annotated[int, Field(ge=0, le=64)] = "auto"
    """Processes that write side by side, each with the engine in it; 0: the night's own process, with no watchdog.
    `auto` is one a core for hf and ct2 on a CPU, as far as the memory holds the model so often, and one on a GPU.
    Engines that compute nothing here, template and endpoint, are written in the night's own process unless two or more
    are asked for; so is, with `auto` and 1, what one filling of the slots writes."""
    fan_out: Literal["processes", "prefect", "ray"] = "processes"
    """Where workers run: children of the night on its machine, flow runs on the Prefect work pool `gpu`, or tasks of
    the Ray cluster that RAY_ADDRESS names, else of one on this machine. All need the same lake at the same path."""
    stall_seconds: float = Field(900.0, ge=5)
    """A worker that makes no progress for so long names its shard and is ended; the rows are tried apart."""
    slots: int = Field(128, ge=1, le=4096)
    """Requests generated side by side."""
    shard_rows: int = Field(2000, ge=1, le=2000)
    regenerate_on: frozenset[Change] = frozenset({"attributes", "prompt"})
    """Changes that make a published text be written again: `prompt` is the template, `chat` and the settings of
    `few_shot`; `examples` the pairs drawn for it, which a new pair in the corpus may change for a whole catalogue;
    `engine` the engine or its numeric type."""
    caps: Caps = Caps()
    endpoint: Endpoint | None = None
    """The server that engine `endpoint` asks."""
    template: dict[Locale, str] = Field(default_factory=dict)
    """Sandboxed Jinja for the template engine, per locale."""

    @field_serializer("regenerate_on")
    def _in_order(self, value: frozenset[str]) -> list[str]:
        """Sorted: a set's own order differs from process to process, and digests are made of this."""
        return sorted(value)

    @model_validator(mode="after")
    def _options_compose(self) -> "Generation":
        refusals = [self.refusal(self.engine), self._mark_refusal(), self._schema_refusal(), self._place_refusal()]
        if found := next((refusal for refusal in refusals if refusal), None):
            raise ValueError(found)
        return self

    @property
    def decoding(self) -> Sampling:
        """Decoding as the record the engines take; a watermark is still without its key."""
        return Sampling(
            **self.sampling.model_dump(),
            watermark=canonical_json(self.watermark.model_dump()) if self.watermark else "",
            json_schema=schema_text(self.json_schema) if self.json_schema else "",
            json_text=self.json_text or "",
        )

    def refusal(self, engine: str) -> str | None:
        """Why an engine cannot do what is asked; None when it can."""
        if engine == "hf":
            return None
        if self.watermark is not None:
            return f"`watermark` needs engine hf: {engine} does not let the choice of tokens be steered"
        if self.json_schema is not None and engine != "endpoint":
            return f"`json_schema` needs engine hf: {engine} does not hold a text to a schema"
        return None

    def _mark_refusal(self) -> str | None:
        if not isinstance(self.watermark, SynthIdMark):
            return None
        if self.sampling.temperature == 0:
            return "watermark scheme synthid needs a temperature above 0: greedy decoding cannot carry it; kgw can"
        if not 2 <= self.sampling.top_k <= MOST_CANDIDATES:
            return (
                f"watermark scheme synthid needs `sampling.top_k` from 2 to {MOST_CANDIDATES}, came "
                f"{self.sampling.top_k}: its tournament is held among so many tokens"
            )
        return None

    def _place_refusal(self) -> str | None:
        if self.fan_out == "processes" or self.workers not in ("auto", 0):
            return None
        return f"`fan_out: {self.fan_out}` needs `workers`: how many there are cannot be seen from here"

    def _schema_refusal(self) -> str | None:
        if self.json_schema is None:
            return "`json_text` needs `json_schema`" if self.json_text is not None else None
        if self.sampling.stop:
            return "`sampling.stop` and `json_schema` exclude each other: JSON ends where its schema says"
        return text_property_refusal(self.json_schema, self.json_text) if self.json_text is not None else None

    def served_price(self, engine: str, prompt_tokens: int, tokens: int) -> float:
        """What a server asks for these tokens, in the recipe's currency; 0 where no server writes."""
        if engine != "endpoint" or self.endpoint is None:
            return 0.0
        return self.endpoint.price_of(prompt_tokens, tokens)
