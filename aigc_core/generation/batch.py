"""Sealing: the one text chosen for every generated request, labelled and complete, invisible to readers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.checks.labels import file_label, label_columns
from aigc_core.contracts.recipe import Recipe
from aigc_core.generation.machine_time import machine_seconds
from aigc_core.generation.requests import Making
from aigc_core.ids import fingerprint, text_sha256
from aigc_core.records import Batch, ModelVersion, Part, RequestSet, Verdicts
from aigc_core.storage.files import read_batches, read_table, write_table
from aigc_core.storage.progress import RunFolder

_SPENT = ("tokens", "discarded_tokens")
_DISCARDED = "discarded drafts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What every row of a batch says of its making."""

    run_key: str
    recipe: Recipe
    model: ModelVersion
    making: Making


def seal_batch(
    requests: RequestSet,
    parts: Sequence[Part],
    verdicts: Sequence[Verdicts],
    folder: RunFolder,
    provenance: Provenance,
) -> Batch:
    """Choose each request's text (the last accepted attempt's, else the last's) and write the sealed files.

    Every generated request has exactly one row, in request order; up to 2,000 rows a file.
    """
    wasted = Counter[str]()
    paths = list(_write_sealed(requests, _Attempts(parts, verdicts, wasted), folder, provenance))
    hashes = tuple(digest for _, digest, _ in paths)
    return Batch(
        run_id=requests.run_id,
        paths=tuple(str(path) for path, _, _ in paths),
        sha256s=hashes,
        content_hash=fingerprint(hashes, length=64),
        rows=sum(rows for _, _, rows in paths),
        requests=requests,
        attempts=_texts_by_attempt(parts),
        tokens=sum(part.made_tokens for part in parts),
        prompt_tokens=sum(part.prompt_tokens for part in parts),
        generation_seconds=machine_seconds(parts),
        wasted=dict(wasted.most_common()),
    )


def _texts_by_attempt(parts: Sequence[Part]) -> dict[str, int]:
    counts = Counter[str]()
    for part in parts:
        counts[str(part.attempt)] += part.rows
    return dict(sorted(counts.items()))


class _Attempts:
    """All texts made, attempt by attempt; every attempt is read once, in request order."""

    def __init__(self, parts: Sequence[Part], verdicts: Sequence[Verdicts], wasted: Counter[str]) -> None:
        self.wasted = wasted
        judged = {(verdict.attempt, verdict.number): verdict for verdict in verdicts}
        self._streams = [
            _Stream([(part, judged[part.attempt, part.number]) for part in parts if part.attempt == attempt])
            for attempt in sorted({part.attempt for part in parts})
        ]

    def of(self, keys: pa.Array) -> pa.Table:
        """All texts made for these requests, which must be asked for in request order."""
        return pa.concat_tables([stream.take(keys) for stream in self._streams])


class _Stream:
    def __init__(self, pairs: Sequence[tuple[Part, Verdicts]]) -> None:
        self._left = sorted(pairs, key=lambda pair: pair[0].number)
        self._held: pa.Table | None = None

    def take(self, keys: pa.Array) -> pa.Table:
        taken = []
        while (table := self._current()) is not None:
            mine = pc.is_in(table["request_key"], value_set=keys)
            taken.append(table.filter(mine))
            self._held = table.filter(pc.invert(mine))
            if self._held.num_rows:
                break
        return pa.concat_tables(taken) if taken else self._empty

    def _current(self) -> pa.Table | None:
        if (self._held is None or not self._held.num_rows) and self._left:
            self._held = _texts(*self._left.pop(0))
            self._empty = self._held.schema.empty_table()
        return self._held if self._held is not None and self._held.num_rows else None


def _texts(part: Part, verdict: Verdicts) -> pa.Table:
    made, judged = read_table(part.path), read_table(verdict.path)
    when = pa.array([part.finished_at] * made.num_rows).cast(pa.timestamp("us", "UTC"))
    for name in judged.column_names:
        if name not in made.column_names:
            made = made.append_column(judged.schema.field(name), judged[name])
    return made.append_column(pa.field("generated_at", when.type, nullable=False), when)


