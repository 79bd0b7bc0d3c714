from collections.abc import Callable

import pytest

Judge = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("For your cocaine.", "block: unsafe words: drugs"),
        ("For your COCAINE!", "block: unsafe words: drugs"),
        ("For your ｃｏｃａｉｎｅ.", "block: unsafe words: drugs"),
        ("For your c0ca1ne.", "block: unsafe words: drugs"),
        ("For your c.o.c.a.i.n.e.", "block: unsafe words: drugs"),
        ("拿来装海洛因", "block: unsafe words: drugs"),
        ("拿来装海*洛*因", "block: unsafe words: drugs"),
        ("A fake passport", "block: unsafe words: illegal"),
        ("送网上赌场筹码", "quarantine: unsafe words: gambling"),
        ("A $hit mug", "quarantine: unsafe words: profanity"),
    ],
)
def test_listed_words_are_found(judge: Judge, text: str, expected: str) -> None:
    assert judge("S-1", text) == [expected]


@pytest.mark.parametrize(
    "text",
    ["Made in Scunthorpe.", "A draped, grape-coloured dress.", "A killer deal.", "A heroine's cape",
     "鸡胸肉", "配上吊带裙", "个性交叉领口交叠", "Flame retardant fabric", "献出一份爱做爱心",
     "Cocktail dress, class A", "T-shirt, A-line, V-neck"],
)  # fmt: skip
def test_innocent_words_pass(judge: Judge, text: str) -> None:
    assert judge("S-1", text) == []
