"""Killed at any point, cut in any size: the same texts; a row that kills its process fails alone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from shop import Shop, flip, item

from aigc_core.engines.base import GeneratedText, Generator, TextRequest
from aigc_core.engines.template import TemplateEngine
from aigc_core.errors import LakeUnusable
from aigc_core.generation.flight import DIED, Flight, resumed
from aigc_core.generation.shards import Left, generate_shard, journal_of, plan_shards
from aigc_core.generation.takeover import take_over
from aigc_core.ids import canonical_json
from aigc_core.records import Part, RequestSet, Sampling, Shard
from aigc_core.storage import files, journal
from aigc_core.storage.processes import Process, this_process
from aigc_core.storage.progress import RunFolder
from aigc_core.workspace import child_environment

pytest_plugins = ("shop_fixtures",)

CHILD = """
import os, signal, sys
from pathlib import Path
from aigc_core.engines.template import TemplateEngine
from aigc_core.generation.shards import generate_shard
from aigc_core.records import Sampling, Shard
from aigc_core.storage import journal
from aigc_core.storage.failpoints import arm
from aigc_core.storage.progress import RunFolder, as_record

class Deadly(TemplateEngine):
    def generate(self, requests, *, sampling, attempt):
        for text in super().generate(requests, sampling=sampling, attempt=attempt):
            if text.key == sys.argv[3]:
                os.kill(os.getpid(), signal.SIGKILL)
            yield text

journal.EVERY_SECONDS = 0.0
arm(sys.argv[4])
generate_shard(as_record(Shard, sys.argv[1]), lambda: Deadly({}), Sampling(), RunFolder(Path(sys.argv[2])))
"""


class Failing(TemplateEngine):
    """Dies of one request whenever it is asked for it."""

    def __init__(self, key: str) -> None:
        super().__init__({})
        self.key = key
        self.asked = 0

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        for text in super().generate(requests, sampling=sampling, attempt=attempt):
            self.asked += 1
            if text.key == self.key:
                raise RuntimeError("the tokenizer choked")
            yield text


@pytest.fixture
def requests(shop: Shop) -> RequestSet:
    """Five items in two languages."""
    return shop.requests([item(number) for number in range(1, 6)])


def cut(requests: RequestSet, folder: RunFolder, rows: int) -> tuple[Shard, ...]:
    """The first attempt's shards."""
    return plan_shards(requests, Left(), folder, shard_rows=rows)


def made(shard: Shard, folder: RunFolder, engine: Generator | None = None) -> Part:
    """The shard's part."""
    return generate_shard(shard, lambda: engine or TemplateEngine({}), Sampling(), folder)


def beside(shop: Shop, requests: RequestSet, rows: int = 8) -> tuple[RunFolder, Shard]:
    """Another run's folder with the same first shard."""
    folder = shop.folder("run-2")
    return folder, cut(requests, folder, rows)[0]


def child(shard: Shard, folder: RunFolder, *, key: str = "", point: str = "") -> int:
    """Write a shard in a process of its own; its exit status."""
    words = [sys.executable, "-c", CHILD, canonical_json(shard), str(folder.path), key, point]
    return subprocess.run(words, check=False, env=child_environment()).returncode


def keys_of(shard: Shard) -> list[str]:
    keys: list[str] = pq.read_table(shard.path)["request_key"].to_pylist()
    return keys


def test_a_row_that_kills_its_process_fails_alone(shop: Shop, requests: RequestSet) -> None:
    folder, shard = beside(shop, requests)
    poison, starts = keys_of(shard)[4], 1
    while child(shard, folder, key=poison) == -signal.SIGKILL:
        starts += 1
        assert starts < 20
    rows = pq.read_table(made(shard, folder).path).to_pylist()
    whole = pq.read_table(made(cut(requests, shop.folder("run-1"), 8)[0], shop.folder("run-1")).path).to_pylist()
    assert [row for row in rows if row["request_key"] != poison] == [
        row for row in whole if row["request_key"] != poison
    ]
    assert [(row["finish_reason"], row["error"]) for row in rows if row["request_key"] == poison] == [("error", DIED)]
    assert not journal_of(shard, folder).folder.exists()


@pytest.mark.parametrize(
    "point", ["journal.write:1:kill", "journal.write:2:kill", "part.write:1:kill", "part.note:1:kill"]
)
def test_killed_at_any_point_the_part_is_the_same_bytes(shop: Shop, requests: RequestSet, point: str) -> None:
    folder, shard = beside(shop, requests)
    assert child(shard, folder, point=point) == -signal.SIGKILL
    part = made(shard, folder)
    whole = made(cut(requests, shop.folder("run-1"), 8)[0], shop.folder("run-1"))
    assert Path(part.path).read_bytes() == Path(whole.path).read_bytes()
    assert part.sha256 == whole.sha256


