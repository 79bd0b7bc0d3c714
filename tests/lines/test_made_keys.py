"""Files in which no column names an item: the draft makes an id, and asks for a real one."""

import json
from pathlib import Path

import pytest
import yaml
from strange_files import COLOURS, KINDS, body, word

from aigc_core.contracts.cleaning import Cleaner
from aigc_core.contracts.content_line import ContentLine, read_content_line
from aigc_core.contracts.schema import RawRow
from aigc_core.lines.draft import Draft, draft_line
from aigc_core.lines.profile import profile_source


def names_and_texts(path: Path, rows: int = 60) -> Path:
    """A sheet of names and descriptions, and nothing else."""
    said = (f'"{COLOURS[n % 6]} {KINDS[n % 8]} {word(n)}","{body(n)}"' for n in range(rows))
    path.write_text("name,description\n" + "\n".join(said) + "\n", "utf-8")
    return path


def drafted(source: Path, folder: Path) -> tuple[Draft, ContentLine]:
    draft = draft_line(profile_source(str(source)), "made", folder / "lines")
    return draft, read_content_line(Path(draft.folder))


@pytest.fixture
def sheet(tmp_path: Path) -> tuple[Draft, ContentLine]:
    """The line of names and texts."""
    return drafted(names_and_texts(tmp_path / "sheet.csv"), tmp_path)


@pytest.fixture
def triples(facts: Path, tmp_path: Path) -> tuple[Draft, ContentLine]:
    """The line of facts."""
    return drafted(facts, tmp_path)


def keys(line: ContentLine) -> list[tuple[str | None, str, tuple[str, ...]]]:
    return [(step.only, step.key.into, step.key.columns) for step in line.recipe.cleaning if step.key]


def test_an_id_is_made_of_what_describes_the_item(sheet: tuple[Draft, ContentLine]) -> None:
    assert keys(sheet[1]) == [
        ("catalogue", "made_id", ("name",)),
        ("corpus", "made_id", ("name", "description")),
        (None, "made_group", ("name",)),
    ]


def test_names_that_all_differ_are_shown_and_are_no_ids(sheet: tuple[Draft, ContentLine]) -> None:
    recipe = sheet[1].recipe
    assert (list(recipe.attributes), recipe.columns.catalogue["item_id"]) == (["name"], "made_id")


def test_a_name_alone_is_written_as_a_sentence(sheet: tuple[Draft, ContentLine]) -> None:
    assert sheet[1].recipe.generation.template == {"en": "This item is called {{ attributes['name'] }}."}


def test_pairs_of_one_item_are_never_split(sheet: tuple[Draft, ContentLine]) -> None:
    recipe = sheet[1].recipe
    assert (recipe.product_group, recipe.columns.corpus["product_group"]) == ("product_group", "made_group")
    assert recipe.variant_group is None


def test_a_made_id_must_be_decided(sheet: tuple[Draft, ContentLine]) -> None:
    decision = next(one for one in sheet[0].decisions if one.topic == "id of an item")
    assert decision.required
    assert "bring a real id" in decision.instead
    assert "# DECIDE: id of an item: made of 'name'" in (Path(sheet[0].folder) / "recipe.yaml").read_text("utf-8")


def test_a_made_id_never_takes_the_name_of_a_column(tmp_path: Path) -> None:
    rows = names_and_texts(tmp_path / "sheet.csv").read_text("utf-8").splitlines()
    source = tmp_path / "more.csv"
    source.write_text("\n".join([f"made_id,{rows[0]}", *(f"x,{row}" for row in rows[1:])]), "utf-8")
    assert [into for _, into, _ in keys(drafted(source, tmp_path)[1])] == ["made_id_2", "made_id_2", "made_group"]


def test_without_texts_one_id_serves(tmp_path: Path) -> None:
    source = tmp_path / "names.csv"
    source.write_text("name,colour\n" + "".join(f"Cup {word(n)},{COLOURS[n % 6]}\n" for n in range(40)), "utf-8")
    assert keys(drafted(source, tmp_path)[1]) == [(None, "made_id", ("name", "colour"))]


def test_triples_are_attributes(triples: tuple[Draft, ContentLine]) -> None:
    draft, line = triples
    assert draft.roles.pairs
    assert (draft.roles.pairs.name, draft.roles.written) == ("triples", "triples")
    assert line.recipe.columns.attribute_pairs == "attributes"
    assert [step.name for step in line.recipe.cleaning][:2] == ["triples", "key"]


def test_the_subject_of_a_fact_stands_with_its_value(triples: tuple[Draft, ContentLine]) -> None:
    (cleaned,) = Cleaner(triples[1].recipe.cleaning[:1], door="catalogue").clean(
        [[RawRow(1, {"triples": json.dumps(["Apollo_12 | operator | NASA"])})]]
    )
    assert json.loads(str(cleaned[0].values["attributes"])) == [["operator", "Apollo 12: NASA"]]


def test_paths_are_no_triples(tmp_path: Path) -> None:
    source = tmp_path / "paths.csv"
    source.write_text("sku,name,path\n" + "".join(f"P{n:03d},Cup {n},Home | Men\n" for n in range(40)), "utf-8")
    assert "triples" not in profile_source(str(source)).column("path").kinds


def test_the_least_rows_are_half_of_the_items_that_differ(triples: tuple[Draft, ContentLine]) -> None:
    found = yaml.safe_load((Path(triples[0].folder) / "catalogue.odcs.yaml").read_text("utf-8"))
    (rule,) = found["schema"][0]["quality"]
    assert rule["mustBeGreaterOrEqualTo"] == 20
