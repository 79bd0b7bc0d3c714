"""How far a night is: accepted, pace, cost and what is left, from the shards alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shop import RECIPE

from aigc_core.contracts.recipe import Recipe
from aigc_core.night.course import Meter, in_words, percent_of
from aigc_core.records import Part, Shard, Verdicts


def shard(attempt: int, number: int, rows: int) -> Shard:
    return Shard(run_id="r", attempt=attempt, number=number, of=2, path="", fingerprint="f", rows=rows)


def part(of: Shard, *, seconds: float = 36.0, minutes_ago: float = 0.0) -> Part:
    finished = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return Part(
        run_id="r", attempt=of.attempt, number=of.number, path="", sha256="", rows=of.rows, failed=0, prompt_tokens=0,
        host="h", ended=finished.timestamp() + 100 * of.number,
        tokens=10 * of.rows, seconds=seconds, finished_at=finished.isoformat(timespec="seconds"),
    )  # fmt: skip


def verdicts(of: Shard, accepted: int) -> Verdicts:
    return Verdicts(
        run_id="r", attempt=of.attempt, number=of.number, path="", sha256="", rows=of.rows, accepted=accepted,
        findings={}, errors=0,
    )  # fmt: skip


@pytest.fixture
def meter() -> Meter:
    return Meter(Recipe.model_validate(RECIPE | {"prices": {"currency": "EUR", "device_hour": 2.0}}), "hf", 200)


def test_shards_add_up_to_texts_tokens_and_money(meter: Meter) -> None:
    first, second = shard(1, 0, 100), shard(1, 1, 100)
    meter.begin((first, second))
    course = meter.add(part(first), verdicts(first, 90))
    assert (course.accepted, course.written, course.tokens) == (90, 100, 1000)
    assert course.cost == pytest.approx(0.02)
    assert percent_of(course) == 45.0
    assert course.tokens_per_second > 0
    assert course.seconds_left is not None
    assert " left of attempt 1" in in_words(course)
    done = meter.add(part(second), verdicts(second, 100))
    assert in_words(done).startswith("190 of 200 texts accepted, 200 written by attempt 1, ")
    assert in_words(done).endswith(", 0.040 EUR so far")


def test_discarded_drafts_are_tokens_and_money_too() -> None:
    endpoint = {"url": "http://host/v1", "model": "m", "price_per_million_tokens": 1000}
    recipe = RECIPE | {"generation": {"endpoint": endpoint}, "prices": {"currency": "EUR", "device_hour": 0.0}}
    meter, only = Meter(Recipe.model_validate(recipe), "endpoint", 100), shard(1, 0, 100)
    meter.begin((only,))
    course = meter.add(replace(part(only), discarded_tokens=3000), verdicts(only, 90))
    assert course.tokens == 4000
    assert course.cost == pytest.approx(4.0)


def test_a_repeat_that_is_asked_for_again_is_not_accepted_yet(meter: Meter) -> None:
    first, again = shard(1, 0, 200), shard(2, 0, 30)
    meter.begin((first,))
    meter.add(part(first), verdicts(first, 180))
    meter.begin((again,))
    course = meter.add(part(again), verdicts(again, 25))
    assert (course.accepted, course.attempt, course.shards, course.shards_of) == (195, 2, 1, 1)


def test_what_an_earlier_process_wrote_says_nothing_of_the_pace(meter: Meter) -> None:
    first, second = shard(1, 0, 100), shard(1, 1, 100)
    meter.begin((first, second))
    course = meter.add(part(first, minutes_ago=9), verdicts(first, 90))
    assert (course.tokens_per_second, course.seconds_left) == (0.0, None)
    assert in_words(course) == "90 of 200 texts accepted, 100 written by attempt 1, 0.020 EUR so far"
