"""Products that span several lines."""

from typing import Any

import pytest
from cleaned_rows import clean, rows, steps

from aigc_core.contracts.cleaning import Cleaner
from aigc_core.contracts.fold import MOST_WAITING
from aigc_core.contracts.schema import RawRow

SHOP = "[fold: {by: Handle, collect: {sizes: Size}, count: variants}]"
SHIRT = (
    {"Handle": "shirt", "Title": "Shirt", "Size": "S", "Image": ""},
    {"Handle": "shirt", "Title": "", "Size": "M", "Image": "1.png"},
    {"Handle": "shirt", "Title": None, "Size": "S", "Image": "2.png"},
)
HAT = {"Handle": "hat", "Title": "Hat", "Size": ""}


def test_lines_of_a_product_become_one_row() -> None:
    shirt, hat = clean(SHOP, rows(*SHIRT, HAT))
    assert shirt.values == {
        "Handle": "shirt", "Title": "Shirt", "Size": "S", "Image": "1.png", "sizes": "S, M", "variants": 3,
    }  # fmt: skip
    assert (shirt.number, shirt.lines, hat.number, hat.lines) == (1, 3, 4, 1)
    assert (hat.values["sizes"], hat.values["variants"]) == (None, 1)


def test_the_lines_stay_as_they_came_without_their_empty_cells() -> None:
    shirt, hat = clean(SHOP, rows(*SHIRT, HAT))
    assert shirt.source == {
        "lines": [
            {"Handle": "shirt", "Title": "Shirt", "Size": "S"},
            {"Handle": "shirt", "Size": "M", "Image": "1.png"},
            {"Handle": "shirt", "Size": "S", "Image": "2.png"},
        ]
    }
    assert hat.source == HAT


def test_records_folded_away_are_counted() -> None:
    cleaner = Cleaner(steps(SHOP), door="catalogue")
    list(cleaner.clean([rows(*SHIRT[:2]), rows(SHIRT[2], HAT)]))
    assert (cleaner.folded, cleaner.counts) == (2, {"fold: Handle": 2})


def test_the_last_filled_cell_may_be_kept() -> None:
    (shirt,) = clean("[fold: {by: Handle, keep: last}]", rows(*SHIRT))
    assert (shirt.values["Title"], shirt.values["Image"]) == ("Shirt", "2.png")


@pytest.mark.parametrize(("within", "lines"), [(1, [1, 1, 1]), (2, [2, 1])])
def test_lines_need_not_be_neighbours_when_more_products_are_kept_open(within: int, lines: list[int]) -> None:
    found = clean(f"[fold: {{by: k, within: {within}}}]", rows({"k": "1"}, {"k": "2"}, {"k": "1"}))
    assert [row.lines for row in found] == lines


def test_lines_without_a_key_are_rows_of_their_own() -> None:
    found = clean("[fold: {by: k}]", rows({"k": ""}, {"k": "1", "a": 1}, {"k": None}, {"k": "1", "a": 2}, {"a": 3}))
    assert [(row.number, row.lines) for row in found] == [(1, 1), (2, 2), (3, 1), (5, 1)]


def test_a_broken_line_stays_in_its_place_and_parts_no_product() -> None:
    came = [RawRow(1, {"k": "1"}), RawRow(2, {}, error="broken", raw="x"), RawRow(3, {"k": "1"}), RawRow(4, {"k": "2"})]
    found = clean("[fold: {by: k}]", came)
    assert [(row.number, row.lines, row.error) for row in found] == [(1, 2, ""), (2, 1, "broken"), (4, 1, "")]


def test_what_waits_behind_an_open_product_is_bounded() -> None:
    broken = [RawRow(number, {}, error="broken", raw="x") for number in range(2, MOST_WAITING + 10)]
    stream = Cleaner(steps("[fold: {by: k}]"), door="catalogue").clean(
        [[RawRow(1, {"k": "1"})], broken, rows({"k": "1"})]
    )
    assert [row.number for row in next(stream)][:2] == [1, 2]


def test_products_of_different_files_stay_apart() -> None:
    came = [RawRow(1, {"k": "1"}, file="a.csv"), RawRow(1, {"k": "1"}, file="b.csv")]
    assert [(row.file, row.lines) for row in clean("[fold: {by: k}]", came)] == [("a.csv", 1), ("b.csv", 1)]


def test_lines_that_contradict_each_other_hold_their_product_back() -> None:
    step = "[fold: {by: k, same: [t]}]"
    good, bad = clean(step, rows({"k": "1", "t": "A"}, {"k": "1", "t": ""}, {"k": "2", "t": "A"}, {"k": "2", "t": "B"}))
    assert good.complaints == ()
    assert bad.complaints == (("t", "t: differs between the lines of one product"),)


def test_a_column_that_is_no_key_cannot_fold_the_whole_source() -> None:
    found = clean("[fold: {by: k, at_most: 2}]", rows(*[{"k": "same"}] * 5, {"k": "1"}, {"k": "1"}))
    assert [row.lines for row in found] == [2, 2, 1, 2]
    reason = ("k", "k: more than 2 lines of one product")
    assert [row.complaints for row in found] == [(reason,), (reason,), (reason,), ()]


def test_what_was_held_against_a_line_is_held_against_its_product() -> None:
    found = clean("[{placeholders: {columns: t, values: [X], do: quarantine}}, {fold: {by: k}}]",
                  rows({"k": "1", "t": "ok"}, {"k": "1", "t": "X"}))  # fmt: skip
    assert [row.complaints for row in found] == [(("t", "t: holds the placeholder X"),)]


@pytest.mark.parametrize("values", [{"k": 7}, {"k": 7.0}, {"k": "7 "}])
def test_a_key_is_compared_as_text(values: dict[str, Any]) -> None:
    assert [row.lines for row in clean("[fold: {by: k}]", rows({"k": "7"}, values))] == [2]
