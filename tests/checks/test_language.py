from collections.abc import Callable

import pytest

Judge = Callable[..., list[str]]
WRONG = ["block: wrong language"]


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("A café-style mug with a wide handle, “made” for slow mornings — and tea.", "en"),
        ("A la carte: el Greco mug.", "en-GB"),
        ("陶瓷马克杯，手感温润，A字版型。", "zh"),
        ("陶瓷马克杯，手感温润。", "zh-Hans"),
    ],
)
def test_the_right_language_passes(judge: Judge, text: str, locale: str) -> None:
    assert judge("Q-L6", text, locale=locale) == []


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("陶瓷马克杯，手感温润。", "en"),
        ("A mug 手感温润 for tea.", "en"),
        ("Une tasse avec une anse large, idéale pour les matins et le thé.", "en"),
        ("Taza de cerámica con un asa ancha para los desayunos del domingo y una siesta.", "en"),
        ("Кружка с широкой ручкой.", "en"),
        ("A stoneware mug with a wide handle.", "zh"),
        ("このマグカップはとてもやわらかい。", "zh"),
    ],
)
def test_another_language_blocks(judge: Judge, text: str, locale: str) -> None:
    assert judge("Q-L6", text, locale=locale) == WRONG


def test_attribute_values_do_not_count(judge: Judge) -> None:
    text = "Nike Air Zoom Pegasus 轻便跑鞋"
    assert judge("Q-L6", text, locale="zh") == WRONG
    assert judge("Q-L6", text, locale="zh", attributes=[("型号", "Nike Air Zoom Pegasus")]) == []


def test_nothing_but_attribute_values_is_judged_as_it_stands(judge: Judge) -> None:
    assert judge("Q-L6", "Nike Pegasus", locale="zh", attributes=[("型号", "Nike Pegasus")]) == WRONG


@pytest.mark.parametrize("text", ["", "12345 !!! 678", "。。。"])
def test_a_text_without_words_blocks(judge: Judge, text: str) -> None:
    assert judge("Q-L6", text) == ["block: no words"]


def test_a_locale_without_a_rule_is_flagged(judge: Judge) -> None:
    assert judge("Q-L6", "Une tasse.", locale="fr") == ["warn: no language rule for this locale"]


def test_the_share_is_a_parameter(judge: Judge) -> None:
    text = "陶瓷马克杯 mug"
    assert judge("Q-L6", text, {"han_share_min": 0.6}, locale="zh") == []
    assert judge("Q-L6", text, {"han_share_min": 0.9}, locale="zh") == WRONG
