"""The shipped lines: every contract is the standard's, every recipe is read, and both speak of the same columns."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft201909Validator

from aigc_core.contracts.model import Contract
from aigc_core.contracts.odcs import read_contract
from aigc_core.contracts.prompt import prompt_for
from aigc_core.contracts.recipe import Recipe, read_recipe
from aigc_core.contracts.sql import row_gates
from aigc_core.engines.base import TextRequest
from aigc_core.engines.template import TemplateEngine
from aigc_core.records import Sampling

LINES = Path(__file__).parents[2] / "data_contracts"
NAMES = ("ad_copy_zh", "fashion_description", "product_description")
FILES = sorted(LINES.glob("*/*.odcs.yaml"))
CALM = {
    "requests": 100, "decided": 100, "generated": 100, "publishable": 90, "rejected": 6, "quarantined": 2,
    "duplicates": 1, "failed": 1, "reject_share": 0.1, "max_reject_share": 0.4, "check_error_share": 0.0,
    "canaries": 30, "canaries_missed": 0, "unlabelled": 0, "undecided": 0,
}  # fmt: skip


def recipe_of(line: str) -> Recipe:
    return read_recipe(LINES / line / "recipe.yaml")


def contract_of(line: str, kind: str) -> Contract:
    return read_contract(LINES / line / f"{kind}.odcs.yaml")


def columns_of(line: str, kind: str) -> set[str]:
    return {column.name for column in contract_of(line, kind).objects[kind].columns}


def test_each_line_has_three_contracts() -> None:
    assert {(path.parent.name, path.name.split(".")[0]) for path in FILES} == {
        (line, kind) for line in NAMES for kind in ("catalogue", "corpus", "description")
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_contracts_hold_against_the_schema_of_the_standard(path: Path) -> None:
    schema = json.loads((files("open_data_contract_standard") / "schema.json").read_text("utf-8"))
    assert list(Draft201909Validator(schema).iter_errors(yaml.safe_load(path.read_text("utf-8")))) == []


@pytest.mark.parametrize("line", NAMES)
def test_recipes_are_read_under_the_name_of_their_folder(line: str) -> None:
    assert recipe_of(line).line == line


@pytest.mark.parametrize("line", NAMES)
@pytest.mark.parametrize("kind", ["catalogue", "corpus"])
def test_recipes_name_columns_that_the_contracts_have(line: str, kind: str) -> None:
    recipe = recipe_of(line)
    named = {attribute.column for attribute in recipe.attributes.values()} | {recipe.product_group}
    named |= {column for column in (recipe.variant_group, recipe.category, recipe.seller) if column}
    assert named <= columns_of(line, kind)


@pytest.mark.parametrize("line", NAMES)
def test_mapped_columns_are_columns_of_the_contracts(line: str) -> None:
    columns = recipe_of(line).columns
    assert set(columns.catalogue) <= columns_of(line, "catalogue")
    assert set(columns.corpus) <= columns_of(line, "corpus")
    assert set(columns.text) == set(recipe_of(line).locales)


@pytest.mark.parametrize("line", NAMES)
def test_a_calm_night_passes_every_gate(line: str) -> None:
    assert [gate for gate in row_gates(contract_of(line, "description").objects["run"], CALM) if not gate.passed] == []


@pytest.mark.parametrize(
    ("measure", "value", "gate_id", "level"),
    [
        ("canaries_missed", 1, "H-1a", "block"),
        ("canaries", 19, "H-1b", "block"),
        ("check_error_share", 0.006, "H-1c", "block"),
        ("publishable", 54, "H-2", "block"),
        ("undecided", 1, "I-1", "block"),
        ("unlabelled", 1, "L-1", "block"),
        ("duplicates", 31, "D-rate", "block"),
        ("duplicates", 11, "D-rate-rare", "warn"),
    ],
)
def test_each_gate_refuses_its_own_fault(measure: str, value: float, gate_id: str, level: str) -> None:
    for line in NAMES:
        gates = row_gates(contract_of(line, "description").objects["run"], {**CALM, measure: value})
        assert (gate_id, level) in {(gate.gate_id, gate.level) for gate in gates if not gate.passed}


@pytest.mark.parametrize(
    ("generated", "publishable", "held"),
    [(5, 0, False), (9, 0, True), (8, 0, False), (100, 55, False), (100, 54, True)],
)
def test_five_refused_texts_never_hold_a_night_back(generated: int, publishable: int, *, held: bool) -> None:
    for line in NAMES:
        measures = {**CALM, "generated": generated, "publishable": publishable}
        gates = row_gates(contract_of(line, "description").objects["run"], measures)
        assert [gate.passed for gate in gates if gate.gate_id == "H-2"] == [not held]


@pytest.mark.parametrize("line", NAMES)
def test_templates_write_a_text_from_required_attributes_alone(line: str) -> None:
    recipe = recipe_of(line)
    given = tuple((name, "Arden") for name, attribute in recipe.attributes.items() if attribute.required)
    for locale in recipe.locales:
        request = TextRequest(key="k", locale=locale, prompt="", attributes=given or (("类型", "裙"),))
        (text,) = TemplateEngine(recipe.generation.template).generate([request], sampling=Sampling(), attempt=1)
        assert (text.error, text.text[-1:]) == ("", "." if locale == "en" else "。")


def test_prompts_show_numbers_with_their_unit() -> None:
    shown = [{"name": "name", "value": "Arden"}, {"name": "capacity", "value": "750 ml"}]
    for locale in ("en", "zh"):
        prompt = prompt_for(recipe_of("product_description"), "1", locale, shown)
        assert prompt.startswith(locale)
        assert "750 ml" in prompt
