"""Languages of values and of columns."""

import pytest

from aigc_core.lines.languages import language_of, languages_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Jersey top with narrow shoulder straps and a soft lining.", "en"),
        ("宽松的阔腿裤这两年真的吸粉不少", "zh"),
        ("やわらかいコットンのシャツです", "ja"),
        ("부드러운 면 셔츠", "ko"),
        ("Ein schönes Hemd aus weicher Baumwolle für den Sommer", "de"),
        ("Chemise douce en coton pour les journées d'été", "fr"),
        ("<p>A <b>soft</b> top with straps for the summer</p>", "en"),
        ("XL", "und"),
        ("12345", "und"),
    ],
)
def test_language_of(text: str, language: str) -> None:
    assert language_of(text) == language


def test_shares_add_up() -> None:
    found = languages_of(["A soft top with straps for the summer and more words"] * 3 + ["柔软的上衣适合夏天穿着"])
    assert [(one.language, one.share) for one in found] == [("en", 0.75), ("zh", 0.25)]


def test_short_values_are_told_together() -> None:
    found = languages_of(["Strap top", "Vest top", "Long sleeve shirt", "Wool dress with belt"] * 5)
    assert [one.language for one in found] == ["en"]


def test_numbers_have_no_language() -> None:
    assert languages_of(["12", "13.5", "2026-01-01"]) == ()


def test_rare_languages_are_noise() -> None:
    texts = ["A soft top with straps for the summer and more words"] * 99 + ["柔软的上衣适合夏天穿着"]
    assert [one.language for one in languages_of(texts)] == ["en"]
