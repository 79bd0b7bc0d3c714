"""The steps of a recipe over rows: in order, counted, nothing lost, however the rows come."""

import time
from typing import Any

import pytest
from cleaned_rows import clean, rows, steps, values_after
from hypothesis import given
from hypothesis import strategies as st

from aigc_core.contracts.cleaning import Cleaner
from aigc_core.contracts.cleaning_steps import DoorName
from aigc_core.contracts.schema import RawRow

TEXTS = """
- mojibake: all
- controls: all
- html_to_text: all
- entities: all
- unicode: NFC
- whitespace: all
"""
EVERYTHING = """
- placeholders: {columns: a, values: [N/A]}
- fold: {by: k, collect: {all_b: b}, count: n, within: 2}
- rename: {a: c}
- compose: {into: d, from: [c, b], with: "/"}
- html_to_text: all
- placeholders: {columns: b, values: [<UNK>], do: quarantine}
- whitespace: all
"""
CELLS = st.one_of(
    st.none(), st.sampled_from(["", " x  y", "<b>x</b>", "N/A", "<UNK> z", "&amp;", "a|b", "~ t"]), st.integers()
)
PIECES = st.sampled_from([*"<>b/&;amplt #é\u0301 \xa0\u200b\n\u3000中~"])
ROWS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"k": st.sampled_from(["1", "2", "3", ""]), "a": CELLS, "b": CELLS}),
        st.just({"error": "broken"}),
    ),
    max_size=30,
)


def raw_rows(values: list[dict[str, Any]]) -> list[RawRow]:
    return [
        RawRow(number, {}, error="broken", raw="x") if "error" in one else RawRow(number, one)
        for number, one in enumerate(values, start=1)
    ]


@given(ROWS, st.integers(1, 7))
def test_how_rows_are_cut_into_batches_does_not_matter(values: list[dict[str, Any]], size: int) -> None:
    came = raw_rows(values)
    assert clean(EVERYTHING, came, size=size) == clean(EVERYTHING, came)


@given(ROWS)
def test_every_record_that_came_is_in_a_row_that_leaves(values: list[dict[str, Any]]) -> None:
    came = raw_rows(values)
    cleaner = Cleaner(steps(EVERYTHING), door="catalogue")
    left = [row for batch in cleaner.clean([came]) for row in batch]
    assert sum(row.lines for row in left) == len(came) == len(left) + cleaner.folded
    assert [row.number for row in left] == sorted(row.number for row in left)


@given(st.lists(st.lists(PIECES).map("".join), max_size=8))
def test_clean_texts_are_left_alone(texts: list[str]) -> None:
    once = clean(TEXTS, rows(*({"t": text} for text in texts)))
    again = clean(TEXTS, [RawRow(row.number, row.values) for row in once])
    assert [row.values for row in again] == [row.values for row in once]


def test_steps_run_in_the_order_they_stand() -> None:
    first = "[{replace: {columns: a, values: {x: y}}}, {replace: {columns: a, values: {y: z}}}]"
    second = "[{replace: {columns: a, values: {y: z}}}, {replace: {columns: a, values: {x: y}}}]"
    assert values_after(first, {"a": "x"}) == [{"a": "z"}]
    assert values_after(second, {"a": "x"}) == [{"a": "y"}]


def test_a_changed_row_keeps_what_it_was_and_another_is_the_row_that_came() -> None:
    came = rows({"a": " x"}, {"a": "y"})
    changed, same = clean("[whitespace: all]", came)
    assert (changed.values, changed.source) == ({"a": "x"}, {"a": " x"})
    assert same is came[1]
    assert came[0].values == {"a": " x"}


def test_what_steps_changed_is_counted_under_their_names() -> None:
    cleaner = Cleaner(steps("[{whitespace: all}, {entities: [a, b]}, {constants: {m: cn}}]"), door="corpus")
    list(cleaner.clean([rows({"a": " x", "b": "&amp;"}, {"a": " x", "b": "y"}, {"a": "y", "m": "cn"})]))
    assert cleaner.counts == {"whitespace: all": 2, "entities: a, b": 1, "constants: m": 2}


def test_steps_of_a_kind_are_counted_apart() -> None:
    cleaner = Cleaner(steps("[{whitespace: all}, {entities: all}, {whitespace: all}]"), door="corpus")
    list(cleaner.clean([rows({"a": "x&nbsp;"})]))
    assert cleaner.counts == {"whitespace: all": 0, "entities: all": 1, "whitespace: all (2)": 1}


@pytest.mark.parametrize(("door", "cleaned"), [("corpus", "x"), ("catalogue", " x")])
def test_a_step_may_be_for_one_door(door: DoorName, cleaned: str) -> None:
    assert clean("[{whitespace: all, only: corpus}]", rows({"a": " x"}), door=door)[0].values == {"a": cleaned}


def test_rows_with_columns_of_their_own_are_cleaned_in_one_pass() -> None:
    came = rows(*({f"column {number}": f" {number}"} for number in range(20_000)))
    started = time.process_time()
    assert [row.values for row in clean(TEXTS, came)][19_999] == {"column 19999": "19999"}
    assert time.process_time() - started < 5


