from pathlib import Path

import orjson
import pyarrow as pa
import pytest
from contract_files import items

from aigc_core.contracts.expectations import Suite, suite_json
from aigc_core.contracts.model import Expectation
from aigc_core.errors import ContractInvalid

ID = "name: item_id, logicalType: string, primaryKey: true, logicalTypeOptions: {pattern: '^[0-9]+$'}"
DAY = "name: day, logicalType: date, logicalTypeOptions: {minimum: '2026-01-01'}"
MEAN = "{type: expect_column_mean_to_be_between, kwargs: {max_value: 2}}"
SIZE = (
    f"name: size, logicalType: integer, quality: [{{type: custom, engine: greatExpectations, implementation: {MEAN}, "
    "severity: warn}]"
)


def rule(name: str, **kwargs: object) -> Expectation:
    return Expectation(
        rule_id=name, level="block", column="c", name=f"expect_column_{name}", kwargs={"column": "c", **kwargs}
    )


def test_the_compiled_suite_is_one_that_great_expectations_loads(tmp_path: Path) -> None:
    found = orjson.loads(orjson.dumps(suite_json(items(tmp_path, ID, DAY, SIZE))))
    Suite([rule("values_to_be_of_type", type_="str")])  # imports the library without its warnings
    from great_expectations import ExpectationSuite

    loaded = ExpectationSuite(**found)
    assert [one.configuration.type for one in loaded.expectations] == [
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_match_regex",
        "expect_column_values_to_be_between",
        "expect_column_mean_to_be_between",
    ]
    assert found["expectations"][3]["severity"] == "warning"
    assert found["expectations"][2]["kwargs"] == {"column": "day", "min_value": "2026-01-01"}


def test_kernels_and_great_expectations_answer_in_the_order_of_the_rules() -> None:
    table = pa.table({"c": ["a", None, "bb", "b"]})
    rules = [
        rule("value_lengths_to_be_between", max_value=1),
        rule("values_to_match_regex_list", regex_list=["^a", "^bb"]),
        rule("values_to_not_be_null"),
    ]
    found = Suite(rules).outcomes(table)
    assert [(one.rule.rule_id, one.rows, one.present) for one in found] == [
        ("value_lengths_to_be_between", [2], 3),
        ("values_to_match_regex_list", [3], 3),
        ("values_to_not_be_null", [1], 4),
    ]


def test_a_kernel_that_does_not_know_the_type_leaves_it_to_great_expectations() -> None:
    table = pa.table({"c": pa.array([1, 5, None], pa.int32())})
    (found,) = Suite([rule("values_to_be_between", max_value=3)]).outcomes(table)
    assert (found.rows, found.present) == ([1], 2)


def test_a_range_upside_down_is_refused() -> None:
    with pytest.raises(ContractInvalid, match=r"cannot be (made|evaluated)"):
        Suite([rule("values_to_be_between", min_value=3, max_value=1)]).outcomes(pa.table({"c": [1]}))
