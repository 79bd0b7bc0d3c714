"""A night goes on under another shard size: what is written is not written again, and the shelf is the same."""

from typing import cast

import pyarrow.parquet as pq
import pytest
from shop import MIXED, RECIPE, Shop, rows_of, walk, write_line

from aigc_core.engines.template import TemplateEngine
from aigc_core.night import intake, pin, steps
from aigc_core.records import RunSummary

pytest_plugins = ("shop_fixtures",)
FACTS_OF_MAKING = {"generated_at", "run_id", "run_key", "aigc_produce_id", "aigc_propagate_id"}


def content(shop: Shop) -> list[dict[str, object]]:
    """The shelf without the facts of the making."""
    return [{k: v for k, v in row.items() if k not in FACTS_OF_MAKING} for row in rows_of(shop.shelf)]


@pytest.mark.parametrize(("shard_rows", "written"), [(1, 2), (3, 2), (7, 3), (2000, 5)])
def test_a_night_goes_on_under_another_shard_size(
    open_shop: Shop,
    finished: tuple[Shop, RunSummary],
    monkeypatch: pytest.MonkeyPatch,
    shard_rows: int,
    written: int,
) -> None:
    order = open_shop.order(MIXED)
    night = pin.start(order)
    model = steps.obtain_model(night, None)
    requests = steps.plan(night, intake.take_catalogue(night), model)
    first = steps.next_shards(night, requests, (), ())
    parts = [steps.write_texts(night, model, shard) for shard in first[:written]]
    keys = {key for part in parts for key in pq.read_table(part.path)["request_key"].to_pylist()}
    generation = cast("dict[str, object]", RECIPE["generation"])
    write_line(open_shop.root / "lines", generation=generation | {"shard_rows": shard_rows, "slots": 2})
    again = pin.start(order)
    assert again.run_id == night.run_id
    asked: list[str] = []
    plain = TemplateEngine._write

    def spied(engine: TemplateEngine, request: object, attempt: int) -> object:
        if attempt == 1:
            asked.append(request.key)  # type: ignore[attr-defined]
        return plain(engine, request, attempt)  # type: ignore[arg-type]

    monkeypatch.setattr(TemplateEngine, "_write", spied)
    walk(again)
    assert not keys & set(asked)
    assert len(asked) == len(set(asked)) == requests.to_generate - len(keys)
    assert content(open_shop) == content(finished[0])
