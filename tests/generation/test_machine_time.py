"""A machine's second is charged once, however many workers wrote in it."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from aigc_core.generation.machine_time import MachineTime, machine_seconds
from aigc_core.records import Part


def part(start: float, end: float, host: str = "a") -> Part:
    return Part(
        run_id="r", attempt=1, number=0, path="", sha256="", rows=1, failed=0, prompt_tokens=0, tokens=1,
        seconds=end - start, finished_at="2026-01-01T00:00:00+00:00", host=host, ended=end,
    )  # fmt: skip


def test_side_by_side_counts_once_and_two_machines_count_twice() -> None:
    assert machine_seconds([part(100, 110), part(105, 120), part(130, 140)]) == 30
    assert machine_seconds([part(100, 110), part(100, 110, "b")]) == 20


def test_what_does_not_say_where_it_was_written_counts_in_full() -> None:
    assert machine_seconds([part(100, 110, ""), part(100, 110, "")]) == 20


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 20), st.sampled_from("ab")), max_size=30), st.randoms())
def test_it_is_the_length_of_the_union_in_any_order(spans: list[tuple[int, int, str]], random: Random) -> None:
    covered = {(host, second) for start, length, host in spans for second in range(start, start + length)}
    random.shuffle(spans)
    time = MachineTime()
    for start, length, host in spans:
        time.add(part(start, start + length, host))
    assert time.seconds == len(covered)
