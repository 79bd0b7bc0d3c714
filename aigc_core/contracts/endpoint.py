"""Where an OpenAI-compatible server stands and how it is asked: the recipe's `generation.endpoint`."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, field_validator

from aigc_core.contracts.strict import Strict
from aigc_core.ids import fingerprint

RESERVED = frozenset(
    {"model", "prompt", "messages", "max_tokens", "temperature", "top_p", "top_k", "stop", "seed", "n", "best_of"}
    | {"stream", "echo", "response_format"}
)
"""What the engine itself says in a request."""


class Endpoint(Strict):
    """An OpenAI-compatible server. Its key stands in AIGC_ENDPOINT_KEY, never here."""

    url: str
    """What the API's paths are added to, e.g. `http://127.0.0.1:8000/v1`."""
    model: str = Field(min_length=1)
    """As the server names it; `--model` names another."""
    api: Literal["completions", "chat"] = "completions"
    revision: str = ""
    """What else tells which weights serve: part of the model's identity, so another one is another model."""
    timeout_seconds: float = Field(120, gt=0, le=3600)
    """One call, from connecting to the last byte."""
    deadline_seconds: float = Field(600, gt=0, le=86_400)
    """One text, with all its calls and the waiting between them; not its waiting for a call of others to end."""
    concurrency: int = Field(32, ge=1, le=1024)
    """Most calls in flight; how many there are follows what the server bears."""
    price_per_million_prompt_tokens: float = Field(0, ge=0)
    price_per_million_tokens: float = Field(0, ge=0)
    """Of generated tokens; both in the recipe's currency."""
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """Further fields of every request, e.g. `min_p` of vLLM."""

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        parts = urlsplit(value)
        _ = parts.port  # a ValueError where it is none
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("`url` is kept with every run: no user, password or query; the key is AIGC_ENDPOINT_KEY")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("`url` is an http or https address such as http://127.0.0.1:8000/v1")
        return value.rstrip("/")

    @field_validator("extra")
    @classmethod
    def _says_nothing_twice(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if said := sorted(RESERVED & set(value)):
            raise ValueError(f"`extra` may not hold {', '.join(said)}: the engine says these itself")
        return value

    @property
    def digest(self) -> str:
        """Identity of what writes: address, model, revision, API and further fields."""
        return fingerprint([self.url, self.model, self.revision, self.api, self.extra])

    def price_of(self, prompt_tokens: int, tokens: int) -> float:
        """Tokens times their prices, in the recipe's currency."""
        asked, made = self.price_per_million_prompt_tokens, self.price_per_million_tokens
        return (prompt_tokens * asked + tokens * made) / 1e6
