"""How many workers a night has, and how its rows are divided among them."""

import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aigc_core.contracts.generation import Generation
from aigc_core.night.fan_out import rows_a_shard, worker_count
from aigc_core.records import ModelVersion


def model(engine: str, path: str = "") -> ModelVersion:
    return ModelVersion(line="l", digest="d", engine=engine, path=path, base="b")


@pytest.mark.parametrize(
    ("engine", "settings", "count"),
    [
        ("hf", {"workers": 1}, 1),
        ("hf", {"workers": 0}, 0),
        ("hf", {"workers": 3}, 3),
        ("ct2", {"workers": 1}, 1),
        ("vllm", {}, 1),
        ("vllm", {"workers": "auto"}, 1),
        ("template", {}, 0),
        ("template", {"workers": "auto"}, 0),
        ("template", {"workers": 2}, 2),
        ("template", {"fan_out": "prefect", "workers": 1}, 1),
        ("endpoint", {}, 0),
    ],
)
def test_a_model_gets_a_process_of_its_own(engine: str, settings: dict[str, object], count: int) -> None:
    assert worker_count(model(engine), Generation.model_validate(settings)) == count


@given(st.integers(1, 100_000), st.integers(2, 64), st.integers(1, 2000), st.integers(1, 512))
def test_workers_get_equal_shares(left: int, workers: int, most: int, slots: int) -> None:
    generation = Generation.model_validate({"workers": workers, "shard_rows": most, "slots": slots})
    rows = rows_a_shard(left, model("hf"), generation)
    assert min(slots, most) <= rows <= most
    shards = math.ceil(left / rows)
    rounds = math.ceil(shards / workers)
    fewest_rounds = math.ceil(left / (workers * most))
    assert rounds == fewest_rounds or rows == min(most, slots)


def test_a_process_a_core_as_far_as_the_memory_holds_the_model(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    assert worker_count(model("hf"), Generation()) == cores
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    assert worker_count(model("hf", str(tmp_path)), Generation()) == 1


@pytest.mark.parametrize("workers", ["auto", 0])
def test_workers_elsewhere_are_counted_by_a_person(workers: str | int) -> None:
    with pytest.raises(ValidationError, match="`fan_out: ray` needs `workers`"):
        Generation.model_validate({"fan_out": "ray", "workers": workers})


def test_one_worker_takes_the_recipes_shards() -> None:
    assert rows_a_shard(3000, model("hf"), Generation(workers=1)) == 2000
    assert rows_a_shard(3000, model("hf"), Generation(workers=2)) == 1500
    assert rows_a_shard(150, model("hf"), Generation(workers=2)) == 128
