"""Q-F4: what may be said only where the data says it."""

import pyarrow as pa
import pytest

from aigc_core.checks.base import TEXTS, Finding, NoParameters
from aigc_core.checks.regulated import RegulatedWords
from aigc_core.checks.views import data_file


def findings(text: str, *, locale: str = "en", **attributes: str) -> list[Finding]:
    """What the check holds against one text."""
    pairs = [{"name": name, "value": value} for name, value in attributes.items()]
    row = {"item_id": "i", "locale": locale, "text": text, "finish_reason": "", "prompt": "", "attributes": pairs}
    return list(RegulatedWords(NoParameters())(pa.RecordBatch.from_pylist([row], schema=TEXTS)).findings)


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("A bottle in organic cotton.", "organic"),
        ("OEKO-TEX tested yarn.", "OEKO-TEX"),
        ("A CE-marked lamp.", "CE marking"),
        ("Our patented lid.", "patent"),
        ("Ｗａｔｅｒｐｒｏｏｆ boots.", "waterproof"),
        ("A BPA-free bottle.", "BPA-free"),
        ("An IPX7 speaker.", "IPX7"),
        ("这款水瓶采用食品级材料。", "food grade"),
        ("面料抗菌防臭。", "antibacterial"),
        ("外套防水透气。", "waterproof"),
        ("通过3C认证。", "CCC"),
    ],
)
def test_what_no_attribute_says_blocks(text: str, claim: str) -> None:
    (found,) = findings(text, material="steel", name="Alder")
    assert (found.severity, found.reason) == ("block", f"says {claim}, which no attribute does")
    ((start, end),) = found.spans
    assert text[start:end].strip()


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("A bottle in organic cotton.", {"material": "Organic cotton"}),
        ("OEKO-TEX tested yarn.", {"certification": "Oeko-Tex 100"}),
        ("A CE-marked lamp.", {"marks": "CE, RoHS"}),
        ("Water-resistant boots.", {"feature": "waterproof"}),
        ("An IPX7 speaker.", {"rating": "IPX7"}),
        ("Waterproof boots.", {"waterproof": "yes"}),
        ("采用有机棉。", {"材质": "有机棉"}),
        ("A vase of organic shape in spiced glaze.", {}),
        ("Nice boots, proof of care.", {}),
        ("配有机玻璃罩。", {}),
    ],
)
def test_what_an_attribute_says_passes(text: str, attributes: dict[str, str]) -> None:
    assert findings(text, **attributes) == []


def test_less_does_not_bear_out_more_and_a_denial_nothing() -> None:
    assert len(findings("Waterproof boots.", feature="water-resistant")) == 1
    assert len(findings("Waterproof boots.", waterproof="no")) == 1
    assert len(findings("An IPX7 speaker.", rating="IPX4")) == 1
    assert len(findings("A CE-marked lamp.", place="centre of the room")) == 1


def test_every_term_is_refused_without_and_passed_with_its_proof() -> None:
    for entry in data_file("regulated_terms.json")["entries"]:
        for term in entry["terms"]:
            text = f"It is {term} and good." if term.isascii() else f"这款{term}商品很好。"
            assert [one.reason for one in findings(text)], term
            for proof in entry["proofs"]:
                assert not [one for one in findings(text, given=f"{proof} x") if entry["claim"] in one.reason], term


def test_places_are_told_behind_signs_that_normalise_to_several() -> None:
    text = "Holds ½ litre, organic cotton cover."
    (found,) = findings(text)
    assert [text[start:end] for start, end in found.spans] == ["organic"]
