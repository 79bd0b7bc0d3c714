"""Every token is useful or has a cause; a text that was cut gets more room at the next attempt."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from shop import MIXED, Shop, item

from aigc_core.audit.screen import Rules, screen
from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.template import TemplateEngine
from aigc_core.generation.batch import Provenance, seal_batch
from aigc_core.generation.repeats import repeated_requests
from aigc_core.generation.shards import Left, generate_shard, plan_shards
from aigc_core.records import Batch, Part, Sampling, Verdicts
from aigc_core.workspace import row_checks

pytest_plugins = ("shop_fixtures",)
CUT = "S-008"
"""Cut at its limit, whatever the limit."""


class Counting(TemplateEngine):
    """The template engine as if each word were a token and each text had a draft of seven tokens beside it."""

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        limits = {request.key: request for request in requests}
        for text in super().generate(requests, sampling=sampling, attempt=attempt):
            cut = ("name", str(item(8)["name"])) in limits[text.key].attributes
            yield replace(
                text,
                tokens=len(text.text.split()),
                discarded_tokens=7,
                finish_reason="length" if cut else text.finish_reason,
            )


def attempted(shop: Shop, *, greedy: bool) -> tuple[Batch, list[Part]]:
    """Every attempt over items of every kind, sealed."""
    folder, requests = shop.folder("run-1"), shop.requests(MIXED)
    rules = Rules(checks=row_checks(shop.line), contract=shop.line.description.objects["rows"], digest="rules" * 2)
    parts, verdicts = list[Part](), list[Verdicts]()
    for _ in range(3):
        repeated = repeated_requests(verdicts, shop.shelf, folder)
        left = Left(verdicts=tuple(verdicts), parts=tuple(parts), max_new_tokens=100, repeated=repeated, greedy=greedy)
        for shard in plan_shards(requests, left, folder, shard_rows=4):
            engine = Counting(shop.line.recipe.generation.template)
            parts.append(generate_shard(shard, lambda engine=engine: engine, Sampling(), folder))  # type: ignore[misc]
            verdicts.append(screen(parts[-1], shard, rules, folder))
    provenance = Provenance(run_key="key", recipe=shop.line.recipe, model=shop.model, making=shop.making())
    return seal_batch(requests, parts, verdicts, folder, provenance), parts


@pytest.fixture
def made(shop: Shop) -> tuple[Batch, list[Part]]:
    """Sampled: each attempt may write other words."""
    return attempted(shop, greedy=False)


def test_greedy_asks_again_only_for_what_was_cut(shop: Shop) -> None:
    batch, parts = attempted(shop, greedy=True)
    asked = {
        attempt: {
            row["item_id"] for part in parts if part.attempt == attempt for row in pq.read_table(part.path).to_pylist()
        }
        for attempt in (2, 3)
    }
    assert asked == {2: {CUT}, 3: {CUT}}
    assert batch.rows == 20


def test_tokens_are_useful_or_wasted_for_a_cause(made: tuple[Batch, list[Part]]) -> None:
    batch, parts = made
    sealed = [row for path in batch.paths for row in pq.read_table(path).to_pylist()]
    useful = sum(row["tokens"] for row in sealed if row["accepted"])
    discarded = sum(sum(pq.read_table(part.path)["discarded_tokens"].to_pylist()) for part in parts)
    assert useful > 0
    assert batch.tokens == useful + sum(batch.wasted.values()) == sum(row["tokens_spent"] for row in sealed)
    assert batch.wasted["discarded drafts"] == discarded == sum(part.discarded_tokens for part in parts)
    assert batch.tokens == sum(part.made_tokens for part in parts)
    assert batch.wasted["length"] > 0
    assert len(batch.wasted) > 2, batch.wasted


def test_a_text_that_was_cut_gets_more_room_up_to_twice_the_usual(made: tuple[Batch, list[Part]]) -> None:
    limits = {
        part_row["attempt"]: part_row["limit"]
        for part in made[1]
        for part_row in pq.read_table(part.path).to_pylist()
        if part_row["item_id"] == CUT
    }
    assert limits == {1: None, 2: 150, 3: 200}
    others = {row["limit"] for part in made[1] for row in pq.read_table(part.path).to_pylist() if row["item_id"] != CUT}
    assert others == {None}
