"""The sample shop: made by its script alone, honest in its numbers, dirty exactly where its README says."""

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SAMPLE = Path(__file__).parents[2] / "data_contracts" / "product_description" / "sample"
FILES = ("catalogue.jsonl.gz", "corpus.jsonl.gz")


@cache
def rows_of(name: str) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(line) for line in gzip.decompress((SAMPLE / name).read_bytes()).splitlines())


def clean(name: str) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for row in rows_of(name):
        number = str(row.get("sku"))
        if number.startswith("G") and number not in seen:
            seen.add(number)
            yield row


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    subprocess.run([sys.executable, str(SAMPLE / "make_sample.py"), str(folder)], check=True)
    return folder


@pytest.mark.parametrize("name", FILES)
def test_the_script_makes_the_same_content_again(made: Path, name: str) -> None:
    assert gzip.decompress((made / name).read_bytes()) == gzip.decompress((SAMPLE / name).read_bytes())


@pytest.mark.parametrize("name", FILES)
def test_the_archives_carry_no_time(name: str) -> None:
    assert (SAMPLE / name).read_bytes()[4:8] == bytes(4)


def test_the_sample_stays_small() -> None:
    assert sum((SAMPLE / name).stat().st_size for name in FILES) < 1_500_000


def test_counts() -> None:
    assert (len(list(clean("corpus.jsonl.gz"))), len(rows_of("corpus.jsonl.gz"))) == (2080, 2086)
    assert (len(list(clean("catalogue.jsonl.gz"))), len(rows_of("catalogue.jsonl.gz"))) == (330, 343)


def test_no_product_group_stands_in_both_files() -> None:
    groups = [{row["product_group"] for row in clean(name)} for name in FILES]
    assert not groups[0] & groups[1]


def test_every_category_stands_in_both_files() -> None:
    kinds = [{row["category"] for row in clean(name)} for name in FILES]
    assert kinds[0] == kinds[1]
    assert len(kinds[0]) == 10


def test_variants_differ_in_colour_alone() -> None:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in clean("catalogue.jsonl.gz"):
        groups.setdefault(row["product_group"], []).append(row)
    for variants in groups.values():
        assert len({row["colour"] for row in variants}) == len(variants)
        assert len({json.dumps(row | {"sku": "", "colour": ""}) for row in variants}) == 1


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_every_number_in_a_text_is_an_attribute(locale: str) -> None:
    for row in clean("corpus.jsonl.gz"):
        given = {str(value) for value in row.values() if isinstance(value, int | float)}
        assert set(re.findall(r"\d+(?:\.\d+)?", row[f"text_{locale}"])) <= given


@pytest.mark.parametrize("column", ["material", "colour"])
def test_a_text_names_no_other_value_than_its_own(column: str) -> None:
    known = {row[column] for row in clean("corpus.jsonl.gz")}
    for row in clean("corpus.jsonl.gz"):
        words = {value for value in known if re.search(rf"\b{value}\b", row["text_en"])}
        assert words == {row[column]}, row["text_en"]


def test_english_texts_are_english_and_of_shop_length() -> None:
    for row in clean("corpus.jsonl.gz"):
        assert row["text_en"].isascii()
        assert 22 <= len(row["text_en"].split()) <= 55


def test_chinese_texts_are_chinese_and_of_shop_length() -> None:
    for row in clean("corpus.jsonl.gz"):
        assert len(re.findall(r"[\u4e00-\u9fff]", row["text_zh"])) >= 20
        assert 35 <= len(row["text_zh"]) <= 110


@pytest.mark.parametrize(
    ("column", "pattern"),
    [
        (
            "text_en",
            r"(?i)\b(best|most|perfect|ultimate|unique|only|always|never|guarantee\w*|free|one|two|half|first)\b",
        ),
        ("text_zh", r"[最极一二两三四五六七八九十百千万半零]|唯独|顶级|完美|绝对|首[家创]"),
    ],
)
def test_no_absolute_words_and_no_numbers_in_words(column: str, pattern: str) -> None:
    found = [row[column] for row in clean("corpus.jsonl.gz") if re.search(pattern, row[column])]
    assert found == []


def test_audiences_are_named_only_where_the_attributes_name_them() -> None:
    for row in clean("corpus.jsonl.gz"):
        named = set(re.findall(r"\b(?:women|men|kids|adults|girls|boys)\b", row["text_en"]))
        assert named <= {row.get("audience")}


def test_the_bad_rows_of_the_readme_are_there() -> None:
    numbers = {str(row.get("sku")) for name in FILES for row in rows_of(name)}
    told = set(re.findall(r"`(BADC?-\d\d)`", (SAMPLE / "README.md").read_text("utf-8")))
    assert told == {number for number in numbers if number.startswith("BAD")}
