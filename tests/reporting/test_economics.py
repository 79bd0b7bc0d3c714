import pytest

from aigc_core.contracts.recipe import Prices
from aigc_core.reporting.economics import amount, cost_of

PRICES = Prices(currency="EUR", device_hour=0.5, human_text=4.0)


def test_cost_is_hours_times_price_shared_among_texts() -> None:
    cost = cost_of({"train": 1800.0, "generate": 5400.0}, PRICES, published=800, generated=1000)
    assert cost["device_seconds"] == 7200.0
    assert cost["total"] == pytest.approx(1.0)
    assert cost["per_generated"] == pytest.approx(0.001)
    assert cost["per_published"] == pytest.approx(0.00125)
    assert (cost["currency"], cost["human_baseline_per_text"]) == ("EUR", 4.0)


def test_no_price_a_text_where_nothing_was_made() -> None:
    cost = cost_of({"audit": 36.0}, PRICES, published=0, generated=0)
    assert "per_published" not in cost
    assert "per_generated" not in cost
    assert cost["comparison"] == "Nothing was published: the run cost 0.0050 EUR and there is no price a text."


def test_comparison_says_which_of_the_two_is_dearer() -> None:
    cheap = cost_of({"generate": 7200.0}, PRICES, published=800, generated=800)
    dear = cost_of({"generate": 36_000.0}, PRICES, published=1, generated=1)
    assert str(cheap["comparison"]).endswith("a person's costs 4.00 EUR, 3,200 times as much.")
    assert str(dear["comparison"]).endswith("the machine was 1.2 times as dear.")


def test_free_machine_makes_no_ratio() -> None:
    cost = cost_of({"generate": 60.0}, Prices(device_hour=0), published=3, generated=3)
    assert cost["comparison"] == "One published text cost 0.00 USD; a person's costs 5.00 USD."


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0.00 USD"),
        (1234.5, "1,234.50 USD"),
        (0.5, "0.50 USD"),
        (0.0123, "0.012 USD"),
        (0.0000321, "0.000032 USD"),
        (2e-9, "under 0.000001 USD"),
    ],
)
def test_small_money_keeps_its_digits(value: float, words: str) -> None:
    assert amount(value, "USD") == words
