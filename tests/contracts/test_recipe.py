from pathlib import Path

import pytest

from aigc_core.contracts.prompt import prompt_for, render
from aigc_core.contracts.recipe import read_recipe
from aigc_core.errors import RecipeInvalid

GOOD = """\
line: mugs
title: Mugs
locales: [en, zh]
attributes:
  colour: {column: colour, label: {zh: 颜色}}
prompt: "{% for one in attributes %}{{ one.label }}={{ one.value }};{% endfor %}{{ locale }}"
"""
ESCAPES = (
    "{{ attributes.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''.__class__.mro() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ attributes.append(1) }}",
    "{{ range(10000000) | list }}",
    "{{ nothing }}",
    "{{ 1 / 0 }}",
    "{% include '/etc/passwd' %}",
    "{{ attributes | nosuch }}",
)


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, "utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(RecipeInvalid) as caught:
        read_recipe(written(folder, text))
    return str(caught.value)


def test_a_recipe_is_read_with_its_defaults(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, GOOD))
    assert (recipe.line, recipe.locales, recipe.product_group) == ("mugs", ("en", "zh"), "item_id")
    assert recipe.sampling.temperature == 0.7


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("title: Mugs", "title: Mugs\ncolour: red", "line 3, colour: Extra inputs are not permitted"),
        ("title: Mugs", "title: 5", "line 2, title: Input should be a valid string"),
        ("line: mugs", "line: Mugs!", "line 1, line: String should match pattern"),
        ("locales: [en, zh]", "locales: []", "line 3, locales: Tuple should have at least 1 item"),
        ("column: colour,", "", "line 5, attributes.colour.column: Field required"),
        (
            "title: Mugs",
            "title: Mugs\ngeneration:\n  attempts: 99",
            "line 4, generation.attempts: Input should be less",
        ),
        ("title: Mugs", "title: Mugs\ngeneration: {engine: gpt}", "Input should be 'hf'"),
        (
            "title: Mugs",
            "title: Mugs\nmodel: {starter: {hidden: 100, heads: 4}}",
            "line 3, model.starter: Value error, hidden 100 is not a multiple of twice the heads, 8",
        ),
        ("[en, zh]", "[en, zh, en]", "`locales` names one twice: en, zh, en"),
        ("[en, zh]", "[en, fr, zh-TW, de]", "`label.explicit` has no mark for fr, de"),
        ("[en, zh]", "[en, zh]\ncolumns: {text: {en: text}}", "`columns.text` names no column for zh"),
        ("one.label", "one.price", "`prompt`: The template cannot be rendered: 'dict object' has no attribute 'price'"),
        ("{{ locale }}", "{{ season }}", "`prompt`: The template cannot be rendered: 'season' is undefined"),
        ("title: Mugs", "title: Mugs\nschedule: {cron: 0 2 * *}", "line 3, schedule.cron: String should match pattern"),
        (
            "title: Mugs",
            "title: Mugs\nschedule: {timezone: Mars/Base}",
            "line 3, schedule.timezone: Value error, 'Mars/Base' is no time zone of the IANA list, e.g. Asia/Shanghai",
        ),
        ("title: Mugs", "title: Mugs\ntitle: Cups", "the key 'title' stands twice"),
        ("{% endfor %}", "", "line 6, prompt: Value error, prompt line 1"),
        ("attributes:\n  colour: {column: colour, label: {zh: 颜色}}\n", "", "must say what the model is shown"),
        (GOOD, "- a", "holds list, not a mapping"),
        (GOOD, "a: [", "is not YAML"),
    ],
)
def test_a_wrong_recipe_names_line_field_and_what_is_valid(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert said in refusal(tmp_path, GOOD.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[en, zh]", "[en, zh-TW]"),
        ("[en, zh]", "[en, zh]\ncolumns: {text: {en: one, zh: other}}"),
        ("title: Mugs", "title: Mugs\nmodel: {starter: {hidden: 96, heads: 3}}"),
        ("title: Mugs", "title: Mugs\nschedule: {cron: 30 1 * * 1-5, timezone: Asia/Shanghai}"),
    ],
)
def test_a_recipe_at_the_bounds_holds(tmp_path: Path, before: str, after: str) -> None:
    assert read_recipe(written(tmp_path, GOOD.replace(before, after))).title == "Mugs"


