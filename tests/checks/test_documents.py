from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc_core.checks.base import TEXTS
from aigc_core.checks.documents import DocumentParameters, DocumentQuality

PROSE = "The kettle is made of steel and glass, and it boils a litre of water in four minutes with little noise. " * 3


def _fault(text: str, *, locale: str = "en", words: int = 50) -> str:
    row = {"item_id": "i", "locale": locale, "text": text, "finish_reason": "", "prompt": "", "attributes": []}
    check = DocumentQuality(DocumentParameters(words=words))
    found = check(pa.RecordBatch.from_pylist([row], schema=TEXTS)).findings
    return found[0].evidence if found else ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (PROSE, ""),
        ("# " * 20 + PROSE, "too many symbols"),
        ("\n".join(["- a steel kettle with the lid"] * 12), "nearly all lines are bullets"),
        (
            "\n".join(["The steel kettle comes with a lid and with a cord that is one metre long..."] * 12),
            "too many lines end in an ellipsis",
        ),
        ("a b c d e of the " * 12, "words are too short or too long"),
        ("12345 67890 steel " * 20, "too few words with letters"),
        ("kettle steel glass litre water minutes noise " * 8, "no running text"),
    ],
)
def test_long_english_texts(text: str, fault: str) -> None:
    assert _fault(text) == fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("这把水壶是用不锈钢和玻璃做的，四分钟就能烧开一升水，声音也很小。" * 4, ""),
        ("型号：一二三四五六七八九十，￥￥￥※※※！！！？？？。。。、、、" * 10, "too few words with letters"),
        ("水壶玻璃钢四分钟烧开" * 12, "no running text"),
    ],
)
def test_long_chinese_texts(text: str, fault: str) -> None:
    assert _fault(text, locale="zh") == fault


def test_short_copy_is_left_alone() -> None:
    assert _fault("steel, glass, 1 l, 4 min, 2400 W #kettle") == ""


def test_the_recipe_says_what_is_long() -> None:
    text = "kettle steel glass litre water minutes " * 3
    assert _fault(text) == ""
    assert _fault(text, words=12) == "no running text"


def test_other_languages_need_no_english_stop_words() -> None:
    assert _fault("Der Kessel ist aus Stahl und Glas und kocht einen Liter Wasser leise. " * 5, locale="de") == ""


@pytest.mark.real
def test_real_copy_passes(real_data: Path) -> None:
    texts = pq.read_table(real_data / "catalogue/hm_articles.parquet", columns=["description"])["description"]
    long = [text for text in texts.slice(0, 20_000).to_pylist() if text and len(text.split()) >= 50]
    assert sum(bool(_fault(text)) for text in long[:500]) <= 5
