"""Shards are a partition of what still wants a text; a part is written once and holds every request."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from shop import Made, Shop, flip, item

from aigc_core.engines.base import GeneratedText, Generator, TextRequest
from aigc_core.engines.template import TemplateEngine
from aigc_core.generation.shards import Left, generate_shard, plan_shards
from aigc_core.records import Part, Sampling, Shard
from aigc_core.storage.progress import RunFolder

pytest_plugins = ("shop_fixtures",)

Row = dict[str, object]


class Forgetful(TemplateEngine):
    """Answers all requests but the first, last one first, with half a character in each text."""

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        texts = list(super().generate(requests[1:], sampling=sampling, attempt=attempt))
        yield from (replace(text, text=text.text + "\ud800") for text in reversed(texts))


def keys_of(*shards: Shard) -> list[str]:
    """Request keys in the order of the shards."""
    return [key for shard in shards for key in pq.read_table(shard.path)["request_key"].to_pylist()]


def write(shop: Shop, shard: Shard, engine: Generator) -> tuple[Part, list[Row]]:
    """The shard's part and its rows."""
    part = generate_shard(shard, lambda: engine, Sampling(), RunFolder(shop.folder("run-1").path))
    return part, pq.read_table(part.path).to_pylist()


@pytest.fixture
def shards(shop: Shop) -> tuple[Shard, ...]:
    """Five items, one of them without data, in both languages: eight requests in shards of three."""
    requests = shop.requests([item(1), item(2), item(3, material=None), item(4), item(5)])
    return plan_shards(requests, Left(), shop.folder("run-1"), shard_rows=3)


@pytest.fixture
def templates(shop: Shop) -> TemplateEngine:
    """The line's own engine."""
    return TemplateEngine(shop.line.recipe.generation.template)


def test_the_first_attempt_asks_for_all_that_has_no_state(shop: Shop, shards: tuple[Shard, ...]) -> None:
    requests = pq.read_table(shop.folder("run-1").file("requests.parquet")).to_pylist()
    assert keys_of(*shards) == [row["request_key"] for row in requests if row["state"] is None]
    assert [(shard.attempt, shard.number, shard.of, shard.rows) for shard in shards] == [
        (1, 0, 3, 3),
        (1, 1, 3, 3),
        (1, 2, 3, 2),
    ]


def test_nothing_to_generate_is_no_shard(shop: Shop) -> None:
    requests = shop.requests([item(1, material=None), item(2, material=None)])
    assert plan_shards(requests, Left(), shop.folder("run-1"), shard_rows=3) == ()


def test_the_next_attempt_asks_for_what_was_not_accepted(mixed: Made) -> None:
    asked = [asked_at(mixed, attempt) for attempt in (2, 3)]
    assert [[item_id for item_id, locale in one if locale == "en"] for one in asked] == [
        ["S-002", "S-003", "S-004", "S-007"],
        ["S-002", "S-004", "S-007"],
    ]
    assert all(one == [(name, locale) for name, _ in one[::2] for locale in ("en", "zh")] for one in asked)
    assert mixed.batch.attempts == {"1": 20, "2": 8, "3": 6}


def asked_at(made: Made, attempt: int) -> list[tuple[str, str]]:
    """Items and locales an attempt wrote, in order."""
    tables = [pq.read_table(part.path) for part in made.parts if part.attempt == attempt]
    return [(row["item_id"], row["locale"]) for table in tables for row in table.to_pylist()]


def test_a_fingerprint_depends_on_requests_and_attempt(shop: Shop, shards: tuple[Shard, ...]) -> None:
    again = plan_shards(
        shop.requests([item(1), item(2), item(4), item(5)], "run-2"), Left(), shop.folder("run-2"), shard_rows=3
    )
    assert [shard.fingerprint for shard in again] == [shard.fingerprint for shard in shards]
    assert len({shard.fingerprint for shard in shards}) == 3


def test_a_part_holds_the_requests_in_order(shop: Shop, shards: tuple[Shard, ...], templates: TemplateEngine) -> None:
    part, rows = write(shop, shards[0], templates)
    assert [row["request_key"] for row in rows] == keys_of(shards[0])
    assert (part.rows, part.failed, part.attempt, part.number) == (3, 0, 1, 0)
    assert rows[0]["text"] == (
        "Birch I is a bottle made of glass and easy to live with at home and away. It holds 251 ml."
    )


def test_a_request_without_an_answer_is_a_failed_row(shop: Shop, shards: tuple[Shard, ...]) -> None:
    part, rows = write(shop, shards[0], Forgetful(shop.line.recipe.generation.template))
    assert part.failed == 1
    assert [row["finish_reason"] for row in rows] == ["error", "stop", "stop"]
    assert rows[0]["error"] == "the engine returned nothing for this request"
    assert [row["request_key"] for row in rows] == keys_of(shards[0])


def test_half_a_character_never_reaches_a_file(shop: Shop, shards: tuple[Shard, ...]) -> None:
    _, rows = write(shop, shards[0], Forgetful(shop.line.recipe.generation.template))
    assert str(rows[1]["text"]).endswith("?")


def test_a_written_part_opens_no_engine(shop: Shop, shards: tuple[Shard, ...], templates: TemplateEngine) -> None:
    part, _ = write(shop, shards[0], templates)
    opened: list[str] = []

    def engine() -> Generator:
        opened.append("engine")
        return templates

    assert generate_shard(shards[0], engine, Sampling(), shop.folder("run-1")) == part
    flip(shop.folder("run-1").file(part.path))
    again = generate_shard(shards[0], engine, Sampling(), shop.folder("run-1"))
    assert (again.sha256, opened) == (part.sha256, ["engine"])
