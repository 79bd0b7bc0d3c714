"""A night whose recipe asks for a watermark, a schema or drafts: refused before it begins, or kept to the shelf."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from shop import Shop, generated, item, write_line

from aigc_core.errors import MissingExtra, RecipeInvalid
from aigc_core.night import pin
from aigc_core.records import Order
from aigc_core.storage.files import read_table

pytest_plugins = ("shop_fixtures",)

SECRET = "0123456789abcdef" * 2
CARD = {
    "type": "object",
    "properties": {"title": {"type": "string", "maxLength": 5}, "body": {"type": "string", "maxLength": 20}},
    "required": ["title", "body"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def model(make_tiny: Callable[..., str]) -> str:
    return make_tiny("llama", max_position_embeddings=512)


def asking(shop: Shop, **options: object) -> Shop:
    """The shop with other settings of `generation`."""
    settings = {"engine": "hf", "attempts": 1, "shard_rows": 4, "slots": 3}
    write_line(shop.root / "lines", generation=settings | options)
    return shop


def sealed(shop: Shop, order: Order) -> list[dict[str, Any]]:
    """The rows of the night's batch, published or not."""
    _, batch = generated(pin.start(order))
    rows = [row for path in batch.paths for row in read_table(path).to_pylist()]
    return sorted(rows, key=lambda row: (row["item_id"], row["locale"]))


def rows_of_night(shop: Shop, model: str) -> list[dict[str, Any]]:
    return sealed(shop, replace(shop.order([item(1), item(2), item(3)]), model=model))


def test_a_mark_needs_a_key_and_an_engine_that_carries_it(
    open_shop: Shop, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = asking(open_shop, watermark={"scheme": "kgw"})
    order = replace(shop.order([item(1)]), model=model)
    monkeypatch.delenv("AIGC_WATERMARK_KEY", raising=False)
    with pytest.raises(RecipeInvalid, match="is set and AIGC_WATERMARK_KEY is not"):
        pin.start(order)
    monkeypatch.setenv("AIGC_WATERMARK_KEY", "short")
    with pytest.raises(RecipeInvalid, match="has 5 characters"):
        pin.start(order)
    monkeypatch.setenv("AIGC_WATERMARK_KEY", SECRET)
    with pytest.raises(RecipeInvalid, match="cannot be written with engine template: `watermark` needs engine hf"):
        pin.start(replace(order, engine="template", model=None))
    assert not (shop.root / "lake").exists()


def test_a_schema_needs_its_package(open_shop: Shop, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    shop = asking(open_shop, json_schema=CARD)
    with pytest.raises(MissingExtra, match="pip install"):
        pin.start(replace(shop.order([item(1)]), model=model))


@pytest.mark.parametrize("mark", [{"scheme": "kgw"}, {"scheme": "synthid"}])
def test_marked_rows_say_so_and_the_secret_is_nowhere_in_the_lake(
    open_shop: Shop, model: str, monkeypatch: pytest.MonkeyPatch, mark: dict[str, str]
) -> None:
    monkeypatch.setenv("AIGC_WATERMARK_KEY", SECRET)
    shop = asking(open_shop, watermark=mark, sampling={"top_k": 50, "max_new_tokens": 12})
    rows = rows_of_night(shop, model)
    named = {row["watermark"] for row in rows}
    assert len(named) == 1
    assert named.pop().startswith(f"{mark['scheme']}:")
    files = [path for path in (shop.root / "lake").rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() for path in files)


def test_another_key_is_another_run(open_shop: Shop, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No run holds texts of two keys, and none goes on with another than it began with."""
    shop = asking(open_shop, watermark={"scheme": "kgw"}, sampling={"max_new_tokens": 12})
    order = replace(shop.order([item(1), item(2)]), model=model)
    monkeypatch.setenv("AIGC_WATERMARK_KEY", SECRET)
    first = pin.start(order)
    monkeypatch.setenv("AIGC_WATERMARK_KEY", SECRET[::-1])
    with pytest.raises(RecipeInvalid, match=rf"Run {first.run_id} marks its texts as {first.watermark}, and AIGC"):
        generated(first)
    second = sealed(shop, order)
    monkeypatch.setenv("AIGC_WATERMARK_KEY", SECRET)
    again = sealed(shop, order)
    for column in ("run_id", "watermark", "decode_digest", "text"):
        assert not {row[column] for row in again} & {row[column] for row in second}
    assert {row["run_id"] for row in again} == {first.run_id}


def test_a_schema_and_drafts_make_the_texts_of_a_night(open_shop: Shop, model: str) -> None:
    sampling = {"best_of": 3, "max_new_tokens": 100}
    shop = asking(open_shop, json_schema=CARD, json_text="body", sampling=sampling)
    rows = rows_of_night(shop, model)
    assert [row["locale"] for row in rows] == ["en", "zh"] * 3
    for row in rows:
        assert row["watermark"] is None
        assert row["finish_reason"] in ("stop", "error", "length")
        assert len(row["text"]) <= 20 or row["finish_reason"] == "length"
    assert sum(row["finish_reason"] == "stop" for row in rows) >= 3


def test_without_options_nothing_changes(open_shop: Shop) -> None:
    _, batch = generated(pin.start(open_shop.order([item(1)])))
    assert {row["watermark"] for path in batch.paths for row in read_table(path).to_pylist()} == {None}


@pytest.mark.parametrize(
    ("engine", "said"), [("endpoint", "`api: completions` takes a prompt"), ("vllm", "engine vllm takes a prompt")]
)
def test_a_chat_that_no_text_could_be_written_in_is_refused(open_shop: Shop, engine: str, said: str) -> None:
    endpoint = {"url": "http://host/v1", "model": "m"}
    write_line(open_shop.root / "lines", chat={"system": "Be brief."}, generation={"endpoint": endpoint})
    with pytest.raises(RecipeInvalid, match=said):
        pin.start(replace(open_shop.order([item(1)]), engine=engine))
    assert not (open_shop.root / "lake" / "runs").exists()
    write_line(
        open_shop.root / "lines", chat={"system": "Be brief."}, generation={"endpoint": endpoint | {"api": "chat"}}
    )
    assert pin.start(replace(open_shop.order([item(1)]), engine="endpoint")).engine == "endpoint"


def test_an_engine_that_is_not_installed_is_told_before_anything_is_planned(
    open_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtra, match="Engine vllm needs vLLM, which is not installed"):
        pin.start(replace(open_shop.order([item(1)]), engine="vllm", model="anything"))
