"""Shards: planned from what still needs a text, generated one by one."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.engines.base import GeneratedText, Generator, TextRequest
from aigc_core.errors import IntegrityBroken, LakeUnusable
from aigc_core.events import stir
from aigc_core.generation.flight import GIVEN_UP, Writing, write_missing
from aigc_core.generation.requests import ATTRIBUTES, TURNS
from aigc_core.ids import fingerprint
from aigc_core.records import Part, RequestSet, Sampling, Shard, Verdicts
from aigc_core.storage.failpoints import reach
from aigc_core.storage.files import holds_content, read_batches, read_table, write_by_content, write_table
from aigc_core.storage.journal import Journal
from aigc_core.storage.processes import this_process
from aigc_core.storage.progress import RunFolder

SHARD_COLUMNS = ["position", "request_key", "item_id", "locale", "variant_group", "prompt", "attributes", "turns"]
GROWTH = 1.5
"""How much longer a text may get at the next attempt when it was cut at its limit."""
MOST = 2.0
"""How much longer than the recipe says, at most."""
Rows = Mapping[str, dict[str, Any]]
"""Request key -> row, in the shard's order."""
_NAMED = ["request_key", "item_id", "locale", "limit"]
SHARD = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("request_key", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("locale", pa.string(), nullable=False),
        pa.field("variant_group", pa.string()),
        pa.field("prompt", pa.string(), nullable=False),
        pa.field("attributes", ATTRIBUTES, nullable=False),
        pa.field("turns", TURNS, nullable=False),
        pa.field("limit", pa.int32()),
    ]
)
PART = pa.schema(
    [
        pa.field("request_key", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("locale", pa.string(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("limit", pa.int32()),
        pa.field("text", pa.string(), nullable=False),
        pa.field("finish_reason", pa.string(), nullable=False),
        pa.field("prompt_tokens", pa.int32(), nullable=False),
        pa.field("tokens", pa.int32(), nullable=False),
        pa.field("discarded_tokens", pa.int32(), nullable=False),
        pa.field("mean_logprob", pa.float64()),
        pa.field("error", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What the attempts so far left open."""

    verdicts: Sequence[Verdicts] = ()
    """Of all attempts so far; empty before the first."""
    parts: Sequence[Part] = ()
    """Of all attempts so far; without them no text gets more room."""
    max_new_tokens: int | None = None
    """Most tokens of a text by the recipe; without it no text gets more room."""
    repeated: frozenset[str] = frozenset()
    """Keys of requests whose accepted text another item has."""
    greedy: bool = False
    """Another attempt would write the same words: only texts that were cut and get more room are asked for again."""


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


def settled_shards(folder: RunFolder, attempt: int, *, shard_rows: int) -> tuple[Shard, ...] | None:
    """The attempt's shards as they were planned; None when they must be planned, or planned anew in another size.

    An attempt whose parts are all written stays as it is, whatever its size.
    """
    planned = folder.recall(plan_step(attempt), tuple[Shard, ...])
    if planned is None or not planned:
        return planned
    sized = all(shard.rows == shard_rows for shard in planned[:-1]) and planned[-1].rows <= shard_rows
    if sized or all(folder.recall(part_step(shard), Part) is not None for shard in planned):
        return planned
    return None


def plan_step(attempt: int) -> str:
    """Where an attempt's plan is noted."""
    return f"shards/a{attempt}"


def part_step(shard: Shard) -> str:
    """Where a shard's part is noted: by its content, whatever its number of workers."""
    return f"parts/a{shard.attempt}-{shard.number:05d}-{shard.fingerprint[:12]}"


def journal_of(shard: Shard, folder: RunFolder) -> Journal:
    """The rows that are written of a shard whose part is not."""
    return Journal(folder.file(f"{part_step(shard)}.rows"), PART)


def generate_shard(shard: Shard, engine: Callable[[], Generator], sampling: Sampling, folder: RunFolder) -> Part:
    """Write the shard's texts, unless they are written already. A request the engine fails is a row with an error.

    Rows are journaled as they come: what a killed process wrote is not written again.

    Args:
        engine: opens the generator; not called when nothing is left to write.

    Raises:
        IntegrityBroken: the shard's file holds other requests than its record.
        LakeUnusable: the disk is full or not writable; what was written stays and is found again.
    """
    step = part_step(shard)
    try:
        part = folder.recall(step, Part) or _generate(shard, engine, sampling, folder)
    except LakeUnusable:
        # Another worker may have ended the shard and removed the journal under this one's hands.
        noted = folder.recall(step, Part)
        if noted is None:
            raise
        part = noted
    journal_of(shard, folder).remove()
    return part


def _generate(shard: Shard, engine: Callable[[], Generator], sampling: Sampling, folder: RunFolder) -> Part:
    began, started = datetime.now(UTC), time.monotonic()
    asked = _asked(shard)
    named = {row["request_key"]: row for row in asked.select(_NAMED).to_pylist()}
    rows = _rows_there(shard, named, folder)
    reused = len(rows)
    missing = [request for request in _text_requests(asked) if request.key not in rows]
    opened = time.monotonic()
    generator = engine() if missing else None
    loaded = time.monotonic()
    if generator is not None:
        writing = Writing(generator=generator, sampling=sampling, attempt=shard.attempt)
        _write(missing, writing, named, rows, journal_of(shard, folder))
    table = _part_table(named, rows, shard.attempt)
    reach("part.write")
    step = part_step(shard)
    path, digest = write_by_content(folder.file("parts"), Path(step).name, table)
    reach("part.note")
    kept = folder.recall(step, Part)
    if kept is not None:
        return kept
    part = _part(shard, table, path, digest, seconds=time.monotonic() - started - (loaded - opened))
    facts = {
        "began_at": began.isoformat(timespec="milliseconds"),
        "seconds_loading": round(loaded - opened, 3),
        "rows_reused": reused,
        "rows_written": len(missing),
        "tokens_per_second": round(part.made_tokens / part.seconds, 1) if part.seconds else 0.0,
        "process": this_process(),
    }
    folder.note(step, part, [path], seconds=part.seconds, facts=facts)
    return part


def _asked(shard: Shard) -> pa.Table:
    asked = read_table(shard.path)
    if _fingerprint(shard.attempt, asked) != shard.fingerprint:
        raise IntegrityBroken(
            f"{shard.path} holds other requests than its record names.",
            remedy="Run the same command again: the shards are planned anew.",
        )
    return asked


def _rows_there(shard: Shard, named: Rows, folder: RunFolder) -> dict[str, dict[str, Any]]:
    """Rows of the journal, and of a part that was written but not noted, by request key."""
    written = [
        read_table(path) for path in sorted(folder.path.glob(f"{part_step(shard)}-*.parquet")) if holds_content(path)
    ]
    tables = [*(table for table in written if table.schema.equals(PART)), journal_of(shard, folder).read()]
    return {
        row["request_key"]: row
        for table in tables
        for row in table.to_pylist()
        if row["request_key"] in named and row["limit"] == named[row["request_key"]]["limit"]
    }


def _write(
    missing: Sequence[TextRequest],
    writing: Writing,
    named: Rows,
    rows: dict[str, dict[str, Any]],
    journal: Journal,
) -> None:
    """Add the missing texts to `rows` and to the journal."""
    texts = write_missing(missing, writing, journal)
    try:
        for text in texts:
            row = _part_row(named[text.key], text, writing.attempt)
            rows[text.key] = row
            journal.add(row)
            stir()
    except BaseException:
        # An error or a signal that was heard loses nothing. Where all went well the part follows at once.
        journal.flush()
        raise
    finally:
        texts.close()


def _part_table(named: Rows, rows: Rows, attempt: int) -> pa.Table:
    table = [rows.get(key) or _part_row(row, None, attempt) for key, row in named.items()]
    return pa.Table.from_pylist(table, schema=PART)


def _part(shard: Shard, table: pa.Table, path: Path, digest: str, *, seconds: float) -> Part:
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
        discarded_tokens=pc.sum(table["discarded_tokens"]).as_py() or 0,
        seconds=round(seconds, 3),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        host=this_process().host,
        ended=round(time.time(), 3),
    )


def _text_requests(asked: pa.Table) -> list[TextRequest]:
    return [
        TextRequest(
            key=row["request_key"],
            locale=row["locale"],
            prompt=row["prompt"],
            attributes=tuple((pair["name"], pair["value"]) for pair in row["attributes"]),
            turns=tuple((turn["role"], turn["content"]) for turn in row["turns"]),
            limit=row["limit"],
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
        "limit": row["limit"],
        "text": made.text.encode("utf-8", "replace").decode(),
        "finish_reason": made.finish_reason,
        "prompt_tokens": made.prompt_tokens,
        "tokens": made.tokens,
        "discarded_tokens": made.discarded_tokens,
        "mean_logprob": made.mean_logprob,
        "error": made.error,
    }


def _to_generate(path: str) -> Iterator[pa.Table]:
    for batch in read_batches(path):
        asked = batch.filter(pc.is_null(batch.column("state")))
        table = pa.Table.from_batches([asked.select([name for name in SHARD_COLUMNS if name in asked.schema.names])])
        if "turns" not in table.column_names:
            table = table.append_column("turns", pa.array([[]] * table.num_rows, TURNS))
        yield table.append_column("limit", pa.nulls(table.num_rows, pa.int32()))


def _open_rows(left: Left, attempt: int, folder: RunFolder) -> Iterator[pa.Table]:
    """The attempt's requests without an acceptable text; shard and verdict hold the same rows in order."""
    repeated = pa.array(sorted(left.repeated), pa.string())
    parts = {(part.attempt, part.number): part for part in left.parts}
    for verdict in sorted((v for v in left.verdicts if v.attempt == attempt), key=lambda v: v.number):
        judged = read_table(verdict.path, ["accepted", "request_key"])
        wanted = pc.or_(pc.invert(judged["accepted"]), pc.is_in(judged["request_key"], repeated))
        shard = read_table(folder.file("shards", f"a{verdict.attempt}-{verdict.number:05d}.parquet"))
        part = parts.get((verdict.attempt, verdict.number))
        longer = shard if part is None else _longer(shard, part, left.max_new_tokens)
        if part is not None:
            errors = read_table(part.path, ["error"])["error"]
            wanted = pc.and_not(wanted, pc.is_in(errors, pa.array(GIVEN_UP)))
        if left.greedy:
            wanted = pc.and_(wanted, _has_more_room(shard["limit"], longer["limit"]))
        yield longer.filter(wanted)


def _has_more_room(before: pa.ChunkedArray, now: pa.ChunkedArray) -> pa.Array:
    rows = zip(before.to_pylist(), now.to_pylist(), strict=True)
    return pa.array([one != other for one, other in rows], pa.bool_())


def _longer(shard: pa.Table, part: Part, usual: int | None) -> pa.Table:
    """The shard with more room for the texts that were cut at their limit."""
    if usual is None:
        return shard
    reasons = read_table(part.path, ["finish_reason"])["finish_reason"].to_pylist()
    limits = [
        min(math.ceil((limit or usual) * GROWTH), math.floor(usual * MOST)) if reason == "length" else limit
        for limit, reason in zip(shard["limit"].to_pylist(), reasons, strict=True)
    ]
    place_of = shard.schema.get_field_index("limit")
    return shard.set_column(place_of, SHARD.field("limit"), pa.array(limits, pa.int32()))


def _write_shards(
    left: Iterator[pa.Table], folder: RunFolder, attempt: int, shard_rows: int
) -> Iterator[tuple[Path, str, int]]:
    for number, table in enumerate(_of_size(left, shard_rows)):
        path = folder.file("shards", f"a{attempt}-{number:05d}.parquet")
        write_table(path, table)
        yield path, _fingerprint(attempt, table), table.num_rows


def _fingerprint(attempt: int, table: pa.Table) -> str:
    keys, limits = table["request_key"].to_pylist(), table["limit"].to_pylist()
    # Limits differ from the usual one only after a text was cut.
    return fingerprint([attempt, keys, *([limits] if any(limits) else [])])


def _of_size(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    held = SHARD.empty_table()
    for table in tables:
        held = pa.concat_tables([held, table.cast(SHARD)])
        while held.num_rows >= rows:
            yield held.slice(0, rows)
            held = held.slice(rows)
    if held.num_rows:
        yield held
