import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import pytest

from aigc_core.reporting import charts

DRAWINGS: dict[str, Callable[[], str]] = {
    "length": lambda: charts.length_histogram([1, 5, 0, 20], low=0, high=80),
    "score": lambda: charts.score_histogram([3, 4], low=-1.5, high=0.5),
    "loss": lambda: charts.loss_curve([(1, 7.5, None), (2, 3.5, 3.75), (3, float("nan"), 2.5)]),
    "stages": lambda: charts.stage_bars({"generate": 41.5, "audit": 0.0}),
    "funnel": lambda: charts.state_funnel(100, {"published": 70, "unchanged": 25, "failed": 5}),
    "reasons": lambda: charts.reason_bars({"too long": 4, "too short": 9}),
    "nothing": lambda: charts.stage_bars({}),
    "no rows": lambda: charts.state_funnel(0, {}),
    "no loss": lambda: charts.loss_curve([]),
    "no bins": lambda: charts.length_histogram([], low=0, high=1),
}


def words(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg.replace("xlink:href", "href"))  # noqa: S314 -- drawn a line above
    return [text.text or "" for text in root.iter("text")]


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawings_are_equal_self_contained_and_themed(name: str) -> None:
    svg = DRAWINGS[name]()
    assert svg == DRAWINGS[name]()
    words(svg)
    assert svg.startswith('<svg class="chart" viewBox=')
    assert not re.search(r"http|<style|<script|<metadata|<image|#0\d0\d0\d|#[0-9a-f]{6}\b(?!\))|font-family", svg)


def test_bars_say_label_and_value_as_text() -> None:
    assert words(DRAWINGS["stages"]()) == ["generate", "42 s", "audit", "0.0 s"]


def test_funnel_takes_states_off_the_end_down_to_published() -> None:
    said = words(DRAWINGS["funnel"]())
    assert said == ["requests", "100", "unchanged", "25", "failed", "5", "published", "70"]


def test_funnel_of_a_blocked_run_publishes_nothing() -> None:
    assert "published" not in words(charts.state_funnel(3, {"published": 3}, kept="publishable"))


def test_reasons_are_numbered_largest_first() -> None:
    assert words(DRAWINGS["reasons"]()) == ["1. too short", "9", "2. too long", "4"]


def test_labels_from_data_are_escaped_and_drawn_in_plain_letters() -> None:
    svg = charts.reason_bars({'<script>alert("1")</script> $x^2$ 品牌\u202e\n' + "y" * 80: 1})
    assert "<script" not in svg
    label = words(svg)[0]
    assert label.startswith('1. <script>alert("1")</script> $x^2$ ??? yy')
    assert len(label) <= charts.LABEL_LENGTH


def test_ids_of_two_charts_never_meet() -> None:
    one, two = (charts.length_histogram([1, 2], low=0, high=9, name=name) for name in ("a", "b"))
    assert set(re.findall(r' id="([^"]+)"', one)).isdisjoint(re.findall(r' id="([^"]+)"', two))


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (59.6, "1 min 00 s"), (754.0, "12 min 34 s"), (12_000.0, "3 h 20 min")]
)
def test_durations_read_well(seconds: float, said: str) -> None:
    assert charts.duration(seconds) == said
