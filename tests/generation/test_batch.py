"""A sealed batch: one labelled row for every generated request, in request order."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from shop import Made, Shop, item

from aigc_core.ids import fingerprint, text_sha256
from aigc_core.storage.files import sha256_of

pytest_plugins = ("shop_fixtures",)


@pytest.fixture(scope="session")
def rows(mixed: Made) -> list[dict[str, Any]]:
    """All rows of the mixed batch."""
    return [row for path in mixed.batch.paths for row in pq.read_table(path).to_pylist()]


def test_every_generated_request_has_one_row_in_order(mixed: Made, rows: list[dict[str, Any]]) -> None:
    requests = pq.read_table(mixed.batch.requests.path).to_pylist()
    asked = [(row["position"], row["request_key"]) for row in requests if row["state"] is None]
    assert [(row["position"], row["request_key"]) for row in rows] == asked
    assert mixed.batch.rows == len(asked) == mixed.batch.requests.to_generate


def test_the_last_accepted_text_is_chosen_else_the_last(rows: list[dict[str, Any]]) -> None:
    attempts = {(row["item_id"], row["locale"]): (row["attempt"], row["accepted"]) for row in rows}
    assert attempts["S-001", "en"] == (1, True)
    assert attempts["S-002", "zh"] == (3, False)
    assert attempts["S-003", "en"] == attempts["S-003", "zh"] == (2, True)
    assert attempts["S-004", "en"] == (3, False)
    assert attempts["S-006", "en"] == (1, True)
    assert attempts["S-007", "en"] == (3, True)


def test_the_hash_is_over_the_files(mixed: Made) -> None:
    hashes = [sha256_of(path) for path in mixed.batch.paths]
    assert list(mixed.batch.sha256s) == hashes
    assert mixed.batch.content_hash == fingerprint(hashes, length=64)


def test_every_row_names_its_making(mixed: Made, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert row["content_sha256"] == text_sha256(row["text"])
        assert (row["run_id"], row["run_key"], row["model_id"]) == ("run-1", "key of run-1", "template")
        assert (row["human_edited"], row["reviewer"], row["watermark"]) == (False, None, None)
        assert len(bytes.fromhex(row["signature"])) == 16


def test_the_time_is_that_of_the_writing(mixed: Made, rows: list[dict[str, Any]]) -> None:
    written = {part.finished_at for part in mixed.parts}
    assert {row["generated_at"].isoformat(timespec="seconds") for row in rows} <= written


def test_tokens_add_up_over_attempts(mixed: Made, rows: list[dict[str, Any]]) -> None:
    assert sum(row["tokens_spent"] for row in rows) == mixed.batch.tokens == sum(part.tokens for part in mixed.parts)


def test_sealing_again_gives_the_same_bytes(shop: Shop) -> None:
    first = shop.made([item(1), item(2, feature="second try")])
    before = [Path(path).read_bytes() for path in first.batch.paths]
    again = shop.made([item(1), item(2, feature="second try")])
    assert [Path(path).read_bytes() for path in again.batch.paths] == before


def test_a_night_with_nothing_to_write_is_an_empty_batch(shop: Shop) -> None:
    batch = shop.made([item(1, material=None), item(2, material=None)]).batch
    assert (batch.rows, batch.paths, batch.attempts) == (0, (), {})
