"""The OpenAI-compatible wire format: what a request says, and what an answer must hold to be believed."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aigc_core.contracts.endpoint import Endpoint
from aigc_core.engines.base import FinishReason, GeneratedText, TextRequest
from aigc_core.ids import fingerprint, seed_of
from aigc_core.records import Sampling

PATHS = {"completions": "/completions", "chat": "/chat/completions"}
FINISHED: dict[object, FinishReason] = {
    "stop": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
}
"""What servers say of an ended text."""
_OURS = re.compile(r"aigc-[0-9a-f]{32}")


class Distrusted(Exception):
    """An answer that does not become a text."""

    def __init__(self, reason: str, *, again: bool = False, tokens: int = 0) -> None:
        super().__init__(reason)
        self.again = again
        """Whether another call may go better."""
        self.tokens = tokens
        """Generated tokens the answer was charged with."""


def request_id(request: TextRequest, attempt: int) -> str:
    """What the server is told to call the request; many say it in their answer."""
    return f"aigc-{fingerprint([request.key, attempt])}"


def body_of(request: TextRequest, endpoint: Endpoint, sampling: Sampling, attempt: int) -> dict[str, Any]:
    """The request as JSON.

    Raises:
        Distrusted: it cannot be said in this API.
    """
    body: dict[str, Any] = {
        **endpoint.extra,
        "model": endpoint.model,
        "max_tokens": request.limit or sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "seed": seed_of(request.key, attempt),
    }
    if endpoint.api == "chat":
        said = (*request.turns, ("user", request.prompt))
        body["messages"] = [{"role": role, "content": content} for role, content in said]
    elif request.turns:
        raise Distrusted("The request has turns; these need `api: chat`.")
    else:
        body["prompt"] = request.prompt
    # Servers that know only the original fields refuse others, so what cuts nothing is not said.
    if sampling.top_p < 1:
        body["top_p"] = sampling.top_p
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.json_schema:
        schema = {"name": "text", "schema": json.loads(sampling.json_schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back under status 200."""

    content: bytes
    named: str
    """The answer's `X-Request-Id`; empty for none."""


def text_of(answer: Answer, request: TextRequest, endpoint: Endpoint, attempt: int) -> GeneratedText:
    """The answer as a text.

    Raises:
        Distrusted: not JSON, no choice, for another request, by another model, without usage or a known end.
    """
    said = _parsed(answer.content)
    tokens = _count(said, "completion_tokens")
    _require_ours(f"{said.get('id')} {answer.named}", request_id(request, attempt), tokens)
    answered = said.get("model")
    if isinstance(answered, str) and answered and not _same_model(endpoint.model, answered):
        raise Distrusted(f"Model {answered[:80]!r} answered, not {endpoint.model!r}.", tokens=tokens)
    choices = said.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        count = len(choices) if isinstance(choices, list) else "no list of"
        raise Distrusted(f"The answer holds {count} choices, not one.", again=True, tokens=tokens)
    text = _written(choices[0], endpoint)
    finish = FINISHED.get(str(choices[0].get("finish_reason")))
    if text is None or finish is None:
        ended = str(choices[0].get("finish_reason"))[:40]
        raise Distrusted(f"The answer holds no finished text: finish_reason {ended}.", tokens=tokens)
    return GeneratedText(
        key=request.key,
        text=text.strip(),
        finish_reason=finish,
        prompt_tokens=_count(said, "prompt_tokens"),
        tokens=tokens,
        mean_logprob=_mean_logprob(choices[0].get("logprobs")),
    )


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        said = json.loads(content)
    except ValueError as error:
        raise Distrusted("The answer is not JSON.", again=True) from error
    if not isinstance(said, dict):
        raise Distrusted("The answer is not a JSON object.", again=True)
    return said


def _count(said: Mapping[str, Any], name: str) -> int:
    usage = said.get("usage")
    value = usage.get(name) if isinstance(usage, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Distrusted(f"The answer does not say its {name}: it can be neither counted nor charged.")
    return value


def _require_ours(named: str, asked: str, tokens: int) -> None:
    """Where one of our ids is echoed, it must be this request's."""
    if any(found != asked for found in _OURS.findall(named)):
        raise Distrusted("The answer belongs to another request.", again=True, tokens=tokens)


def _same_model(asked: str, answered: str) -> bool:
    """Servers add a date or revision, gateways leave the maker's name out."""
    return answered.startswith(asked) or asked.endswith(f"/{answered}")


def _written(choice: Mapping[str, Any], endpoint: Endpoint) -> str | None:
    message = choice.get("message")
    text = choice.get("text") if endpoint.api == "completions" else isinstance(message, dict) and message.get("content")
    return text if isinstance(text, str) else None


def _mean_logprob(said: object) -> float | None:
    """Of `token_logprobs` (completions) or `content[].logprob` (chat); None where they are not given."""
    if not isinstance(said, dict):
        return None
    listed = said.get("token_logprobs") or [
        entry.get("logprob") for entry in said.get("content") or () if isinstance(entry, dict)
    ]
    values = [float(value) for value in listed if isinstance(value, int | float)]
    return round(sum(values) / len(values), 4) if values else None
