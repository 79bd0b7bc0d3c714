"""What steers the choice of tokens beyond sampling: a watermark, a JSON schema."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from jsonschema import Draft202012Validator, SchemaError
from pydantic import AfterValidator, Field, field_validator

from aigc_core.contracts.strict import Strict


class KgwMark(Strict):
    """A bias on a keyed part of the vocabulary: Kirchenbauer et al., "A Watermark for Large Language Models", 2023.

    Works with greedy decoding too, and costs some quality: it makes green tokens likelier than the model would.
    """

    scheme: Literal["kgw"]
    green_share: float = Field(0.25, gt=0, lt=1)
    """Of the vocabulary; which tokens are green follows from the key and the token before."""
    bias: float = Field(2.0, gt=0, le=10)
    """Added to the logits of green tokens, before temperature."""
    seeding: Literal["lefthash"] = "lefthash"

    @field_validator("seeding", mode="before")
    @classmethod
    def _quick(cls, value: object) -> object:
        if value == "selfhash":
            raise ValueError(
                "`selfhash` is not offered: it shuffles the whole vocabulary 40 times a token, and its green tokens "
                "hang on which 40 are likeliest, so that the last bits of a float change them; use lefthash"
            )
        return value


class SynthIdMark(Strict):
    """A keyed tournament among the likeliest tokens: Dathathri et al., Nature 634 (2024).

    Keeps the distribution of a single token. It needs chance: with temperature 0 there is none, and a model that is
    nearly certain of each token carries nearly nothing of it.
    """

    scheme: Literal["synthid"]
    ngram: int = Field(5, ge=2, le=16)
    """The tournament of a token is keyed by the `ngram - 1` tokens before it; a repeated context is left unmarked."""
    depth: int = Field(30, ge=1, le=64)
    """Rounds of the tournament: keys derived from the secret."""


Watermark = Annotated[KgwMark | SynthIdMark, Field(discriminator="scheme")]
MOST_CANDIDATES = 200
"""Largest top_k of a SynthID tournament: it holds slots x top_k x depth numbers of 8 bytes."""


def _checked_schema(value: dict[str, object]) -> dict[str, object]:
    try:
        schema_text(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"holds what JSON has no word for: {error}") from error
    try:
        Draft202012Validator.check_schema(value)
    except SchemaError as error:
        raise ValueError(f"is no JSON schema (draft 2020-12): {error.message}") from error
    if value.get("type") != "object":
        raise ValueError("must describe an object: `type: object` with `properties`")
    if outside := [target for target in _references(value) if not target.startswith("#")]:
        raise ValueError(f"refers to {outside[0]!r}; only references within the schema (`#/...`) are followed")
    return value


JsonSchema = Annotated[dict[str, object], AfterValidator(_checked_schema)]


def schema_text(schema: Mapping[str, object]) -> str:
    """A schema as JSON in its own order: properties are written in the order in which they stand."""
    return json.dumps(schema, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def text_property_refusal(schema: Mapping[str, object], name: str) -> str | None:
    """Why a property cannot be the text; None when it can."""
    properties = schema.get("properties")
    described = properties.get(name) if isinstance(properties, Mapping) else None
    if not isinstance(described, Mapping) or described.get("type") != "string":
        return f"`json_text: {name}` must name a property of type string in `json_schema.properties`"
    required = schema.get("required")
    if not isinstance(required, Sequence) or name not in required:
        return f"`json_text: {name}` must stand in `json_schema.required`"
    return None


def _references(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
