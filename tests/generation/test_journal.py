"""Killed at any point, cut in any size: the same texts; a row that kills its process fails alone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import Shop, flip, item

from aigc_core.engines.base import GeneratedText, Generator, TextRequest
from aigc_core.engines.template import TemplateEngine
from aigc_core.errors import EngineBroken, LakeUnusable
from aigc_core.generation.flight import DIED, Flight, mark_stalled, patience, resumed
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


def flight(*groups: Sequence[str], deaths: int = 0, stalled: bool = False) -> Flight:
    """What was in flight: a letter a row."""
    return Flight(
        groups=tuple(tuple(group) for group in groups),
        deaths=deaths,
        stalled=stalled,
        process=Process(host=this_process().host, pid=1, birth="0"),
    )


def test_two_deaths_cut_what_is_left_of_the_flight_in_halves() -> None:
    assert resumed(flight("abcd"), "abcd") == ([tuple("abcd")], 1, ())
    assert resumed(flight("abcd", deaths=1), "abcd") == ([tuple("ab"), tuple("cd")], 0, ())
    assert resumed(flight("abcde", deaths=1), "bcde") == ([tuple("bc"), tuple("de")], 0, ())
    assert resumed(flight("a", "cd", deaths=1), "acd") == ([tuple("cd")], 0, ("a",))


def test_a_stall_cuts_them_at_once_and_a_single_row_has_two() -> None:
    assert resumed(flight("abcd", stalled=True), "abcd") == ([tuple("ab"), tuple("cd")], 0, ())
    assert resumed(flight("a", "b", stalled=True), "ab") == ([("a",), ("b",)], 1, ())
    assert resumed(flight("a", "b", stalled=True, deaths=1), "ab") == ([("b",)], 0, ("a",))


def test_what_was_written_is_no_suspect() -> None:
    assert resumed(flight("a", "cd", deaths=1), "cd") == ([tuple("cd")], 0, ())
    assert resumed(None, "ab") == ([tuple("ab")], 0, ())
    assert resumed(flight("ab"), "") == ([], 0, ())


def test_patience_shrinks_with_every_stall_of_rows_this_process_has_in_flight(shop: Shop, requests: RequestSet) -> None:
    journal = journal_of(beside(shop, requests)[1], shop.folder("run-2"))
    assert (patience(journal, 80.0), mark_stalled(journal)) == (80.0, 0)
    for seconds in (80.0, 40.0, 20.0, 10.0, 10.0):
        assert patience(journal, 80.0) == seconds
        told = journal.marked()
        stalls = told["stalls"] if isinstance(told, dict) else 0
        journal.mark({"groups": [["a", "b"]], "deaths": 0, "process": this_process(), "stalls": stalls})
        assert mark_stalled(journal) == 2


def test_a_stall_while_the_engine_loads_is_not_held_against_the_rows(shop: Shop, requests: RequestSet) -> None:
    journal = journal_of(beside(shop, requests)[1], shop.folder("run-2"))
    other = Process(host=this_process().host, pid=1, birth="0")
    journal.mark({"groups": [["a", "b"]], "deaths": 0, "process": other, "stalls": 3})
    before = journal.marked()
    assert (patience(journal, 80.0), mark_stalled(journal), journal.marked()) == (80.0, 0, before)


class Breaking(TemplateEngine):
    """Writes so many rows, and from then on none."""

    def __init__(self, rows: int) -> None:
        super().__init__({})
        self.left = rows

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        for text in super().generate(requests, sampling=sampling, attempt=attempt):
            if not self.left:
                raise RuntimeError("unspecified launch failure")
            self.left -= 1
            yield text


@pytest.mark.parametrize(("wrote", "why"), [(3, "It fails on a row that it wrote before, too"), (0, "It wrote none")])
def test_an_engine_that_fails_on_row_after_row_is_broken_and_no_row_is_blamed(shop: Shop, wrote: int, why: str) -> None:
    requests = shop.requests([item(number) for number in range(1, 13)])
    folder = shop.folder("run-1")
    (shard,) = cut(requests, folder, 2000)
    with pytest.raises(EngineBroken, match=rf"one after another, at last: RuntimeError: unspecified .*{why}"):
        made(shard, folder, Breaking(wrote))
    left = journal_of(shard, folder)
    assert left.read()["finish_reason"].to_pylist() == ["stop"] * wrote
    assert left.marked() is None
    assert made(shard, folder).failed == 0


def test_rows_side_by_side_that_fail_by_themselves_fail_alone(shop: Shop, requests: RequestSet) -> None:
    folder, shard = beside(shop, requests)
    bad = set(keys_of(shard)[2:6])

    class Picky(TemplateEngine):
        def generate(
            self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int
        ) -> Iterator[GeneratedText]:
            for text in super().generate(requests, sampling=sampling, attempt=attempt):
                if text.key in bad:
                    raise RuntimeError("the tokenizer choked")
                yield text

    rows = pq.read_table(made(shard, folder, Picky({})).path).to_pylist()
    assert {row["request_key"] for row in rows if row["finish_reason"] == "error"} == bad


def test_processes_that_write_the_same_shard_harm_nobody(shop: Shop, requests: RequestSet) -> None:
    folder, shard = beside(shop, requests)
    words = [sys.executable, "-c", CHILD, canonical_json(shard), str(folder.path), "", ""]
    at_once = [subprocess.Popen(words, env=child_environment()) for _ in range(3)]
    assert [process.wait(60) for process in at_once] == [0, 0, 0]
    engine = Failing("none")
    assert (made(shard, folder, engine).rows, engine.asked) == (8, 0)


@given(st.integers(1, 300), st.data())
def test_a_poison_row_is_found_after_few_deaths_whatever_was_written_before_it(rows: int, data: st.DataObject) -> None:
    keys = [str(number) for number in range(rows)]
    poison = keys[data.draw(st.integers(0, rows - 1))]
    missing, told, lost = list(keys), None, 0
    while poison in missing:
        groups, deaths, given_up = resumed(told, missing)
        missing = [key for key in missing if key not in given_up]
        while groups and poison in missing:
            written = groups[0][: groups[0].index(poison)] if poison in groups[0] else groups[0]
            missing = [key for key in missing if key not in written]
            if poison in groups[0]:
                lost += 1
                told = flight(*groups, deaths=deaths)
                break
            groups, deaths = groups[1:], 0
        assert lost <= 2 * (rows.bit_length() + 1)
    assert not missing or poison not in missing
