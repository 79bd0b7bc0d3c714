from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_core.contracts.recipe import Training
from aigc_core.engines.base import TrainingPair
from aigc_core.engines.examples import UNSCORED, dataset, encode, plan_batches
from aigc_core.engines.loading import completion_ids, load_tokenizer, prompt_ids


def settings_for(**values: int | float) -> Training:
    return Training.model_validate({"max_tokens": 10**9, "batch_size": 8, "evaluations": 3} | values)


@given(
    lengths=st.lists(st.integers(1, 200), min_size=1, max_size=120),
    epochs=st.floats(0.1, 3),
    budget=st.integers(1, 20_000),
)
@settings(deadline=None)
def test_a_plan_keeps_its_limits(lengths: list[int], epochs: float, budget: int) -> None:
    rows = max(1, int(epochs * len(lengths)))
    plan = plan_batches(lengths, rows, settings_for(max_tokens=budget))
    seen = Counter(index for batch in plan.batches for index in batch)
    assert sum(seen.values()) <= max(rows, len(plan.batches[0]))
    assert max(seen.values()) <= -(-rows // len(lengths))
    assert len({len(batch) for batch in plan.batches}) == 1
    assert len(plan.batches) == 1 or plan.tokens[-1] <= budget
    assert len(plan.batches) < 3 or len(plan.batches) % 3 == 0


def test_an_epoch_shows_every_pair_once() -> None:
    plan = plan_batches(list(range(1, 49)), 48, settings_for())
    assert sorted(index for batch in plan.batches for index in batch) == list(range(48))


def test_batches_are_of_like_lengths() -> None:
    lengths = [length % 100 + 1 for length in range(3200)]
    plan = plan_batches(lengths, 3200, settings_for())
    padded = sum(len(batch) * max(lengths[index] for index in batch) for batch in plan.batches)
    assert padded < 1.05 * plan.tokens[-1]


def test_the_seed_fixes_the_plan() -> None:
    plans = [plan_batches([5] * 100, 100, settings_for(seed=seed)).batches for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]


def test_training_sees_the_prompt_that_generation_sees(tiny_llama: str) -> None:
    tokenizer = load_tokenizer(Path(tiny_llama))
    pair = TrainingPair(prompt="a red coat of", text="blue cotton")
    (example,) = encode(tokenizer, [pair], 100)
    (prompt,), (text,) = prompt_ids(tokenizer, [pair.prompt]), completion_ids(tokenizer, [pair.text])
    assert example.tokens == prompt + text
    assert example.tokens[: example.prompt_length] == prompt
    assert dataset([example])[0]["labels"] == [UNSCORED] * len(prompt) + text


def test_long_pairs_are_cut_and_hopeless_ones_left_out(tiny_llama: str) -> None:
    tokenizer = load_tokenizer(Path(tiny_llama))
    pairs = [TrainingPair(prompt="a", text=" red" * 50), TrainingPair(prompt=" red" * 50, text="a")]
    (example,) = encode(tokenizer, pairs, 20)
    assert len(example.tokens) == 20
    assert example.prompt_length == 2


def test_no_more_is_encoded_than_the_budget_needs(tiny_llama: str) -> None:
    pairs = [TrainingPair(prompt="a", text="red")] * 3000
    assert len(encode(load_tokenizer(Path(tiny_llama)), pairs, 20, most_tokens=100)) == 1000
