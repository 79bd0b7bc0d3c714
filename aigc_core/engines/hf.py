"""The engine over any causal language model that transformers loads."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aigc_core.contracts.generation import Dtype
from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.chat import chat_ids
from aigc_core.engines.loading import (
    dtype_for,
    find_model,
    folder_digest,
    load_model,
    load_tokenizer,
    pick_device,
    prompt_ids,
)
from aigc_core.engines.memory import Room
from aigc_core.engines.onednn import multiply_by_onednn
from aigc_core.engines.padded import PaddedDecoder
from aigc_core.engines.rows import Row, Stopping
from aigc_core.engines.sampling import LogitsStep
from aigc_core.engines.slots import SlotDecoder, fits_slots
from aigc_core.engines.steps import Steering
from aigc_core.engines.stopping import Spelling, StopAt
from aigc_core.engines.watermark import WatermarkKey
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

    def __init__(
        self, source: str, *, slots: int = 128, device: str | None = None, dtype: Dtype = "auto", threads: int = 1
    ) -> None:
        """Load the model.

        Args:
            source: a local folder or hub id with safetensors.
            slots: texts generated side by side, at most; fewer where memory for their cache would run short.
            device: e.g. `cpu`, `cuda`; None takes the GPU when there is one.
            dtype: numeric type; `auto` is fp32 on a CPU and bf16 on a GPU.
            threads: of a CPU for the whole process. More than cores are free is several times slower: they wait
                for each other in a spin.

        Raises:
            ModelInvalid: no such model, not safetensors, not loadable, or a numeric type that is not served.
        """
        folder = find_model(source)
        place = pick_device(device)
        self.dtype = dtype_for(place, dtype)
        self.model_digest = folder_digest(folder)
        self._tokenizer = load_tokenizer(folder)
        self._model = load_model(folder, device=place, dtype=self.dtype)
        _use_threads(place, threads)
        multiply_by_onednn(self._model)
        self._in_slots = fits_slots(self._model)
        self._room = Room(slots)
        self._spelling = Spelling(self._tokenizer)
        self._stop_tokens = _stop_tokens(self._model, int(self._tokenizer.eos_token_id))
        self._steering = Steering(self._tokenizer, sorted(self._stop_tokens))
        self._context = int(getattr(self._model.config, "max_position_embeddings", None) or 2**31)

    def mark_with(self, key: WatermarkKey) -> None:
        """Take the secret with which texts are marked, where the sampling asks for it."""
        self._steering.key = key

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        """Yield one text a request; see `Generator`.

        Requests with `turns` are written through the model's chat template; without one they are error rows.

        Raises:
            MissingExtra: a JSON schema needs a package that is not installed.
            RecipeInvalid: a schema that cannot be held; a watermark without its key.
        """
        rows = self._rows(requests, sampling, attempt)
        done = tokens = 0
        for row in (row for row in rows if row.finish):
            done += 1
            yield _failed(row)
        stop = self._spelling.stops(sampling.stop) if sampling.stop else None
        fits = sorted((row for row in rows if not row.finish), key=lambda row: len(row.prompt))
        chosen, steps = self._steering.of(sampling)
        for row in self._decoder(chosen, stop, steps).run(fits):
            done, tokens = done + 1, tokens + len(row.tokens)
            if done % REPORT_EVERY == 0 or done == len(rows):
                note = self._room.note
                report_progress(Progress(stage="generate", done=done, total=len(rows), tokens=tokens, note=note))
            yield self._text(row, stop)

    def _rows(self, requests: Sequence[TextRequest], sampling: Sampling, attempt: int) -> list[Row]:
        plain = [request.prompt for request in requests if not request.turns]
        prompts = iter(prompt_ids(self._tokenizer, plain))
        return [self._row(request, None if request.turns else next(prompts), sampling, attempt) for request in requests]

    def _row(self, request: TextRequest, prompt: list[int] | None, sampling: Sampling, attempt: int) -> Row:
        row = Row(key=request.key, prompt=prompt or [], seed=seed_of(request.key, attempt), limit=0)
        if prompt is None:
            try:
                row.prompt = chat_ids(self._tokenizer, [*request.turns, ("user", request.prompt)])
            except ValueError as error:
                row.fail(str(error))
                return row
        asked = sampling.max_new_tokens if request.limit is None else request.limit
        row.limit = min(asked, self._context - len(row.prompt))
        if not row.prompt:
            row.fail("The prompt is empty.")
        elif asked < 1:
            row.fail(f"The text may have {asked} tokens; at least 1 is needed.")
        elif row.limit < 1:
            row.fail(f"The prompt has {len(row.prompt)} tokens; the model's context holds {self._context - 1}.")
        return row

    def _decoder(
        self, sampling: Sampling, stop: StopAt | None, steps: Sequence[LogitsStep] = ()
    ) -> SlotDecoder | PaddedDecoder:
        window = sampling.repetition_window
        stopping = Stopping(
            tokens=self._stop_tokens,
            repetition_window=window,
            blanks=self._spelling.blanks if window else frozenset(),
            strings=stop,
        )
        decoder = SlotDecoder if self._in_slots else PaddedDecoder
        return decoder(self._model, self._room, sampling, stopping, steps)

    def _text(self, row: Row, stop: StopAt | None) -> GeneratedText:
        if row.finish is None or row.finish == "error":
            return _failed(row)
        text = self._spelling.text(row.tokens)
        return GeneratedText(
            key=row.key,
            text=(stop.cut(text) if stop else text).strip(),
            finish_reason=row.finish,
            prompt_tokens=len(row.prompt),
            tokens=len(row.tokens),
            # Further digits are float noise, which neighbours do change.
            mean_logprob=round(row.logprob / len(row.tokens), 4) if row.tokens else None,
        )


def _use_threads(device: str, threads: int) -> None:
    import torch

    if device == "cpu":
        torch.set_num_threads(threads)


def _stop_tokens(model: "PreTrainedModel", own: int) -> frozenset[int]:
    """The tokenizer's end token and those of the model's generation configuration."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(int(token) for token in [own, *listed] if token is not None)


def _failed(row: Row) -> GeneratedText:
    return GeneratedText(
        key=row.key, text="", finish_reason="error", prompt_tokens=len(row.prompt), error=row.error or "No text came."
    )