def _write_sealed(
    requests: RequestSet, attempts: _Attempts, folder: RunFolder, provenance: Provenance
) -> Iterator[tuple[Path, str, int]]:
    number = 0
    for batch in read_batches(requests.path):
        wanted = pa.Table.from_batches([batch.filter(pc.is_null(batch.column("state")))])
        if not wanted.num_rows:
            continue
        texts = attempts.of(wanted["request_key"].combine_chunks())
        chosen, spent = _choose(wanted["request_key"].to_pylist(), texts)
        attempts.wasted.update(_wasted(texts, chosen))
        wanted = wanted.append_column("tokens_spent", pa.array(spent, pa.int64()))
        table = _sealed(wanted, texts.take(pa.array(chosen)), requests.run_id, provenance)
        path = folder.file("batch", f"{number:05d}.parquet")
        yield path, write_table(path, table, _footer(table, path.name, provenance)), table.num_rows
        number += 1


def _footer(table: pa.Table, name: str, provenance: Provenance) -> dict[str, str]:
    rows = fingerprint(table["content_sha256"].to_pylist(), length=64)
    return file_label(provenance.recipe.label, run_key=provenance.run_key, name=name, rows_sha256=rows)


def _sealed(wanted: pa.Table, texts: pa.Table, run_id: str, provenance: Provenance) -> pa.Table:
    known = ["request_key", "item_id", "locale", "variant_group"]
    picked = texts.drop_columns([*known, "limit", "discarded_tokens"])
    table = wanted.drop_columns(["state", "line", "run_id"])
    for name in picked.column_names:
        table = table.append_column(picked.schema.field(name), picked[name])
    for name, column in _publication(table, run_id, provenance).items():
        table = table.append_column(name, column)
    return table.combine_chunks()


def _choose(keys: list[str], texts: pa.Table) -> tuple[list[int], list[int]]:
    best: dict[str, int] = {}
    spent = Counter[str]()
    accepted, tokens = texts["accepted"].to_pylist(), pc.add(*(texts[name] for name in _SPENT)).to_pylist()
    for index, key in enumerate(texts["request_key"].to_pylist()):
        spent[key] += tokens[index]
        if key not in best or accepted[index] or not accepted[best[key]]:
            best[key] = index
    return [best[key] for key in keys], [spent[key] for key in keys]


def _wasted(texts: pa.Table, chosen: Sequence[int]) -> Counter[str]:
    """Why a text was not kept -> tokens: of all texts but the accepted ones that were chosen."""
    kept, wasted = set(chosen), Counter[str]()
    for index, row in enumerate(texts.select(["accepted", "finish_reason", "findings", *_SPENT]).to_pylist()):
        wasted[_DISCARDED] += row["discarded_tokens"]
        if not row["accepted"] or index not in kept:
            wasted[_cause(row)] += row["tokens"]
    return Counter({cause: tokens for cause, tokens in wasted.items() if tokens})


def _cause(row: Mapping[str, Any]) -> str:
    if row["accepted"]:
        return "repeated"
    if row["finish_reason"] != "stop":
        return str(row["finish_reason"])
    return next((str(found["check_id"]) for found in row["findings"] if found["severity"] != "warn"), "contract")


def _publication(table: pa.Table, run_id: str, provenance: Provenance) -> dict[str, pa.Array]:
    rows, model, making = table.num_rows, provenance.model, provenance.making
    texts = table["text"].to_pylist()

    def same(value: str | None) -> pa.Array:
        return pa.array([value] * rows, pa.string())

    labels = label_columns(table, label=provenance.recipe.label, run_key=provenance.run_key)
    return {
        **{name: labels[name] for name in labels.column_names},
        "content_sha256": pa.array([text_sha256(text) for text in texts], pa.string()),
        "check_flags": pa.array(
            [_flags(findings) for findings in table["findings"].to_pylist()], pa.list_(pa.string())
        ),
        "model_id": same(model.base),
        **{name: same(value) for name, value in making.columns.items()},
        "run_id": same(run_id),
        "run_key": same(provenance.run_key),
        "aigc_reserved1": same(None),
        "watermark": same(making.watermark or None),
        "human_edited": pa.array([False] * rows, pa.bool_()),
        "reviewer": same(None),
        "supersedes": table["previous"].combine_chunks(),
    }


def _flags(findings: list[dict[str, Any]]) -> list[str]:
    return sorted({finding["check_id"] for finding in findings if finding["severity"] == "warn"})
