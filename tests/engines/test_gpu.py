"""The hf engine on a CUDA device; run with `pytest -m gpu -s`."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from aigc_core.engines import hf as hf_module
from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.hf import HfEngine
from aigc_core.records import Sampling

GREEDY = Sampling(temperature=0, max_new_tokens=64)
SAMPLED = Sampling(temperature=0.8, top_p=0.95, max_new_tokens=64)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.fixture(scope="module")
def model(make_tiny: Callable[..., str]) -> str:
    """About 50M parameters: large enough that a step is more than starting its kernels."""
    return make_tiny(
        "llama", hidden_size=768, intermediate_size=2048, num_hidden_layers=8, num_attention_heads=12,
        num_key_value_heads=4, head_dim=64, initializer_range=0.02,
    )  # fmt: skip


@pytest.fixture(scope="module")
def many(text_requests: list[TextRequest]) -> list[TextRequest]:
    """512 requests whose texts have 8 to 64 tokens."""
    return [
        replace(text_requests[number % 24], key=f"gpu-{number}", limit=8 + number * 37 % 57) for number in range(512)
    ]


def write(engine: HfEngine, requests: list[TextRequest], sampling: Sampling) -> dict[str, GeneratedText]:
    return {text.key: text for text in engine.generate(requests, sampling=sampling, attempt=1)}


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_most_texts_are_the_same_in_other_slots(model: str, many: list[TextRequest], sampling: Sampling) -> None:
    """In bf16 near ties fall either way, so not all are."""
    few, lots = (write(HfEngine(model, slots=slots, device="cuda"), many, sampling) for slots in (16, 256))
    agreeing = sum(few[key].text == lots[key].text for key in few) / len(few)
    print(f"bf16, 16 and 256 slots: {agreeing:.1%} of {len(few)} texts agree")  # noqa: T201 -- what is measured
    assert agreeing >= 0.9


def test_fp32_texts_are_those_of_the_cpu(model: str, many: list[TextRequest]) -> None:
    on_gpu = write(HfEngine(model, slots=64, device="cuda", dtype="float32"), many[:64], SAMPLED)
    on_cpu = write(HfEngine(model, slots=64, device="cpu"), many[:64], SAMPLED)
    assert sum(on_gpu[key].text == on_cpu[key].text for key in on_gpu) >= 0.95 * len(on_gpu)


def test_slots_are_faster_than_padded_batches(
    model: str, many: list[TextRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_slots = rate(HfEngine(model, slots=256, device="cuda"), many)
    monkeypatch.setattr(hf_module, "fits_slots", lambda _: False)
    in_batches = rate(HfEngine(model, slots=256, device="cuda"), many)
    print(f"tokens/s: {in_slots:.0f} in slots, {in_batches:.0f} in padded batches")  # noqa: T201 -- what is measured
    assert in_slots > in_batches


def rate(engine: HfEngine, requests: list[TextRequest]) -> float:
    write(engine, requests, GREEDY)
    torch.cuda.synchronize()
    began = time.perf_counter()
    made = sum(text.tokens for text in write(engine, requests, GREEDY).values())
    torch.cuda.synchronize()
    return made / (time.perf_counter() - began)