def test_a_cleaner_says_which_columns_it_needs_and_makes() -> None:
    text = "[{rename: {T: n}}, {compose: {into: t, from: [b, n]}}, {entities: t}, {entities: x, only: corpus}]"
    cleaner = Cleaner(steps(text), door="catalogue")
    assert sorted(cleaner.needed) == ["T", "b"]
    assert sorted(cleaner.made) == ["n", "t"]


def test_rows_that_could_not_be_read_pass_untouched() -> None:
    came = [RawRow(1, {}, error="broken", raw="x"), RawRow(2, {"a": " y"})]
    assert clean("[{constants: {m: cn}}, {whitespace: all}]", came)[0] is came[0]


def test_values_that_are_no_text_are_left_alone() -> None:
    assert values_after(TEXTS, {"a": 1.5, "b": True, "c": None, "d": b" "}) == [
        {"a": 1.5, "b": True, "c": None, "d": b" "}
    ]


@pytest.mark.parametrize(
    ("came", "cleaned"),
    [
        ('[["size", "5&quot; &lt;b&gt;wide&lt;/b&gt;"], ["w", 1.10]]', '[["size", "5\\" wide"], ["w", 1.10]]'),
        ('{"a": "x\\u00a0  y", "a": "z"}', '{"a": "x y", "a": "z"}'),
        ("[sic] &amp; more", "[sic] & more"),
    ],
)
def test_json_stays_json_and_keeps_its_numbers(came: str, cleaned: str) -> None:
    assert values_after(TEXTS, {"a": came}) == [{"a": cleaned}]


@pytest.mark.parametrize(
    ("step", "came", "made"),
    [
        ("rename: {a: b, b: a}", {"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ("rename: {a: b}", {"c": 1}, {"c": 1}),
        ("compose: {into: t, from: [a, b, c], with: ' - '}", {"a": "x ", "b": " ", "c": 3.0}, {"t": "x - 3"}),
        ("compose: {into: t, pattern: '{a b} ({{{c}}})'}", {"a b": "x", "c": 3}, {"t": "x ({3})"}),
        ("compose: {into: t, pattern: '{a}, {b}'}", {"a": "x", "b": None}, {}),
        ("split: {column: a, into: [w, h], on: x}", {"a": "10 x 20 x 30"}, {"w": "10", "h": "20 x 30"}),
        ("split: {column: a, into: [w, h], on: x}", {"a": "10"}, {"w": "10", "h": None}),
        ("constants: {a: 1, m: cn}", {"a": 2}, {"a": 1, "m": "cn"}),
        ("defaults: {a: x, b: y}", {"a": " ", "b": "z"}, {"a": "x"}),
        ("key: {into: id, from: [a, b]}", {"a": "", "b": None}, {"id": None}),
        ("title_case: a", {"a": "WIDE HAT"}, {"a": "Wide Hat"}),
        ("unicode: {form: NFKC, columns: a}", {"a": "Ａ", "b": "Ａ"}, {"a": "A"}),
    ],
)
def test_a_step_makes_of_a_row(step: str, came: dict[str, Any], made: dict[str, Any]) -> None:
    kept = {} if step.startswith("rename") and "a" in came else came
    assert values_after(f"[{{{step}}}]", came) == [kept | made]


def test_a_key_follows_its_values_alone() -> None:
    step = "[{key: {into: id, from: [a, b]}}]"
    one, same, other = values_after(step, {"a": "x", "b": 1}, {"b": "1", "a": "x ", "c": 2}, {"a": "x1", "b": ""})
    assert one["id"] == same["id"] != other["id"]
    assert len(str(one["id"])) == 20


@pytest.mark.parametrize(
    ("rule", "came", "left"),
    [
        ("values: [n/a]", " N/A", None),
        ("values: [n/a]", "N/A or so", "N/A or so"),
        ("values: [<UNK>], match: anywhere", "a <UNK>", None),
        ("values: [<UNK>, BRAND], do: remove", "a <UNK> BRAND b", "a b"),
        ("values: [n/a], do: remove, match: cell", "N/A", None),
    ],
)
def test_placeholders_are_blanked_or_removed(rule: str, came: str, left: str | None) -> None:
    assert values_after(f"[placeholders: {{columns: a, {rule}}}]", {"a": came}) == [{"a": left}]


def test_a_placeholder_may_hold_its_row_back() -> None:
    step = "[placeholders: {columns: [a, b], values: [<UNK>], do: quarantine}]"
    bad, good = clean(step, rows({"a": "x <UNK>", "b": "<UNK>"}, {"a": "x"}))
    assert bad.complaints == (("a", "a: holds the placeholder <UNK>"), ("b", "b: holds the placeholder <UNK>"))
    assert (bad.values, bad.source) == ({"a": "x <UNK>", "b": "<UNK>"}, {"a": "x <UNK>", "b": "<UNK>"})
    assert good.complaints == ()


def test_a_row_may_be_held_back_for_a_reason_of_ones_own() -> None:
    step = "[placeholders: {columns: a, values: [Insurance], do: quarantine, match: cell, reason: no product}]"
    assert clean(step, rows({"a": "insurance"}))[0].complaints == (("a", "a: no product"),)
