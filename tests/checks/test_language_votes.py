from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc_core.checks.language_votes import other_languages

GERMAN = "Weiche Socken aus Wollmischung, lange Schnittform, gerippte Oberkante, einfarbiges Muster, zwei Paar."


def _vote(text: str, locale: str) -> str:
    return other_languages(pa.array([text]), [locale]).get(0, "")


@pytest.mark.parametrize(
    ("text", "locale", "why"),
    [
        (GERMAN, "en", "reads as de"),
        (GERMAN, "de", ""),
        (GERMAN, "fr", "reads as de"),
        ("Socken", "en", ""),
        ("這款馬克杯質地細膩，握感舒適，適合辦公室與家庭日常使用。", "zh-Hans", "written in traditional characters"),
        ("這款馬克杯質地細膩，握感舒適。", "zh", ""),
        ("这款马克杯质地细腻，握感舒适，朱镕基", "zh-Hans", ""),
    ],
)
def test_votes(text: str, locale: str, why: str) -> None:
    assert _vote(text, locale) == why


@pytest.mark.real
def test_real_english_copy_is_english(real_data: Path) -> None:
    texts = pq.read_table(real_data / "catalogue/hm_articles.parquet", columns=["description"])["description"]
    column = texts.cast(pa.string()).combine_chunks().drop_null()
    assert len(other_languages(column, ["en"] * len(column))) <= len(column) / 10_000
