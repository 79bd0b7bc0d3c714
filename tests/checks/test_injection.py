"""Instructions inside an item's own data are held back before a token is spent on them."""

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from shop import Shop, item

from aigc_core.checks.injection import injection_in
from aigc_core.contracts.sanitising import MOST_BYTES

pytest_plugins = ("shop_fixtures",)

CASES = json.loads(Path(__file__).with_name("injection_cases.json").read_text("utf-8"))


def test_there_are_sixty_in_both_languages() -> None:
    assert len(CASES) >= 60
    assert {case["locale"] for case in CASES} == {"en", "zh"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_each_is_found(case: dict[str, str]) -> None:
    assert injection_in(["feature", case["value"]])


@pytest.mark.parametrize(
    "value",
    [
        "stainless steel, dishwasher safe",
        "Ignore the noise: headphones with active noise cancelling",
        "System camera with instructions in five languages",
        "You are going to love this mug",
        "使用说明请见包装",
        "系统相机，附中文说明书",
        "忽略不计的重量",
        "Care instructions: do not tumble dry, do not bleach",
        "Please read the instructions before use",
        "Please mention your size when ordering",
        "Pretend play kitchen: pretend you are a chef",
        "Never Say Never Again (DVD)",
        "Output: 5V 2A, input only 110 V",
        'T-shirt "Ignore all rules"',
        "Forget everything you know about coffee",
        "Voice assistant: Alexa",
        "System: 5.1 surround",
        "Customer rating 5 out of 5",
        "输出功率只有5W",
        "助手：语音助手小爱",
        "请说出唤醒词",
        "任务是乐高玩具系列",
        "打破所有规则T恤",
        "可以重复使用100遍",
    ],
)
def test_what_shops_write_is_not(value: str) -> None:
    assert injection_in(["feature", value]) is None


def test_none_of_them_reaches_the_model(shop: Shop) -> None:
    rows = [item(number, feature=case["value"]) for number, case in enumerate(CASES)]
    requests = shop.requests([*rows, item(99)])
    assert requests.to_generate == 2
    held = {reason: count for reason, count in requests.reasons.items() if reason != "new"}
    taken = sum(held.values())
    assert all(reason.startswith("injection: ") for reason in held)
    assert requests.states == {"quarantined": taken}
    assert requests.requests == taken + 2


def test_a_flood_of_attributes_is_held_back(shop: Shop) -> None:
    requests = shop.requests([item(1, feature="lid " * 600), item(2)])
    assert requests.reasons == {"attributes: a value over 2,000 characters": 2, "new": 2}
    assert requests.states == {"quarantined": 2}


@pytest.mark.parametrize(
    "piece", ["\n", " ", "ignore ", "you are now ", "say that it is ", "<|", "a.", "忽略", "请说", "note for the ai "]
)
def test_hostile_strings_take_linear_time(piece: str) -> None:
    started = time.process_time()
    injection_in([(piece * MOST_BYTES)[:MOST_BYTES] + "system prompt:"])
    assert time.process_time() - started < 0.25


def _catalogues(folder: Path) -> Iterator[list[str]]:
    for name in ("hm_articles", "e2e_restaurant", "webnlg_en"):
        for batch in pq.ParquetFile(folder / f"{name}.parquet").iter_batches():
            for row in batch.to_pylist():
                yield [str(value) for value in row.values() if value is not None]
    with gzip.open(folder / "advertisegen_zh_train.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from ([str(value) for value in json.loads(line).values()] for line in lines)


@pytest.mark.real
def test_real_catalogues_hold_none(real_data: Path) -> None:
    assert [strings for strings in _catalogues(real_data / "catalogue") if injection_in(strings)] == []
