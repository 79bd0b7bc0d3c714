"""Which items want a text tonight, and why: the changed-only decision, written down for every item and locale."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aigc_core.checks.registry import CHECK_FAILED
from aigc_core.contracts.recipe import Recipe, prompt_for
from aigc_core.engines.watermark import mark_name
from aigc_core.events import Progress, report_progress
from aigc_core.ids import fingerprint
from aigc_core.records import CatalogueSnapshot, ModelVersion, RequestSet, Sampling
from aigc_core.storage.files import ParquetSink, read_batches
from aigc_core.storage.groups import GroupSet, is_held_out
from aigc_core.storage.known import Known

ATTRIBUTES = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))
REQUESTS = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("request_key", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("locale", pa.string(), nullable=False),
        pa.field("product_group", pa.string(), nullable=False),
        pa.field("variant_group", pa.string()),
        pa.field("category", pa.string()),
        pa.field("seller_id", pa.string()),
        pa.field("attributes", ATTRIBUTES, nullable=False),
        pa.field("attributes_digest", pa.string(), nullable=False),
        pa.field("prompt", pa.string(), nullable=False),
        pa.field("prompt_digest", pa.string(), nullable=False),
        pa.field("seen", pa.bool_(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("state", pa.string()),
        pa.field("previous", pa.string()),
        pa.field("line", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
    ]
)
_CARRIED = ("item_id", "locale", "product_group", "variant_group", "category", "seller_id", "attributes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """Everything but the item that shapes a text, as digests; part of every request key."""

    engine: str
    dtype: str
    model_digest: str
    prompt_digest: str
    decode_digest: str
    check_config_digest: str
    watermark: str = ""
    """Scheme and key of the mark in the texts, e.g. `kgw:0f3a...`; empty for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tonight:
    """What this night adds to the recipe."""

    run_id: str
    path: Path
    """Where the requests go; a drawn catalogue is put beside them."""
    making: Making
    seen: GroupSet
    """Product groups the model was trained on."""
    limit: int | None = None
    """At most so many items; held-out groups are drawn first."""
    retry_rejected: bool = False


def making_of(
    recipe: Recipe, model: ModelVersion, *, sampling: Sampling, dtype: str, check_config_digest: str
) -> Making:
    """The digests of tonight's way of making texts."""
    return Making(
        engine=model.engine,
        dtype=dtype,
        model_digest=model.digest,
        prompt_digest=recipe.prompt_digest,
        decode_digest=fingerprint(sampling),
        check_config_digest=check_config_digest,
        watermark=mark_name(sampling.watermark),
    )


def request_key(item_id: str, locale: str, attributes_digest: str, making: Making) -> str:
    """Identity of one request: equal key, equal text."""
    digests = (attributes_digest, making.prompt_digest, making.model_digest, making.decode_digest)
    return fingerprint([item_id, locale, making.engine, making.dtype, *digests])


def build_requests(recipe: Recipe, catalogue: CatalogueSnapshot, known: Known, tonight: Tonight) -> RequestSet:
    """Write one row an item and locale, each with the reason why it is or is not generated.

    Args:
        known: what earlier nights published and rejected.
    """
    source = catalogue.path if tonight.limit is None else _drawn(catalogue, recipe, tonight.limit, tonight.path)
    digest, reasons, states, rows = hashlib.sha256(), Counter[str](), Counter[str](), 0
    with ParquetSink(tonight.path, REQUESTS) as sink:
        for batch in known.beside(source, recipe.locales):
            table = _requests(batch, recipe, tonight)
            sink.write(table)
            digest.update("\n".join(table["request_key"].to_pylist()).encode())
            reasons.update(table["reason"].to_pylist())
            states.update(state for state in table["state"].to_pylist() if state is not None)
            rows += table.num_rows
            report_progress(Progress(stage="plan", done=rows, total=None))
    return RequestSet(
        run_id=tonight.run_id,
        path=str(tonight.path),
        fingerprint=digest.hexdigest()[:32],
        requests=rows,
        to_generate=rows - states.total(),
        reasons=dict(sorted(reasons.items())),
        states=dict(sorted(states.items())),
    )


def _requests(batch: pa.RecordBatch, recipe: Recipe, tonight: Tonight) -> pa.Table:
    rows = [_request(row, recipe, tonight) for row in batch.to_pylist()]
    known_groups = tonight.seen.contains(batch.column("product_group").to_pylist())
    for row, is_seen in zip(rows, known_groups, strict=True):
        row["seen"] = bool(is_seen)
    return pa.Table.from_pylist(rows, schema=REQUESTS)


