"""What is no training pair: items without a description, items under takedown, texts without a licence."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from shop import LINE, Shop, pair, read_line, rows_of

from aigc_core.contracts.content_line import ContentLine, read_content_line
from aigc_core.contracts.recipe import Recipe
from aigc_core.errors import SourceInvalid
from aigc_core.ids import text_sha256
from aigc_core.storage.tombstones import TOMBSTONES

pytest_plugins = ("shop_fixtures",)

PAIRS = [pair(number) for number in range(20)]


def take_down(shop: Shop, **fields: str) -> None:
    """Put one tombstone."""
    row = {"tombstone_id": "t", "reason_code": "ip", "effective_at": datetime(2026, 1, 1, tzinfo=UTC), **fields}
    shop.takedowns.create(TOMBSTONES, stats=("item_id",))
    rows = pa.Table.from_pylist([row], schema=TOMBSTONES)
    shop.takedowns.append_once(lambda: rows, key=str(fields), note={})


def with_hygiene(line: ContentLine, **hygiene: object) -> ContentLine:
    """The line with another `hygiene` section."""
    recipe = line.recipe.model_dump(mode="json") | {"hygiene": hygiene}
    return replace(line, recipe=Recipe.model_validate(recipe))


def test_rows_without_a_text_are_kept_as_unlabelled_text(shop: Shop) -> None:
    version = shop.ingest([*PAIRS, pair(30, text_en=None, text_zh=None), pair(31, text_zh=None)])
    assert (version.door.unlabelled, version.pairs, version.door.quarantined) == (3, 41, 0)
    kept = rows_of(shop.corpus_tables.unlabelled, "item_id", "locale", "text")
    assert [(row["item_id"], row["locale"]) for row in kept] == [("S-030", "en"), ("S-030", "zh"), ("S-031", "zh")]
    assert kept[0]["text"].splitlines()[:2] == ["category: bottle", "name: Ginger III"]


def test_a_text_that_came_is_unlabelled_no_more(shop: Shop) -> None:
    shop.ingest([*PAIRS, pair(30, text_en=None)])
    version = shop.ingest([*PAIRS, pair(30)])
    assert version.door.unlabelled == 0
    assert rows_of(shop.corpus_tables.unlabelled) == []


def test_a_row_that_lacks_more_than_a_text_is_quarantined(shop: Shop) -> None:
    version = shop.ingest([*PAIRS, pair(30, text_en=None, text_zh=None, category="gift card")])
    assert (version.door.unlabelled, version.door.quarantined) == (0, 2)


@pytest.mark.parametrize(
    ("stone", "withheld"),
    [
        ({"item_id": "S-003"}, 2),
        ({"item_id": "S-003", "locale": "zh"}, 1),
        ({"content_sha256": text_sha256(str(PAIRS[3]["text_en"]))}, 1),
        ({"line": "another_line", "item_id": "S-003"}, 0),
    ],
)
def test_items_under_takedown_stay_out(shop: Shop, stone: dict[str, str], withheld: int) -> None:
    take_down(shop, **stone)
    version = shop.ingest(PAIRS)
    assert (version.door.withheld, version.pairs) == (withheld, 40 - withheld)


def test_unlabelled_rows_are_held_to_licence_and_takedown_too(shop: Shop) -> None:
    take_down(shop, item_id="S-030")
    line = with_hygiene(shop.line, duplicates={"near": "off"}, licence={"column": "terms"})
    bare = [pair(number, text_en=None, text_zh=None) | {"terms": "MIT"} for number in (30, 31)]
    barred = pair(32, text_en=None, text_zh=None) | {"terms": "CC-BY-NC-4.0"}
    version = shop.ingest([*(row | {"terms": "MIT"} for row in PAIRS), *bare, barred], line)
    assert (version.door.unlabelled, version.door.withheld, version.door.quarantined) == (2, 2, 2)
    assert {row["item_id"] for row in rows_of(shop.corpus_tables.unlabelled)} == {"S-031"}


def test_the_row_count_is_that_of_the_pairs_left_at_last(shop: Shop, tmp_path: Path) -> None:
    line = read_line(tmp_path / "strict")
    contract = (tmp_path / "strict" / LINE / "corpus.odcs.yaml").read_text("utf-8")
    assert "mustBeGreaterOrEqualTo: 1" in contract
    (tmp_path / "strict" / LINE / "corpus.odcs.yaml").write_text(
        contract.replace("mustBeGreaterOrEqualTo: 1", "mustBeGreaterOrEqualTo: 30"), "utf-8"
    )
    alike = [pair(number, text_en="One text for all of them.", text_zh=None) for number in range(40)]
    with pytest.raises(SourceInvalid, match=r"enough-rows: .* is 1\.0, must be >= 30"):
        shop.ingest(alike, read_content_line(line.folder))
    assert not shop.corpus_tables.pairs.exists()


def test_rules_that_changed_put_their_rows_in_quarantine_too(shop: Shop) -> None:
    rows = [*PAIRS, pair(40, text_en="Short."), pair(41, text_en=PAIRS[3]["text_en"])]
    first = shop.ingest(rows)
    off = {"exact": "off", "near": "off"}
    second = shop.ingest(rows, with_hygiene(shop.line, licence={"declared": "internal"}, duplicates=off))
    held = shop.quarantine.dataset().to_table().to_pylist()
    assert (first.door.quarantined, second.door.quarantined) == (2, 1)
    assert sorted(Counter(row["ingested"] for row in held).values()) == [1, 2]
    assert {row["item_id"] for row in held} == {"S-040", "S-041"}


def test_a_takedown_makes_the_same_file_another_version(shop: Shop) -> None:
    first = shop.ingest(PAIRS)
    take_down(shop, item_id="S-003")
    second = shop.ingest(PAIRS)
    assert (second.version, second.shift.went) == (first.version + 1, 2)


def test_a_corpus_without_a_licence_is_refused(shop: Shop) -> None:
    with pytest.raises(SourceInvalid, match=r"licence.*internal"):
        shop.ingest(PAIRS, with_hygiene(shop.line))
    assert not shop.corpus_tables.pairs.exists()


def test_a_licence_a_row_is_held_against_the_allow_list(shop: Shop) -> None:
    line = with_hygiene(shop.line, duplicates={"near": "off"}, licence={"column": "terms", "source_column": "origin"})
    rows = [row | {"terms": "CC-BY-4.0" if n else "proprietary", "origin": "feed"} for n, row in enumerate(PAIRS)]
    version = shop.ingest(rows, line)
    assert (version.door.quarantined, version.pairs) == (2, 38)
    kept = rows_of(shop.corpus_tables.pairs, "licence", "source")
    assert {(row["licence"], row["source"]) for row in kept} == {("CC-BY-4.0", "feed")}


def test_a_changed_file_says_what_came_changed_and_went(shop: Shop) -> None:
    shop.ingest(PAIRS)
    other = pair(5, text_en="A text nobody has read before, for a bottle.")
    shift = shop.ingest([*PAIRS[1:5], other, *PAIRS[6:], pair(30)]).shift
    assert (shift.before, shift.came, shift.changed, shift.went) == (40, 2, 1, 2)