def test_a_part_that_was_written_and_not_noted_is_adopted(shop: Shop, requests: RequestSet) -> None:
    folder, shard = beside(shop, requests)
    child(shard, folder, point="part.note:1:kill")
    journal_of(shard, folder).remove()
    asked = Failing("none")
    made(shard, folder, asked)
    assert asked.asked == 0


def test_an_engine_that_raises_fails_one_row(shop: Shop, requests: RequestSet) -> None:
    folder, shard = beside(shop, requests)
    poison = keys_of(shard)[5]
    rows = pq.read_table(made(shard, folder, Failing(poison)).path).to_pylist()
    assert [row["request_key"] for row in rows if row["finish_reason"] == "error"] == [poison]
    assert next(row["error"] for row in rows if row["error"]) == "The engine failed: RuntimeError: the tokenizer choked"


@pytest.mark.parametrize("rows", [1, 3, 4, 7, 10])
def test_another_shard_size_writes_no_row_again(shop: Shop, requests: RequestSet, rows: int) -> None:
    folder = shop.folder("run-1")
    first, second, *_ = cut(requests, folder, 4)
    written = made(first, folder)
    child(second, folder, key=keys_of(second)[1])
    left = journal_of(second, folder).read()["request_key"].to_pylist()
    assert left
    again = cut(requests, folder, rows)
    take_over(again, folder)
    engine = Failing("none")
    parts = [made(shard, folder, engine) for shard in again]
    told = [row for part in parts for row in pq.read_table(part.path).to_pylist()]
    assert engine.asked == 10 - written.rows - len(left)
    other = shop.folder("run-2")
    (whole,) = cut(requests, other, 10)
    assert told == pq.read_table(made(whole, other).path).to_pylist()


def test_a_damaged_journal_is_passed_over(shop: Shop, requests: RequestSet) -> None:
    folder, shard = beside(shop, requests)
    child(shard, folder, point="part.write:1:kill")
    for path in journal_of(shard, folder).folder.glob("*.parquet"):
        flip(path)
        break
    made(shard, folder)
    whole = made(cut(requests, shop.folder("run-1"), 8)[0], shop.folder("run-1"))
    assert pq.read_table(made(shard, folder).path) == pq.read_table(whole.path)


def test_a_full_disk_is_told_and_what_was_written_stays(
    shop: Shop, requests: RequestSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, shard = beside(shop, requests)

    def full(path: Path) -> None:
        raise OSError(28, os.strerror(28), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(files, "_sync", full)
        patch.setitem(journal._written, "at", float("-inf"))
        with pytest.raises(LakeUnusable, match="No space left on device"):
            made(shard, folder)
    assert not list(folder.file("parts").glob("*.json"))
    assert made(shard, folder).rows == 8


def flight(*groups: str, deaths: int = 0, journaled: int = 0) -> Flight:
    """What was in flight: a letter a row."""
    return Flight(
        groups=tuple(tuple(group) for group in groups),
        deaths=deaths,
        journaled=journaled,
        process=Process(host=this_process().host, pid=1, birth="0"),
    )


def test_two_deaths_without_a_row_cut_the_flight_in_halves() -> None:
    assert resumed(flight("abcd"), "abcd", 0) == ([tuple("abcd")], 1, ())
    assert resumed(flight("abcd", deaths=1), "abcd", 0) == ([tuple("ab"), tuple("cd")], 0, ())
    assert resumed(flight("a", "cd", deaths=1), "acd", 0) == ([tuple("cd")], 0, ("a",))


def test_a_new_row_starts_the_count_anew() -> None:
    assert resumed(flight("abcd", deaths=1, journaled=3), "bcd", 4) == ([tuple("bcd")], 0, ())
    assert resumed(flight("a", "cd", deaths=1), "cd", 1) == ([tuple("cd")], 0, ())
    assert resumed(None, "ab", 5) == ([tuple("ab")], 0, ())
    assert resumed(flight("ab"), "", 2) == ([], 0, ())


def test_processes_that_write_the_same_shard_harm_nobody(shop: Shop, requests: RequestSet) -> None:
    folder, shard = beside(shop, requests)
    words = [sys.executable, "-c", CHILD, canonical_json(shard), str(folder.path), "", ""]
    at_once = [subprocess.Popen(words, env=child_environment()) for _ in range(3)]
    assert [process.wait(60) for process in at_once] == [0, 0, 0]
    engine = Failing("none")
    assert (made(shard, folder, engine).rows, engine.asked) == (8, 0)
