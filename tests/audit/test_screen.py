"""Screening says of every text whether another attempt is wanted, and why."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shop import Made, Shop, item

from aigc_core.audit.screen import Rules, screen
from aigc_core.checks.base import CheckResult, RowCheck
from aigc_core.contracts.model import Expectation
from aigc_core.generation.shards import Left, plan_shards
from aigc_core.records import Part, Shard, Verdicts
from aigc_core.workspace import row_checks

pytest_plugins = ("shop_fixtures",)


class Crashing:
    """A check that dies."""

    check_id = "X-1"
    version = "1"
    params_digest = "none"
    score_columns: tuple[str, ...] = ()

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Die."""
        raise MemoryError(batch.num_rows)


@pytest.fixture(scope="session")
def judged(mixed: Made) -> list[dict[str, Any]]:
    """All first-attempt verdicts of the mixed run."""
    firsts = [verdict for verdict in mixed.verdicts if verdict.attempt == 1]
    return [row for verdict in firsts for row in pq.read_table(verdict.path).to_pylist()]


def first_part(shop: Shop) -> tuple[Part, Shard]:
    """One written shard of three good texts and one bad one."""
    requests = shop.requests([item(1), item(2, feature="bad")])
    shard = plan_shards(requests, Left(), shop.folder("run-1"), shard_rows=4)[0]
    parts, _ = shop.write(requests, shop.folder("run-1"))
    return parts[0], shard


def verdict_of(shop: Shop, *checks: RowCheck, rules: str) -> Verdicts:
    """What these checks say of that shard."""
    part, shard = first_part(shop)
    under = Rules(checks=checks, contract=shop.line.description.objects["rows"], digest=rules)
    return screen(part, shard, under, shop.folder("run-1"))


def test_a_text_is_accepted_when_nothing_worse_than_a_warning_was_found(judged: list[dict[str, Any]]) -> None:
    for row in judged:
        stopped = any(finding["severity"] != "warn" for finding in row["findings"])
        assert row["accepted"] == (not stopped and row["item_id"] != "S-004")


def test_an_invented_number_is_named(judged: list[dict[str, Any]]) -> None:
    found = [finding for row in judged if row["item_id"] == "S-002" for finding in row["findings"]]
    assert {finding["check_id"] for finding in found if finding["severity"] == "block"} == {"Q-F2"}


def test_a_failed_request_is_never_accepted(judged: list[dict[str, Any]]) -> None:
    assert [row["accepted"] for row in judged if row["item_id"] == "S-004"] == [False, False]


def test_the_record_counts_its_rows(mixed: Made) -> None:
    for verdict in mixed.verdicts:
        rows = pq.read_table(verdict.path).to_pylist()
        assert (verdict.rows, verdict.accepted) == (len(rows), sum(row["accepted"] for row in rows))
        assert verdict.findings.get("Q-F2", 0) == sum(
            any(finding["check_id"] == "Q-F2" for finding in row["findings"]) for row in rows
        )


def test_a_crashing_check_accepts_nothing(shop: Shop) -> None:
    verdict = verdict_of(shop, Crashing(), rules="crash")
    assert (verdict.accepted, verdict.errors, verdict.findings) == (0, 4, {"X-1": 4})


def test_other_rules_judge_again_and_the_same_do_not(shop: Shop) -> None:
    checks = row_checks(shop.line)
    one, other = verdict_of(shop, *checks, rules="one"), verdict_of(shop, *checks, rules="two")
    assert one.path != other.path
    Path(one.path).with_suffix(".json").touch()
    assert verdict_of(shop, Crashing(), rules="one") == one


SHORT = Expectation(
    rule_id="short",
    level="quarantine",
    column="text",
    name="expect_column_value_lengths_to_be_between",
    kwargs={"column": "text", "max_value": 100},
    reason="text: longer than 100",
)


@pytest.fixture
def terse(shop: Shop) -> Shop:
    """A shop whose output contract takes no text above a hundred characters."""
    description = shop.line.description
    rows = description.objects["rows"]
    objects = {**description.objects, "rows": replace(rows, row_rules=(*rows.row_rules, SHORT))}
    return replace(shop, line=replace(shop.line, description=replace(description, objects=objects)))


def test_a_text_that_breaks_the_contract_is_tried_again_and_held(terse: Shop) -> None:
    made = terse.made([item(1), item(2, name="Cedar of the Northern Woods and Lakes")])
    judged = [row for verdict in made.verdicts for row in pq.read_table(verdict.path).to_pylist()]
    refused = [(row["item_id"], row["locale"], row["attempt"]) for row in judged if not row["accepted"]]
    assert refused == [("S-002", "en", 1), ("S-002", "en", 2), ("S-002", "en", 3)]
    assert not any(row["findings"] for row in judged)
    assert (made.report.states, made.report.reasons) == (
        {"published": 3, "quarantined": 1},
        {"contract text: longer than 100": 1},
    )


def test_rules_on_other_columns_wait_for_the_sealed_batch(terse: Shop) -> None:
    made = terse.made([item(1)])
    assert {rule.column for rule in terse.line.description.objects["rows"].row_rules} > {"text"}
    assert [verdict.accepted for verdict in made.verdicts] == [2]
