"""What a shop sells beside products is found when a line is drafted, and quarantined until a person says otherwise."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from strange_files import SHOPIFY, body, shopify_export, word

from aigc_core.contracts.cleaning import Cleaner
from aigc_core.contracts.content_line import read_content_line
from aigc_core.contracts.profile import Services
from aigc_core.contracts.recipe import Recipe
from aigc_core.contracts.schema import RawRow
from aigc_core.lines.draft import Draft, draft_line
from aigc_core.lines.profile import profile_source
from aigc_core.lines.services import REASON

Found = Callable[[str, Sequence[str]], tuple[Services, ...]]


@pytest.fixture
def found(tmp_path: Path) -> Found:
    """Services in a shop of forty cups, and as many more rows as there are values of the column."""

    def services(column: str, values: Sequence[str]) -> tuple[Services, ...]:
        path = tmp_path / "shop.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["sku", column, "note"])
            writer.writerows([f"P{n:03d}", f"Cup {word(n)}", body(n)] for n in range(40))
            writer.writerows([f"S{n:03d}", value, body(n + 40)] for n, value in enumerate(values))
        return profile_source(str(path)).services

    return services


@pytest.fixture
def insured(tmp_path: Path) -> Draft:
    """A shop's export in which insurance has a line for every price."""
    path = shopify_export(tmp_path / "shop.csv")
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, SHOPIFY)
        cover = {"Title": "Parcel cover", "Body (HTML)": "<p>Covers it.</p>", "Type": "Cover", "Option1 Name": "Title"}
        lines = [{"Handle": "cover", "Option1 Value": f"{n}.15"} for n in range(60)]
        writer.writerows([lines[0] | cover, *lines[1:]])
    return draft_line(profile_source(str(path)), "shop", tmp_path / "lines")


def recipe_of(draft: Draft) -> Recipe:
    return read_content_line(Path(draft.folder)).recipe


@pytest.mark.parametrize(
    "value",
    ["Insurance", "gift cards", "Digital Gift Card", "Shipping Protection", "Extended Warranty", "Tip", "Warranty",
     "运费", "运费补差", "补差价专拍", "定金", "礼品卡", "保险"],
)  # fmt: skip
def test_a_category_that_is_a_service_is_found(value: str, found: Found) -> None:
    assert [(one.column, [v.value for v in one.values]) for one in found("Type", [value])] == [("Type", [value])]


@pytest.mark.parametrize("value", ["Shipping Protection by Route", "Gift Card £20", "Gift Card - for her", "运费 1元"])
def test_a_title_may_say_more(value: str, found: Found) -> None:
    assert [one.column for one in found("Title", [value])] == ["Title"]


@pytest.mark.parametrize(
    "value",
    ["Gift Card Holder", "Tip-in Extensions", "Tip (steel)", "Insurance folder", "保险箱", "补水面膜", "Fee-fi mug"],
)
def test_products_are_no_services(value: str, found: Found) -> None:
    assert (found("Title", [value]), found("Type", [value])) == ((), ())


def test_a_catalogue_of_services_is_one_of_products(found: Found) -> None:
    assert found("Type", ["Insurance"] * 11) == ()
    assert found("Type", ["Insurance"] * 10) != ()


def test_a_product_of_many_prices_is_quarantined(insured: Draft) -> None:
    (step,) = [step.placeholders for step in recipe_of(insured).cleaning if step.placeholders]
    assert (step.columns, step.values, step.do, step.reason) == (("Handle",), ("cover",), "quarantine", REASON)
    assert "differ by an amount of money" in next(one.why for one in insured.decisions if "services" in one.topic)


def test_it_is_quarantined_with_the_reason(insured: Draft) -> None:
    rows = [RawRow(1, {"Handle": "cover", "Title": "Parcel cover"}), RawRow(2, {"Handle": "cup", "Title": "Cup"})]
    cleaned = Cleaner(recipe_of(insured).cleaning, door="catalogue").clean([rows])
    assert [row.complaints for batch in cleaned for row in batch] == [(("Handle", f"Handle: {REASON}"),), ()]


@pytest.mark.real
def test_the_insurance_of_a_real_export_is_quarantined(real_data: Path, tmp_path: Path) -> None:
    profile = profile_source(str(real_data / "catalogue" / "shopify_hair_export.csv"))
    steps = [step.placeholders for step in recipe_of(draft_line(profile, "hair", tmp_path)).cleaning]
    assert [(step.columns, step.values) for step in steps if step and step.reason == REASON] == [
        (("Type",), ("Insurance",))
    ]


@pytest.mark.real
@pytest.mark.parametrize("name", ["shopify_apparel", "shopify_home-and-garden", "shopify_jewelery"])
def test_other_real_shops_sell_products_alone(name: str, real_data: Path) -> None:
    assert profile_source(str(real_data / "catalogue" / f"{name}.csv")).services == ()
