"""The shipped contracts on real catalogues."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc_core.contracts import kernels
from aigc_core.contracts.check import Door
from aigc_core.contracts.expectations import Suite
from aigc_core.contracts.mapping import catalogue_row
from aigc_core.contracts.model import Expectation, ObjectContract
from aigc_core.contracts.odcs import read_contract
from aigc_core.contracts.recipe import Recipe, read_recipe
from aigc_core.contracts.schema import RawRow, cast_rows

pytestmark = pytest.mark.real
LINE = Path(__file__).parents[2] / "data_contracts" / "fashion_description"


@pytest.fixture(scope="module")
def contract() -> ObjectContract:
    return read_contract(LINE / "catalogue.odcs.yaml").objects["catalogue"]


def articles(real_data: Path, recipe: Recipe, contract: ObjectContract, rows: int) -> list[RawRow]:
    table = pq.read_table(real_data / "catalogue" / "hm_articles.parquet").slice(0, rows)
    mapped = (catalogue_row(recipe, contract, row) for row in table.to_pylist())
    return [RawRow(number, row) for number, row in enumerate(mapped, 1)]


@pytest.fixture
def rows(real_data: Path, contract: ObjectContract) -> list[RawRow]:
    return articles(real_data, read_recipe(LINE / "recipe.yaml"), contract, 20_000)


def test_no_article_is_lost_at_the_door(rows: list[RawRow], contract: ObjectContract) -> None:
    door = Door(contract, batch_rows=7000)
    numbers = [number for one in door.split([rows]) for number in (*one.numbers, *(r.number for r in one.refused))]
    record = door.record(name="catalogue", source="hm")
    assert record.rows == len(rows) == len(numbers) + record.repeated
    assert {one.rows for one in record.rules if one.rule_id.endswith(".type")} == {len(rows)}


def test_kernels_find_in_real_rows_what_great_expectations_finds(rows: list[RawRow], contract: ObjectContract) -> None:
    table, _ = cast_rows(rows, contract.columns)
    rules = [rule for rule in contract.row_rules if isinstance(rule, Expectation)]
    tight = Expectation(
        rule_id="tight",
        level="block",
        column="name",
        name="expect_column_value_lengths_to_be_between",
        kwargs={"column": "name", "max_value": 12},
    )
    suite = Suite([*rules, tight])
    ours = [len(outcome.rows) for outcome in suite.outcomes(table)]
    theirs = suite._validate(range(len(rules) + 1), table, "COMPLETE")
    assert all(kernels.broken_rows(rule, table) is not None for rule in rules)
    assert ours == [int(one["unexpected_count"]) for one in theirs]
    assert ours[-1] > 0


def test_a_door_over_accepted_rows_accepts_them_again(rows: list[RawRow], contract: ObjectContract) -> None:
    accepted = pa.concat_tables(one.accepted for one in Door(contract).split([rows]))
    again = [RawRow(number, row) for number, row in enumerate(accepted.to_pylist(), 1)]
    assert pa.concat_tables(one.accepted for one in Door(contract).split([again])).equals(accepted)
