"""Worker processes side by side, killed, hanging, told to stop: the texts are those of one process nobody disturbed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from crews import ROWS, SLOW, Nowhere, endless, let_go, planned, texts, told, write_together, writers
from shop import Shop, generated

from aigc_core.errors import RecipeInvalid, Stopped, WorkersFailed
from aigc_core.generation.flight import HUNG
from aigc_core.generation.shards import PART, journal_of, part_step
from aigc_core.night import pin, workers
from aigc_core.night.gains import Tally
from aigc_core.records import ModelVersion, Night, Task
from aigc_core.storage.claims import Claims
from aigc_core.storage.files import read_table
from aigc_core.storage.progress import release
from aigc_core.workspace import child_environment

pytest_plugins = ("shop_fixtures",)

SECONDS = 90.0


@pytest.fixture
def roomy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Eight shards of six, two workers."""
    monkeypatch.setenv("AIGC_LINES", str(tmp_path / "lines"))
    shop = told(tmp_path, **SLOW)
    yield shop
    let_go(shop)


@pytest.fixture
def hanging(roomy: Shop) -> Shop:
    """The English text of one item never ends."""
    return told(roomy.root, **SLOW, template=endless(roomy))


def worker(shop: Shop, night: Night, **settings: str) -> "subprocess.Popen[str]":
    """One more worker, as another host would start it."""
    words = [sys.executable, "-m", "aigc_core.night.worker", night.lake, night.run_id]
    environment = child_environment(AIGC_LINES=str(shop.root / "lines"), **settings)
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_worker_processes_write_what_one_process_writes(roomy: Shop, tmp_path: Path) -> None:
    night, shards = planned(roomy)
    write_together(night, shards)
    made = writers(roomy, night)
    assert len(made) == len(shards) == 8
    assert os.getpid() not in made
    batch = generated(night)[1]
    alone = told(tmp_path / "alone", shard_rows=2000)
    os.environ["AIGC_LINES"] = str(tmp_path / "alone" / "lines")  # noqa: TID251 -- another shop's lines
    other = pin.start(alone.order(ROWS))
    assert texts(batch) == texts(generated(other)[1])
    release(alone.folder(other.run_id).path)


def test_of_two_workers_one_is_killed_and_the_other_does_its_work(roomy: Shop) -> None:
    night, shards = planned(roomy)
    one = worker(roomy, night, AIGC_FAILPOINT="part.write:3:kill")
    one.communicate(timeout=SECONDS)
    assert one.returncode == -signal.SIGKILL
    held = sorted(roomy.folder(night.run_id).file("claims").glob("*/1"))
    other = worker(roomy, night)
    _, said = other.communicate(timeout=SECONDS)
    assert other.returncode == 0, said
    made = writers(roomy, night)
    assert (made.count(one.pid), made.count(other.pid)) == (2, len(shards) - 2)
    (taken_over,) = (path.parent for path in held if not path.exists())
    assert (taken_over / "2").exists()
    assert generated(night)[1].rows == 48


