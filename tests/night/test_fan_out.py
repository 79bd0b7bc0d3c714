"""How many workers a night has, and how its rows are divided among them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_core.contracts.generation import Generation
from aigc_core.night.fan_out import rows_a_shard, worker_count


@pytest.mark.parametrize(
    ("engine", "settings", "count"),
    [
        ("hf", {}, 1),
        ("hf", {"workers": 0}, 0),
        ("hf", {"workers": 3}, 3),
        ("ct2", {}, 1),
        ("vllm", {"workers": "auto"}, 1),
        ("template", {}, 0),
        ("template", {"workers": "auto"}, 0),
        ("template", {"workers": 2}, 2),
        ("template", {"fan_out": "prefect"}, 1),
        ("endpoint", {}, 0),
    ],
)
def test_a_model_gets_a_process_of_its_own(engine: str, settings: dict[str, object], count: int) -> None:
    assert worker_count(engine, Generation.model_validate(settings)) == count


@given(st.integers(1, 100_000), st.integers(2, 64), st.integers(1, 2000), st.integers(1, 512))
def test_workers_get_equal_shares(left: int, workers: int, most: int, slots: int) -> None:
    generation = Generation.model_validate({"workers": workers, "shard_rows": most, "slots": slots})
    rows = rows_a_shard(left, "hf", generation)
    assert min(slots, most) <= rows <= most
    shards = math.ceil(left / rows)
    rounds = math.ceil(shards / workers)
    fewest_rounds = math.ceil(left / (workers * most))
    assert rounds == fewest_rounds or rows == min(most, slots)


def test_one_worker_takes_the_recipes_shards() -> None:
    assert rows_a_shard(3000, "hf", Generation()) == 2000
    assert rows_a_shard(3000, "hf", Generation(workers=2)) == 1500
    assert rows_a_shard(150, "hf", Generation(workers=2)) == 128
