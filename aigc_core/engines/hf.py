"""The engine over any causal language model that transformers loads."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.loading import (
    dtype_on,
    find_model,
    folder_digest,
    load_model,
    load_tokenizer,
    pick_device,
    prompt_ids,
)
from aigc_core.engines.padded import PaddedDecoder
from aigc_core.engines.rows import Row, Stopping
from aigc_core.engines.slots import SlotDecoder, fits_slots
from aigc_core.events import Progress, report_progress
from aigc_core.ids import seed_of
from aigc_core.records import Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedModel

REPORT_EVERY = 64
"""Texts between two progress reports."""


class HfEngine:
    """Writes texts with a model folder or hub id; fp32 on a CPU, bf16 on a GPU.

    The text of (request key, attempt) does not depend on its neighbours, their order or the number of slots.
    On a CPU that is exact but for ties of two choices within the last bits of a float.
    In bf16 near ties are common, so there it holds for most texts only.
    """

    engine = "hf"

    def __init__(self, source: str, *, slots: int = 128, device: str | None = None) -> None:
        """Load the model.

        Args:
            source: a local folder or hub id with safetensors.
            slots: texts generated side by side, at most; fewer where memory for their cache would run short.
            device: e.g. `cpu`, `cuda`; None takes the GPU when there is one.

        Raises:
            ModelInvalid: no such model, not safetensors, or not loadable.
        """
        folder = find_model(source)
        place = pick_device(device)
        self.dtype = dtype_on(place)
        self.model_digest = folder_digest(folder)
        self._tokenizer = load_tokenizer(folder)
        self._model = load_model(folder, device=place, dtype=self.dtype)
        self._slots = slots
        self._stop_tokens = _stop_tokens(self._model, int(self._tokenizer.eos_token_id))
        self._context = int(getattr(self._model.config, "max_position_embeddings", None) or 2**31)

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        """Yield one text a request; see `Generator`."""
        rows = self._rows(requests, sampling, attempt)
        fits = sorted((row for row in rows if self._refusal(row) is None), key=lambda row: len(row.prompt))
        done = tokens = 0
        for row in rows:
            if refusal := self._refusal(row):
                done += 1
                yield _failed(row, refusal)
        for row in self._decoder(sampling).run(fits):
            done, tokens = done + 1, tokens + len(row.tokens)
            if done % REPORT_EVERY == 0 or done == len(rows):
                report_progress(Progress(stage="generate", done=done, total=len(rows), tokens=tokens))
            yield self._text(row)

    def _rows(self, requests: Sequence[TextRequest], sampling: Sampling, attempt: int) -> list[Row]:
        prompts = prompt_ids(self._tokenizer, [request.prompt for request in requests])
        return [
            Row(
                key=request.key,
                prompt=prompt,
                seed=seed_of(request.key, attempt),
                limit=min(sampling.max_new_tokens, self._context - len(prompt)),
            )
            for request, prompt in zip(requests, prompts, strict=True)
        ]

    def _refusal(self, row: Row) -> str | None:
        if not row.prompt:
            return "The prompt is empty."
        if row.limit < 1 or len(row.prompt) > self._context - 1:
            return f"The prompt has {len(row.prompt)} tokens; the model's context holds {self._context - 1}."
        return None

    def _decoder(self, sampling: Sampling) -> SlotDecoder | PaddedDecoder:
        stopping = Stopping(tokens=self._stop_tokens, repetition_window=sampling.repetition_window)
        decoder = SlotDecoder if fits_slots(self._model) else PaddedDecoder
        return decoder(self._model, self._slots, sampling, stopping)

    def _text(self, row: Row) -> GeneratedText:
        if row.finish is None or row.finish == "error":
            return _failed(row, "The model gave no finite probabilities.")
        text = self._tokenizer.decode(row.tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return GeneratedText(
            key=row.key,
            text=str(text).strip(),
            finish_reason=row.finish,
            prompt_tokens=len(row.prompt),
            tokens=len(row.tokens),
            # Further digits are float noise, which neighbours do change.
            mean_logprob=round(row.logprob / len(row.tokens), 4) if row.tokens else None,
        )


def _stop_tokens(model: "PreTrainedModel", own: int) -> frozenset[int]:
    """The tokenizer's end token and those of the model's generation configuration."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(int(token) for token in [own, *listed] if token is not None)


def _failed(row: Row, error: str) -> GeneratedText:
    return GeneratedText(key=row.key, text="", finish_reason="error", prompt_tokens=len(row.prompt), error=error)
