import random
from collections.abc import Callable

import pyarrow as pa
import pytest

from aigc_core.checks.faithfulness import NumberParameters, Numbers
from aigc_core.checks.quantities import Given, han_value, mentions, units
from aigc_core.checks.views import view_of

Judge = Callable[..., list[str]]
OneText = Callable[..., pa.RecordBatch]
UNSUPPORTED = ["block: number not in the attributes"]
OTHER_UNIT = ["block: unit differs from the attributes"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("It holds 0.5 L.", "500 ml"),
        ("It holds 500ml.", "0.5 litre"),
        ("It holds half a litre.", "500 ml"),
        ("A two-litre jug.", "2 l"),
        ("25 cm wide.", "10 inch"),
        ('A 10" plate.', "10 inches"),
        ("1.5 kW, 1,500 W.", "1500 watts"),
        ("Ready in 2 h.", "120 min"),
        ("2 lb 3", "907 g, 3"),
        ("10 x 20 x 30 cm", "10x20x30cm"),
        ("Sizes 92–140.", "92-140"),
        ("Fits iPhone 6/6S/7.", "iPhone 6/6S/7"),
        ("The EOS 80D body.", "Canon EOS 80D"),
        ("¾ sleeves, sizes 1½-4Y", "3/4 sleeve, 1½-4Y"),
        ("9.5 % off", "9.5%"),
        ("Two packs, 12 cans, 3.96 l", "12 x 330 ml"),
        ("From £20-25.", "£20-25"),
        ("容量５００毫升", "0.5L"),
        ("净重两斤", "1千克"),
        ("含百分之八十三的棉", "83%棉"),
        ("27寸屏幕", "27英寸"),
        ("三十厘米高", "30cm"),
        ("可用5万次", "50000次"),
        ("2018年新款", "2018"),
        ("5 in stock", "5"),
        ("30 pcs", "30pcs"),
        ("3件套", "三件套"),
    ],
)
def test_what_follows_from_the_attributes_passes(judge: Judge, text: str, value: str) -> None:
    assert judge("Q-F2", text, attributes=[("size", value)]) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("It holds 600 ml.", "500 ml"),
        ("It holds 1 L.", "1.4 l"),
        ("11 pockets", "AW11"),
        ("Collection AW18.", "18 pieces"),
        ("100% cotton", "cotton"),
        ("A five-litre jug.", "2 l"),
        ("Available in 1/4 size", "3/4 size, 4"),
        ("腿长2米", "显瘦"),
        ("可装十一升", "10升"),
        ("99元", "98元"),
        ("5万次", "5个"),
        ("12345678901234567890", "1234567890123456789"),
    ],
)
def test_other_numbers_block(judge: Judge, text: str, value: str) -> None:
    assert judge("Q-F2", text, attributes=[("size", value)]) == UNSUPPORTED


@pytest.mark.parametrize(
    ("text", "value"), [("500 g", "500 ml"), ("38 cm", "38"), ("$20", "£20"), ("50%", "50 cm"), ("350公斤", "350毫升")]
)
def test_a_known_number_with_another_unit_blocks(judge: Judge, text: str, value: str) -> None:
    assert judge("Q-F2", text, attributes=[("size", value)]) == OTHER_UNIT


@pytest.mark.parametrize(
    "text",
    ["Open 24/7.", "The 1st and 22nd mug.", "第一步，第2步", "1. Wash\n2. Dry", "Two pockets, one size, three colours.",
     "这两年很流行，一字领，九分裤，十分舒适", "呵护每一寸肌肤", "三件套", "Ten out of ten", "一米色半身裙"],
)  # fmt: skip
def test_idioms_ordinals_and_lists_need_no_support(judge: Judge, text: str) -> None:
    assert judge("Q-F2", text) == []


def test_the_unit_may_stand_in_the_attributes_name(judge: Judge) -> None:
    for name in ("capacity_ml", "Capacity (ml)", "容量（毫升）"):
        assert judge("Q-F2", "Holds 500 ml.", attributes=[(name, "500")]) == []


def test_a_recipe_can_allow_phrases(judge: Judge) -> None:
    assert judge("Q-F2", "3D stitching") == UNSUPPORTED
    assert judge("Q-F2", "3D stitching", {"allow": ["3d"]}) == []


@pytest.mark.parametrize(
    ("numeral", "value"),
    [
        ("十", 10),
        ("十一", 11),
        ("二十", 20),
        ("一百零五", 105),
        ("三万五千", 35_000),
        ("二〇一八", 2018),
        ("两", 2),
        ("半", 0.5),
    ],
)
def test_chinese_numerals(numeral: str, value: float) -> None:
    assert han_value(numeral) == value


def test_changed_numbers_and_units_are_caught() -> None:
    rng, caught = random.Random(7), 0  # noqa: S311 -- a fixed sample, no secret
    names = sorted(
        name
        for name, unit in units().items()
        if unit.dimension not in ("count", "yuan") and name not in ("in", "块", "两")
    )
    for _ in range(1000):
        number, name = rng.randint(2, 4000), rng.choice(names)
        other = rng.choice([n for n in names if units()[n].dimension != units()[name].dimension])
        changed = rng.choice([f"{number + rng.randint(1, 900)} {name}", f"{number} {other}", f"{number}.7 {name}"])
        given = Given([("size", f"{number} {name}"), ("colour", "red")])
        found = mentions(view_of(f"It comes with {changed} of use.").text, strict=True)
        caught += any(given.objection(mention) for mention in found)
    assert caught >= 995


def test_evidence_never_holds_a_telephone_number(one_text: OneText) -> None:
    text = "Call 020 7946 0958 or 13800138000 and ask for the mugs with 5 handles"
    found = Numbers(NumberParameters())(one_text(text)).findings
    assert [finding.evidence for finding in found] == ["part of a long number"] * 4 + ["5"]


def test_a_text_full_of_numbers_is_refused(judge: Judge) -> None:
    assert judge("Q-F2", "1, " * 500, attributes=[("n", "1")]) == ["block: too many numbers"]


def test_the_score_counts_unsupported_numbers(one_text: OneText) -> None:
    batch = one_text("Holds 500 ml, 20 cm high, 7 pockets.", attributes=[("size", "500 ml")])
    assert Numbers(NumberParameters())(batch).scores == {"unsupported_numbers": [2.0]}
