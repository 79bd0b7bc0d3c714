from pathlib import Path

import pytest
from contract_files import HEAD, contract_file, contract_text, items

from aigc_core.contracts import sql
from aigc_core.contracts.model import Column, Expectation, SqlRule
from aigc_core.contracts.odcs import read_contract
from aigc_core.errors import ContractInvalid

ID = "name: item_id, logicalType: string, primaryKey: true"
SIZE = "name: size, logicalType: integer"


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ContractInvalid) as caught:
        read_contract(contract_file(folder, text))
    return str(caught.value)


def test_a_contract_becomes_columns_and_rules(tmp_path: Path) -> None:
    found = read_contract(contract_file(tmp_path, contract_text(ID, SIZE)))
    assert (found.id, found.version, list(found.objects)) == ("items", "1.0.0", ["items"])
    assert found.objects["items"].columns == (
        Column(name="item_id", type="string", required=True, key=True),
        Column(name="size", type="integer"),
    )
    assert found.objects["items"].key == ("item_id",)


def test_the_digest_follows_meaning_not_layout(tmp_path: Path) -> None:
    digests = [
        read_contract(contract_file(tmp_path, text)).digest
        for text in (contract_text(ID), "# note\n" + contract_text(ID), contract_text(ID, SIZE))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_constraints_become_rules_with_stable_reasons(tmp_path: Path) -> None:
    found = items(
        tmp_path,
        ID + ", logicalTypeOptions: {minLength: 3, maxLength: 9, pattern: '^[0-9]+$'}",
        SIZE + ", required: true, logicalTypeOptions: {minimum: 1, exclusiveMaximum: 10}",
        "name: kind, logicalType: string, enum: [{value: a}, {value: b}]",
        "name: day, logicalType: date, logicalTypeOptions: {minimum: '2026-01-01'}",
    )
    assert [rule.reason for rule in found.row_rules] == [
        "item_id: missing",
        "item_id: shorter than 3",
        "item_id: longer than 9",
        "item_id: does not match the pattern",
        "size: missing",
        "size: below 1",
        "size: not below 10",
        "kind: not one of the allowed values",
        "day: below 2026-01-01",
    ]


def test_library_metrics_of_zero_judge_rows_and_others_the_set(tmp_path: Path) -> None:
    found = items(
        tmp_path,
        ID
        + ", quality: [{metric: nullValues, mustBe: 0}, "
        + "{metric: missingValues, arguments: {missingValues: [n/a]}, mustBe: 0}]",
        SIZE
        + ", quality: [{metric: nullValues, mustBeLessThan: 5, unit: percent}, {metric: duplicateValues, mustBe: 0}]",
    )
    assert len(found.row_rules) == 4
    assert found.columns[1].unique
    rule = found.set_rules[0]
    assert isinstance(rule, SqlRule)
    assert (rule.measure, rule.operator, rule.operand) == ("nullValues of size", "mustBeLessThan", 5.0)


def test_a_rule_for_great_expectations_may_be_text_or_mapping(tmp_path: Path) -> None:
    body = "type: expect_column_values_to_be_between, kwargs: {max_value: 5, mostly: 0.9}"
    found = items(
        tmp_path,
        SIZE + f", quality: [{{type: custom, engine: great-expectations, implementation: {{{body}}}, severity: info}}]",
        quality=(
            "type: custom, engine: greatExpectations, description: pairs, implementation: "
            "'{type: expect_column_pair_values_to_be_equal, kwargs: {column_A: size, column_B: size}}'",
        ),
    )
    assert [rule.name for rule in found.set_rules if isinstance(rule, Expectation)] == [
        "expect_column_values_to_be_between"
    ]
    assert [(rule.column, rule.reason) for rule in found.row_rules] == [("size, size", "size, size: pairs")]


def test_arguments_may_be_spelt_as_in_the_standards_examples(tmp_path: Path) -> None:
    body = (
        "{type: expect_column_pair_values_to_be_equal, kwargs: {column_A: size, column_B: size, ignoreRowIf: neither}}"
    )
    rule = f"type: custom, engine: greatExpectations, implementation: {body}"
    assert items(tmp_path, SIZE, quality=(rule,)).row_rules[0].kwargs == {  # type: ignore[union-attr]  # no SQL here
        "column_A": "size",
        "column_B": "size",
        "ignore_row_if": "neither",
    }


def test_text_rules_are_for_people(tmp_path: Path) -> None:
    found = items(tmp_path, ID, quality=("type: text, description: names are in German",))
    assert found.set_rules == ()


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        ("type: sql, query: 'SELECT count(*) FROM {object}'", "line 12, schema.0.quality.0"),
        ("type: sql, query: 'SELECT oops FROM {object}', mustBe: 0", "line 12, schema.0.quality.0.query: Binder Error"),
        ("type: sql, query: 'DROP TABLE {object}', mustBe: 0", "not a single SELECT"),
        ("type: sql, query: 'SELECT 1; SELECT 2', mustBe: 0", "not a single SELECT"),
        ("type: sql, query: 'SELECT 1, 2', mustBe: 0", "the query gives 2 columns"),
        ("type: sql, query: \"SELECT * FROM read_csv('/etc/passwd')\", mustBe: 0", "Permission Error"),
        ("type: sql, query: 'SELECT 1', mustBe: many", "'many' is not a number"),
        ("metric: rowCount, mustBe: 0, severity: fatal", "severity 'fatal' is unknown. Severities are: block"),
        ("metric: rowCount, mustBe: 0, severity: quarantine", "quarantine is for rules that judge single rows"),
        ("metric: nullValues, mustBe: 0", "nullValues belongs under a property"),
        ("metric: duplicateValues, mustBe: 0", "needs `arguments.properties`"),
        ("type: custom, engine: soda, implementation: 'x'", "engine 'soda' is not here"),
        ("type: custom, engine: greatExpectations, implementation: 'x'", "names no expectation"),
        ("type: custom, engine: greatExpectations, implementation: '{a'", "implementation: while parsing"),
        (
            "type: custom, engine: greatExpectations, implementation: "
            "{type: expect_column_values_to_be_unique, kwargs: {column: colour}}",
            "there is no column 'colour'. Columns are: item_id",
        ),
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_refused_with_its_line(tmp_path: Path, quality: str, said: str) -> None:
    message = refusal(tmp_path, contract_text(ID, quality=(quality,)))
    assert said in message
    assert "items.odcs.yaml line 1" in message


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ((ID, ID), "line 11, schema.0.properties.1: the column 'item_id' is declared twice"),
        (("name: a, logicalType: nosuch",), "line 10, schema.0.properties.0.logicalType: 'nosuch' is not one of"),
        (("name: a, logicalType: string, enum: [{value: ' '}]",), "enum.0: ' ' is no value of column 'a'"),
        ((SIZE + ", enum: [{value: 1}, {value: big}]",), "enum.1: 'big' is no value of column 'size'"),
        (("name: a",), "the property has no logicalType"),
        ((ID + ", logicalTypeOptions: {pattern: '('}",), "'(' is not a regular expression"),
        ((ID + ", logicalTypeOptions: {minimum: 3}",), "line 10"),
        ((ID + ", logicalTypeOptions: {pattern: '(?=a)'}",), "'(?=a)' cannot be matched in linear time"),
        (("name: t, logicalType: time, logicalTypeOptions: {minimum: noon}",), "'noon' is not a time of day"),
        ((SIZE + ", quality: [{metric: nullValues, mustBe: 0, unit: kg}]",), "nullValues is not counted in 'kg'"),
        ((SIZE + ", quality: [{metric: invalidValues, arguments: {pattern: x}, mustBe: 0}]",), "a pattern is for text"),
        (("name: d, logicalType: date, logicalTypeOptions: {minimum: soon}",), "'soon' is not a date"),
        ((SIZE + ", quality: [{metric: invalidValues, mustBe: 0}]",), "invalidValues does not say what is valid"),
        ((SIZE + ", quality: [{metric: nullValues, arguments: {x: 1}, mustBe: 0}]",), "x is not known here"),
    ],
)
def test_a_property_that_cannot_hold_is_refused_with_its_line(
    tmp_path: Path, properties: tuple[str, ...], said: str
) -> None:
    assert said in refusal(tmp_path, contract_text(*properties))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("apiVersion: v3.1.0", "apiVersion: v99", "line 3, apiVersion: 'v99' is not one of"),
        ("apiVersion: v3.1.0", "apiVersion: v2.2.0", "v3.x is read"),
        ("id: items\n", "", "'id' is a required property"),
        ("kind: DataContract", "kind: 5", "line 2, kind"),
        ("status: active", "status: active\nbogus: 1", "bogus"),
        ("version: 1.0.0", "version: 1.0.0\nversion: 2.0.0", "the key 'version' stands twice"),
        ("version: 1.0.0", "- a\n- b\n", "is not YAML"),
    ],
)
def test_what_is_not_the_standard_is_refused(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert said in refusal(tmp_path, contract_text(ID).replace(before, after))


def test_a_contract_without_objects_or_with_equal_names_is_refused(tmp_path: Path) -> None:
    assert "describes no object" in refusal(tmp_path, HEAD.split("schema:")[0])
    twice = contract_text(ID) + contract_text(ID).split("schema:\n")[1]
    assert "two objects share a name" in refusal(tmp_path, twice)
    assert "has no properties" in refusal(tmp_path, HEAD.replace("    properties:\n", ""))


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractInvalid, match=r"cannot be read.*UTF-8 YAML"):
        read_contract(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ContractInvalid, match="cannot be read"):
        read_contract(tmp_path / "bad.yaml")
    assert "holds list, not a mapping" in refusal(tmp_path, "- a\n")


def test_a_query_that_never_ends_is_refused_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "TRIAL_SECONDS", 0.2)
    endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 1"
    text = contract_text(ID, quality=(f"type: sql, query: '{endless}', mustBe: 0",))
    assert "the query takes more than 0.2 s on an empty table" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "tail",
    [
        "customProperties: &a [{property: x, value: *a}]",
        "x0: &x0 [1, 1]\n" + "\n".join(f"x{n + 1}: &x{n + 1} [{', '.join([f'*x{n}'] * 9)}]" for n in range(9)),
        "x: " + "[" * 3000 + "]" * 3000,
    ],
)
def test_a_document_that_grows_without_bound_is_refused(tmp_path: Path, tail: str) -> None:
    assert "is not YAML" in refusal(tmp_path, contract_text(ID) + tail + "\n")
