"""Drafted lines: read at once, saying what they are made of and what a person must decide."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from strange_files import body, gb18030_csv, pairs_jsonl, plain_csv, shopify_export, word

from aigc_core.contracts.check import Door
from aigc_core.contracts.content_line import ContentLine, read_content_line
from aigc_core.contracts.description import describe_contract
from aigc_core.contracts.prompt import prompt_for
from aigc_core.contracts.recipe import Recipe
from aigc_core.contracts.schema import RawRow
from aigc_core.errors import SourceInvalid, UserError
from aigc_core.lines.draft import Draft, Wishes, draft_line
from aigc_core.lines.profile import declared, profile_source

Maker = Callable[[Path], Path]
MAKERS: dict[str, tuple[Maker, str]] = {
    "shop": (shopify_export, "shop.csv"),
    "pairs": (pairs_jsonl, "pairs.jsonl"),
    "chinese": (gb18030_csv, "shop.csv"),
    "plain": (plain_csv, "plain.csv"),
}


@pytest.fixture(scope="module")
def drafts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Draft]:
    """A line of each kind of file."""
    folder = tmp_path_factory.mktemp("drafts")
    made = {}
    for name, (maker, file) in MAKERS.items():
        (folder / name).mkdir()
        profile = profile_source(str(maker(folder / name / file)))
        made[name] = draft_line(profile, name, folder / "lines")
    return made


def line_of(draft: Draft) -> ContentLine:
    return read_content_line(Path(draft.folder))


def steps_in(recipe: Recipe) -> list[str]:
    return [step.name if step.only is None else f"{step.name} {step.only}" for step in recipe.cleaning]


def source_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "source.csv"
    path.write_text(text, "utf-8")
    return str(path)


@pytest.mark.parametrize("name", MAKERS)
def test_a_draft_is_read_at_once(name: str, drafts: dict[str, Draft]) -> None:
    assert line_of(drafts[name]).name == name


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("kind", ["catalogue", "corpus", "description"])
def test_every_statement_of_its_contracts_is_enforced(name: str, kind: str, drafts: dict[str, Draft]) -> None:
    assert describe_contract(Path(drafts[name].folder) / f"{kind}.odcs.yaml").not_enforced == ()


@pytest.mark.parametrize("name", MAKERS)
def test_decisions_stand_in_the_files(name: str, drafts: dict[str, Draft]) -> None:
    for decision in drafts[name].decisions:
        text = (Path(drafts[name].folder) / decision.file).read_text("utf-8")
        assert f"# DECIDE: {decision.topic}:" in text


@pytest.mark.parametrize("name", MAKERS)
def test_lines_are_no_wider_than_a_screen(name: str, drafts: dict[str, Draft]) -> None:
    text = (Path(drafts[name].folder) / "recipe.yaml").read_text("utf-8")
    assert all(len(line) <= 120 for line in text.splitlines() if line.startswith("# DECIDE"))


def test_the_licence_must_be_decided(drafts: dict[str, Draft]) -> None:
    assert [one.topic for one in drafts["plain"].decisions if one.required] == ["licence of the texts"]
    assert line_of(drafts["plain"]).recipe.hygiene.licence.declared is None


def test_a_named_licence_is_written_down(tmp_path: Path) -> None:
    profile = profile_source(str(plain_csv(tmp_path / "plain.csv")))
    draft = draft_line(profile, "plain", tmp_path, wishes=Wishes(licence="CC-BY-4.0", title="Pots"))
    recipe = line_of(draft).recipe
    assert (recipe.hygiene.licence.declared, recipe.title) == ("CC-BY-4.0", "Pots")
    assert not any(one.required for one in draft.decisions)


def test_shop_export_is_folded(drafts: dict[str, Draft]) -> None:
    recipe = line_of(drafts["shop"]).recipe
    assert recipe.cleaning[0].fold
    assert recipe.cleaning[0].fold.by == "Handle"
    assert recipe.cleaning[0].fold.collect == {"sizes": "Option1 Value"}
    assert recipe.columns.catalogue["item_id"] == "Handle"
    assert recipe.columns.text == {"en": "Body (HTML)"}


def test_shop_export_shows_what_is_about_the_product(drafts: dict[str, Draft]) -> None:
    recipe = line_of(drafts["shop"]).recipe
    assert list(recipe.attributes) == ["title", "type", "vendor", "sizes"]
    assert recipe.attributes["title"].required
    assert (recipe.category, recipe.seller) == ("type", "vendor")


def test_what_is_left_out_says_why(drafts: dict[str, Draft]) -> None:
    out = drafts["shop"].roles.left_out
    assert out["Variant Price"] == "bookkeeping"
    assert out["SEO Title"] == "empty"
    assert out["Tags"] == "the same in every row"


def test_html_becomes_text(drafts: dict[str, Draft]) -> None:
    steps = [step.name for step in line_of(drafts["shop"]).recipe.cleaning]
    assert steps[:2] == ["fold", "html_to_text"]
    assert "whitespace" in steps


def test_pair_lists_are_attributes(drafts: dict[str, Draft]) -> None:
    recipe = line_of(drafts["pairs"]).recipe
    assert (recipe.columns.attribute_pairs, recipe.attributes, recipe.locales) == ("attributes", {}, ("zh",))


def test_pairs_whose_text_holds_a_mark_are_quarantined(drafts: dict[str, Draft]) -> None:
    (step,) = [step for step in line_of(drafts["pairs"]).recipe.cleaning if step.placeholders]
    assert step.placeholders
    assert (step.placeholders.values, step.placeholders.do, step.only) == (("<UNK>",), "quarantine", "corpus")


def test_marked_pairs_are_taken_apart(tmp_path: Path) -> None:
    rows = [
        f'{{"content": "类型#裙*颜色#{n}色*图案#线条", "summary": "这款{n}色连衣裙剪裁合身面料柔软适合日常穿着"}}'
        for n in range(30)
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(rows), "utf-8")
    draft = draft_line(profile_source(str(path)), "marked", tmp_path / "lines")
    recipe = line_of(draft).recipe
    assert recipe.columns.attribute_pairs == "attributes"
    assert steps_in(recipe)[0] == "pairs"
    assert draft.decisions[0].topic == "id of an item"
    assert draft.decisions[0].required


def test_variants_are_one_group(drafts: dict[str, Draft]) -> None:
    recipe = line_of(drafts["plain"]).recipe
    assert (recipe.product_group, recipe.variant_group) == ("product_group", "product_group")
    assert recipe.columns.catalogue["product_group"] == "style_code"


def test_both_languages_are_written(drafts: dict[str, Draft]) -> None:
    recipe = line_of(drafts["plain"]).recipe
    assert recipe.locales == ("en", "zh")
    assert recipe.columns.text == {"en": "text_en", "zh": "text_zh"}
    assert set(recipe.generation.template) == set(recipe.label.explicit) == {"en", "zh"}


def test_the_prompt_says_which_language(drafts: dict[str, Draft]) -> None:
    shown = [{"name": "name", "value": "Bowl"}]
    prompts = {prompt_for(line_of(drafts["plain"]).recipe, "1", locale, shown) for locale in ("en", "zh")}
    assert prompts == {"en | name=Bowl =>", "zh | name=Bowl =>"}


def key_of(draft: Draft) -> dict[str, object]:
    found = yaml.safe_load((Path(draft.folder) / "catalogue.odcs.yaml").read_text("utf-8"))
    options: dict[str, object] = found["schema"][0]["properties"][0]["logicalTypeOptions"]
    return options


def test_an_id_is_held_to_its_characters_alone(drafts: dict[str, Draft]) -> None:
    assert key_of(drafts["plain"]) == {"minLength": 1, "maxLength": 64, "pattern": "^[0-9]+$"}


@pytest.mark.parametrize(
    ("made", "later"), [("{:06d}", "100000"), ("{:05d}", "123456"), ("AB-{:03d}", "cd-1000.b"), ("M{:04d}", "ZZ9")]
)
def test_an_id_of_tomorrow_is_not_refused(made: str, later: str, tmp_path: Path) -> None:
    rows = "".join(f"{made.format(n)},Cup {word(n)},{'red' if n % 2 else 'blue'}\n" for n in range(1, 41))
    draft = draft_line(profile_source(source_of(tmp_path, f"sku,name,colour\n{rows}")), "cups", tmp_path / "lines")
    row = RawRow(1, {"item_id": later, "name": "Cup", "colour": "red"})
    assert [one.numbers for one in Door(line_of(draft).catalogue_rows).split([[row]])] == [(1,)]


def test_what_the_line_makes_itself_keeps_its_form(tmp_path: Path) -> None:
    rows = "".join(f"Cup {word(n)},{body(n)}\n".replace(", ", " ") for n in range(40))
    draft = draft_line(profile_source(source_of(tmp_path, f"name,description\n{rows}")), "cups", tmp_path / "lines")
    assert key_of(draft)["pattern"] == "^[0-9a-f]{20}$"


def test_numbers_get_a_range_with_room(drafts: dict[str, Draft]) -> None:
    found = yaml.safe_load((Path(drafts["plain"].folder) / "catalogue.odcs.yaml").read_text("utf-8"))
    width = next(one for one in found["schema"][0]["properties"] if one["name"] == "width_cm")
    assert (width["logicalType"], width["logicalTypeOptions"]) == ("integer", {"minimum": 0, "maximum": 300})


def test_chinese_headers_get_names_sql_takes(drafts: dict[str, Draft]) -> None:
    recipe = line_of(drafts["chinese"]).recipe
    assert recipe.columns.catalogue == {"item_id": "商品编号", "name": "商品名称", "category": "分类", "colour": "颜色"}
    assert recipe.attributes["colour"].label == {"zh": "颜色"}


def test_labels_leave_out_what_every_column_says(tmp_path: Path) -> None:
    rows = "".join(f"P{n:03d},Cup {n},{'red' if n % 2 else 'blue'}\n" for n in range(40))
    source = source_of(tmp_path, f"sku,name,colour_group_name\n{rows}")
    attributes = line_of(draft_line(profile_source(source), "cups", tmp_path / "lines")).recipe.attributes
    assert attributes["colour_group_name"].label == {"en": "colour group"}
    assert attributes["name"].label == {}


def test_declared_reading_is_in_the_recipe(tmp_path: Path) -> None:
    reading = declared(encoding="gb18030")
    profile = profile_source(str(gb18030_csv(tmp_path / "shop.csv")), reading=reading)
    draft = draft_line(profile, "shop", tmp_path / "lines", wishes=Wishes(reading=reading))
    assert line_of(draft).recipe.reading == reading


def test_a_source_without_texts_uses_the_template_engine(tmp_path: Path) -> None:
    rows = "".join(f"P{n:03d},Cup {n},{'red' if n % 2 else 'blue'}\n" for n in range(40))
    draft = draft_line(profile_source(source_of(tmp_path, f"sku,name,colour\n{rows}")), "cups", tmp_path / "lines")
    recipe = line_of(draft).recipe
    assert (recipe.generation.engine, recipe.columns.text, recipe.corpus) == ("template", {}, None)


@pytest.mark.parametrize(("rows", "engine"), [(200, "template"), (250, "hf")])
def test_a_model_needs_enough_texts(rows: int, engine: str, tmp_path: Path) -> None:
    draft = draft_line(profile_source(str(plain_csv(tmp_path / "plain.csv", rows))), "pots", tmp_path / "lines")
    assert line_of(draft).recipe.generation.engine == engine


def test_other_languages_get_a_mark(tmp_path: Path) -> None:
    text = "Ein schönes Hemd aus weicher Baumwolle, das für den Sommer und die Reise gemacht ist, Nummer"
    rows = "".join(f'P{n:03d},Hemd {n},"{text} {n}"\n' for n in range(40))
    draft = draft_line(profile_source(source_of(tmp_path, f"sku,name,text\n{rows}")), "hemden", tmp_path / "lines")
    assert line_of(draft).recipe.label.explicit == {"de": "(AI-generated content)"}


@pytest.mark.parametrize("name", ["Mugs", "1mugs", "../mugs", "m", "mugs-en", "x" * 49])
def test_bad_names_are_refused(name: str, tmp_path: Path) -> None:
    profile = profile_source(str(plain_csv(tmp_path / "plain.csv", rows=5)))
    with pytest.raises(UserError, match="cannot be the name of a line"):
        draft_line(profile, name, tmp_path / "lines")


def test_an_existing_folder_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "lines" / "mugs").mkdir(parents=True)
    profile = profile_source(str(plain_csv(tmp_path / "plain.csv", rows=5)))
    with pytest.raises(UserError, match="is there already"):
        draft_line(profile, "mugs", tmp_path / "lines")
    assert list((tmp_path / "lines" / "mugs").iterdir()) == []


def test_a_source_that_says_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceInvalid, match="no column that says something about an item"):
        draft_line(profile_source(source_of(tmp_path, "a,b\n" + "x,y\n" * 9)), "odd", tmp_path / "lines")
    assert list((tmp_path / "lines").glob("*")) == []


def test_an_unknown_key_lists_the_columns(tmp_path: Path) -> None:
    profile = profile_source(source_of(tmp_path, "a,b\n1,2\n"))
    with pytest.raises(SourceInvalid, match="Its columns are: a, b"):
        draft_line(profile, "odd", tmp_path / "lines", wishes=Wishes(key="nope"))


@pytest.mark.parametrize("header", ["{{ 7*7 }}", "a: b # c", '"quoted"', "- item", "a | b", "&anchor"])
def test_hostile_headers_stay_values(header: str, tmp_path: Path) -> None:
    quoted = header.replace('"', '""')
    rows = "".join(f"P{n:03d},Cup {n},{'red {{ x }}' if n % 2 else '%}{% raw'}\n" for n in range(40))
    source = source_of(tmp_path, f'sku,name,"{quoted}"\n{rows}')
    recipe = line_of(draft_line(profile_source(source), "cups", tmp_path / "lines")).recipe
    assert header in recipe.columns.catalogue.values()