def test_a_recipe_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeInvalid, match=r"cannot be read.*UTF-8 YAML"):
        read_recipe(tmp_path / "none.yaml")


def test_the_prompt_shows_labels_of_the_locale(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, GOOD))
    pairs = [{"name": "colour", "value": "red"}, {"name": "colour", "value": "blue"}]
    assert prompt_for(recipe, "1", "zh", pairs) == "颜色=red;颜色=blue;zh"
    assert prompt_for(recipe, "1", "en", pairs) == "colour=red;colour=blue;en"


@pytest.mark.parametrize("template", ESCAPES)
def test_a_prompt_cannot_leave_its_sandbox(template: str) -> None:
    with pytest.raises(RecipeInvalid, match="The template cannot be rendered"):
        render(template, {"attributes": []})


def test_values_are_never_read_as_templates() -> None:
    assert render("{{ value }}", {"value": "{{ 7 * 7 }}"}) == "{{ 7 * 7 }}"


def test_the_prompt_digest_follows_prompt_and_attributes_only(tmp_path: Path) -> None:
    texts = (GOOD, GOOD.replace("title: Mugs", "title: Cups"), GOOD.replace("颜色", "色"))
    digests = [read_recipe(written(tmp_path, text)).prompt_digest for text in texts]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            "strip: all",
            "line 9, cleaning.1: Value error, strip is no cleaning step; there are: fold, rename, compose, ",
        ),
        (
            "whitespace: all\n    entities: all",
            "whitespace and entities are two steps; write each as",
        ),
        ("whitespace:", "line 9, cleaning.1: Value error, whitespace says nothing; write what it works on, e.g. `all`"),
        ("whitespace: []", "Value error, names no column; write `all` for every column"),
        ("html_to_text: {column: body}", "line 9, cleaning.1.html_to_text.columns: Field required"),
        ("unicode: NFD", "line 9, cleaning.1.unicode.form: Input should be 'NFC' or 'NFKC'"),
        ("fold: {by: k, collect: sizes}", "line 9, cleaning.1.fold.collect: Input should be a valid dictionary"),
        ("fold: {collect: {a: b}}", "line 9, cleaning.1.fold.by: Field required"),
        ("compose: {into: a, from: [b], pattern: '{b}'}", "compose takes either `from` or `pattern`"),
        ("compose: {into: a, pattern: 'b'}", "the pattern 'b' names no column in braces"),
        ("compose: {into: a, pattern: '{b} }'}", "has a brace alone; write it twice to mean itself"),
        ("split: {column: a, into: [b], on: x}", "line 9, cleaning.1.split.into: Tuple should have at least 2 items"),
        ("pairs: {column: a, into: b, between: x}", "pairs takes both `between` and `within`, or neither"),
        ("pairs: {column: a}", "pairs needs `into` or `columns` to put what it finds"),
        ("triples: {column: a, into: b, name: '{x}'}", "may name {subject}, {predicate} and {object} only"),
        (
            "placeholders: {columns: a, values: []}",
            "line 9, cleaning.1.placeholders.values: Tuple should have at",
        ),
        ("whitespace: all\n    only: corpora", "line 10, cleaning.1.only: Input should be 'corpus' or 'catalogue'"),
    ],
)
def test_a_wrong_cleaning_step_is_named_with_what_is_valid(tmp_path: Path, step: str, said: str) -> None:
    assert said in refusal(tmp_path, f"{GOOD}cleaning:\n  - entities: all\n  - {step}\n")


def test_cleaning_steps_are_read_in_order_with_their_short_forms(tmp_path: Path) -> None:
    text = "cleaning: [unicode: NFC, html_to_text: [a, b], whitespace: all, split: {column: a, into: [b, c], on: x}]"
    steps = read_recipe(written(tmp_path, GOOD + text)).cleaning
    assert [step.label for step in steps] == ["unicode: all", "html_to_text: a, b", "whitespace: all", "split: a"]
    assert steps[3].split is not None
    assert steps[3].split.on == "x"
