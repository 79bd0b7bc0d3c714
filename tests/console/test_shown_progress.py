"""Progress as a person sees it: bars on a terminal, lines elsewhere."""

import io
import logging

import pytest
from rich.console import Console

from aigc_core.events import LOGGER_NAME, Progress, report_progress
from flows.console.progress import shown_progress


def shown(console: Console, *events: Progress) -> str:
    """What stands on the console after these events."""
    with shown_progress(console):
        for event in events:
            report_progress(event)
    return console.export_text()


def plain() -> Console:
    return Console(file=io.StringIO(), record=True, width=120, force_terminal=False)


def terminal() -> Console:
    return Console(file=io.StringIO(), record=True, width=120, force_terminal=True)


def test_lines_say_stage_count_and_unit() -> None:
    said = shown(plain(), Progress(stage="generate", done=2000, total=4000, tokens=10, note="attempt 1"))
    assert said == "generate: 2,000/4,000 rows attempt 1\n"


def test_lines_do_not_flood_but_always_show_the_end() -> None:
    steps = [Progress(stage="plan", done=done, total=100) for done in range(1, 101)]
    assert shown(plain(), *steps).splitlines() == ["plan: 1/100 rows", "plan: 100/100 rows"]


def test_lines_of_an_unknown_total() -> None:
    assert shown(plain(), Progress(stage="ingest", done=7, total=None)) == "ingest: 7 rows\n"


def test_lines_show_hostile_notes_as_they_are() -> None:
    assert "[bold]x[/]" in shown(plain(), Progress(stage="s", done=1, total=1, note="[bold]x[/]"))


def test_bars_show_each_stage_once() -> None:
    said = shown(
        terminal(),
        Progress(stage="plan", done=80, total=80),
        Progress(stage="generate", done=40, total=80),
        Progress(stage="generate", done=80, total=80),
    )
    last = said.splitlines()[-2:]
    assert ["plan" in last[0], "generate" in last[1]] == [True, True]
    assert "80/80" in last[1]


def test_what_was_spent_and_what_is_left_stand_beside_the_count() -> None:
    event = Progress(stage="accept", done=9, total=40, unit="texts", spent="0.31 USD", left="about 12 min left")
    assert shown(plain(), event) == "accept: 9/40 texts 0.31 USD about 12 min left\n"
    assert "0.31 USD" in shown(terminal(), event)


@pytest.mark.parametrize("console", [plain(), terminal()], ids=["lines", "bars"])
def test_what_an_earlier_process_wrote_is_no_speed(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("flows.console.progress.time.monotonic", lambda: now[0])
    with shown_progress(console):
        report_progress(Progress(stage="generate", done=900, total=1000, tokens=90_000))
        now[0] += 10
        report_progress(Progress(stage="generate", done=1000, total=1000, tokens=100_000))
    assert "1,000 tokens/s" in console.export_text()


def test_bars_show_a_note_once_above_them() -> None:
    said = shown(
        terminal(),
        Progress(stage="generate", done=1, total=9, note="worker 7 was killed [by a signal]"),
        Progress(stage="generate", done=2, total=9, note="worker 7 was killed [by a signal]"),
    )
    assert said.count("worker 7 was killed [by a signal]") == 1


@pytest.mark.parametrize("console", [plain(), terminal()], ids=["lines", "bars"])
def test_other_records_are_not_progress(console: Console) -> None:
    with shown_progress(console):
        logging.getLogger(LOGGER_NAME).info("something else")
    assert "something else" not in console.export_text()


@pytest.mark.parametrize("make", [plain, terminal], ids=["lines", "bars"])
def test_the_logger_is_left_as_it_was(make: type[Console]) -> None:
    logger = logging.getLogger(LOGGER_NAME)
    before = (logger.level, logger.propagate, list(logger.handlers))
    with pytest.raises(ZeroDivisionError), shown_progress(make()):
        report_progress(Progress(stage="plan", done=1, total=1 // 0))
    assert (logger.level, logger.propagate, list(logger.handlers)) == before
