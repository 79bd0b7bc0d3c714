"""Q-F7: nothing affirmed that the data denies, nothing denied that it affirms."""

import pyarrow as pa
import pytest

from aigc_core.checks.base import TEXTS, Finding, NoParameters
from aigc_core.checks.polarity import Polarity


def findings(text: str, **attributes: str) -> list[Finding]:
    """What the check holds against one text."""
    pairs = [{"name": name, "value": value} for name, value in attributes.items()]
    row = {"item_id": "i", "locale": "en", "text": text, "finish_reason": "", "prompt": "", "attributes": pairs}
    return list(Polarity(NoParameters())(pa.RecordBatch.from_pylist([row], schema=TEXTS)).findings)


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("A jacket with a hood.", {"hood": "no"}),
        ("Batteries included; the battery lasts.", {"battery": "not included"}),
        ("A bag with two pockets.", {"feature": "without pockets"}),
        ("Contains alcohol.", {"feature": "alcohol-free"}),
        ("A mug without a lid.", {"feature": "lid"}),
        ("A mug, lid-free.", {"feature": "lid"}),
        ("No zip.", {"closure": "zip"}),
        ("含酒精的洗手液。", {"成分": "不含酒精"}),
        ("这款外套没有拉链。", {"闭合": "拉链"}),
        ("配有帽子。", {"帽子": "无"}),
    ],
)
def test_a_contradiction_blocks(text: str, attributes: dict[str, str]) -> None:
    (found,) = findings(text, **attributes)
    assert found.severity == "block"
    ((start, end), *_) = found.spans
    assert text[start:end].lower() == found.evidence


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("A jacket without a hood.", {"hood": "no"}),
        ("A jacket with a hood.", {"hood": "yes"}),
        ("No pockets, no fuss.", {"feature": "without pockets"}),
        ("An alcohol-free gel.", {"feature": "alcohol-free"}),
        ("Not only a lid but a handle.", {"feature": "lid"}),
        ("No leather smell.", {"material": "leather"}),
        ("Without compromise: cotton.", {"material": "cotton"}),
        ("不含酒精的洗手液。", {"成分": "不含酒精"}),
        ("无与伦比的棉质外套。", {"材质": "棉质"}),
        ("A neat jacket.", {"hood": "no", "zip": "yes"}),
        ("Family friendly: no, area: riverside.", {"family friendly": "no"}),
        ("It is not considered to be family friendly.", {"family friendly": "no"}),
        ("A pub not suitable for families.", {"type": "pub"}),
        ("Family friendly no, riverside.", {"family_friendly": "no"}),
        ("帽子：无，面料：棉。", {"帽子": "无"}),
        ("没有衬衫那种严肃的感觉。", {"类型": "衬衫"}),
        ("避免纯色，更耐看。", {"图案": "纯色"}),
    ],
)
def test_agreement_passes(text: str, attributes: dict[str, str]) -> None:
    assert findings(text, **attributes) == []
