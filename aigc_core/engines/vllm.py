"""The engine over vLLM in this process: optional, in an environment of its own.

Untested here: vLLM's pins exclude ours, so it is not installed where the gate runs and nothing below has been run
against the library. The behaviour suite of the engines runs over it wherever `vllm` can be imported.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from aigc_core.engines.base import FinishReason, GeneratedText, TextRequest
from aigc_core.engines.loading import find_model, folder_digest, load_tokenizer, prompt_ids
from aigc_core.errors import MissingExtra
from aigc_core.events import Progress, report_progress
from aigc_core.ids import seed_of
from aigc_core.records import Sampling

_FINISHED: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


def vllm_library() -> Any:  # noqa: ANN401 -- an optional package
    """vLLM.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import vllm  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise MissingExtra(
            "Engine vllm needs vLLM, which is not installed.",
            "Its pins exclude this environment's: give it one of its own.",
            "Run `vllm serve MODEL` there and use --engine endpoint, or `pip install vllm` there beside aigc.",
        ) from error
    return vllm


class VllmEngine:
    """Writes texts with `vllm.LLM`; each request has its own seed.

    Its batches change with load, and with them the last bits of its numbers: equal requests mostly get equal texts.
    Requests with turns are refused, `repetition_window` is not used.
    """

    engine = "vllm"

    def __init__(self, source: str, *, dtype: str = "auto") -> None:
        """Load the model.

        Raises:
            MissingExtra: vLLM is not installed.
            ModelInvalid: no such model, or not safetensors.
        """
        vllm = vllm_library()
        folder = find_model(source)
        self._vllm = vllm
        self.dtype = dtype
        self.model_digest = folder_digest(folder)
        self._tokenizer = load_tokenizer(folder)
        self._model: Any = vllm.LLM(model=str(folder), dtype=dtype, trust_remote_code=False)
        self._context = int(self._model.llm_engine.model_config.max_model_len)

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        """Yield one text a request; see `Generator`. All of them come at the end: vLLM schedules a shard itself."""
        prompts = prompt_ids(self._tokenizer, [request.prompt for request in requests])
        asked = []
        for request, prompt in zip(requests, prompts, strict=True):
            if request.turns or not 0 < len(prompt) < self._context:
                reason = f"The prompt has {len(prompt)} tokens (the context holds {self._context - 1}) or it has turns."
                yield GeneratedText(key=request.key, text="", finish_reason="error", error=reason)
            else:
                asked.append((request, prompt))
        if not asked:
            return
        outputs = self._model.generate(
            [{"prompt_token_ids": prompt} for _, prompt in asked],
            [self._sampled(request, sampling, attempt) for request, _ in asked],
            use_tqdm=False,
        )
        made = [_text(request, output) for (request, _), output in zip(asked, outputs, strict=True)]
        tokens = sum(text.tokens for text in made)
        report_progress(Progress(stage="generate", done=len(requests), total=len(requests), tokens=tokens))
        yield from made

    def _sampled(self, request: TextRequest, sampling: Sampling, attempt: int) -> Any:  # noqa: ANN401 -- vLLM is optional
        return self._vllm.SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=request.limit or sampling.max_new_tokens,
            stop=list(sampling.stop) or None,
            seed=seed_of(request.key, attempt),
            logprobs=0,
        )


def _text(request: TextRequest, output: Any) -> GeneratedText:  # noqa: ANN401 -- vLLM is optional
    best = output.outputs[0]
    finish = _FINISHED.get(str(best.finish_reason))
    made, asked = len(best.token_ids), len(output.prompt_token_ids)
    if finish is None:
        reason = f"vLLM ended the text with {best.finish_reason}."
        return GeneratedText(key=request.key, text="", finish_reason="error", error=reason, prompt_tokens=asked)
    mean = round(best.cumulative_logprob / made, 4) if made and best.cumulative_logprob is not None else None
    return GeneratedText(
        key=request.key,
        text=best.text.strip(),
        finish_reason=finish,
        prompt_tokens=asked,
        tokens=made,
        mean_logprob=mean,
    )
