"""Numbers in words and digits, with their units: reading them, and asking whether given ones support them."""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice, pairwise

from aigc_core.checks.views import data_file, view_of

DIGITS_LIMIT = 18
"""A longer run of digits is no quantity: it is supported only where it stands word for word."""
ROUNDING_LIMIT = 0.05
"""Rounding to the written precision may move a value by at most this share."""
PRODUCTS_LIMIT = 64
MENTIONS_LIMIT = 500
"""Numbers read in one text or attribute value; a text with so many is refused, further given ones support nothing."""

HAN_DIGITS = {
    "零": 0,
    "〇": 0,
    "一": 1,
    "二": 2,
    "两": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
}
HAN_TENS = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
HAN_NUMERAL = "零〇一二两三四五六七八九十百千万半"
JOINED = re.compile(r"\s?(?:[-–—~x×*/至到或]|to|and|or)\s?")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure: `factor` turns a value into the dimension's base unit."""

    name: str
    dimension: str
    factor: float
    everyday: bool
    """Too common in idioms to count when the number before it is written in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """One number in a normalised text; `start` and `end` are positions in that text."""

    start: int
    end: int
    token: str
    """The number with its letters, without spaces or hyphens, e.g. `500ml`, `aw18`."""
    value: float | None
    """None for a model-like word and for runs of digits too long to be a quantity."""
    half_step: float = 0.5
    """Half of the last written digit's place."""
    unit: Unit | None = None
    also_bare: bool = False
    """The unit is uncertain, so the bare number may be meant."""
    parts: tuple[float, ...] = ()
    """Numbers around a slash that may not be a fraction after all."""


@cache
def units() -> dict[str, Unit]:
    """Unit by each of its names."""
    return {
        name: Unit(name, row["dimension"], float(row["factor"]), bool(row.get("everyday", False)))
        for row in data_file("units.json")["units"]
        for name in row["names"]
    }


def _alternatives(names: Iterable[str]) -> str:
    not_before: dict[str, str] = data_file("units.json")["not_before"]
    parts = []
    for name in sorted(names, key=lambda name: (-len(name), name)):
        guard = r"(?![a-z\d])" if name[-1].isascii() and name[-1].isalnum() else ""
        if name in not_before:
            guard = f"(?![{not_before[name]}])"
        parts.append(re.escape(name) + guard)
    return "|".join(parts)


# Every repetition is possessive or guarded by a look-behind, so that no run of letters is walked twice.
NUMBER = r"(?:\d{1,3}(?:,\d{3})++(?![\d])(?:\.\d++)?|\d++(?:\.\d++)?|(?<![\d.])\.\d++)"


def _pattern(*, strict: bool) -> str:
    every = _alternatives(units())
    numeral = HAN_NUMERAL
    measured = _alternatives(name for name, unit in units().items() if not unit.everyday)
    in_words = _alternatives(
        name for name, unit in units().items() if not unit.everyday and len(name) > 1 and name not in ("in", "min")
    )
    words = "|".join(data_file("units.json")["number_words"])
    optional = "" if strict else "?"
    return rf"""(?x)
      (?=[\d\s.$£€¥第每{HAN_NUMERAL}]|(?<![a-z\d])[a-z])
      (?:(?P<skip>(?:(?<=\n)|\A)[ \t]*+\d{{1,2}}+[.)、](?!\d)|(?<!\d)24/7(?!\d)
        |(?<![a-z\d])\d++(?:st|nd|rd|th)\b|第\s?(?:\d++|[{HAN_NUMERAL}]++)|每[一二两]?寸)
      |(?P<model>(?<![a-z\d])[a-z]++\d[a-z\d]*+)
      |百分之(?P<share>{NUMBER}|[{HAN_NUMERAL}]++)
      |(?:(?P<money>[$£€¥])\s?)?(?:(?P<whole>\d++)\s(?=\d++\s?[/⁄]))?(?P<number>{NUMBER})
        (?:\s?[/⁄]\s?(?P<divisor>\d++)(?![.]?\d|[a-z]))?(?P<scale>[万亿])?
        (?:\s?-?(?P<unit>{every})|(?P<suffix>(?!x\s?\d)[a-z][a-z\d]*+))?
      |(?<![{numeral}])(?P<han>[{numeral}]++)(?:\s?(?P<han_unit>{measured})){optional}
      |(?<![a-z\d])(?P<word>{words})(?![a-z\d])
        (?:(?:\s(?:an?\s)?|-)(?P<word_unit>{in_words})){optional})
    """


