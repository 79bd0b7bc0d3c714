import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import ValidationError

from aigc_core.checks.base import TEXTS, Finding
from aigc_core.checks.claims import EXCEPTION_CHARACTERS, ClaimParameters, Claims, flagged, is_ban, lexicons, load_rules
from aigc_core.checks.views import view_of


def _findings(
    text: str, *, locale: str = "", markets: tuple[str, ...] = ("cn", "eu", "us"), proof: str = ""
) -> list[Finding]:
    locale = locale or ("zh" if any(sign > "\u2fff" for sign in text) else "en")
    pairs = [{"name": "evidence", "value": proof}]
    row = {"item_id": "i", "locale": locale, "text": text, "finish_reason": "", "prompt": "", "attributes": pairs}
    check = Claims(ClaimParameters.model_validate({"markets": markets}))
    return list(check(pa.RecordBatch.from_pylist([row], schema=TEXTS)).findings)


def _ids(text: str, **options: object) -> set[str]:
    return {flagged(finding) for finding in _findings(text, **options)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "check_id"),
    [
        ("这是国家级的工艺", "Q-C1"),
        ("销量全国第一", "Q-C1"),
        ("ＮＯ．１的选择", "Q-C1"),
        ("全网首家采用", "Q-C1"),
        ("三天见效，无副作用", "Q-C2"),
        ("可以降血糖", "Q-C3"),
        ("增强免疫力的早餐", "Q-C4"),
        ("干细胞精华", "Q-C5"),
        ("国宴专用茶叶", "Q-C6"),
        ("经临床验证", "Q-C6"),
        ("佩戴招财转运", "Q-C7"),
        ("原价999，最后一天", "Q-C12"),
        ("帮助修复受损的胶原纤维", "Q-C5"),
        ("这是最受瞩目的品牌", "Q-C1"),
        ("点击领取，恭喜您中奖", "Q-C12"),
        ("An Eco-Friendly mug", "Q-C8"),
        ("Carbon neutral since 2020", "Q-C9"),
        ("Boosts immunity every day", "Q-C10"),
        ("FDA approved glaze", "Q-C11"),
        ("Rated 5 stars", "Q-C11"),
        ("The world's best mug", "Q-C12"),
    ],
)
def test_each_rule_finds_its_claim(text: str, check_id: str) -> None:
    assert check_id in _ids(text)


@pytest.mark.parametrize(
    "text",
    [
        "第一步，先预热烤箱",
        "最好先用温水清洗",
        "最大的问题是尺码",
        "最近很流行的款式",
        "内增高运动鞋",
        "一款显瘦身材的连衣裙",
        "Evergreen shrubs and greenhouse glass",
        "Sustainable fit",
        "The epoxy cures in an hour",
        "A slimming cut at the waist",
    ],
)
def test_words_are_judged_in_context(text: str) -> None:
    assert not _ids(text)


def test_latin_terms_are_whole_words() -> None:
    assert not _ids("A disorganically hurryish unbeatableness")


def test_only_the_markets_asked_for() -> None:
    assert _ids("An eco-friendly mug", markets=("cn",)) == set()
    assert _ids("An eco-friendly mug", markets=("us",)) == {"Q-C11"}


def test_a_document_lets_a_claim_of_level_evidence_pass() -> None:
    assert _ids("经临床验证", proof="report-7.pdf") == set()
    assert _ids("无副作用", proof="report-7.pdf") == {"Q-C2"}


def test_levels() -> None:
    found = {flagged(one): (one.severity, is_ban(one)) for one in _findings("国家级，临床验证，最后一天")}
    assert found == {"Q-C1": ("block", True), "Q-C6": ("block", False), "Q-C12": ("quarantine", False)}


def test_spans_and_evidence_are_those_of_the_text() -> None:
    (finding,) = _findings("A mug: ＣＡＲＢＯＮ　ＮＥＵＴＲＡＬ!", locale="en", markets=("eu",))
    assert finding.spans == ((7, 21),)
    assert finding.evidence == "carbon neutral"


def test_every_rule_says_its_law_and_a_way_out() -> None:
    rules = load_rules(("cn", "eu", "us"))
    assert len(rules) > 15
    assert not [rule for rule in rules if not (rule.basis and rule.suggest and rule.title and rule.terms)]


def test_no_term_is_lost_in_its_own_exceptions() -> None:
    found = lexicons(("cn", "eu", "us"))
    lost = [(r.rule_id, t) for r in load_rules(("cn", "eu", "us")) for t in r.terms if not found[r.lang].claims(t)]
    assert not lost


