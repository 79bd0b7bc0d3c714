"""The text of a request depends on the request alone: not on slots, order, split or decoder."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigc_core.engines.base import TextRequest
from aigc_core.engines.hf import HfEngine
from aigc_core.engines.loading import load_model, load_tokenizer, prompt_ids, quiet
from aigc_core.ids import fingerprint
from aigc_core.records import Sampling

GREEDY = Sampling(temperature=0, max_new_tokens=16)
SAMPLED = Sampling(temperature=0.9, top_p=0.9, max_new_tokens=16)
TOP_K = Sampling(temperature=1.0, top_k=20, max_new_tokens=16, repetition_window=3)
KINDS: list[tuple[str, dict[str, object]]] = [
    ("llama", {}),
    ("qwen2", {}),
    ("qwen3", {}),
    ("mistral", {"sliding_window": None}),
    ("mistral", {"sliding_window": 8}),
    ("gpt2", {}),
]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: "-".join(map(str, [kind[0], *kind[1].values()])))
def folder(request: pytest.FixtureRequest, make_tiny: Callable[..., str]) -> str:
    kind, options = request.param
    return make_tiny(kind, **options)


def texts(folder: str, slots: int, requests: Sequence[TextRequest], sampling: Sampling) -> dict[str, str]:
    engine = HfEngine(folder, slots=slots, device="cpu")
    written = engine.generate(requests, sampling=sampling, attempt=1)
    return {text.key: f"{text.finish_reason} {text.tokens} {text.text}" for text in written}


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED, TOP_K], ids=["greedy", "top-p", "top-k"])
def test_slots_change_nothing(folder: str, text_requests: list[TextRequest], sampling: Sampling) -> None:
    alone = texts(folder, 1, text_requests, sampling)
    assert texts(folder, 3, text_requests, sampling) == alone
    assert texts(folder, 7, text_requests[::-1], sampling) == alone


def test_greedy_is_that_of_generate(folder: str, text_requests: list[TextRequest]) -> None:
    from pathlib import Path

    model = load_model(Path(folder), device="cpu", dtype="float32")
    tokenizer = load_tokenizer(Path(folder))
    written = texts(folder, 7, text_requests, GREEDY)
    for request in text_requests:
        prompt = torch.tensor(prompt_ids(tokenizer, [request.prompt]))
        with quiet():
            answer = model.generate(  # type: ignore[operator]
                prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=16, pad_token_id=0
            )
        expected = tokenizer.decode(answer[0, prompt.shape[1] :], skip_special_tokens=True)
        assert written[request.key].split(" ", 2)[2] == str(expected).strip()


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(order=st.permutations(range(24)), cut=st.integers(0, 24), slots=st.integers(1, 30))
def test_order_and_shards_change_nothing(
    tiny_llama: str, text_requests: list[TextRequest], order: list[int], cut: int, slots: int
) -> None:
    shuffled = [text_requests[index] for index in order]
    first, second = (texts(tiny_llama, slots, part, SAMPLED) for part in (shuffled[:cut], shuffled[cut:]))
    assert first | second == texts(tiny_llama, 4, text_requests, SAMPLED)


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(order=st.permutations(range(24)), cut=st.integers(0, 24), slots=st.integers(1, 30))
def test_beginnings_limits_and_stops_change_nothing_for_neighbours(
    tiny_llama: str, text_requests: list[TextRequest], order: list[int], cut: int, slots: int
) -> None:
    asked = replace(SAMPLED, stop=("coat", "衣"), repetition_window=2)
    starts = ("red coat of blue cotton " * 8, "a " * 34, "")
    requests = [
        replace(one, prompt=starts[number % 3] + one.prompt, limit=3 + number if number % 2 else None)
        for number, one in enumerate(text_requests)
    ]
    shuffled = [requests[index] for index in order]
    first, second = (texts(tiny_llama, slots, part, asked) for part in (shuffled[:cut], shuffled[cut:]))
    assert first | second == texts(tiny_llama, 4, requests, asked)


@pytest.mark.parametrize("kind", ["gpt2", "opt"])
def test_neighbours_never_leave_the_context(make_tiny: Callable[..., str], kind: str) -> None:
    """Learned positions end with the context, and each of these texts may go on to its end."""
    model = make_tiny(kind)
    words = ("a red coat of blue cotton size " * 17).split()
    requests = [
        TextRequest(key=f"{length} words", locale="en", prompt=" ".join(words[:length]), attributes=())
        for length in (3, 10, 60, 110, 116)
    ]
    asked = Sampling(temperature=0.9, max_new_tokens=200)
    alone = texts(model, 1, requests, asked)
    assert any(text.startswith("length") for text in alone.values())
    assert texts(model, 8, requests, asked) == alone


@pytest.mark.parametrize(
    ("sampling", "golden"),
    [(GREEDY, "27a6d340b228202c3a718dd971790680"), (SAMPLED, "5aa5f73b5cfdd322086f07510c7ed9f1")],
    ids=["greedy", "sampled"],
)
def test_texts_are_those_of_yesterday(
    tiny_llama: str, text_requests: list[TextRequest], sampling: Sampling, golden: str
) -> None:
    """A change here changes what every line writes: then the engine's name or the request key must change too."""
    assert fingerprint(texts(tiny_llama, 7, text_requests, sampling)) == golden


def test_both_decoders_write_the_same(
    tiny_llama: str, text_requests: list[TextRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_slots = texts(tiny_llama, 7, text_requests, SAMPLED)
    monkeypatch.setattr("aigc_core.engines.hf.fits_slots", lambda _: False)
    assert texts(tiny_llama, 7, text_requests, SAMPLED) == in_slots


def test_little_memory_means_fewer_slots_and_the_same_texts(
    tiny_llama: str, text_requests: list[TextRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    roomy = texts(tiny_llama, 24, text_requests, SAMPLED)
    monkeypatch.setattr("aigc_core.engines.memory.SHARE_ON_CPU", 0.0)
    assert texts(tiny_llama, 24, text_requests, SAMPLED) == roomy


def test_another_attempt_draws_another_text(tiny_llama: str, text_requests: list[TextRequest]) -> None:
    engine = HfEngine(tiny_llama, slots=24, device="cpu")
    first, second = (
        {text.key: text.text for text in engine.generate(text_requests, sampling=SAMPLED, attempt=attempt)}
        for attempt in (1, 2)
    )
    assert sum(first[key] != second[key] for key in first) > 20
