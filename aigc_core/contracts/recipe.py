"""A content line's `recipe.yaml`: how its texts are made. Thresholds on texts stand in the output contract."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from aigc_core.contracts.cleaning_steps import Step
from aigc_core.contracts.generation import Generation
from aigc_core.contracts.hygiene import Hygiene
from aigc_core.contracts.positions import line_of, load_yaml
from aigc_core.contracts.prompt import SEPARATOR, Prompting
from aigc_core.contracts.reading import Reading
from aigc_core.contracts.strict import Locale, Share, Strict
from aigc_core.errors import RecipeInvalid
from aigc_core.ids import fingerprint
from aigc_core.records import Sampling


class Columns(Strict):
    """From the source's columns to the contract's: contract column -> source column."""

    catalogue: dict[str, str] = Field(default_factory=dict)
    """Contract columns not named here are looked up under their own name."""
    corpus: dict[str, str] = Field(default_factory=dict)
    text: dict[Locale, str] = Field(default_factory=dict)
    """Locale -> source column of the corpus that holds the reference text."""
    attribute_pairs: str | None = None
    """Source column holding a list of [name, value] pairs; repeated names keep every value."""


class Starter(Strict):
    """The built-in small Llama-architecture model, made from scratch from the corpus: for demos and tests."""

    vocabulary: int = Field(4096, ge=300, le=64_000)
    hidden: int = Field(256, ge=32, le=2048)
    layers: int = Field(4, ge=1, le=48)
    heads: int = Field(4, ge=1, le=32)
    context: int = Field(512, ge=64, le=8192)

    @model_validator(mode="after")
    def _heads_divide(self) -> "Starter":
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden {self.hidden} is not a multiple of twice the heads, {2 * self.heads}")
        return self


class Training(Strict):
    """How the base model is tuned. Stops at whichever of epochs, tokens and minutes comes first."""

    epochs: float = Field(3.0, gt=0)
    max_tokens: int = Field(3_000_000, gt=0)
    """Training tokens seen, prompts included. Fixes the number of optimiser steps, and so the weights."""
    batch_size: int = Field(32, ge=1)
    """Pairs per optimiser step."""
    learning_rate: float = Field(2e-3, gt=0)
    warmup_share: Share = 0.03
    weight_decay: float = Field(0.05, ge=0)
    max_length: int = Field(256, ge=16)
    """Tokens of prompt and text together; longer pairs are cut at the end."""
    held_out_share: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Share of product groups never trained on; fixed by a hash of the group."""
    evaluations: int = Field(4, ge=1)
    """How often the held-out loss is measured; the best checkpoint wins."""
    held_out_pairs: int = Field(500, ge=1)
    """At most so many held-out pairs are scored at each evaluation."""
    seed: int = 0


class Model(Strict):
    """What writes the texts."""

    base: str = "starter"
    """`starter`, a local folder, or a hub id."""
    starter: Starter = Starter()
    training: Training = Training()


class Publish(Strict):
    """When a batch may go out."""

    max_reject_share: Share = 0.05
    """Gate H-2: the run is blocked when more of the generated rows than this are not publishable."""
    on_failed_rules: Literal["regenerate", "withdraw"] = "regenerate"
    """What becomes of a published text that rules made later refuse: written again, or taken off the shelf."""


class Label(Strict):
    """The AI-content label every published row carries."""

    producer: str = Field("001191110000000000000000001", pattern=r"^[\x21\x23-\x5B\x5D-\x7E]+$")
    """`ContentProducer`: provider code; no spaces, quotes or Chinese (GB 45438-2025 Annex E j)."""
    explicit: dict[Locale, str] = Field({"en": "(AI-generated content)", "zh": "（本内容由人工智能生成）"})

    @field_validator("explicit")
    @classmethod
    def _names_both_elements(cls, value: dict[str, str]) -> dict[str, str]:
        for locale, mark in value.items():
            has_ai = "AI" in mark or "人工智能" in mark
            if not (has_ai and any(word in mark for word in ("generated", "生成", "合成"))):
                raise ValueError(f"label for {locale} must name AI and generation (GB 45438 5.1), came {mark!r}")
        return value


class Prices(Strict):
    """What a night is charged with."""

    currency: str = "USD"
    device_hour: float = Field(0.10, ge=0)
    """Price of one hour of the machine that trains and generates."""
    human_text: float = Field(5.0, ge=0)
    """What one text by a person costs: the baseline."""


class Schedule(Strict):
    """When the line runs by itself."""

    cron: str = Field("0 2 * * *", pattern=r"^\S+( \S+){4}$")
    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is no time zone of the IANA list, e.g. Asia/Shanghai")
        return value