@cache
def _finder(*, strict: bool) -> re.Pattern[str]:
    return re.compile(_pattern(strict=strict))


@cache
def _hint() -> re.Pattern[str]:
    words = "|".join(data_file("units.json")["number_words"])
    return re.compile(rf"[\d{HAN_NUMERAL}]|\b(?:{words})\b")


@cache
def candidate_pattern() -> str:
    """RE2 pattern that finds every text in which `mentions` might find something."""
    words = "|".join(data_file("units.json")["number_words"])
    measured = "|".join(re.escape(name) for name, unit in units().items() if not unit.everyday and not name.isascii())
    in_words = rf"(?i)\b(?:{words})(?:\s(?:an?\s)?|-)[a-z]"
    return rf"[\p{{Nd}}\p{{No}}]|百分之|[{HAN_NUMERAL}]\s?(?:{measured})|{in_words}"


def mentions(view: str, *, strict: bool) -> list[Mention]:
    """Numbers of a normalised text (see `views.view_of`), in order.

    Ordinals, list numbers and `24/7` are no mentions. With `strict`, numbers in words count only before a unit
    of measure, as idioms are full of them; without, every one counts: what is given may be worded in any way.
    """
    if not _hint().search(view):
        return []
    hits = _finder(strict=strict).finditer(view)
    found = list(islice((mention for hit in hits for mention in _read(hit)), MENTIONS_LIMIT))
    for index in range(len(found) - 2, -1, -1):
        found[index] = _carried(found[index], found[index + 1], view)
    return found


def _carried(left: Mention, right: Mention, view: str) -> Mention:
    """`10 x 20 cm`, `5 to 8 cm`: the unit is written once."""
    between = view[left.end : right.start]
    if left.unit or left.value is None or not right.unit or len(between) > 5 or not JOINED.fullmatch(between):
        return left
    return replace(left, unit=right.unit, also_bare=True)


def _read(hit: re.Match[str]) -> Iterator[Mention]:
    groups = hit.groupdict()
    if groups["model"]:
        yield _mention(hit, None, None)
    elif groups["number"]:
        yield _digits(hit, groups)
    elif groups["share"]:
        yield _mention(hit, _plain_value(groups["share"]), units()["%"])
    elif groups["han"]:
        yield _mention(hit, han_value(groups["han"]), units().get(groups["han_unit"] or ""))
    elif groups["word"]:
        value = float(data_file("units.json")["number_words"][groups["word"]])
        yield _mention(hit, value, units().get(groups["word_unit"] or ""))


def _mention(hit: re.Match[str], value: float | None, unit: Unit | None) -> Mention:
    return Mention(start=hit.start(), end=hit.end(), token=hit.group(), value=value, unit=unit)


def _digits(hit: re.Match[str], groups: dict[str, str | None]) -> Mention:
    number, unit_name, suffix = groups["number"] or "", groups["unit"] or "", groups["suffix"]
    money = data_file("units.json")["currencies"].get(groups["money"] or "", "")
    token = number.replace(",", "") + (suffix or unit_name)
    if suffix or len(number) > DIGITS_LIMIT:
        return Mention(start=hit.start(), end=hit.end(), token=token, value=None)
    scale = {"万": 1e4, "亿": 1e8}.get(groups["scale"] or "", 1.0)
    value = _plain_value(number) * scale
    # 2018年 is a date, 3年 a duration.
    unit = None if unit_name == "年" and value >= 1900 else units().get(unit_name or money)
    mention = Mention(
        start=hit.start(),
        end=hit.end(),
        token=token,
        value=value,
        half_step=scale * 0.5 * 10.0 ** -len(number.partition(".")[2]),
        unit=unit,
        also_bare=unit_name in data_file("units.json")["ambiguous"],
    )
    return _fraction(mention, groups["whole"], groups["divisor"]) if groups["divisor"] else mention


def _fraction(mention: Mention, whole: str | None, divisor: str | None) -> Mention:
    top, bottom, extra = mention.value or 0.0, _plain_value(divisor or "1"), _plain_value(whole or "0")
    parts = (extra, top, bottom) if whole else (top, bottom)
    return replace(mention, value=extra + top / bottom if bottom else None, half_step=0.0, parts=parts)


def _plain_value(digits: str) -> float:
    cleaned = digits.replace(",", "")
    if cleaned[:1] in HAN_NUMERAL:
        return han_value(cleaned)
    return float(cleaned) if len(cleaned) <= DIGITS_LIMIT else float("inf")


