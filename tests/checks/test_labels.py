import json

import pyarrow as pa
import pytest

from aigc_core.checks.labels import (
    LABEL_SCHEMA,
    aigc_json,
    explicit_mark,
    field_metadata,
    file_label,
    gate_l1,
    gate_l2,
    label_columns,
)
from aigc_core.contracts.recipe import Label
from aigc_core.errors import RecipeInvalid

ROWS = pa.table({"item_id": ["a", "b"], "locale": ["en", "zh-Hans"], "text": ["A mug.", "陶瓷杯。"]})
KEYS = ["Label", "ContentProducer", "ProduceID", "ReservedCode1", "ContentPropagator", "PropagateID", "ReservedCode2"]


def _labelled(run_key: str = "k") -> pa.Table:
    columns = label_columns(ROWS, label=Label(), run_key=run_key)
    return pa.table([*ROWS.columns, *columns.columns], names=[*ROWS.column_names, *columns.column_names])


def _with(name: str, values: list[str | None]) -> pa.Table:
    rows = _labelled()
    return rows.set_column(rows.column_names.index(name), name, pa.array(values, pa.string()))


def test_columns_hold_the_mark_of_each_locale() -> None:
    columns = label_columns(ROWS, label=Label(), run_key="k")
    assert columns.schema == LABEL_SCHEMA
    assert columns["text_labelled"].to_pylist() == ["A mug. (AI-generated content)", "陶瓷杯。（本内容由人工智能生成）"]
    assert columns["aigc_produce_id"].to_pylist() == columns["aigc_propagate_id"].to_pylist()


def test_content_numbers_repeat_with_the_run_and_change_with_it() -> None:
    first, again, other = (_labelled(key)["aigc_produce_id"].to_pylist() for key in ("k", "k", "l"))
    assert first == again
    assert not set(first) & set(other)
    assert len(set(first)) == 2


def test_a_locale_without_a_mark_is_refused() -> None:
    with pytest.raises(RecipeInvalid, match=r"no mark for locale 'fr'\. It names en, zh\."):
        explicit_mark(Label(), "fr")


def test_labelled_rows_hold() -> None:
    assert gate_l1(_labelled()) == []
    assert gate_l2(_labelled()) == []


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("aigc_label", "4"),
        ("aigc_label", None),
        ("aigc_producer", "two words"),
        ("aigc_producer", "生产者"),
        ("aigc_produce_id", ""),
        ("aigc_propagator", "somebody-else"),
        ("aigc_propagate_id", None),
        ("digital_source_type", "trainedAlgorithmicMedia"),
    ],
)
def test_a_broken_implicit_label_is_named(name: str, bad: str | None) -> None:
    good = _labelled()[name].to_pylist()
    assert gate_l1(_with(name, [good[0], bad])) == [1]


@pytest.mark.parametrize("bad", ["A mug.", "(AI-generated content)", "A mug. " + "x" * 70 + " AI", None])
def test_a_missing_mark_or_text_is_named(bad: str | None) -> None:
    good = _labelled()["text_labelled"].to_pylist()
    assert gate_l2(_with("text_labelled", [bad, good[1]])) == [0]


def test_a_text_that_already_has_a_mark_is_named() -> None:
    assert gate_l2(_with("text", ["A mug.", "杯（AI生成）"])) == [1]


def test_the_json_has_seven_string_keys() -> None:
    label = json.loads(aigc_json(producer="p", produce_id="n"))
    assert list(label) == KEYS
    assert all(isinstance(value, str) for value in label.values())


def test_files_and_fields_carry_a_stable_label() -> None:
    one, two = (file_label(Label(), run_key="k", name=name, rows_sha256="0") for name in ("a", "b"))
    assert one != two
    assert json.loads(one["AIGC"])["Label"] == "1"
    assert set(field_metadata(Label(), line="l", column="text")) == {"AIGC", "digitalSourceType"}
