"""What a plan will take, from what earlier nights took."""

from dataclasses import replace

import pytest

from aigc_core.contracts.generation import Caps
from aigc_core.contracts.recipe import Prices
from aigc_core.records import Estimate, RequestSet, RunSummary
from aigc_core.reporting.forecast import Rates, estimate, families, passed_caps, rates_of, texts_a_request, untold_caps

PRICES = Prices(currency="EUR", device_hour=3.6)
RATES = Rates(texts_a_request=1.5, tokens_a_text=40, seconds_a_text=0.01, seconds_a_request=0.002, basis="a test")


def requests_of(to_generate: int) -> RequestSet:
    return RequestSet(
        run_id="r", path="", fingerprint="", requests=to_generate, to_generate=to_generate, reasons={}, states={}
    )


NIGHT = RunSummary(
    line="mugs", run_id="r", date="2026-01-01", edition=1, requests=100, states={}, reasons={}, planned={},
    attempts={"1": 100, "2": 20}, tokens=6000, tokens_per_second=500.0,
    seconds={"generate": 12.0, "screen": 1.0, "seal": 0.5, "audit": 0.25, "publish": 0.25, "plan": 99.0},
    cost={}, model={"engine": "hf", "digest": "m1"}, lake="", report="", doors=(), findings={}, gates=(), seen={},
)  # fmt: skip


def night(**changes: object) -> RunSummary:
    return replace(NIGHT, **changes)  # type: ignore[arg-type]


def test_rates_are_means_over_the_nights_of_the_same_model() -> None:
    other = night(model={"engine": "hf", "digest": "m0"}, tokens=1)
    rates = rates_of([night(), other, night()], engine="hf", model="m1")
    assert rates is not None
    assert (rates.texts_a_request, rates.tokens_a_text) == (1.2, 50)
    assert rates.seconds_a_text == pytest.approx(0.1)
    assert rates.seconds_a_request == pytest.approx(0.02)
    assert rates.basis == "2 earlier nights of this model: 240 texts"


def test_another_model_of_the_same_engine_is_better_than_nothing_and_said() -> None:
    rates = rates_of([night()], engine="hf", model="m2")
    assert rates is not None
    assert rates.basis == "1 earlier night of the engine hf with another model: 120 texts"


def test_nights_of_another_engine_or_without_texts_tell_nothing() -> None:
    assert rates_of([night(), night(attempts={})], engine="template", model="m1") is None
    assert rates_of([night(attempts={})], engine="hf", model="m1") is None


def test_the_estimate_counts_every_attempt_and_what_follows() -> None:
    found = estimate(requests_of(1000), RATES, PRICES, attempts=3)
    assert (found.texts, found.tokens, found.seconds) == (1500, 60_000, 17.0)
    assert found.money == pytest.approx(0.017)


def test_what_a_server_asks_is_money_too_and_passes_caps() -> None:
    served = rates_of([night(cost={"served_tokens": 2.4}), night(cost={})], engine="hf", model="m1")
    assert served is not None
    assert served.served_a_text == pytest.approx(0.01)
    found = estimate(requests_of(1000), replace(RATES, served_a_text=0.01), PRICES, attempts=3)
    assert found.money == pytest.approx(0.017 + 15)
    assert passed_caps(found, Caps(money=10), "EUR") == ("about 15.02 EUR, the cap is 10.00 EUR",)


def test_without_rates_only_the_texts_are_told() -> None:
    found = estimate(requests_of(1000), None, PRICES, attempts=3)
    assert (found.texts, found.tokens, found.seconds, found.money) == (1000, None, None, None)
    assert "from 1,000 to 3,000 texts" in found.basis


def test_nothing_to_generate_takes_nothing() -> None:
    found = estimate(requests_of(0), None, PRICES, attempts=3)
    assert (found.texts, found.tokens, found.seconds, found.money) == (0, 0, 0, 0)


@pytest.mark.parametrize(("share", "texts"), [(1.0, 1.0), (0.5, 1.75), (0.0, 3.0)])
def test_expected_texts_a_request(share: float, texts: float) -> None:
    assert texts_a_request(share, 3) == texts


def test_each_cap_that_is_passed_is_named() -> None:
    found = Estimate(texts=1500, tokens=60_000, seconds=17.0, money=0.5, basis="")
    assert passed_caps(found, Caps(), "EUR") == ()
    assert passed_caps(found, Caps(texts=1500, tokens=60_000, seconds=17, money=0.5), "EUR") == ()
    assert passed_caps(found, Caps(texts=1000, money=0.25), "EUR") == (
        "about 1,500 texts, the cap is 1,000",
        "about 0.50 EUR, the cap is 0.25 EUR",
    )
    unknown = replace(found, tokens=None, seconds=None, money=None)
    assert passed_caps(unknown, Caps(tokens=1, seconds=1, money=1), "EUR") == ()
    assert untold_caps(unknown, Caps(texts=1, tokens=1, money=1)) == ("tokens cannot be told", "money cannot be told")
    assert untold_caps(found, Caps(tokens=1)) == ()


def test_reasons_are_counted_by_family() -> None:
    counted = families({"new": 3, "no data: colour": 1, "no data: name, colour": 2, "retry of failed": 1})
    assert counted == {"new": 3, "no data": 3, "retry of failed": 1}
