"""Sources in an object store, over the real protocol: a local server that speaks S3."""

import csv
import gzip
import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc_core.errors import SourceInvalid
from aigc_core.storage import source_files
from aigc_core.storage.sources import file_sha256, read_source, survey

KEY, SECRET = "the-key", "the-secret"


class Store:
    """A bucket on a server of the test's own."""

    def __init__(self, endpoint: str) -> None:
        import boto3  # type: ignore[import-untyped]

        self.query = f"?endpoint_override={quote(endpoint, safe='')}&scheme=http&region=us-east-1"
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )
        self.client.create_bucket(Bucket="shop")

    def put(self, key: str, content: bytes) -> str:
        """Store the bytes; the URI they are read from."""
        self.client.put_object(Bucket="shop", Key=key, Body=content)
        return self.uri(key)

    def uri(self, key: str) -> str:
        return f"s3://{KEY}:{SECRET}@shop/{key}{self.query}"


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Store(f"http://{host}:{port}")
    server.stop()


def values(path: str) -> list[dict[str, object]]:
    return [row.values for batch in read_source(path) for row in batch]


def parquet(rows: dict[str, list[str]]) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(rows), target)
    return target.getvalue()


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("one/a.csv", b"a,b\n007,x\n"),
        ("one/a.csv.gz", gzip.compress(b"a,b\n007,x\n")),
        ("one/a.jsonl", b'{"a": "007", "b": "x"}\n'),
        ("one/a.json", b'[{"a": "007", "b": "x"}]'),
        ("one/a.parquet", parquet({"a": ["007"], "b": ["x"]})),
    ],
)
def test_every_format_is_read_from_a_bucket(store: Store, key: str, content: bytes) -> None:
    assert values(store.put(key, content)) == [{"a": "007", "b": "x"}]


def test_a_prefix_is_a_folder(store: Store) -> None:
    store.put("day/b.csv", b"a,b\n2,x\n")
    store.put("day/a.csv", b"a,b\n1,x\n")
    store.put("day/_SUCCESS", b"")
    store.put("day/readme.md", b"hello")
    found = [(row.file, row.values) for batch in read_source(store.uri("day/")) for row in batch]
    assert found == [("a.csv", {"a": "1", "b": "x"}), ("b.csv", {"a": "2", "b": "x"})]
    assert survey(store.uri("day"))[0].notes == ("passed over in the folder: readme.md",)


def test_a_glob_picks_keys(store: Store) -> None:
    store.put("parts/2026/a.csv", b"a\n1\n")
    store.put("parts/2026/b.jsonl", b'{"a": "2"}')
    store.put("parts/2025/c.csv", b"a\n3\n")
    assert values(store.uri("parts/*/*.csv")) == [{"a": "3"}, {"a": "1"}]
    assert values(store.uri("parts/**/b.jsonl")) == [{"a": "2"}]


def test_what_is_shown_holds_no_secret(store: Store) -> None:
    said = survey(store.put("secret/a.csv", b"a\n1\n"))[0]
    assert said.path == "s3://shop/secret/a.csv"
    with pytest.raises(SourceInvalid) as caught:
        read_source(store.uri("secret/none.csv"))
    assert "There is no file s3://shop/secret/none.csv." in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_fingerprint_is_that_of_the_same_files_on_disk(store: Store, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(b"a\n1\n")
        store.put(f"same/{name}", b"a\n1\n")
    assert file_sha256(store.uri("same")) == file_sha256(str(tmp_path))
    assert file_sha256(store.uri("same/a.csv")) == file_sha256(str(tmp_path / "a.csv"))


def test_a_server_that_does_not_answer_is_one_clear_error() -> None:
    uri = f"s3://{KEY}:{SECRET}@shop/a.csv?endpoint_override=127.0.0.1%3A9&scheme=http&region=us-east-1"
    with pytest.raises(SourceInvalid, match=r"s3://shop/a\.csv cannot be listed"):
        read_source(uri)


def test_memory_is_that_of_a_batch(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_files, "REMOTE_BUFFER", 1 << 20)
    text = io.StringIO()
    csv.writer(text).writerows([["id", "text"], *([f"{number:07d}", "x" * 200] for number in range(100_000))])
    uri = store.put("large/a.csv.gz", gzip.compress(text.getvalue().encode(), 1))
    tracemalloc.start()
    rows = sum(len(batch) for batch in read_source(uri))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 100_000
    assert peak < 24 << 20
