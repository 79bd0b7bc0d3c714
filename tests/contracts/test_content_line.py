"""A line's files must fit each other, and any change to them is another line."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import yaml
from shop import RECIPE, write_line

from aigc_core.contracts.content_line import ContentLine, read_content_line
from aigc_core.errors import AigcError, ContractInvalid, RecipeInvalid
from aigc_core.lines.folders import list_lines, load_line
from aigc_core.records import Sampling

pytest_plugins = ("shop_fixtures",)


def edit(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change a YAML file in place."""
    document = yaml.safe_load(path.read_text("utf-8"))
    change(document)
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), "utf-8")


def test_a_line_names_its_parts(line: ContentLine) -> None:
    assert line.name == "product_description"
    assert [column.name for column in line.catalogue_rows.columns][:2] == ["item_id", "product_group"]
    assert "locale" in {column.name for column in line.corpus_rows.columns}
    assert line.recipe.sampling == Sampling(repetition_window=8)


@pytest.mark.parametrize("name", ["catalogue", "corpus", "description"])
def test_a_contract_without_its_object_is_refused(tmp_path: Path, name: str) -> None:
    home = write_line(tmp_path)
    edit(home / f"{name}.odcs.yaml", lambda document: document["schema"][0].update(name="other"))  # type: ignore[index]
    with pytest.raises(ContractInvalid, match=rf"{name}\.odcs\.yaml .*(lacks the object|other)"):
        read_content_line(home)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"product_group": "family"}, r"columns the catalogue contract does not have: family\. It has capacity_ml"),
        ({"seller": "shop", "category": "kind"}, "does not have: kind, shop"),
        ({"attributes": {"x": {"column": "y"}}}, "does not have: y"),
        (
            {"columns": {"catalogue": {"code": "sku", "item_id": "sku"}}},
            r"columns\.catalogue names code, which the catalogue contract does not have\. It has capacity_ml, ",
        ),
        (
            {"columns": {"corpus": {"seller_id": "shop"}}},
            r"columns\.corpus names seller_id, which the corpus contract does not have\. It has capacity_ml, ",
        ),
        ({"line": "other_line"}, "line is 'other_line', but the folder is 'product_description'"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, object], complaint: str) -> None:
    home = write_line(tmp_path, **changes)
    with pytest.raises(RecipeInvalid, match=complaint):
        read_content_line(home)


def test_the_digest_is_that_of_the_content(tmp_path: Path, line: ContentLine) -> None:
    assert read_content_line(write_line(tmp_path)).digest == line.digest


@pytest.mark.parametrize(
    "changes", [{"prompt": "{{ locale }}"}, {"locales": ["zh", "en"]}, {"generation": {"engine": "template"}}]
)
def test_any_change_of_the_recipe_is_another_digest(
    tmp_path: Path, line: ContentLine, changes: dict[str, object]
) -> None:
    assert read_content_line(write_line(tmp_path, **changes)).digest != line.digest


def test_what_only_places_the_work_is_no_part_of_the_digest(tmp_path: Path, line: ContentLine) -> None:
    generation = cast("dict[str, object]", RECIPE["generation"])
    placed = {"shard_rows": 7, "slots": 3, "caps": {"texts": 5}}
    assert read_content_line(write_line(tmp_path, generation=generation | placed)).digest == line.digest
    shaping = {"attempts": 2}
    assert read_content_line(write_line(tmp_path, generation=generation | shaping)).digest != line.digest


@pytest.mark.parametrize("name", ["catalogue", "corpus", "description"])
def test_any_change_of_a_contract_is_another_digest(tmp_path: Path, line: ContentLine, name: str) -> None:
    home = write_line(tmp_path)
    edit(home / f"{name}.odcs.yaml", lambda document: document.update(version="9.9.9"))
    assert read_content_line(home).digest != line.digest


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    before = read_content_line(write_line(tmp_path))
    after = read_content_line(write_line(tmp_path, title="Another"))
    assert (before.recipe.title, after.recipe.title) == (RECIPE["title"], "Another")


def test_a_missing_contract_is_told(tmp_path: Path) -> None:
    home = write_line(tmp_path)
    (home / "corpus.odcs.yaml").unlink()
    with pytest.raises(ContractInvalid, match=r"corpus\.odcs\.yaml cannot be read"):
        read_content_line(home)


def test_lines_are_the_folders_with_a_recipe(tmp_path: Path) -> None:
    write_line(tmp_path)
    (tmp_path / "notes").mkdir()
    assert list_lines(tmp_path) == ("product_description",)
    assert load_line(tmp_path, "product_description").name == "product_description"


@pytest.mark.parametrize("name", ["other", "../product_description", ""])
def test_an_unknown_line_names_those_there_are(tmp_path: Path, name: str) -> None:
    write_line(tmp_path)
    with pytest.raises(AigcError, match=r"There is no content line .* There are: product_description\."):
        load_line(tmp_path, name)