@pytest.mark.real
def test_a_list_of_another_makers_terms_is_mostly_known(real_data: Path) -> None:
    terms = (real_data / "checks/zh_adlaw_terms.txt").read_text("utf-8").split()
    known = [term for term in terms if lexicons(("cn",))["zh"].claims(view_of(term).text)]
    assert len(known) / len(terms) > 0.8


def test_patterns_are_screened_as_they_are_matched() -> None:
    texts = ["非转基因所以更安全", "预防乳房下垂", "马上降价", "save the planet", "now only $5"]
    for lexicon in lexicons(("cn", "eu", "us")).values():
        more = [len(lexicon.claims(text)) > len(lexicon.claims(text, patterns=False)) for text in texts]
        assert {row for row, found in enumerate(more) if found} == lexicon.suspects(pa.array(texts))


def test_exceptions_are_short() -> None:
    rules = load_rules(("cn", "eu", "us"))
    assert max(len(term) for rule in rules for term in rule.except_terms) <= EXCEPTION_CHARACTERS


@pytest.mark.parametrize("text", ["最好的", "百分百", "第一步最好先", "no. 1", "eco-friendly "])
def test_time_is_linear(text: str) -> None:
    lexicon = lexicons(("cn", "eu", "us"))["zh"]
    seconds = [_seconds(lexicon.claims, text * times) for times in (2_000, 20_000)]
    assert seconds[1] < 40 * max(seconds[0], 0.005)


def _seconds(work: Callable[[str], object], text: str) -> float:
    """Least of three: a machine under load makes any one of them long."""
    taken = []
    for _ in range(3):
        start = time.thread_time()
        work(text)
        taken.append(time.thread_time() - start)
    return min(taken)


def judged(
    text: str, *, attributes: dict[str, str] | None = None, locale: str = "en", **parameters: object
) -> list[Finding]:
    """Findings under parameters of the recipe."""
    pairs = [{"name": name, "value": value} for name, value in (attributes or {}).items()]
    row = {"item_id": "i", "locale": locale, "text": text, "finish_reason": "", "prompt": "", "attributes": pairs}
    check = Claims(ClaimParameters.model_validate(parameters))
    return list(check(pa.RecordBatch.from_pylist([row], schema=TEXTS)).findings)


def test_a_certificate_proves_the_claim_it_names_and_no_other() -> None:
    text = "Certified to OEKO-TEX and FSC certified."
    assert [one.evidence for one in judged(text, attributes={"certification": "OEKO-TEX Standard 100"})] == [
        "fsc certified"
    ]
    assert judged(text, attributes={"certification": "OEKO-TEX; FSC certified"}) == []
    assert judged("It is FSC certified.", attributes={"certification": "FSC"}) == []
    assert len(judged("It is FSC certified.", attributes={"certification": "GOTS"})) == 1
    assert len(judged(text, attributes={"feature": "OEKO-TEX; FSC certified"})) == 1
    assert judged(text, attributes={"feature": "OEKO-TEX; FSC certified"}, certificates=["feature"]) == []


OWN = {
    "id": "house-1",
    "lang": "en",
    "level": "ban",
    "title": "words of the house",
    "terms": ["luxe"],
    "except_terms": ["luxe line"],
}


def test_a_rule_of_the_shop_is_judged_as_the_shipped_ones_are() -> None:
    (found,) = judged("A Ｌuxe mug of the luxe line.", own=[OWN])
    assert (found.severity, found.reason, found.spans) == ("block", "house-1 ban: words of the house (own)", ((2, 6),))
    assert judged("A luxe mug.", own=[OWN], locale="zh") == []


def test_what_a_person_lets_through_warns_and_says_who_and_why() -> None:
    allowed = {"term": "World's Best", "by": "Ana, legal", "reason": "name of the award, file 12"}
    (found,) = judged("Winner of World's Best.", overrides=[allowed])
    assert found.severity == "warn"
    assert found.reason.endswith("; let through by Ana, legal: name of the award, file 12")
    assert {one.severity for one in judged("World's best, act now.", overrides=[allowed])} == {"warn", "quarantine"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"markets": ["mars"]},
        {"own": [{**OWN, "level": "never"}]},
        {"own": [{name: value for name, value in OWN.items() if name != "except_terms"}]},
        {"overrides": [{"term": "best", "by": "A", "reason": "because"}]},
    ],
)
def test_wrong_parameters_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ClaimParameters.model_validate(wrong)