def _request(row: Mapping[str, Any], recipe: Recipe, tonight: Tonight) -> dict[str, Any]:
    making = tonight.making
    state, reason, previous = _decide(row, recipe, making, retry=tonight.retry_rejected)
    key = request_key(row["item_id"], row["locale"], row["attributes_digest"], making)
    if reason.startswith(_RETRY):
        # The key fixes all randomness: under the old one the rejected texts would be written again.
        key = fingerprint([key, previous])
    return {
        **{name: row[name] for name in _CARRIED},
        "position": row["position"] * len(recipe.locales) + recipe.locales.index(row["locale"]),
        "request_key": key,
        "attributes_digest": row["attributes_digest"],
        "prompt": "" if state else prompt_for(recipe, row["item_id"], row["locale"], row["attributes"]),
        "prompt_digest": making.prompt_digest,
        "reason": reason,
        "state": state,
        "previous": previous,
        "line": recipe.line,
        "run_id": tonight.run_id,
    }


def _decide(
    row: Mapping[str, Any], recipe: Recipe, making: Making, *, retry: bool
) -> tuple[str | None, str, str | None]:
    """(terminal state or None to generate, reason, run that decided before)."""
    if row["missing"]:
        return "no_data", f"no data: {', '.join(row['missing'])}", None
    published = _changes(row, "published", making, recipe.generation.regenerate_on)
    refused = _changes(row, "decided", making, _COLUMN_OF)
    if published is not None and not published:
        return "unchanged", "published before", row["published_run_id"]
    if refused is not None and not refused:
        if retry or _never_judged(row):
            return None, f"{_RETRY}{row['decided_state']}", row["decided_run_id"]
        stale = "" if published is None else ", an older text stays on the shelf"
        return "unchanged", f"{row['decided_state']} before{stale}", row["decided_run_id"]
    if published:
        return None, f"{published[0]} changed", row["published_run_id"]
    if refused:
        return None, f"{refused[0]} changed", row["decided_run_id"]
    return None, "new", None


def _never_judged(row: Mapping[str, Any]) -> bool:
    """Whether the engine or a check failed, so that nothing was ever said of the text itself."""
    return row["decided_state"] == "failed" or str(row["decided_reason"]).endswith(CHECK_FAILED)


def _changes(row: Mapping[str, Any], side: str, making: Making, watched: Collection[str]) -> list[str] | None:
    """What differs from an earlier decision, most telling first; None without one.

    A published text is written again only for what the recipe watches; a refused one for any change.
    """
    if row[f"{side}_run_id"] is None:
        return None
    now = {
        "attributes": row["attributes_digest"],
        "prompt": making.prompt_digest,
        "model": making.model_digest,
        "sampling": making.decode_digest,
    }
    then = {name: row[f"{side}_{column}_digest"] for name, column in _COLUMN_OF.items()}
    changed: list[str] = [name for name in now if name in watched and now[name] != then[name]]
    if row[f"{side}_check_config_digest"] != making.check_config_digest:
        changed.append("rules")
    return changed


_RETRY = "retry of "
_COLUMN_OF = {"attributes": "attributes", "prompt": "prompt", "model": "model", "sampling": "decode"}


def _drawn(catalogue: CatalogueSnapshot, recipe: Recipe, limit: int, path: Path) -> str:
    """A smaller catalogue: whole held-out groups first, then the others, each in the order of a fixed hash."""
    chosen = _draw(catalogue.path, recipe, limit)
    drawn = path.with_name("drawn.parquet")
    batches = read_batches(catalogue.path)
    with ParquetSink(drawn, pq.read_schema(catalogue.path)) as sink:
        for batch in batches:
            sink.write(batch.filter(pc.is_in(batch.column("position"), value_set=chosen)))
    return str(drawn)


def _draw(path: str, recipe: Recipe, limit: int) -> pa.Array:
    groups: list[tuple[bool, int, int]] = []
    for position, group in _positions(path):
        held_out = is_held_out(recipe.line, group, recipe.model.training.held_out_share)
        groups.append((not held_out, GroupSet.hash_of(group), position))
    return pa.array(np.array([position for *_, position in sorted(groups)[:limit]], dtype=np.int64))


def _positions(path: str) -> Iterator[tuple[int, str]]:
    for batch in read_batches(path, ["position", "product_group"]):
        yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)
