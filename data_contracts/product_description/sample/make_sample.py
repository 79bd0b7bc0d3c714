"""Makes the sample shop: `catalogue.jsonl.gz` and `corpus.jsonl.gz`, the same bytes for the same seed.

Run it as `python make_sample.py [folder]`; without a folder the files beside this script are replaced.
The words stand in `phrases.yaml`; what is wrong with the dirty rows stands in `README.md`.
"""

import argparse
import gzip
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import yaml

HERE = Path(__file__).resolve().parent
SEED = 20261123
CORPUS_PRODUCTS = 2080
CATALOGUE_PRODUCTS = 330
COLUMNS = (
    *(
        "sku",
        "product_group",
        "seller_id",
        "category",
        "name",
        "style",
        "material",
        "colour",
        "feature",
        "use",
    ),
    *("audience", "sizes", "certification", "capacity_ml", "capacity_l", "volume_l", "weight_g", "power_w"),
    *(
        "battery_h",
        "height_cm",
        "length_cm",
        "diameter_cm",
        "thickness_mm",
        "max_load_kg",
        "pieces",
        "min_age",
    ),
)
Row = dict[str, object]
OPTIONAL = {"fit": "audience", "sizes": "sizes", "certification": "certification"}
"""Sentence -> the attribute it is about; the text about a toy names its audience beside the age."""
T = TypeVar("T")


class Chance:
    """Draws that depend on the seed and on nothing else: `random()` is the generator's stable part."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)  # noqa: S311 -- a sample, not a secret

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, all equally likely."""
        return items[int(self._random.random() * len(items))]

    def below(self, share: float) -> bool:
        """True in about `share` of the calls."""
        return self._random.random() < share

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """`count` distinct items in drawn order."""
        left = list(items)
        return [left.pop(int(self._random.random() * len(left))) for _ in range(count)]


class Shop:
    """Products of one shop with their texts."""

    def __init__(self, phrases: dict[str, object], seed: int) -> None:
        self._words = json.loads(json.dumps(phrases))
        self._chance = Chance(seed)
        self._names = {category: list(self._words["names"]) for category in self._words["categories"]}

    def products(self, count: int, *, prefix: str) -> Iterator[Row]:
        """Exactly `count` products in groups of one to four colour variants, categories in turn."""
        categories = list(self._words["categories"])
        made = group = 0
        while made < count:
            category = categories[group % len(categories)]
            group += 1
            base = self._group(category, f"{prefix}{group:04d}")
            variants = min(1 + int(self._chance.below(0.7)) + 2 * int(self._chance.below(0.25)), count - made)
            for colour in self._chance.some(self._words["categories"][category]["colour"], variants):
                made += 1
                yield base | {"sku": f"{base['product_group']}-{colour[:3].upper()}", "colour": colour}

    def texts(self, row: Row) -> dict[str, str]:
        """English and Chinese text; the variants of a group share everything but the colour."""
        return {f"text_{locale}": self._text(row, locale) for locale in ("en", "zh")}

    def _group(self, category: str, number: str) -> Row:
        kind = self._words["categories"][category]
        chance = self._chance
        material = chance.pick(kind["material"])
        row: Row = dict.fromkeys(COLUMNS) | {
            "product_group": f"G{number}",
            "seller_id": chance.pick(self._words["sellers"]),
            "category": category,
            "name": self._name(category),
            "material": material,
            "feature": chance.pick(list(kind["feature"])),
            "use": chance.pick(list(kind["use"])),
        }
        for column in ("style", "audience", "sizes"):
            if column in kind:
                row[column] = chance.pick(list(kind[column]))
        if material in kind.get("certified_materials", ()) and chance.below(0.4):
            row["certification"] = chance.pick(kind["certification"])
        return row | {column: chance.pick(values) for column, values in kind["numbers"].items()}

    def _name(self, category: str) -> str:
        # Names come round in a new order: two products of one category share a name as seldom as possible.
        if not self._names[category]:
            self._names[category] = list(self._words["names"])
        return str(self._names[category].pop(int(self._chance.pick(range(len(self._names[category]))))))

    def _text(self, row: Row, locale: str) -> str:
        chance = Chance(f"{row['product_group']}/{locale}")
        kind = self._words["categories"][row["category"]]
        values = self._values(row, locale)
        values["touch"] = chance.pick(self._words["touch"][locale][row["material"]])
        values["note"] = chance.pick(kind["feature"][row["feature"]]["en" if locale == "en" else "zh_note"])
        values |= {"item": kind["item"][locale].format(**values), "noun": kind["noun"][locale]}
        values |= self._clauses(row, values, locale=locale, chance=chance)
        parts = [self._words[part][locale] for part in _order(row, chance)]
        sentences = [str(chance.pick(part)).format(**values) for part in parts]
        return _tidy_english(" ".join(sentences)) if locale == "en" else _tidy_chinese("".join(sentences))

    def _clauses(self, row: Row, values: dict[str, str], *, locale: str, chance: Chance) -> dict[str, str]:
        columns = chance.some(list(self._words["categories"][row["category"]]["numbers"]), 2)
        patterns = [chance.pick(self._words["clauses"][locale][column]) for column in columns]
        return {part: str(pattern).format(**values) for part, pattern in zip(("one", "other"), patterns, strict=True)}

    def _values(self, row: Row, locale: str) -> dict[str, str]:
        units = self._words["units"]
        there = {column: value for column, value in row.items() if value is not None}
        shown = {column: f"{value} {units.get(column, '')}".strip() for column, value in there.items()}
        if locale == "en":
            return shown
        kind, chinese = self._words["categories"][row["category"]], self._words["zh"]
        names = {"use": kind["use"], "style": kind.get("style", {})} | chinese
        shown["feature"] = kind["feature"][row["feature"]]["zh"]
        return shown | {column: table[shown[column]] for column, table in names.items() if column in shown}


