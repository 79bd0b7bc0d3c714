"""Marked texts are found by whoever holds the key, and belong to their requests as others do."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigc_core.contracts.steering import KgwMark, SynthIdMark
from aigc_core.engines.base import TextRequest
from aigc_core.engines.hf import HfEngine
from aigc_core.engines.rows import Row
from aigc_core.engines.watermark import KgwStep, SynthIdStep, WatermarkKey, find_mark, keyed, mark_name, open_mark
from aigc_core.errors import RecipeInvalid
from aigc_core.ids import canonical_json
from aigc_core.records import Sampling

KEY = WatermarkKey("a secret of the tests, 32 characters or more")
OTHER = WatermarkKey("another secret of the tests, as long as the first")
KGW, SYNTHID = KgwMark(scheme="kgw"), SynthIdMark(scheme="synthid")
PLAIN = Sampling(temperature=0.9, top_p=0.95, top_k=100, max_new_tokens=90)
MARKS = pytest.mark.parametrize("mark", [KGW, SYNTHID], ids=["kgw", "synthid"])


def marking(mark: KgwMark | SynthIdMark, key: WatermarkKey = KEY, **changes: object) -> Sampling:
    settings = keyed(canonical_json(mark.model_dump()), key)
    return replace(PLAIN, watermark=settings, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def engine(request: pytest.FixtureRequest, make_tiny: Callable[..., str]) -> HfEngine:
    """The first is written in slots, the second in padded batches."""
    made = HfEngine(make_tiny(request.param), slots=7, device="cpu")
    made.mark_with(KEY)
    return made


def written(engine: HfEngine, requests: Sequence[TextRequest], sampling: Sampling) -> dict[str, str]:
    return {text.key: text.text for text in engine.generate(requests, sampling=sampling, attempt=1)}


def tokens_of(engine: HfEngine, requests: Sequence[TextRequest], sampling: Sampling) -> list[list[int]]:
    """As chosen, before they become text."""
    rows = [row for row in engine._desk.rows(requests, sampling, 1) if not row.finish]
    chosen, steps = engine._steering.of(sampling)
    return [row.tokens for row in engine._decoder(chosen, None, steps).run(rows)]


def detector(mark: KgwMark | SynthIdMark, key: WatermarkKey) -> KgwStep | SynthIdStep:
    return open_mark(marking(mark, key), key)[1]


@MARKS
def test_marked_texts_are_found_and_others_are_not(
    engine: HfEngine, text_requests: list[TextRequest], mark: KgwMark | SynthIdMark
) -> None:
    """24 texts of up to 90 tokens; none may be found without the mark or with another key."""
    width = int(engine._model.config.vocab_size)
    right, wrong = detector(mark, KEY), detector(mark, OTHER)
    marked = tokens_of(engine, text_requests, marking(mark))
    plain = tokens_of(engine, text_requests, PLAIN)
    long = [tokens for tokens in marked if len(tokens) >= 60]
    assert len(long) >= 10
    assert sum(right.detect([tokens], width).found for tokens in long) >= 0.9 * len(long)
    assert not any(right.detect([tokens], width).found for tokens in plain)
    assert not any(wrong.detect([tokens], width).found for tokens in marked)


@MARKS
def test_slots_and_order_change_nothing(
    engine: HfEngine, text_requests: list[TextRequest], mark: KgwMark | SynthIdMark
) -> None:
    sampling = marking(mark, max_new_tokens=20)
    together = written(engine, text_requests, sampling)
    alone: dict[str, str] = {}
    for request in text_requests[::-1]:
        alone |= written(engine, [request], sampling)
    assert alone == together
    assert together != written(engine, text_requests, replace(sampling, watermark=""))


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(order=st.permutations(range(24)), cut=st.integers(0, 24), slots=st.integers(1, 30), kgw=st.booleans())
def test_any_order_and_shards_write_the_same(
    tiny_llama: str, text_requests: list[TextRequest], order: list[int], cut: int, slots: int, *, kgw: bool
) -> None:
    sampling = marking(KGW if kgw else SYNTHID, max_new_tokens=16)
    shuffled = [text_requests[index] for index in order]
    few, many = HfEngine(tiny_llama, slots=slots, device="cpu"), HfEngine(tiny_llama, slots=4, device="cpu")
    few.mark_with(KEY)
    many.mark_with(KEY)
    parts = written(few, shuffled[:cut], sampling) | written(few, shuffled[cut:], sampling)
    assert parts == written(many, text_requests, sampling)


def test_a_greedy_text_carries_kgw(tiny_llama: str, text_requests: list[TextRequest]) -> None:
    engine = HfEngine(tiny_llama, slots=7, device="cpu")
    engine.mark_with(KEY)
    tokens = tokens_of(engine, text_requests, marking(KGW, temperature=0, top_k=0))
    shares = [detector(KGW, KEY).detect([row], int(engine._model.config.vocab_size)).share for row in tokens if row]
    assert sum(shares) / len(shares) > 0.6


@pytest.mark.parametrize("top_p", [1.0, 0.8])
def test_a_row_gets_what_transformers_gives_it_alone(top_p: float) -> None:
    """Temperature, top_k, top_p, then the tournament: the order of `generate`, token by token, repeats included."""
    from transformers import (
        SynthIDTextWatermarkingConfig,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    mark, sampling = SynthIdMark(scheme="synthid", ngram=3, depth=8), replace(PLAIN, top_p=top_p, top_k=20)
    step = SynthIdStep(mark, KEY, sampling)
    config = SynthIDTextWatermarkingConfig(ngram_len=3, keys=[KEY.number(f"synthid {depth}") for depth in range(8)])
    theirs = config.construct_processor(50, "cpu")
    warpers = [TemperatureLogitsWarper(sampling.temperature), TopKLogitsWarper(20), TopPLogitsWarper(top_p)]
    row, generator = Row(key="k", prompt=[7, 8], seed=0, limit=40), torch.Generator().manual_seed(3)
    for token in [5, 6, 5, 6, 5, 6, 9, 5, 6, 5, 0, 0, 0, 1]:
        logits = torch.randn(1, 50, generator=generator)
        ids, warped = torch.tensor([[*row.prompt, *row.tokens]]), logits
        for warper in warpers:
            warped = warper(ids, warped)
        expected = theirs(ids, warped).softmax(-1)
        neighbour = Row(key="n", prompt=[1], seed=0, limit=40, tokens=[3] * len(row.tokens))
        mine = step(torch.cat([torch.randn(1, 50, generator=generator), logits]), [neighbour, row])[1].softmax(-1)
        torch.testing.assert_close(mine, expected[0], atol=1e-6, rtol=1e-5)
        row.tokens.append(token)


def test_kgw_biases_what_transformers_does() -> None:
    from transformers import WatermarkingConfig

    config = WatermarkingConfig(greenlist_ratio=0.25, bias=2.0, hashing_key=KEY.number("kgw"))
    processor = config.construct_processor(50, "cpu")
    rows = [Row(key=str(token), prompt=[token], seed=0, limit=4) for token in (7, 8, 7)]
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(1))
    expected = processor(torch.tensor([[7], [8], [7]]), logits)
    torch.testing.assert_close(KgwStep(KGW, KEY)(logits, rows), expected)


def test_detection_is_that_of_transformers() -> None:
    from transformers import PreTrainedConfig, WatermarkDetector, WatermarkingConfig

    config = WatermarkingConfig(greenlist_ratio=0.25, bias=2.0, hashing_key=KEY.number("kgw"))
    model: Any = PreTrainedConfig()
    model.vocab_size, model.bos_token_id = 48, -1
    theirs: Any = WatermarkDetector(model, "cpu", config, ignore_repeated_ngrams=True)
    tokens = torch.randint(1, 48, (1, 60), generator=torch.Generator().manual_seed(2))
    answer = theirs(tokens, return_dict=True)
    mine = KgwStep(KGW, KEY).detect(tokens.tolist(), 48)
    assert mine.scored == answer.num_tokens_scored[0]
    assert mine.z == pytest.approx(answer.z_score[0])
    assert mine.p_value == pytest.approx(answer.p_value[0])


@MARKS
def test_many_short_texts_are_found_together(
    tiny_llama: str, text_requests: list[TextRequest], mark: KgwMark | SynthIdMark
) -> None:
    """As they are read, not as they were chosen; what several of them say counts once."""
    engine = HfEngine(tiny_llama, slots=7, device="cpu")
    engine.mark_with(KEY)
    sampling = marking(mark, max_new_tokens=15)
    marked = list(written(engine, text_requests, sampling).values())
    plain = list(written(engine, text_requests, replace(PLAIN, max_new_tokens=15)).values())
    assert find_mark(marked, Path(tiny_llama), sampling, KEY).found
    assert not find_mark(plain, Path(tiny_llama), sampling, KEY).found
    once, often = (find_mark(marked[:3] * times, Path(tiny_llama), sampling, KEY) for times in (1, 9))
    assert once == often


def test_too_little_text_is_not_found() -> None:
    assert not KgwStep(KGW, KEY).detect([[3]], 48).found
    assert not SynthIdStep(SYNTHID, KEY, PLAIN).detect([[3, 4]], 48).found


def test_the_key_stands_nowhere() -> None:
    settings = keyed(canonical_json(KGW.model_dump()), KEY)
    assert "secret" not in settings
    assert "secret" not in repr(KEY)
    assert re.fullmatch("kgw:[0-9a-f]{16}", mark_name(settings))
    assert mark_name(settings) != mark_name(keyed(canonical_json(KGW.model_dump()), OTHER))
    assert mark_name("") == ""


def test_another_key_and_a_short_one_are_refused() -> None:
    with pytest.raises(RecipeInvalid, match="One run marks with one key"):
        open_mark(marking(KGW), OTHER)
    with pytest.raises(RecipeInvalid, match="has 5 characters"):
        WatermarkKey("short")


def test_an_engine_without_the_key_does_not_write(tiny_llama: str, text_requests: list[TextRequest]) -> None:
    engine = HfEngine(tiny_llama, device="cpu")
    with pytest.raises(RecipeInvalid, match="without a watermark key"):
        list(engine.generate(text_requests, sampling=marking(KGW), attempt=1))
