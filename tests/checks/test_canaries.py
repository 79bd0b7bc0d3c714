import pytest

from aigc_core.checks.base import TEXTS
from aigc_core.checks.canaries import missed, plant
from aigc_core.checks.registry import CHECKS, build_row_checks, run_checks

LAX: dict[str, dict[str, object]] = {
    "Q-L6": {"han_share_min": 0.2, "ascii_share_min": 0.2},
    "Q-L8": {"extra": []},
    "Q-L9": {"overlap_chars": 80},
    "Q-L2": {"warn_below": 0},
}
WARNS_ONLY = {"Q-L2", "Q-L13"}


@pytest.mark.parametrize("locales", [["en"], ["zh"], ["en", "zh"], ["zh-Hans"], ["en-GB"], ["fr"]])
@pytest.mark.parametrize("parameters", [{}, LAX])
def test_all_are_caught_under_any_parameters(locales: list[str], parameters: dict[str, dict[str, object]]) -> None:
    limits = {locale: {"min_chars": 1, "max_chars": 20_000} for locale in locales}
    parameters = {**parameters, "Q-L7": {"limits": limits}}
    batch = plant(locales)
    assert batch.num_rows >= 20 * len(locales)
    assert missed(batch, run_checks(build_row_checks(parameters, locales=locales), batch)) == ()


def test_they_come_in_the_shape_of_texts() -> None:
    batch = plant(["en", "zh"])
    assert batch.select(TEXTS.names).schema == TEXTS
    assert len(set(batch.column("item_id").to_pylist())) == batch.num_rows


@pytest.mark.parametrize("locale", ["en", "zh"])
@pytest.mark.parametrize("check_id", sorted(set(CHECKS) - WARNS_ONLY))
def test_without_one_check_some_are_missed(check_id: str, locale: str) -> None:
    batch = plant([locale])
    left = [check for check in build_row_checks({}, locales=[locale]) if check.check_id != check_id]
    names = missed(batch, run_checks(left, batch))
    expected = zip(batch.column("item_id").to_pylist(), batch.column("expected").to_pylist(), strict=True)
    assert set(names) == {name for name, expected_id in expected if expected_id == check_id}
    assert names
