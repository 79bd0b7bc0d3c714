from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_core.checks.repetition import ALL_NGRAMS, TOP_NGRAM, _duplicate_share, _gopher, _top_share

Judge = Callable[..., list[str]]
LONG = (
    "This stoneware mug has a wide handle that is easy to hold. Its glaze is smooth and keeps tea warm through slow "
    "mornings. The foot is left bare so you can feel the clay. Every piece leaves our small kiln with its own colour, "
    "and no two are quite alike. Wash it by hand, dry it well, enjoy it for years to come."
)


@pytest.mark.parametrize(
    ("text", "locale", "expected"),
    [
        ("A mug for tea, a mug for tea, a mug for tea.", "en", ["block: repeats a phrase"]),
        ("A mug for tea, a mug for tea.", "en", []),
        ("手感温润舒适，手感温润舒适，手感温润舒适。", "zh", ["block: repeats a phrase"]),
        ("手感温润舒适，手感温润舒适。", "zh", []),
        ("soft " * 5 + "one two three four five six seven eight nine ten eleven twelve x y z", "en",
         ["block: repeats a word"]),
        ("the " * 5 + "one two three four five six seven eight nine ten eleven twelve x y z", "en", []),
    ],
)  # fmt: skip
def test_short_texts(judge: Judge, text: str, locale: str, expected: list[str]) -> None:
    assert judge("Q-L1b", text, locale=locale) == expected


def test_long_texts_are_left_to_the_other_rule(judge: Judge) -> None:
    loop = "A mug for tea, and more. " * 20
    assert judge("Q-L1b", loop) == []
    assert judge("Q-L1", loop) == ["quarantine: repeats itself"]


def test_a_good_long_text_passes(judge: Judge) -> None:
    assert judge("Q-L1", LONG) == []


@pytest.mark.parametrize("joint", ["\n", "\n\n"])
def test_repeated_lines_are_held(judge: Judge, joint: str) -> None:
    lines = LONG.split(". ")
    assert judge("Q-L1", joint.join([*lines, *lines[:3]])) == ["quarantine: repeats itself"]


@given(st.lists(st.sampled_from(["a", "bb", "ccc", "d", "eeeeee", "f", "g"]), min_size=50, max_size=90))
def test_shortcuts_never_change_a_verdict(words: list[str]) -> None:
    total = sum(map(len, words))
    plainly = any(_top_share(words, n, total) > limit for n, limit in TOP_NGRAM.items()) or any(
        _duplicate_share(words, n, total) > limit for n, limit in ALL_NGRAMS.items()
    )
    assert bool(_gopher("one line", words)) == plainly


@pytest.mark.parametrize(("text", "flagged"), [("a b a b a b a b", 1), ("a b c d e f", 0), ("", 0), ("a", 0)])
def test_few_distinct_pairs_warn(judge: Judge, text: str, flagged: int) -> None:
    assert judge("Q-L2", text) == ["warn: few distinct phrases"] * flagged
