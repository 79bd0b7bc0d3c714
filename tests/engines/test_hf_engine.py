import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.hf import HfEngine
from aigc_core.engines.loading import load_model, load_tokenizer, prompt_ids
from aigc_core.engines.rows import Row, Stopping, is_loop
from aigc_core.engines.slots import fits_slots
from aigc_core.events import LOGGER_NAME
from aigc_core.records import Sampling

GREEDY = Sampling(temperature=0, max_new_tokens=10)


@pytest.fixture(scope="module")
def engine(tiny_llama: str) -> HfEngine:
    return HfEngine(tiny_llama, slots=6, device="cpu")


def write(engine: HfEngine, request: TextRequest, sampling: Sampling = GREEDY) -> GeneratedText:
    (text,) = engine.generate([request], sampling=sampling, attempt=1)
    return text


def test_mean_logprob_is_that_of_the_unmodified_model(
    tiny_llama: str, engine: HfEngine, text_requests: list[TextRequest]
) -> None:
    model = load_model(Path(tiny_llama), device="cpu", dtype="float32")
    request = text_requests[5]
    prompt = prompt_ids(load_tokenizer(Path(tiny_llama)), [request.prompt])[0]
    tokens = list(prompt)
    with torch.inference_mode():
        while len(tokens) < len(prompt) + 10:
            tokens.append(int(model(input_ids=torch.tensor([tokens])).logits[0, -1].argmax()))
        scores = model(input_ids=torch.tensor([tokens])).logits[0].log_softmax(-1)
    expected = sum(float(scores[at - 1, tokens[at]]) for at in range(len(prompt), len(tokens))) / 10
    assert write(engine, request).mean_logprob == pytest.approx(expected, abs=1e-4)


def test_a_long_prompt_leaves_room_for_one_token_or_is_refused(
    engine: HfEngine, text_requests: list[TextRequest]
) -> None:
    """The context is 128: the start token and 126 words leave one place."""
    fits = write(engine, replace(text_requests[0], prompt=" red" * 126))
    assert (fits.prompt_tokens, fits.tokens, fits.finish_reason) == (127, 1, "length")
    refused = write(engine, replace(text_requests[0], prompt=" red" * 127))
    assert refused.error == "The prompt has 128 tokens; the model's context holds 127."


def test_special_tokens_in_a_prompt_are_plain_text(tiny_llama: str) -> None:
    ids = prompt_ids(load_tokenizer(Path(tiny_llama)), ["a <eos> <bos> coat"])[0]
    assert ids[0] == 1
    assert not {0, 1, 2} & set(ids[1:])


def test_progress_is_reported(
    engine: HfEngine, text_requests: list[TextRequest], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, LOGGER_NAME):
        written = list(engine.generate(text_requests, sampling=GREEDY, attempt=1))
    last = caplog.records[-1].__dict__["progress"]
    assert (last.stage, last.done, last.total) == ("generate", 24, 24)
    assert last.tokens == sum(text.tokens for text in written)


def test_a_loop_is_cut(tiny_llama: str, own_copy: Path, text_requests: list[TextRequest]) -> None:
    """A model that prefers one token everywhere repeats it for ever."""
    from safetensors.torch import load_file, save_file

    weights = load_file(own_copy / "model.safetensors")
    weights["model.norm.weight"].zero_()
    save_file(weights, own_copy / "model.safetensors", metadata={"format": "pt"})
    sampling = replace(GREEDY, max_new_tokens=40, repetition_window=4)
    text = write(HfEngine(str(own_copy), device="cpu"), text_requests[0], sampling)
    assert (text.finish_reason, text.tokens) == ("loop", 12)


def test_a_model_gone_wrong_gives_error_rows(own_copy: Path, text_requests: list[TextRequest]) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(own_copy / "model.safetensors")
    weights["model.norm.weight"].fill_(torch.nan)
    save_file(weights, own_copy / "model.safetensors", metadata={"format": "pt"})
    text = write(HfEngine(str(own_copy), device="cpu"), text_requests[0])
    assert (text.finish_reason, text.error) == ("error", "The model gave no finite probabilities.")


@pytest.mark.parametrize(
    ("tokens", "window", "answer"),
    [
        ([1, 2, 1, 2, 1, 2], 2, True),
        ([9, 1, 2, 1, 2, 1, 2], 2, True),
        ([1, 1, 1, 1, 1, 1], 2, True),
        ([1, 2, 1, 2, 1, 3], 2, False),
        ([1, 2, 1, 2], 2, False),
        ([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3], 4, True),
        ([1, 1, 1], 0, False),
    ],
)
def test_what_a_loop_is(tokens: list[int], window: int, answer: bool) -> None:  # noqa: FBT001
    assert is_loop(tokens, window) is answer


def test_a_row_keeps_the_stop_token_out() -> None:
    row = Row(key="k", prompt=[1], seed=0, limit=5)
    stopping = Stopping(tokens=frozenset({2}), repetition_window=0)
    assert not row.take(7, -0.5, stopping)
    assert row.take(2, -0.1, stopping)
    assert (row.tokens, row.logprob, row.finish) == ([7], -0.5, "stop")


@pytest.mark.parametrize(
    ("kind", "options", "answer"),
    [
        ("llama", {}, True),
        ("qwen3", {}, True),
        ("mistral", {"sliding_window": None}, True),
        ("mistral", {"sliding_window": 8}, False),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}}, False),
        ("gpt2", {}, False),
    ],
)
def test_only_plain_attention_goes_into_slots(
    make_tiny: Callable[..., str],
    kind: str,
    options: dict[str, object],
    answer: bool,  # noqa: FBT001
) -> None:
    model = load_model(Path(make_tiny(kind, **options)), device="cpu", dtype="float32")
    assert fits_slots(model) is answer