def han_value(numeral: str) -> float:
    """The value of a Chinese numeral up to 9999万; digits in a row are read as such; 半 is a half."""
    total, section, digit = 0.0, 0.0, 0.0
    for character in numeral[:DIGITS_LIMIT]:
        if character == "半":
            total += 0.5
        elif character == "万":
            total, section, digit = total + (section + digit or 1) * 10_000, 0.0, 0.0
        elif character in HAN_TENS:
            section, digit = section + (digit or 1) * HAN_TENS[character], 0.0
        else:
            digit = digit * 10 + HAN_DIGITS[character]
    return total + section + digit


class Given:
    """The numbers an item's attributes hold, closed under unit conversion, rounding and pack sizes."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._words: set[str] = set()
        self._bare: list[float] = []
        self._base: dict[str, list[float]] = defaultdict(list)
        counts: list[Mention] = []
        measures: list[Mention] = []
        for name, value in pairs:
            for mention in self._take(name, value):
                is_count = mention.unit is not None and mention.unit.dimension == "count"
                (counts if is_count else measures).append(mention)
        self._add_packs(counts[:PRODUCTS_LIMIT], [m for m in measures if m.unit][:PRODUCTS_LIMIT])
        self._bare.sort()
        for values in self._base.values():
            values.sort()

    def _take(self, name: str, value: str) -> list[Mention]:
        view = view_of(value).text
        found = mentions(view, strict=False)
        if not found:
            return []
        self._words.update(re.findall(r"[a-z\d]+", view))
        self._words.update(number + letters for number, letters in re.findall(r"(?<!\d)(\d++)[\s-]?([a-z]++)", view))
        if len(found) == 1 and found[0].unit is None:
            found = [replace(found[0], unit=_unit_in_name(name))]
        for mention in found:
            self._words.add(mention.token)
            self._add(mention)
        return [_counted(left, right, view) for left, right in pairwise([*found, found[-1]])]

    def _add(self, mention: Mention) -> None:
        if mention.value is None:
            return
        self._bare += [mention.value, *mention.parts]
        if mention.unit:
            self._base[mention.unit.dimension].append(mention.value * mention.unit.factor)

    def _add_packs(self, counts: Sequence[Mention], measures: Sequence[Mention]) -> None:
        for count in counts:
            for measure in measures:
                if count.value and measure.value and measure.unit and measure.unit.dimension in ("volume", "mass"):
                    total = count.value * measure.value
                    self._bare.append(total)
                    self._base[measure.unit.dimension].append(total * measure.unit.factor)

    def objection(self, mention: Mention) -> str:
        """Why the mention is not supported, or an empty string."""
        if mention.value is None:
            return "" if mention.token in self._words else "number not in the attributes"
        if self._supports(mention, mention.value, mention.half_step):
            return ""
        if mention.parts and all(self._near(self._bare, part, 0.0) for part in mention.parts):
            return ""
        known = self._near(self._bare, mention.value, 0.0)
        return "unit differs from the attributes" if known else "number not in the attributes"

    def _supports(self, mention: Mention, value: float, half_step: float) -> bool:
        unit = mention.unit
        if unit is None or unit.dimension == "count" or mention.also_bare:
            if self._near(self._bare, value, half_step):
                return True
            if unit is None or unit.dimension == "count":
                return False
        return self._near(self._base.get(unit.dimension, []), value * unit.factor, half_step * unit.factor)

    @staticmethod
    def _near(values: Sequence[float], value: float, half_step: float) -> bool:
        reach = min(half_step, ROUNDING_LIMIT * abs(value)) + 1e-9 * abs(value)
        index = bisect_left(values, value - reach)
        return index < len(values) and values[index] <= value + reach


def _counted(left: Mention, right: Mention, view: str) -> Mention:
    """`2 x 500 ml` declares a pack of two."""
    if left.unit and left.also_bare and view[left.end : right.start].strip() in ("x", "×", "*"):
        return replace(left, unit=units()["个"])
    return left


def _unit_in_name(name: str) -> Unit | None:
    """`capacity_ml`, `容量(ml)`: the unit of a bare number stands in the attribute's name."""
    last = re.search(r"[_(（\s]([a-z%]+|[\u4e00-\u9fff]+)[)）]?\s*\Z", view_of(name[-40:]).text)
    return units().get(last.group(1)) if last else None