def _order(row: Row, chance: Chance) -> list[str]:
    """The sentences of a text: what it is first, then numbers and feature in either order."""
    middle = ["body", "feature"] if chance.below(0.7) else ["feature", "body"]
    told = "fit" if row["category"] == "toy" else ""
    optional = [part for part, column in OPTIONAL.items() if row.get(column) and part != told]
    return ["open", *middle, *optional, "close"]


def _tidy_english(text: str) -> str:
    return re.sub(r"\b([Aa]) (?=[aeioAEIO])", r"\1n ", text)


def _tidy_chinese(text: str) -> str:
    # A space between Han and Latin or digits, as printed in careful shops.
    text = re.sub(r"(?<=[\u4e00-\u9fff])(?=[A-Za-z0-9])", " ", text)
    return re.sub(r"(?<=[A-Za-z0-9])(?=[\u4e00-\u9fff])", " ", text)


def dirty_catalogue(clean: Sequence[Row]) -> list[Row]:
    """Rows that the catalogue contract must name; `README.md` lists them in this order."""
    bottle = next(row for row in clean if row["category"] == "bottle")
    lamp = next(row for row in clean if row["category"] == "lamp")

    def spoilt(row: Row, number: int, **changes: object) -> Row:
        return row | {"sku": f"BAD-{number:02d}", "product_group": f"GB{number:02d}"} | changes

    no_name = spoilt(bottle, 5)
    del no_name["name"]
    return [
        spoilt(bottle, 1, capacity_ml=-750),
        spoilt(bottle, 2, weight_g="light"),
        spoilt(bottle, 3, sku=None),
        bottle | {"name": "Copycat"},
        no_name,
        spoilt(lamp, 6, category="gift card"),
        spoilt(lamp, 7, height_cm=90000),
        spoilt(lamp, 8, power_w=[7, 9]),
        {},
        spoilt(lamp, 10, name="Lumen " * 40),
        spoilt(lamp, 11, feature="dimmer\u0007\u0000"),
        spoilt(bottle, 12, material=None),
        dict(lamp),
    ]


def dirty_corpus(clean: Sequence[Row]) -> list[Row]:
    """Rows that the corpus contract must name; `README.md` lists them in this order."""
    first, second, third = (clean[number] for number in (3, 40, 400))

    def spoilt(row: Row, number: int, **changes: object) -> Row:
        return row | {"sku": f"BADC-{number:02d}", "product_group": f"GBC{number:02d}"} | changes

    return [
        spoilt(first, 1, text_en="", text_zh=""),
        spoilt(first, 2, text_en="Nice.", text_zh="不错。"),
        second | {"text_en": f"{second['text_en']} Restocked.", "text_zh": f"{second['text_zh']}已到货。"},
        spoilt(second, 4, category="misc"),
        spoilt(third, 5, text_en=f"<p>{third['text_en']}</p>", text_zh=f"<p>{third['text_zh']}</p>"),
        spoilt(third, 6, weight_g=-5),
    ]


def write(path: Path, rows: Sequence[Row]) -> None:
    """One JSON object a line, gzipped without time or file name, so that equal rows are equal bytes."""
    lines = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    path.write_bytes(gzip.compress(lines.encode("utf-8"), compresslevel=9, mtime=0))


def without_empty(row: Row) -> Row:
    """Attributes that a product does not have are left out, as a shop's export does."""
    return {column: value for column, value in row.items() if value is not None}


def mix(clean: Sequence[Row], dirty: Sequence[Row]) -> list[Row]:
    """The dirty rows spread evenly behind the clean rows they copy from."""
    rows = list(clean)
    step = max(1, len(rows) // (2 * len(dirty)))
    for number, row in enumerate(reversed(dirty)):
        rows.insert(len(clean) - number * step, row)
    return rows


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=HERE)
    folder: Path = parser.parse_args().folder
    phrases = yaml.safe_load((HERE / "phrases.yaml").read_text("utf-8"))
    shop = Shop(phrases, SEED)
    pairs = [without_empty(row) | shop.texts(row) for row in shop.products(CORPUS_PRODUCTS, prefix="1")]
    items = [without_empty(row) for row in shop.products(CATALOGUE_PRODUCTS, prefix="2")]
    write(folder / "corpus.jsonl.gz", mix(pairs, dirty_corpus(pairs)))
    write(folder / "catalogue.jsonl.gz", mix(items, dirty_catalogue(items)))


if __name__ == "__main__":
    main()
