"""The engine over any causal language model that transformers loads."""

from collections.abc import Iterator, Sequence

from aigc_core.contracts.generation import Dtype
from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.loading import (
    dtype_for,
    find_model,
    folder_digest,
    load_model,
    load_tokenizer,
    pick_device,
)
from aigc_core.engines.memory import Room
from aigc_core.engines.onednn import multiply_by_onednn
from aigc_core.engines.padded import PaddedDecoder
from aigc_core.engines.sampling import LogitsStep
from aigc_core.engines.slots import SlotDecoder, fits_slots
from aigc_core.engines.steps import Steering
from aigc_core.engines.stopping import Spelling, StopAt
from aigc_core.engines.watermark import WatermarkKey
from aigc_core.engines.writing import Desk, by_length, context_of, failed, stop_tokens
from aigc_core.events import Progress, report_progress
from aigc_core.records import Sampling

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
        tokenizer = load_tokenizer(folder)
        self._model = load_model(folder, device=place, dtype=self.dtype)
        _use_threads(place, threads)
        multiply_by_onednn(self._model)
        self._in_slots = fits_slots(self._model)
        self._room = Room(slots)
        ends = stop_tokens(self._model.generation_config, int(tokenizer.eos_token_id))
        self._desk = Desk(tokenizer, Spelling(tokenizer), ends, context_of(self._model.config))
        self._steering = Steering(tokenizer, sorted(ends))

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
        rows = self._desk.rows(requests, sampling, attempt)
        done = tokens = 0
        for row in (row for row in rows if row.finish):
            done += 1
            yield failed(row)
        stop = self._desk.stop_strings(sampling)
        chosen, steps = self._steering.of(sampling)
        for row in self._decoder(chosen, stop, steps).run(by_length(rows)):
            done, tokens = done + 1, tokens + len(row.tokens)
            if done % REPORT_EVERY == 0 or done == len(rows):
                note = self._room.note
                report_progress(Progress(stage="generate", done=done, total=len(rows), tokens=tokens, note=note))
            yield self._desk.text(row, stop)

    def _decoder(
        self, sampling: Sampling, stop: StopAt | None, steps: Sequence[LogitsStep] = ()
    ) -> SlotDecoder | PaddedDecoder:
        decoder = SlotDecoder if self._in_slots else PaddedDecoder
        return decoder(self._model, self._room, sampling, self._desk.stopping(sampling, stop), steps)


def _use_threads(device: str, threads: int) -> None:
    import torch

    if device == "cpu":
        torch.set_num_threads(threads)
