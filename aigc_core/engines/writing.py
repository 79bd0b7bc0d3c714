"""From requests to rows and from rows to texts: what every engine over a local model does alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.chat import chat_ids
from aigc_core.engines.loading import prompt_ids
from aigc_core.engines.rows import Row, Stopping
from aigc_core.engines.stopping import Spelling, StopAt
from aigc_core.ids import seed_of
from aigc_core.records import Sampling

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedConfig, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Desk:
    """What turns requests into rows for one model, and its rows into texts."""

    tokenizer: "PreTrainedTokenizerBase"
    spelling: Spelling
    stop_tokens: frozenset[int]
    context: int
    """Most tokens of prompt and text together."""

    def rows(self, requests: Sequence[TextRequest], sampling: Sampling, attempt: int) -> list[Row]:
        """One row a request, in order; those that cannot be written are finished with their error."""
        plain = [request.prompt for request in requests if not request.turns]
        prompts = iter(prompt_ids(self.tokenizer, plain))
        return [self._row(request, None if request.turns else next(prompts), sampling, attempt) for request in requests]

    def _row(self, request: TextRequest, prompt: list[int] | None, sampling: Sampling, attempt: int) -> Row:
        row = Row(key=request.key, prompt=prompt or [], seed=seed_of(request.key, attempt), limit=0)
        if prompt is None:
            try:
                row.prompt = chat_ids(self.tokenizer, [*request.turns, ("user", request.prompt)])
            except ValueError as error:
                row.fail(str(error))
                return row
        asked = sampling.max_new_tokens if request.limit is None else request.limit
        row.limit = min(asked, self.context - len(row.prompt))
        if not row.prompt:
            row.fail("The prompt is empty.")
        elif asked < 1:
            row.fail(f"The text may have {asked} tokens; at least 1 is needed.")
        elif row.limit < 1:
            row.fail(f"The prompt has {len(row.prompt)} tokens; the model's context holds {self.context - 1}.")
        return row

    def stop_strings(self, sampling: Sampling) -> StopAt | None:
        """The sampling's stop strings; None without any."""
        return self.spelling.stops(sampling.stop) if sampling.stop else None

    def stopping(self, sampling: Sampling, stop: StopAt | None) -> Stopping:
        """When a row ends before its limit."""
        window = sampling.repetition_window
        return Stopping(
            tokens=self.stop_tokens,
            repetition_window=window,
            blanks=self.spelling.blanks if window else frozenset(),
            strings=stop,
        )

    def text(self, row: Row, stop: StopAt | None) -> GeneratedText:
        """The text of a finished row."""
        if row.finish is None or row.finish == "error":
            return failed(row)
        text = self.spelling.text(row.tokens)
        return GeneratedText(
            key=row.key,
            text=(stop.cut(text) if stop else text).strip(),
            finish_reason=row.finish,
            prompt_tokens=len(row.prompt),
            tokens=len(row.tokens),
            # Further digits are float noise, which neighbours do change.
            mean_logprob=round(row.logprob / len(row.tokens), 4) if row.tokens else None,
        )


def failed(row: Row) -> GeneratedText:
    """The error row of a request that got no text."""
    return GeneratedText(
        key=row.key, text="", finish_reason="error", prompt_tokens=len(row.prompt), error=row.error or "No text came."
    )


def by_length(rows: Sequence[Row]) -> list[Row]:
    """The rows still to be written, shortest prompts first: texts side by side then waste least."""
    return sorted((row for row in rows if not row.finish), key=lambda row: len(row.prompt))


def stop_tokens(settings: "GenerationConfig", own: int) -> frozenset[int]:
    """The tokenizer's own end token and those of the model's generation settings."""
    configured = getattr(settings, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(int(token) for token in [own, *listed] if token is not None)


def context_of(config: "PreTrainedConfig") -> int:
    """Most tokens of prompt and text together; where a model names no limit, more than any text has."""
    return int(getattr(config, "max_position_embeddings", None) or 2**31)
