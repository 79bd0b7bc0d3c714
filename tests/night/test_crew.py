"""What a night does about its workers, wherever they run: a pool that a test holds in its hand."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from crews import let_go, planned, told
from shop import Shop

from aigc_core.errors import AigcError, EngineBroken, MissingExtra, WorkersFailed
from aigc_core.night import workers
from aigc_core.night.pools import Ended
from aigc_core.night.work import work
from aigc_core.records import ModelVersion, Shard, Task

pytest_plugins = ("shop_fixtures",)


class Scripted:
    """Workers that end as the script says, one after another; without one more word in it they do the work."""

    seconds_between_looks = 0.0

    def __init__(self, *script: Ended | None) -> None:
        self.script = list(script)
        self.started: list[Task] = []
        self.forgotten: list[str] = []
        self.stopped: bool | None = None

    def start(self, task: Task, *, of: int) -> str:
        self.started.append(task)
        return str(len(self.started))

    def ended(self, workers: Sequence[str]) -> Mapping[str, Ended]:
        if not self.script and workers:
            work(self.started[-1])
            return {workers[-1]: Ended(in_order=True)}
        said = [(worker, self.script.pop(0)) for worker in workers if self.script]
        return {worker: ended for worker, ended in said if ended is not None}

    def forget(self, worker: str) -> None:
        self.forgotten.append(worker)

    def stop(self, *, done: bool) -> None:
        self.stopped = done


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Eight shards of six, two workers on another host."""
    monkeypatch.setenv("AIGC_LINES", str(tmp_path / "lines"))
    monkeypatch.setattr(workers, "LOOK", 0.001)
    monkeypatch.setattr(workers, "COUNT", 0.01)
    shop = told(tmp_path, shard_rows=6, workers=2, fan_out="prefect", stall_seconds=5.0, attempts=1)
    yield shop
    let_go(shop)


def manned(shop: Shop, pool: Scripted) -> tuple[workers.Crew, tuple[Shard, ...]]:
    """A crew on that pool, and its shards."""
    night, shards = planned(shop)
    folder = shop.folder(night.run_id)
    model = folder.recall("model", ModelVersion)
    assert model is not None
    return workers.Crew(Task(lake=night.lake, run_id=night.run_id), folder, shop.line, model, pool), shards


def lost(error: AigcError | None = None) -> Ended:
    return Ended(in_order=False, said="gone", error=error)


def test_lost_workers_are_replaced(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    pool = Scripted(lost(), lost(), lost())
    crew, shards = manned(shop, pool)
    with caplog.at_level("INFO", "aigc_core.progress"):
        assert tuple(crew.written(shards)) == shards
    notes = [record.__dict__["progress"].note for record in caplog.records]
    assert notes.count("asked for workers (prefect): 2") >= 1
    assert sum("was lost, another one goes on; it said: gone" in note for note in notes) == 3


def test_a_host_whose_device_broke_does_not_end_the_night(shop: Shop) -> None:
    crew, shards = manned(shop, Scripted(lost(EngineBroken("no device")), lost(MissingExtra("no driver"))))
    assert tuple(crew.written(shards)) == shards


def test_what_a_second_worker_ends_with_too_ends_the_night(shop: Shop) -> None:
    crew, shards = manned(shop, Scripted(*[lost(MissingExtra("no driver"))] * 2))
    with pytest.raises(MissingExtra, match="no driver"):
        list(crew.written(shards))


def test_workers_that_end_again_and_again_end_the_night_with_their_words(shop: Shop) -> None:
    pool = Scripted(*[lost()] * 99)
    crew, shards = manned(shop, pool)
    with pytest.raises(WorkersFailed, match=r"ended 9 times with nothing gained.* The last one said: gone"):
        list(crew.written(shards))
    crew.stop(done=False)
    assert pool.stopped is False


def test_many_workers_lost_together_do_not_end_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "worker_count", lambda _model, _generation: 20)
    crew, shards = manned(shop, Scripted(*[lost()] * 20))
    assert tuple(crew.written(shards)) == shards


def test_workers_that_bring_nothing_are_forgotten_and_others_asked_for(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(Scripted):
        def ended(self, workers: Sequence[str]) -> Mapping[str, Ended]:
            return super().ended(workers) if self.forgotten else {}

    monkeypatch.setattr(workers, "LOST", -11.9)  # of 5 s, beside the minute: half a second
    pool = Silent()
    crew, shards = manned(shop, pool)
    assert tuple(crew.written(shards)) == shards
    assert pool.forgotten == ["1", "2"]


def test_a_night_does_not_wait_for_ever(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "LOST", 100.0)
    monkeypatch.setattr(workers, "IDLE", -11.9)
    crew, shards = manned(shop, Scripted(*[None] * 9999))
    with pytest.raises(WorkersFailed, match=r"Nobody wrote a row .* Look whether a worker of that pool is started"):
        list(crew.written(shards))
