from collections.abc import Callable

import pyarrow as pa
import pytest

from aigc_core.checks.form import HIDDEN_RANGES
from aigc_core.checks.registry import build_row_checks

Judge = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["block: too short"]),
        ("   \n ", ["block: too short"]),
        ("A mug.", ["block: too short"]),
        ("A good wide mug.", []),
        ("A" * 1200, []),
        ("A" * 1201, ["block: too long"]),
    ],
)
def test_length_has_defaults_per_language(judge: Judge, text: str, expected: list[str]) -> None:
    assert judge("Q-L7", text) == expected


def test_length_counts_characters_and_reads_the_limits_of_the_locale(judge: Judge) -> None:
    limits = {"limits": {"zh": {"min_chars": 4, "max_chars": 6, "soft_min_chars": 5}}}
    judged = [judge("Q-L7", "杯" * n, limits, locale="zh") for n in (3, 4, 5, 7)]
    assert judged == [["block: too short"], ["warn: shorter than wished"], [], ["block: too long"]]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("length", "truncated"),
        ("loop", "stopped in a loop"),
        ("error", "the engine failed"),
        ("?", "the engine failed"),
    ],
)
def test_only_a_text_that_stopped_by_itself_passes(judge: Judge, reason: str, expected: str) -> None:
    assert judge("Q-L5", "A mug.", finish_reason=reason) == [f"block: {expected}"]


@pytest.mark.parametrize(
    "text", ["A mug.", "A mug! ", "杯子。", "A 13” mug.", 'Says "ok 5".', "A (big) mug…", '5" wide.']
)
def test_whole_sentences_pass(judge: Judge, text: str) -> None:
    assert judge("Q-L5", text) == []


@pytest.mark.parametrize("text", ["A (big mug.", "杯子（大。", "A “big mug.", 'A "big mug.', "A big] mug.", "《杯子。"])
def test_odd_brackets_and_quotes_are_held(judge: Judge, text: str) -> None:
    assert judge("Q-L5", text) == ["quarantine: unbalanced brackets or quotes"]


def test_a_missing_end_is_held(judge: Judge) -> None:
    assert judge("Q-L5", "A big mug with a") == ["quarantine: no end of sentence"]


@pytest.mark.parametrize(
    "text",
    ["A {{name}} mug.", "A ${x} mug", "A [TODO] mug", "Lorem ipsum", "null", "XXXX mug", "None", "材质待补充", "<UNK>",
     "The BRAND mug", "此处填写", "A {product} mug", "【填写品牌】"],
)  # fmt: skip
def test_placeholders_block(judge: Judge, text: str) -> None:
    assert judge("Q-L8", text) == ["block: placeholder"]


@pytest.mark.parametrize(
    "text", ["None of the mugs leak.", "XXL mug", "nullify", "此处采用收腰设计", "BRANDED mug", "[red] mug"]
)
def test_ordinary_words_are_no_placeholders(judge: Judge, text: str) -> None:
    assert judge("Q-L8", text) == []


def test_a_recipe_can_name_other_marks(judge: Judge) -> None:
    marks = {"extra": ["ACME?"]}
    assert judge("Q-L8", "The ACME? mug", marks) == ["block: placeholder"]
    assert judge("Q-L8", "The BRAND mug", marks) == []


@pytest.mark.parametrize(
    "text", ["A <b>mug</b>", "A <!-- x --> mug", "javascript:x", "data:text/html", "[mug](x)", "**mug**", "a &amp; b"]
)
def test_markup_blocks(judge: Judge, text: str) -> None:
    assert judge("Q-L10", text) == ["block: markup"]


@pytest.mark.parametrize("low_and_high", HIDDEN_RANGES)
def test_hidden_characters_block(judge: Judge, low_and_high: tuple[int, int]) -> None:
    for code in low_and_high:
        assert judge("Q-L10", f"A mug{chr(code)}.") == ["block: hidden character"]


@pytest.mark.parametrize(
    "text", ["Technical data: 5 kg", "a < b", "Tom & Jerry", "tab\tand\nline", "café ™ 😀", "2 * 3 * 4"]
)
def test_plain_text_is_no_markup(judge: Judge, text: str) -> None:
    assert judge("Q-L10", text) == []


@pytest.mark.parametrize("sign", list("=+-@＝＋－＠"))
def test_formula_starts_warn(judge: Judge, sign: str) -> None:
    assert judge("Q-L13", f" {sign}SUM(A1)") == ["warn: starts like a formula"]
    assert judge("Q-L13", f"A {sign}") == []


def test_spans_are_character_ranges_of_the_original(one_text: Callable[..., pa.RecordBatch]) -> None:
    text = "杯子 é {{name}} <b"
    found = [
        finding
        for check in build_row_checks({}, locales=["en"])
        if check.check_id in ("Q-L8", "Q-L10")
        for finding in check(one_text(text)).findings
    ]
    assert [text[start:end] for finding in found for start, end in finding.spans] == ["{{", "}}", "<b"]
