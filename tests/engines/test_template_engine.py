import pytest

from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.template import TemplateEngine
from aigc_core.records import Sampling

ITEM = (("name", "Soft coat"), ("colour", "red"), ("colour", "blue"))


def write(templates: dict[str, str], locale: str = "en", attempt: int = 1) -> GeneratedText:
    request = TextRequest(key="k", locale=locale, prompt="", attributes=ITEM)
    (text,) = TemplateEngine(templates).generate([request], sampling=Sampling(), attempt=attempt)
    return text


def test_repeated_values_are_joined() -> None:
    assert write({"en": "In {{ attributes.colour }}."}).text == "In red, blue."


def test_items_keep_their_order() -> None:
    assert write({"en": "{% for name, value in items %}{{ value }} {% endfor %}"}).text == "Soft coat red blue"


def test_attempts_differ_where_the_template_says_so() -> None:
    template = {"en": "{{ ['A', 'The'][attempt % 2] }} coat"}
    assert [write(template, attempt=attempt).text for attempt in (1, 2)] == ["The coat", "A coat"]


@pytest.mark.parametrize(
    ("locale", "text"),
    [("en", "Soft coat: colour red; colour blue."), ("zh", "Soft coat：colour为red，colour为blue。")],
)
def test_plain_sentence_without_templates(locale: str, text: str) -> None:
    assert write({}, locale).text == text


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("{{ attributes.size }}", "has no attribute 'size'"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ items[9] }}", "has no element 9"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% if %}", "Expected an expression"),
        ("  ", "gave an empty text"),
    ],
)
def test_a_failing_template_is_an_error_row(template: str, error: str) -> None:
    text = write({"en": template})
    assert text.finish_reason == "error"
    assert error in text.error


def test_an_item_without_attributes_is_an_error_row() -> None:
    request = TextRequest(key="k", locale="en", prompt="", attributes=())
    (text,) = TemplateEngine({}).generate([request], sampling=Sampling(), attempt=1)
    assert text.finish_reason == "error"


def test_an_unknown_locale_names_the_known() -> None:
    assert write({"en": "x", "zh": "y"}, "fr").error == "There is no template for locale fr; there is one for en, zh."


def test_attribute_values_are_not_templates() -> None:
    request = TextRequest(key="k", locale="en", prompt="", attributes=(("name", "{{ 7 * 7 }}"),))
    (text,) = TemplateEngine({"en": "{{ attributes.name }}"}).generate([request], sampling=Sampling(), attempt=1)
    assert text.text == "{{ 7 * 7 }}"


def test_the_digest_follows_the_templates() -> None:
    digests = {TemplateEngine(templates).model_digest for templates in ({}, {"en": "a"}, {"en": "b"}, {"zh": "a"})}
    assert len(digests) == 4
    assert all(digest.startswith("template-") for digest in digests)
