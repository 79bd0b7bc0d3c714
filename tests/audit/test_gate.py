"""One decision for every row, one for the run; nothing passes that nobody judged."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from shop import LINE, Made, Shop, flip, item

from aigc_core.audit.gate import audit
from aigc_core.catalog.publish import Shelf, publish, published_schema
from aigc_core.errors import AuditBlocked, IntegrityBroken
from aigc_core.records import AuditReport, Batch

pytest_plugins = ("shop_fixtures",)


def decisions(report: AuditReport) -> dict[tuple[str, str], tuple[str, str]]:
    """(item, locale) -> (state, reason)."""
    rows = pq.read_table(report.decisions).to_pylist()
    assert len({(row["item_id"], row["locale"]) for row in rows}) == len(rows)
    return {(row["item_id"], row["locale"]): (row["state"], row["reason"]) for row in rows}


def judged(shop: Shop, batch: Batch, **bench: Any) -> AuditReport:  # noqa: ANN401 -- fields of a bench
    """The batch audited against an empty shelf, with another bench where named."""
    return audit(batch, replace(shop.bench(), **bench), shop.shelf, shop.root / "decisions.parquet")


def test_every_kind_of_row_ends_as_it_should(mixed: Made) -> None:
    found = decisions(mixed.report)
    assert found["S-001", "en"] == ("published", "")
    assert found["S-002", "zh"] == ("rejected", "Q-F2 number not in the attributes")
    assert found["S-003", "en"] == ("published", "")
    assert found["S-004", "en"][0] == "failed"
    assert found["S-004", "en"][1].startswith("engine: The en template failed: ")
    assert found["S-006", "en"] == ("published", "")
    assert found["S-007", "en"] == ("duplicate", "D-1 same text as another item of this run")


def test_the_report_counts_its_decisions(mixed: Made) -> None:
    states = Counter(state for state, _ in decisions(mixed.report).values())
    assert mixed.report.states == dict(sorted(states.items()))
    assert sum(mixed.report.reasons.values()) == sum(states.values()) - states["published"]


def test_every_planted_text_was_caught(mixed: Made) -> None:
    assert mixed.report.canaries >= 40
    assert mixed.report.canaries_missed == ()


def test_gates_are_those_of_the_contract(mixed: Made) -> None:
    ids = {gate.gate_id for gate in mixed.report.gates}
    assert {"H-1a", "H-1b", "H-1c", "H-2", "I-1", "L-1", "D-rate"} <= ids
    assert mixed.report.blocked_by == ()


def test_too_many_rejections_block_the_run(mixed: Made, shop: Shop) -> None:
    report = judged(shop, mixed.batch, max_reject_share=0.04)
    assert [gate.gate_id for gate in report.blocked_by] == ["H-2"]
    with pytest.raises(AuditBlocked, match=r"H-2 .*Nothing was published"):
        report.require_passed()


def test_five_refused_texts_do_not_count(mixed: Made, shop: Shop) -> None:
    assert sum(state != "published" for state, _ in decisions(mixed.report).values()) == 6
    assert judged(shop, mixed.batch, max_reject_share=0.06).blocked_by == ()


def test_without_checks_the_planted_texts_block_the_run(mixed: Made, shop: Shop) -> None:
    report = judged(shop, mixed.batch, checks=())
    assert len(report.canaries_missed) == report.canaries
    assert "H-1a" in {gate.gate_id for gate in report.blocked_by}


def test_what_is_public_already_stays_with_its_item(shop: Shop) -> None:
    schema = published_schema(LINE, shop.line.recipe.label)
    first = shop.made([item(7, name="Fennel", capacity_ml=None), item(8)])
    publish(first.batch, first.report, first.report.require_passed(), Shelf(table=shop.shelf, schema=schema))
    others = [item(number) for number in range(20, 26)]
    second = shop.made([item(6, name="Fennel", capacity_ml=None), *others], "run-2")
    assert decisions(second.report)["S-006", "en"] == ("duplicate", "D-1 same text as a published item")


def test_an_item_may_repeat_its_own_public_text(shop: Shop) -> None:
    schema = published_schema(LINE, shop.line.recipe.label)
    first = shop.made([item(1)])
    publish(first.batch, first.report, first.report.require_passed(), Shelf(table=shop.shelf, schema=schema))
    again = shop.changed(prompt="{{ locale }}?").made([item(1)], "run-2")
    assert again.report.states == {"published": 2}


def test_variants_of_one_product_may_share_a_text(shop: Shop) -> None:
    twins = [item(number, name="Fennel", product_group="G", capacity_ml=None) for number in (1, 2)]
    assert shop.made(twins).report.states == {"published": 4}


def test_a_batch_that_changed_since_it_was_sealed_is_not_audited(mixed: Made, shop: Shop) -> None:
    copy = shop.root / "00000.parquet"
    copy.write_bytes(Path(mixed.batch.paths[0]).read_bytes())
    flip(copy)
    with pytest.raises(IntegrityBroken, match=r"00000\.parquet is not the file that was sealed\. Run the same"):
        judged(shop, replace(mixed.batch, paths=(str(copy), *mixed.batch.paths[1:])))


@pytest.mark.parametrize(("items", "blocked_by"), [(1, []), (9, ["H-2"])])
def test_a_batch_without_a_text_fit_to_publish_is_decided_too(shop: Shop, items: int, blocked_by: list[str]) -> None:
    report = shop.made([item(number, feature="bad") for number in range(items)]).report
    assert report.states == {"rejected": 2 * items}
    assert [gate.gate_id for gate in report.blocked_by] == blocked_by


def test_an_empty_batch_passes_with_nothing(shop: Shop) -> None:
    report = shop.made([item(1, material=None), item(2, material=None)]).report
    assert (report.states, report.blocked_by) == ({}, ())
    assert report.require_passed().run_id == "run-1"


def test_a_request_without_a_decision_blocks_the_run(mixed: Made, shop: Shop) -> None:
    lost = replace(mixed.batch.requests, to_generate=mixed.batch.rows + 1)
    report = judged(shop, replace(mixed.batch, requests=lost))
    assert [gate.gate_id for gate in report.blocked_by] == ["I-1"]