def test_the_children_end_with_their_parent() -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import sys;"
        "from aigc_core.night import worker; worker._die_with(int(sys.argv[1])); import time; time.sleep(60)',"
        "str(__import__('os').getpid())])\n"
        "print(child.pid, flush=True); time.sleep(3); import os; os._exit(1)"
    )
    parent = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=SECONDS)
    child = int(parent.stdout.split()[0])
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "State:\tZ" not in Path(f"/proc/{child}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_workers_that_tell_nothing_are_named_killed_and_replaced(
    roomy: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    night, shards = planned(roomy)
    hang = [sys.executable, "-c", "import time; time.sleep(600)"]
    real, started = subprocess.Popen, list[int]()

    def two_hang(words: list[str], **options: object) -> object:
        process = real(hang if len(started) < 2 else words, **options)  # type: ignore[call-overload]
        started.append(process.pid)
        return process

    monkeypatch.setattr("aigc_core.night.child_processes.subprocess.Popen", two_hang)
    with caplog.at_level("INFO", "aigc_core.progress"):
        write_together(night, shards)
    notes = [record.__dict__["progress"].note for record in caplog.records]
    assert any(note.startswith(f"worker {started[0]} was lost, another one goes on") for note in notes)
    assert any("it said nothing for " in note for note in notes)
    assert len(writers(roomy, night)) == len(shards)


def test_a_worker_that_fails_says_why(roomy: Shop) -> None:
    night, shards = planned(roomy)
    folder = roomy.folder(night.run_id)
    model = folder.recall("model", ModelVersion)
    assert model is not None
    crew = workers.Crew(Task(lake=night.lake, run_id=night.run_id), folder, roomy.line, model, Nowhere())
    folder.file("model.json").unlink()
    with pytest.raises(WorkersFailed, match="has no night or no model yet"):
        list(crew.written(shards))
    crew.stop(done=False)


def test_what_a_person_can_mend_keeps_its_exit_code(roomy: Shop) -> None:
    night, shards = planned(roomy)
    folder = roomy.folder(night.run_id)
    model = folder.recall("model", ModelVersion)
    assert model is not None
    recipe = roomy.root / "lines" / roomy.line.name / "recipe.yaml"
    crew = workers.Crew(Task(lake=night.lake, run_id=night.run_id), folder, roomy.line, model, Nowhere())
    recipe.write_text(recipe.read_text("utf-8").replace("A tiny shop", "Another shop"), "utf-8")
    with pytest.raises(RecipeInvalid, match=r"changed while run .* was under way") as told:
        list(crew.written(shards))
    crew.stop(done=False)
    assert told.value.exit_code == 2


def test_a_worker_told_to_stop_ends_with_75_and_keeps_its_rows(hanging: Shop) -> None:
    night, shards = planned(hanging)
    one = worker(hanging, night)
    parts = hanging.folder(night.run_id).file("parts")
    deadline = time.monotonic() + SECONDS
    while not (list(parts.glob("a1-00000-*.json")) and list(parts.glob("a1-00001-*.rows/flight.json"))):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    one.terminate()
    _, said = one.communicate(timeout=SECONDS)
    assert one.returncode == 75, said
    assert "Traceback" not in said
    assert 1 <= len(list(parts.glob("*.json"))) < len(shards)
    assert not list(parts.glob("*.rows/flight.json"))


def test_a_worker_that_waits_for_others_is_left_alone(
    roomy: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    night, shards = planned(roomy)
    claim = Claims(roomy.folder(night.run_id).file("claims")).claim(Path(part_step(shards[0])).name)
    assert claim is not None
    timer = threading.Timer(14.0, claim.release)
    timer.start()
    with caplog.at_level("INFO", "aigc_core.progress"):
        write_together(night, shards)
    timer.join()
    assert not [record for record in caplog.records if record.__dict__["progress"].note]
    assert len(writers(roomy, night)) == len(shards)


def test_a_row_that_hangs_its_engine_ends_as_failed_and_is_not_asked_for_again(
    hanging: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    night, shards = planned(hanging)
    with caplog.at_level("INFO", "aigc_core.progress"):
        write_together(night, shards)
    parts = sorted(hanging.folder(night.run_id).file("parts").glob("*.parquet"))
    rows = [row for path in parts for row in read_table(path).to_pylist()]
    failed = {(row["item_id"], row["locale"], row["error"]) for row in rows if row["finish_reason"] == "error"}
    assert failed == {("S-005", "en", HUNG)}
    assert (len(rows), len(parts)) == (48, len(shards))
    notes = {record.__dict__["progress"].note for record in caplog.records}
    assert any(note.startswith("shard 1-1 made no progress for ") for note in notes)
    batch = generated(night)[1]
    assert (batch.rows, batch.attempts) == (48, {"1": 48})


def test_what_is_still_being_written_is_not_counted(roomy: Shop) -> None:
    night, shards = planned(roomy)
    journal = journal_of(shards[0], roomy.folder(night.run_id))
    journal.put(PART.empty_table())
    (journal.folder / ".aside-half.parquet").write_bytes(b"PAR1")
    (journal.folder / "damaged.parquet").write_bytes(b"PAR1")
    tally = Tally(shards, roomy.folder(night.run_id))
    assert not tally.look()
    assert (tally.rows, tally.total, tally.unwritten) == (0, 48, 8)


def test_what_stopped_means() -> None:
    assert Stopped("x").exit_code == 75
