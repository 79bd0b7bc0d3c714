"""Looking ahead tells what a night would do, and leaves nothing but the catalogue that was taken in."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from nights import LINE, Aigc, LineCopy
from shop import Shop, item, walk, write_line

from aigc_core.errors import CapPassed
from aigc_core.night import intake, pin, steps, trial
from aigc_core.night.forecast import foresee

pytest_plugins = ("shop_fixtures",)

ROWS = [item(1), item(2), item(3, material=None), item(4)]


@pytest.fixture
def caps(open_shop: Shop) -> Callable[..., Shop]:
    """The shop with caps."""

    def set_caps(**caps: float) -> Shop:
        recipe = write_line(open_shop.root / "lines") / "recipe.yaml"
        document = yaml.safe_load(recipe.read_text("utf-8"))
        document["generation"]["caps"] = caps
        recipe.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
        return open_shop

    return set_caps


@pytest.fixture
def capped(caps: Callable[..., Shop]) -> Shop:
    """The shop with a cap of five texts a night."""
    return caps(texts=5)


def test_a_first_look_counts_reasons_and_tries_the_engine(open_shop: Shop) -> None:
    found = foresee(open_shop.order(ROWS))
    assert (found.requests, found.to_generate) == (8, 6)
    assert found.reasons == {"new": 6, "no data": 2}
    assert found.states == {"no_data": 2}
    assert found.estimate.basis.startswith("a trial of 6 texts, 6 of them accepted")
    assert found.estimate.texts == 6
    assert found.door.accepted == 4


def test_nothing_stays_but_the_catalogue(open_shop: Shop) -> None:
    foresee(open_shop.order(ROWS))
    lake = open_shop.root / "lake"
    left = {path.relative_to(lake).parts[0] for path in lake.rglob("*") if path.is_file() and path.name != ".lock"}
    assert left <= {"catalogues", "intake"}
    night = open_shop.night(ROWS)
    assert night.states["published"] == 6


def test_a_later_look_draws_on_the_nights_before(open_shop: Shop) -> None:
    open_shop.night(ROWS)
    found = foresee(open_shop.order([*ROWS, item(5)]))
    assert found.reasons == {"published before": 6, "no data": 2, "new": 2}
    assert found.estimate.basis == "1 earlier night of this model: 6 texts"
    assert found.estimate.texts == 2


def test_the_trial_may_be_left_out(open_shop: Shop) -> None:
    found = foresee(open_shop.order(ROWS), calibrate=False)
    assert (found.estimate.tokens, found.estimate.seconds) == (None, None)


def test_a_long_plan_is_tried_on_a_few(open_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TRIED", 3)
    found = foresee(open_shop.order(ROWS))
    assert found.estimate.basis.startswith("a trial of 3 texts")
    assert found.estimate.texts == 6


def test_a_cap_is_told_by_the_plan_and_stops_the_night(capped: Shop) -> None:
    assert foresee(capped.order(ROWS)).caps == ("about 18 texts, the cap is 5",)
    with pytest.raises(CapPassed, match="about 18 texts, the cap is 5"):
        walk(pin.start(capped.order(ROWS)))


def test_before_any_night_a_cap_on_texts_counts_every_attempt(caps: Callable[..., Shop]) -> None:
    with pytest.raises(CapPassed, match="about 6 texts, the cap is 5"):
        caps(texts=5).night([item(1)])
    first = caps(texts=6).night([item(1)])
    assert (first.states["published"], caps(texts=4).night([item(1), item(2)]).states["published"]) == (2, 2)


def test_before_any_night_a_trial_tells_what_a_cap_asks(caps: Callable[..., Shop]) -> None:
    shop = caps(money=1e-9)
    with pytest.raises(CapPassed, match="from a trial of 6 texts, 6 of them accepted"):
        shop.night(ROWS)
    (kept,) = (shop.root / "lake" / "runs").glob("*/tried.json")
    assert not kept.with_name("trial").exists()


def test_what_no_trial_tells_needs_a_word(caps: Callable[..., Shop]) -> None:
    shop = caps(tokens=5)
    order = shop.order([item(1, feature="broken")])
    with pytest.raises(CapPassed, match="tokens cannot be told"):
        walk(pin.start(order))
    assert walk(pin.start(replace(order, confirm_cost=True))).states["failed"] == 2


def test_a_trial_is_made_once_a_run(caps: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch) -> None:
    shop = caps(money=1e-9)
    night = pin.start(shop.order(ROWS))
    for _ in range(2):
        with pytest.raises(CapPassed, match="from a trial of 6 texts"):
            steps.plan(night, intake.take_catalogue(night), shop.model)
        monkeypatch.setattr(trial, "TRIED", 1)


def test_a_confirmed_cost_goes_on_with_the_same_run(capped: Shop) -> None:
    night = pin.start(capped.order(ROWS))
    with pytest.raises(CapPassed):
        walk(night)
    confirmed = pin.start(replace(capped.order(ROWS), confirm_cost=True))
    assert confirmed.run_id == night.run_id
    assert walk(confirmed).states["published"] == 6


def test_the_command_prints_the_plan(aigc: Aigc, tmp_path: Path, line_copy: LineCopy) -> None:
    line_copy({"generation.caps": {"texts": 10}})
    said = aigc("plan", LINE, "--engine", "template", "--limit", 10, "--lake", tmp_path / "lake")
    assert said.code == 0
    assert "to generate" in said.out
    assert "cap about 80 texts, the cap is 10: a night asks before it goes on" in said.out
    assert not (tmp_path / "lake" / "runs").exists()


def test_the_command_needs_no_server_and_speaks_json(aigc: Aigc, tmp_path: Path) -> None:
    said = aigc("plan", LINE, "--engine", "template", "--limit", 10, "--lake", tmp_path / "lake", "--json")
    found = json.loads(said.out.splitlines()[-1])
    assert found["reasons"] == {"new": 20}
    assert found["estimate"]["texts"] >= 20


def test_a_night_beyond_its_cap_ends_with_two_and_says_what_to_do(
    aigc: Aigc, tmp_path: Path, line_copy: LineCopy, prefect_server: str
) -> None:
    line_copy({"generation.caps": {"texts": 10}})
    words = ("nightly", LINE, "--engine", "template", "--limit", 10, "--lake", tmp_path / "lake")
    refused = aigc(*words)
    assert refused.code == 2
    assert "--confirm-cost goes on with it" in refused.err
    assert aigc(*words, "--confirm-cost").code == 0
