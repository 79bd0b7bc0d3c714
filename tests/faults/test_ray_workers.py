"""A night on a real Ray cluster of this machine: its tasks write the very texts of a night without one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from crews import ROWS, SLOW, endless, let_go, planned, texts, told, write_together, writers
from shop import Shop, generated

from aigc_core.generation.flight import HUNG
from aigc_core.night import pin
from aigc_core.storage.files import read_table

pytest_plugins = ("shop_fixtures",)


@pytest.fixture
def on_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Eight shards of six, two workers on a cluster."""
    monkeypatch.setenv("AIGC_LINES", str(tmp_path / "lines"))
    shop = told(tmp_path, **SLOW, fan_out="ray")
    yield shop
    let_go(shop)


def test_ray_tasks_write_what_one_process_writes(on_ray: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    night, shards = planned(on_ray)
    write_together(night, shards)
    made = writers(on_ray, night)
    assert len(made) == len(shards)
    assert os.getpid() not in made
    batch = generated(night)[1]
    alone = told(tmp_path / "alone", shard_rows=2000)
    monkeypatch.setenv("AIGC_LINES", str(tmp_path / "alone" / "lines"))
    other = pin.start(alone.order(ROWS))
    assert texts(batch) == texts(generated(other)[1])
    let_go(alone)


def test_a_row_that_hangs_a_ray_worker_ends_as_failed(on_ray: Shop) -> None:
    hanging = told(on_ray.root, **SLOW, fan_out="ray", template=endless(on_ray))
    night, shards = planned(hanging)
    write_together(night, shards)
    parts = sorted(hanging.folder(night.run_id).file("parts").glob("*.parquet"))
    rows = [row for path in parts for row in read_table(path).to_pylist()]
    failed = {(row["item_id"], row["locale"], row["error"]) for row in rows if row["finish_reason"] == "error"}
    assert failed == {("S-005", "en", HUNG)}
    assert len(rows) == 48
