from pathlib import Path

import pytest
from contract_files import HEAD, contract_file, contract_text

from aigc_core.contracts.description import ContractDescription, RuleDescription, describe_contract
from aigc_core.errors import ContractInvalid

ID = "name: item_id, logicalType: string, primaryKey: true"
SIZE = "name: size, logicalType: integer"

RICH = """\
version: 2.3.1
kind: DataContract
apiVersion: v3.1.0
id: shop
status: draft
servers:
  - {server: files, type: local, path: data, format: csv}
schema:
  - name: orders
    physicalType: table
    relationships:
      - {type: foreignKey, from: [orders.shop_id, orders.land], to: [shops.id, shops.land]}
    properties:
      - name: id
        physicalName: order_no
        logicalType: string
        primaryKey: true
        classification: restricted
        encryptedName: id_hidden
        tags: [key]
      - name: placed
        logicalType: date
        partitioned: true
        logicalTypeOptions: {minimum: '2020-01-01 00:00:00', format: yyyy}
      - {name: pass, logicalType: string, logicalTypeOptions: {format: password}}
      - name: lines
        logicalType: array
        logicalTypeOptions: {minItems: 1}
        items:
          logicalType: object
          properties: [{name: sku, logicalType: string}]
      - {name: buyer, logicalType: object, properties: [{name: age, logicalType: integer}]}
      - {name: at, logicalType: time}
    quality:
      - {type: text, description: Orders are complete by noon.}
      - {metric: rowCount, mustBeGreaterThan: 0, schedule: 0 20 * * *, scheduler: cron}
  - name: shops
slaProperties:
  - {property: latency, value: 4, unit: d}
team:
  - {username: mara, role: owner}
roles:
  - {role: reader, access: read}
support:
  - {channel: '#shop', url: 'https://example.com'}
price: {priceAmount: 1, priceCurrency: EUR, priceUnit: month}
customProperties:
  - {property: cluster, value: [a, b]}
"""


def described(folder: Path, *properties: str, quality: tuple[str, ...] = ()) -> dict[str, RuleDescription]:
    found = describe_contract(contract_file(folder, contract_text(*properties, quality=quality)))
    return {rule.rule_id: rule for rule in found.objects[0].rules}


def rich(folder: Path) -> ContractDescription:
    return describe_contract(contract_file(folder, RICH))


def test_columns_are_described_with_what_a_cell_is(tmp_path: Path) -> None:
    found = rich(tmp_path)
    assert (found.id, found.version, [one.name for one in found.objects]) == ("shop", "2.3.1", ["orders", "shops"])
    columns = found.objects[0].columns
    assert [(one.name, one.type, one.words) for one in columns[-3:]] == [
        ("lines", "array", "a JSON list"),
        ("buyer", "object", "a JSON object"),
        ("at", "time", "a time of day"),
    ]
    assert (columns[0].required, columns[0].key, columns[0].unique) == (True, True, False)


@pytest.mark.parametrize(
    "said",
    [
        "line 6, servers: data comes from the files",
        "schema.0.relationships: other objects are not looked at",
        "line 15, schema.0.properties.0.physicalName: columns are named by `name`",
        "properties.0.classification",
        "properties.0.encryptedName: nothing is encrypted",
        "properties.1.partitioned",
        "properties.1.logicalTypeOptions.format: dates and times are read as ISO 8601",
        "properties.2.logicalTypeOptions.format: no pattern stands for the format 'password'",
        "properties.3.items: kept as JSON text",
        "properties.4.properties: kept as JSON text",
        "quality.0: for people: Orders are complete by noon.",
        "quality.1.schedule: rules are held whenever data comes",
        "slaProperties: service levels are not measured",
        "roles: access is not managed",
        "team: for people",
        "support: for people",
        "price: for people",
    ],
)
def test_what_is_not_enforced_is_listed_with_its_line(tmp_path: Path, said: str) -> None:
    assert [one for one in rich(tmp_path).not_enforced if said in one]


def test_a_contract_without_objects_is_described_as_one(tmp_path: Path) -> None:
    assert describe_contract(contract_file(tmp_path, HEAD.split("schema:")[0])).objects == ()


def test_rules_say_where_they_are_judged_and_by_what(tmp_path: Path) -> None:
    custom = "type: custom, engine: greatExpectations, implementation"
    rules = described(
        tmp_path,
        ID,
        SIZE + f", quality: [{{id: m, {custom}: {{type: expect_column_values_to_be_between, "
        "kwargs: {min_value: 1, mostly: 0.9}}}]",
        quality=(
            "id: r, type: sql, query: 'SELECT count(*) FROM {object} WHERE size < 1', mustBe: 0, severity: quarantine",
            "id: s, type: sql, query: 'SELECT sum(size) FROM {object}', mustBeGreaterThan: 1, severity: warn",
        ),
    )
    assert {name: (one.judges, one.engine, one.level) for name, one in rules.items()} == {
        "item_id.unique": ("row", "schema", "block"),
        "item_id.required": ("row", "great_expectations", "block"),
        "r": ("row", "sql", "quarantine"),
        "m": ("share", "great_expectations", "block"),
        "s": ("set", "sql", "warn"),
    }


@pytest.mark.parametrize(
    ("properties", "rule", "words"),
    [
        (ID, "item_id.unique", "item_id is unique"),
        (SIZE + ", required: true", "size.required", "size is present"),
        (SIZE + ", logicalTypeOptions: {exclusiveMinimum: 1}", "size.exclusiveMinimum", "size is above 1"),
        (SIZE + ", logicalTypeOptions: {multipleOf: 5}", "size.multipleOf", "size is a multiple of 5"),
        (
            "name: n, logicalType: string, logicalTypeOptions: {minLength: 1}",
            "n.minLength",
            "n has at least 1 character",
        ),
        ("name: n, logicalType: string, enum: [{value: a}, {value: b}]", "n.enum", "n is one of a, b"),
        (
            SIZE + ", quality: [{id: q, metric: nullValues, mustBeLessThan: 5, unit: percent}]",
            "q",
            "nullValues of size < 5 percent of all rows",
        ),
        (SIZE + ", quality: [{id: q, metric: nullValues, mustBe: 0, description: Sized.}]", "q", "Sized."),
    ],
)
def test_rules_are_put_in_words(tmp_path: Path, properties: str, rule: str, words: str) -> None:
    assert described(tmp_path, properties)[rule].words == words


def test_an_expectation_without_words_of_its_own_is_spelt_out(tmp_path: Path) -> None:
    body = "{type: expect_column_mean_to_be_between, kwargs: {min_value: 1, max_value: 3}}"
    rules = described(
        tmp_path, SIZE + f", quality: [{{id: q, type: custom, engine: greatExpectations, implementation: {body}}}]"
    )
    assert rules["q"].words == "size: column mean to be between (min_value 1, max_value 3)"


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        (
            "type: custom, engine: soda, implementation: x",
            "line 12, schema.0.quality.0.engine: engine 'soda' is not here",
        ),
        (
            "type: custom, engine: greatExpectations, implementation: {type: expect_nothing}",
            "line 12, schema.0.quality.0: Rule object-custom-0: expect_nothing cannot be made",
        ),
        ("type: sql, query: 'SELECT nope FROM {object}', mustBe: 0", "line 12, schema.0.quality.0.query: Binder Error"),
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_refused_with_its_line(tmp_path: Path, quality: str, said: str) -> None:
    with pytest.raises(ContractInvalid) as caught:
        describe_contract(contract_file(tmp_path, contract_text(ID, quality=(quality,))))
    assert said in str(caught.value)
