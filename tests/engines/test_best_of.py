"""The best of several drafts, and never another request's."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from aigc_core.engines.base import FinishReason, GeneratedText, TextRequest
from aigc_core.engines.best_of import BestOf, draft_key
from aigc_core.engines.hf import HfEngine
from aigc_core.records import Sampling

ONE = Sampling(temperature=0.9, top_p=0.95, max_new_tokens=12)
FOUR = replace(ONE, best_of=4)


@pytest.fixture(scope="module")
def engine(tiny_llama: str) -> HfEngine:
    return HfEngine(tiny_llama, slots=9, device="cpu")


def by_key(texts: Iterator[GeneratedText]) -> dict[str, GeneratedText]:
    return {text.key: replace(text, mean_logprob=None) for text in texts}


def test_the_likeliest_draft_is_kept_and_the_rest_counted(engine: HfEngine, text_requests: list[TextRequest]) -> None:
    for text in BestOf(engine).generate(text_requests, sampling=FOUR, attempt=2):
        request = next(one for one in text_requests if one.key == text.key)
        drafts = [
            replace(next(engine.generate([renamed], sampling=ONE, attempt=2)), key=text.key)
            for renamed in (replace(request, key=draft_key(text.key, 2, number)) for number in range(4))
        ]
        kept = max(drafts, key=lambda draft: (draft.finish_reason == "stop", draft.mean_logprob or -1e9))
        assert text.text == kept.text
        assert text.discarded_tokens == sum(draft.tokens for draft in drafts) - kept.tokens
        assert text.prompt_tokens == 4 * kept.prompt_tokens > 0


def test_order_split_and_slots_change_nothing(
    engine: HfEngine, tiny_llama: str, text_requests: list[TextRequest]
) -> None:
    whole = by_key(BestOf(engine).generate(text_requests, sampling=FOUR, attempt=1))
    narrow = BestOf(HfEngine(tiny_llama, slots=2, device="cpu"))
    parts = [text_requests[10:], text_requests[:10][::-1]]
    split = [by_key(narrow.generate(part, sampling=FOUR, attempt=1)) for part in parts]
    assert split[0] | split[1] == whole


def test_one_draft_is_the_engine_alone(engine: HfEngine, text_requests: list[TextRequest]) -> None:
    alone = by_key(engine.generate(text_requests, sampling=ONE, attempt=1))
    assert by_key(BestOf(engine).generate(text_requests, sampling=ONE, attempt=1)) == alone


def test_no_two_drafts_share_their_chance() -> None:
    keys = [draft_key(key, attempt, number) for key in "ab" for attempt in (1, 2) for number in range(1, 16)]
    assert len(set(keys)) == len(keys)
    assert {draft_key("a", attempt, 0) for attempt in (1, 2)} == {"a"}


class _Drafts:
    """An engine whose drafts come as told, last one first."""

    engine, model_digest, dtype = "told", "told", "text"

    def __init__(self, told: Sequence[tuple[FinishReason, float | None]]) -> None:
        self._told = told

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        assert sampling.best_of == 1
        for number in range(len(requests) - 1, -1, -1):
            reason, likely = self._told[number]
            yield GeneratedText(
                key=requests[number].key, text=f"draft {number}", finish_reason=reason, tokens=5, mean_logprob=likely
            )


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ([("length", -0.1), ("stop", -3.0)], 1),
        ([("stop", -2.0), ("stop", -1.0)], 1),
        ([("stop", -1.0), ("stop", -1.0)], 0),
        ([("error", None), ("loop", -9.0)], 1),
        ([("stop", None), ("stop", -9.0)], 1),
        ([("error", None), ("error", None)], 0),
    ],
)
def test_what_the_best_is(
    text_requests: list[TextRequest], told: Sequence[tuple[FinishReason, float | None]], kept: int
) -> None:
    wrapper = BestOf(_Drafts(told))
    (text,) = wrapper.generate(text_requests[:1], sampling=replace(ONE, best_of=2), attempt=1)
    assert (text.key, text.text, text.discarded_tokens) == (text_requests[0].key, f"draft {kept}", 5)
    assert (wrapper.engine, wrapper.model_digest, wrapper.dtype) == ("told", "told", "text")
