"""A catalogue that lies in an object store comes in like any other; the server speaks the real protocol."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from shop import Shop, item, rows_of, walk, write_line

from aigc_core.night import intake, pin
from aigc_core.records import Order

pytest_plugins = ("shop_fixtures",)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a catalogue of three items; the keys stand where the store looks for them."""
    import boto3  # type: ignore[import-untyped]
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    store = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    store.create_bucket(Bucket="shop")
    rows = "".join(json.dumps(item(number)) + "\n" for number in range(3))
    store.put_object(Bucket="shop", Key="export/items.jsonl", Body=rows.encode())
    yield f"s3://shop/export?endpoint_override={quote(endpoint, safe='')}&scheme=http&region=us-east-1"
    server.stop()


def test_a_night_over_an_object_store(open_shop: Shop, bucket: str) -> None:
    order = Order(line=open_shop.line.name, lake=str(open_shop.root / "lake"), source=bucket, date="2026-01-01")
    summary = walk(pin.start(order))
    assert summary.states["published"] == 6
    assert summary.doors[0].source == "s3://shop/export"
    assert len(rows_of(open_shop.shelf)) == 6


def test_the_recipe_may_name_an_address(open_shop: Shop, bucket: str) -> None:
    write_line(open_shop.root / "lines", source=bucket)
    taken = intake.take_in(Order(line=open_shop.line.name, lake=str(open_shop.root / "lake")))
    assert taken.catalogue is not None
    assert (taken.catalogue.items, taken.corpus) == (3, None)
