"""A text that another item has is written again, wherever the shards were cut."""

from dataclasses import replace
from pathlib import Path

import pytest
from shop import LINE, Made, Shop, item

from aigc_core.catalog.publish import Shelf, publish, published_schema
from aigc_core.contracts.content_line import ContentLine
from aigc_core.generation.repeats import repeated_requests
from aigc_core.storage.files import read_table

pytest_plugins = ("shop_fixtures",)

ALIKE = "This {{ attributes.category }} made of {{ attributes.material }} is easy to live with at home and away."
NAMED = "{% if attempt > 1 %} Its name is {{ attributes.name }}.{% endif %}"
CHINESE = "这件{{ attributes.name }}采用优质材料精心制成，日常使用轻松顺手，居家与外出都很合适。"
Row = tuple[str, str, int, str]


def cut(root: Path, line: ContentLine, shard_rows: int) -> Shop:
    """A shop with shards of this size whose English texts name their item from the second attempt on."""
    changes = {"shard_rows": shard_rows, "template": {"en": ALIKE + NAMED, "zh": CHINESE}}
    generation = line.recipe.generation.model_copy(update=changes)
    return Shop(root=root, line=replace(line, recipe=line.recipe.model_copy(update={"generation": generation})))


def chosen(made: Made) -> list[Row]:
    """What was sealed: item, locale, attempt and text."""
    columns = ["item_id", "locale", "attempt", "text"]
    return [tuple(row.values()) for path in made.batch.paths for row in read_table(path, columns).to_pylist()]


def english(made: Made) -> dict[str, int]:
    """Item -> the attempt of its English text."""
    return {item_id: attempt for item_id, locale, attempt, _ in chosen(made) if locale == "en"}


@pytest.fixture(params=[1, 2, 2000])
def alike(request: pytest.FixtureRequest, tmp_path: Path, line: ContentLine) -> Shop:
    """A shop that writes the same of every bottle at first, in shards of one row, of two and of all."""
    return cut(tmp_path, line, request.param)


def test_equal_texts_become_different_ones_and_are_published(alike: Shop) -> None:
    made = alike.made([item(3), item(1), item(2)])
    assert made.report.states == {"published": 6}
    assert english(made) == {"S-003": 2, "S-001": 1, "S-002": 2}
    assert made.batch.attempts == {"1": 6, "2": 2}


def test_shards_change_no_text(alike: Shop, tmp_path: Path, line: ContentLine) -> None:
    items = [item(number) for number in (4, 2, 3)]
    whole = cut(tmp_path / "whole", line, 2000)
    assert chosen(alike.made(items)) == chosen(whole.made(items))


def test_variants_of_one_product_are_left_alike(alike: Shop) -> None:
    made = alike.made([item(1, product_group="G"), item(2, product_group="G"), item(3)])
    assert english(made) == {"S-001": 1, "S-002": 1, "S-003": 2}


def test_a_text_on_the_shelf_is_written_again_for_another_item(alike: Shop) -> None:
    first = alike.made([item(9)])
    schema = published_schema(LINE, alike.line.recipe.label)
    publish(first.batch, first.report, first.report.require_passed(), Shelf(table=alike.shelf, schema=schema))
    made = alike.made([item(1)], "run-2")
    assert (english(made), made.report.states) == ({"S-001": 2}, {"published": 2})


def test_before_the_first_attempt_nothing_is_repeated(shop: Shop) -> None:
    assert repeated_requests((), shop.shelf, shop.folder("run-1")) == frozenset()


def test_a_repeat_that_stays_keeps_its_last_text_and_ends_as_duplicate(mixed: Made, shop: Shop) -> None:
    (repeated,) = {
        row["item_id"]
        for part in mixed.parts
        for row in read_table(part.path, ["item_id", "request_key"]).to_pylist()
        if row["request_key"] in repeated_requests(mixed.verdicts, shop.shelf, mixed.folder)
    }
    assert (repeated, english(mixed)[repeated], mixed.report.states["duplicate"]) == ("S-007", 3, 2)
