"""Attributes written into one cell."""

import json

import pytest
from cleaned_rows import clean, rows, values_after

from aigc_core.contracts.cleaning_pairs import literal_pairs

ZH = "{pairs: {column: c, into: p, between: '*', within: '#'}}"


def test_repeated_names_keep_every_value() -> None:
    (row,) = values_after(f"[{ZH}]", {"c": "图案#条纹*图案#线条*裙型#"})
    assert json.loads(row["p"]) == [["图案", "条纹"], ["图案", "线条"], ["裙型", ""]]


def test_repeated_names_are_joined_in_a_column() -> None:
    step = "[pairs: {column: c, between: ';', within: '=', columns: {colour: Colour, size: Size}, with: ' and '}]"
    assert values_after(step, {"c": "Colour=red; Colour=blue"}) == [
        {"c": "Colour=red; Colour=blue", "colour": "red and blue", "size": None}
    ]


def test_names_that_are_spelt_differently_become_one() -> None:
    step = "[pairs: {column: c, into: c, names: {customerrating: rating, customer rating: rating}}]"
    (row,) = values_after(step, {"c": '[["customerrating", "low"], ["customer rating", "5"], ["near", "x"]]'})
    assert json.loads(row["c"]) == [["rating", "low"], ["rating", "5"], ["near", "x"]]


@pytest.mark.parametrize("cell", ["类型", "类型#裤*宽松", "#裤"])
def test_a_cell_that_cannot_be_taken_apart_holds_its_row_back(cell: str) -> None:
    (row,) = clean(f"[{ZH}]", rows({"c": cell}))
    assert row.complaints == (("c", "c: not a list of name#value"),)
    assert "p" not in row.values


def test_an_empty_cell_holds_no_pairs_and_nothing_against_its_row() -> None:
    (row,) = clean(f"[{ZH}]", rows({"c": " "}))
    assert (row.complaints, row.values) == ((), {"c": " "})


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ('[["a", "1"], ["a", "2"]]', [("a", "1"), ("a", "2")]),
        ("[['a', '1'], ('a', 2)]", [("a", "1"), ("a", "2")]),
        ('{"a": ["1", "2"], "b": null, "a": 1.10}', [("a", "1"), ("a", "2"), ("a", "1.10")]),
        ('[["w", 1.10], ["n", 12345678901234567890]]', [("w", "1.10"), ("n", "12345678901234567890")]),
        ('[{"name": "a", "value": "1"}, {"value": ["2"], "name": "a"}]', [("a", "1"), ("a", "2")]),
        ({"a": 1}, [("a", "1")]),
        ("[[1, 2, 3]]", None),
        ("[{'a': 1}]", None),
        ("[[]]", None),
        ('[["a", "\\ud800"]]', [("a", "\ud800")]),
    ],
)
def test_lists_mappings_and_literals_are_pairs(value: object, pairs: list[tuple[str, str]] | None) -> None:
    assert literal_pairs(value) == pairs


@pytest.mark.parametrize(
    ("cell", "pairs"),
    [
        (
            '["A_B | cityServed | \\"C, D\\"", "A_B | length | 2776.0"]',
            [["A B cityServed", "C, D"], ["A B length", "2776.0"]],
        ),
        ("A | p | x | y", [["A p", "x | y"]]),
        ('[["A", "p", "x"]]', [["A p", "x"]]),
    ],
)
def test_triples_are_pairs_named_by_subject_and_predicate(cell: str, pairs: list[list[str]]) -> None:
    (row,) = values_after("[triples: {column: t, into: p}]", {"t": cell})
    assert json.loads(row["p"]) == pairs


def test_a_fact_of_two_parts_holds_its_row_back() -> None:
    (row,) = clean("[triples: {column: t, into: p}]", rows({"t": "A | p"}))
    assert row.complaints == (("t", "t: not facts of three parts with | between"),)


def test_what_a_triple_is_called_can_be_said() -> None:
    step = "[triples: {column: t, into: p, on: ';', name: '{predicate}', value: '{object} ({subject})', spaces: ''}]"
    (row,) = values_after(step, {"t": "A_B;p;x"})
    assert json.loads(row["p"]) == [["p", "x (A_B)"]]
