"""Shards: planned from what still needs a text, generated one by one."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.engines.base import GeneratedText, Generator, TextRequest
from aigc_core.generation.requests import ATTRIBUTES
from aigc_core.ids import fingerprint
from aigc_core.records import Part, RequestSet, Sampling, Shard, Verdicts
from aigc_core.storage.files import read_batches, read_table, write_table
from aigc_core.storage.progress import RunFolder

SHARD_COLUMNS = ["position", "request_key", "item_id", "locale", "variant_group", "prompt", "attributes"]
SHARD = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("request_key", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("locale", pa.string(), nullable=False),
        pa.field("variant_group", pa.string()),
        pa.field("prompt", pa.string(), nullable=False),
        pa.field("attributes", ATTRIBUTES, nullable=False),
    ]
)
PART = pa.schema(
    [
        pa.field("request_key", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("locale", pa.string(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("finish_reason", pa.string(), nullable=False),
        pa.field("prompt_tokens", pa.int32(), nullable=False),
        pa.field("tokens", pa.int32(), nullable=False),
        pa.field("mean_logprob", pa.float64()),
        pa.field("error", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What the attempts so far left open."""

    verdicts: Sequence[Verdicts] = ()
    """Of all attempts so far; empty before the first."""
    repeated: frozenset[str] = frozenset()
    """Keys of requests whose accepted text another item has."""


def plan_shards(requests: RequestSet, left: Left, folder: RunFolder, *, shard_rows: int) -> tuple[Shard, ...]:
    """The next attempt's shards: all requests to generate at first, then only those that still need a text.

    Args:
        left: what the attempts so far left open.
        shard_rows: rows a shard, at most 2,000.

    Returns:
        No shard when nothing is left. A partition of what is left, in request order.
    """
    attempt = max((verdict.attempt for verdict in left.verdicts), default=0) + 1
    rows = _to_generate(requests.path) if attempt == 1 else _open_rows(left, attempt - 1, folder)
    tables = list(_write_shards(rows, folder, attempt, shard_rows))
    return tuple(
        Shard(
            run_id=requests.run_id,
            attempt=attempt,
            number=number,
            of=len(tables),
            path=str(path),
            fingerprint=digest,
            rows=rows,
        )
        for number, (path, digest, rows) in enumerate(tables)
    )


def generate_shard(shard: Shard, engine: Callable[[], Generator], sampling: Sampling, folder: RunFolder) -> Part:
    """Write the shard's texts, unless they are written already. A request the engine fails is a row with an error.

    Args:
        engine: opens the generator; not called when nothing is left to write.
    """
    step = f"parts/a{shard.attempt}-{shard.number:05d}-{shard.fingerprint[:12]}"
    path = folder.file(f"{step}.parquet")
    return folder.keep(step, Part, lambda: (_generate(shard, engine(), sampling, path), [path]))


def _generate(shard: Shard, generator: Generator, sampling: Sampling, path: Path) -> Part:
    started = time.monotonic()
    asked = read_table(shard.path)
    texts = {
        text.key: text for text in generator.generate(_text_requests(asked), sampling=sampling, attempt=shard.attempt)
    }
    rows = [_part_row(row, texts.get(row["request_key"]), shard.attempt) for row in asked.to_pylist()]
    table = pa.Table.from_pylist(rows, schema=PART)
    digest = write_table(path, table)
    return Part(
        run_id=shard.run_id,
        attempt=shard.attempt,
        number=shard.number,
        path=str(path),
        sha256=digest,
        rows=table.num_rows,
        failed=pc.sum(pc.equal(table["finish_reason"], "error")).as_py() or 0,
        prompt_tokens=pc.sum(table["prompt_tokens"]).as_py() or 0,
        tokens=pc.sum(table["tokens"]).as_py() or 0,
        seconds=round(time.monotonic() - started, 3),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _text_requests(asked: pa.Table) -> list[TextRequest]:
    return [
        TextRequest(
            key=row["request_key"],
            locale=row["locale"],
            prompt=row["prompt"],
            attributes=tuple((pair["name"], pair["value"]) for pair in row["attributes"]),
        )
        for row in asked.to_pylist()
    ]


def _part_row(row: dict[str, Any], text: GeneratedText | None, attempt: int) -> dict[str, Any]:
    made = text or GeneratedText(
        key=row["request_key"],
        text="",
        finish_reason="error",
        error="the engine returned nothing for this request",
    )
    return {
        "request_key": row["request_key"],
        "item_id": row["item_id"],
        "locale": row["locale"],
        "attempt": attempt,
        "text": made.text.encode("utf-8", "replace").decode(),
        "finish_reason": made.finish_reason,
        "prompt_tokens": made.prompt_tokens,
        "tokens": made.tokens,
        "mean_logprob": made.mean_logprob,
        "error": made.error,
    }


def _to_generate(path: str) -> Iterator[pa.RecordBatch]:
    for batch in read_batches(path, [*SHARD_COLUMNS, "state"]):
        yield batch.filter(pc.is_null(batch.column("state"))).select(SHARD_COLUMNS)


def _open_rows(left: Left, attempt: int, folder: RunFolder) -> Iterator[pa.RecordBatch]:
    """The attempt's requests without an acceptable text; shard and verdict hold the same rows in order."""
    repeated = pa.array(sorted(left.repeated), pa.string())
    for verdict in sorted((v for v in left.verdicts if v.attempt == attempt), key=lambda v: v.number):
        judged = read_table(verdict.path, ["accepted", "request_key"])
        wanted = pc.or_(pc.invert(judged["accepted"]), pc.is_in(judged["request_key"], repeated))
        shard = read_table(folder.file("shards", f"a{verdict.attempt}-{verdict.number:05d}.parquet"))
        yield from shard.filter(wanted).combine_chunks().to_batches()


def _write_shards(
    left: Iterator[pa.RecordBatch], folder: RunFolder, attempt: int, shard_rows: int
) -> Iterator[tuple[Path, str, int]]:
    for number, table in enumerate(_of_size(left, shard_rows)):
        path = folder.file("shards", f"a{attempt}-{number:05d}.parquet")
        write_table(path, table)
        yield path, fingerprint([attempt, table["request_key"].to_pylist()]), table.num_rows


def _of_size(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    held = SHARD.empty_table()
    for batch in batches:
        held = pa.concat_tables([held, pa.Table.from_batches([batch]).cast(SHARD)])
        while held.num_rows >= rows:
            yield held.slice(0, rows)
            held = held.slice(rows)
    if held.num_rows:
        yield held
