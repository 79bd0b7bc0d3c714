"""JSON: numbers as written, arrays and wrapped arrays streamed, a broken element alone is refused."""

import json
from pathlib import Path

import pytest
from reader_files import broken_in, refusal_of, rows_of, said_of, values_of, written

from aigc_core.storage import source_files


@pytest.mark.parametrize(
    "number", ["1.10", "1E5", "-0", "0.10", "1e400", "123456789012345678901.5", "-1.0e-7", "9" * 5000]
)
def test_a_number_that_python_would_change_is_its_own_text(tmp_path: Path, number: str) -> None:
    assert values_of(written(tmp_path, "a.jsonl", f'{{"a": {number}}}')) == [{"a": number}]


@pytest.mark.parametrize("number", ["1", "-7", "1.5", "12345678901234567890", "1e+16"])
def test_other_numbers_are_numbers(tmp_path: Path, number: str) -> None:
    assert values_of(written(tmp_path, "a.jsonl", f'{{"a": {number}}}')) == [{"a": json.loads(number)}]


def test_numbers_inside_nested_values_keep_what_was_written(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '{"a": {"b": [1.10, 2, "裤", null, true], "c": {}}}')
    assert values_of(path) == [{"a": '{"b": [1.10, 2, "裤", null, true], "c": {}}'}]


def test_a_number_with_leading_zeros_is_no_json(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '{"a": 0012}\n{"a": "0012"}\n')
    assert broken_in(path) == [(1, "not JSON: Expecting ',' delimiter at character 8", '{"a": 0012}')]


@pytest.mark.parametrize("before", ["", '"total": 2, "page": {"n": [1]}, '])
@pytest.mark.parametrize("space", ["", " ", "\n  "])
@pytest.mark.parametrize("chunk", [1, 5, 1 << 20])
def test_an_array_in_an_object_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, space: str, chunk: int
) -> None:
    text = f'{{{space}{before}"products"{space}:{space}[{space}{{"a": 1}}, {{"a": 2}}{space}]{space}}}'
    path = written(tmp_path, "a.json", text)
    monkeypatch.setattr(source_files, "CHUNK", chunk)
    assert values_of(path) == [{"a": 1}, {"a": 2}]
    assert [why for _, why, _ in broken_in(path)] == [
        f"stands beside the rows, as {name!r} of the object around them" for name in ("total", "page") if before
    ]


def test_members_behind_a_wrapped_array_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", '{"items": [{"a": 1}], "next": {"page": 2}}')
    assert [raw for _, _, raw in broken_in(path)] == ['{"page": 2}']


def test_objects_with_arrays_one_a_line_are_rows(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", '{"a": [{"b": 1}]}\n{"a": [{"b": 2}]}\n')
    assert values_of(path) == [{"a": '[{"b": 1}]'}, {"a": '[{"b": 2}]'}]


def test_objects_over_several_lines_are_rows(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", '{\n "a": 1\n}\n{\n "a": [2]\n}\n')
    assert values_of(path) == [{"a": 1}, {"a": "[2]"}]


def test_an_array_may_stand_in_a_file_named_for_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '[\n{"a": 1},\n{"a": 2}\n]')
    assert values_of(path) == [{"a": 1}, {"a": 2}]
    assert said_of(path).notes == ("the rows are the elements of one array, numbered from 1",)


@pytest.mark.parametrize(
    "broken",
    [
        '{"a": 01}',
        '{"a": [1,,2], "b": {"c": 3}}',
        '{"a": tru}',
        "{'a': 1}",
        '{"a": "\\x"}',
        "nonsense",
        '{"a": "x\ty"}',
    ],
)
@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
def test_a_broken_element_is_refused_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, chunk: int
) -> None:
    path = written(tmp_path, "a.json", f'[{{"a": 1}}, {broken}, {{"a": 3}}, {{"a": 4}}]')
    monkeypatch.setattr(source_files, "CHUNK", chunk)
    assert values_of(path) == [{"a": 1}, {"a": 3}, {"a": 4}]
    assert [(number, raw) for number, _, raw in broken_in(path)] == [(2, broken)]


def test_a_deep_element_is_refused_alone(tmp_path: Path) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    path = written(tmp_path, "a.json", f'[{{"a": 1}}, {{"a": {deep}}}, {{"a": 3}}]')
    assert [why for _, why, _ in broken_in(path)] == ["not JSON that can be read: nested too deeply"]
    assert values_of(path) == [{"a": 1}, {"a": 3}]


def test_an_element_that_does_not_close_ends_the_reading(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", '[{"a": 1}, {"a": 2, {"a": 3}, {"a": 4}]')
    assert "brackets do not match" in refusal_of(path)


def test_a_missing_element_is_a_row_with_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", '[{"a": 1},,{"a": 3},]')
    assert [(row.number, row.values) for row in rows_of(path)] == [(1, {"a": 1}), (2, {}), (3, {"a": 3}), (4, {})]