class Recipe(Prompting):
    """The whole of `recipe.yaml`."""

    line: str = Field(pattern=r"^[a-z][a-z0-9_]{1,47}$")
    title: str
    source: str | None = None
    """Catalogue used when none is named, relative to the line's folder."""
    corpus: str | None = None
    """Training pairs used when none are named, relative to the line's folder."""
    reading: Reading = Reading()
    """How source files are read; what is not said is detected."""
    cleaning: tuple[Step, ...] = ()
    """What is done to source values before they are mapped to the contract's columns, in order."""
    columns: Columns = Columns()
    hygiene: Hygiene = Hygiene()
    """What training pairs must hold beyond their contract."""
    on_missing: Literal["keep", "withdraw"] = "keep"
    """What becomes of published texts whose item left the catalogue."""
    product_group: str = "item_id"
    """Catalogue contract column whose values are never split between training and held-out."""
    variant_group: str | None = None
    """Catalogue contract column; items equal in it may share a text."""
    category: str | None = None
    """Catalogue contract column for reports."""
    seller: str | None = None
    """Catalogue contract column kept as `seller_id`."""
    model: Model = Model()
    generation: Generation = Generation()
    checks: dict[str, dict[str, object]] = Field(default_factory=dict)
    """Check id -> its parameters. Checks not named run with their defaults."""
    publish: Publish = Publish()
    label: Label = Label()
    prices: Prices = Prices()
    schedule: Schedule = Schedule()

    @model_validator(mode="after")
    def _fits_itself(self) -> "Recipe":
        if len(set(self.locales)) != len(self.locales):
            raise ValueError(f"`locales` names one twice: {', '.join(self.locales)}")
        unmarked = [locale for locale in self.locales if not {locale, locale.split("-")[0]} & set(self.label.explicit)]
        if unmarked:
            raise ValueError(f"`label.explicit` has no mark for {', '.join(unmarked)}")
        untold = [locale for locale in self.locales if self.columns.text and locale not in self.columns.text]
        if untold:
            raise ValueError(f"`columns.text` names no column for {', '.join(untold)}")
        return self

    @model_validator(mode="after")
    def _shows_something(self) -> "Recipe":
        if not self.attributes and not self.columns.attribute_pairs:
            raise ValueError("either `attributes` or `columns.attribute_pairs` must say what the model is shown")
        return self

    @property
    def sampling(self) -> Sampling:
        """Decoding as the record the engines take."""
        decoding = self.generation.decoding
        ends = self.chat is not None or decoding.json_schema or SEPARATOR in decoding.stop
        if self.few_shot is None or ends:
            return decoding
        # Behind its text a model that only continues would write another example.
        return replace(decoding, stop=(*decoding.stop, SEPARATOR))

    def require_turns(self, engine: str) -> None:
        """Refuse a chat that the engine cannot hold with any model.

        Raises:
            RecipeInvalid: there is `chat`, and the engine takes one text only.
        """
        endpoint = self.generation.endpoint
        plain = engine == "endpoint" and endpoint is not None and endpoint.api != "chat"
        if self.chat is None or not (plain or engine == "vllm"):
            return
        came = "`generation.endpoint` with `api: completions`" if plain else "engine vllm"
        raise RecipeInvalid(
            f"The recipe of {self.line} has `chat`, and {came} takes a prompt without turns: every text would fail.",
            "A chat is held by engine endpoint with `api: chat`, and by hf and ct2 with a chat model.",
            f"{'Set `api: chat`' if plain else 'Name such an engine with --engine'}, or take `chat` out of the recipe.",
        )

    @property
    def checks_digest(self) -> str:
        """Of the check parameters."""
        return fingerprint(self.checks)


def read_recipe(path: Path) -> Recipe:
    """Read and check one recipe file.

    Raises:
        RecipeInvalid: not YAML, unknown or wrong field; the message names line, field and what is valid.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeInvalid(f"{path} cannot be read: {error}.", "A recipe is a UTF-8 YAML file.") from error
    try:
        document = load_yaml(text)
    except yaml.YAMLError as error:
        raise RecipeInvalid(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(document, Mapping):
        raise RecipeInvalid(f"{path} holds {type(document).__name__}, not a mapping.")
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        first = "; ".join(
            f"line {line_of(text, item['loc'])}, {'.'.join(map(str, item['loc'])) or 'recipe'}: {item['msg']}"
            for item in error.errors()[:10]
        )
        raise RecipeInvalid(f"{path} does not hold: {first}.", remedy="`aigc lines` shows lines that hold.") from error
