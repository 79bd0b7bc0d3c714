"""Which items want a text tonight, and why: the changed-only decision, written down for every item and locale."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.contracts.prompt import Item, Kind, Prompts
from aigc_core.contracts.recipe import Recipe
from aigc_core.engines.watermark import mark_name
from aigc_core.errors import RecipeInvalid
from aigc_core.events import Progress, report_progress
from aigc_core.generation.again import Again, judge_again
from aigc_core.generation.deciding import FAILED_RULES, RETRY, Decided, decide, refuse_instructions
from aigc_core.generation.drawing import drawn
from aigc_core.ids import fingerprint
from aigc_core.records import CatalogueSnapshot, ModelVersion, RequestSet, Sampling
from aigc_core.storage.files import ParquetSink, read_batches
from aigc_core.storage.groups import GroupSet
from aigc_core.storage.known import TOGETHER, Known

ATTRIBUTES = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))
TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
"""What is said before the prompt in a chat; empty without one."""
_KIND = ("template_digest", "examples_digest")
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
        pa.field("turns", TURNS, nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in ("prompt_digest", *_KIND)),
        pa.field("seen", pa.bool_(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("state", pa.string()),
        pa.field("previous", pa.string()),
        pa.field("line", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
    ]
)


_SHOWN = ["item_id", "product_group", "category", "attributes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """Everything but the prompt that shapes a text, as digests; part of every request key."""

    engine: str
    dtype: str
    model_digest: str
    sampling_digest: str
    decode_digest: str
    """Of the sampling, the engine and its numeric type together."""
    check_config_digest: str
    watermark: str = ""
    """Scheme and key of the mark in the texts, e.g. `kgw:0f3a...`; empty for none."""

    def digest(self, prompt_digest: str) -> str:
        """Of all that shapes a text apart from its item; the rules only judge it."""
        return fingerprint([self.engine, self.dtype, self.model_digest, prompt_digest, self.decode_digest])

    @property
    def columns(self) -> dict[str, str]:
        """What every decision says of its making beside the prompt, so that a later night can tell what changed."""
        parts = ("model_digest", "engine", "dtype", "sampling_digest")
        return {name: getattr(self, name) for name in (*parts, "decode_digest", "check_config_digest")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tonight:
    """What this night adds to the recipe."""

    run_id: str
    path: Path
    """Where the requests go; a drawn catalogue is put beside them."""
    making: Making
    prompts: Prompts
    seen: GroupSet
    """Product groups the model was trained on."""
    limit: int | None = None
    """At most so many items; held-out groups are drawn first."""
    retry_rejected: bool = False
    again: Again | None = None
    """Judges texts of earlier nights under rules that came later; without it they are written again."""


def making_of(model: ModelVersion, *, sampling: Sampling, dtype: str, check_config_digest: str) -> Making:
    """The digests of tonight's way of making texts."""
    return Making(
        engine=model.engine,
        dtype=dtype,
        model_digest=model.digest,
        sampling_digest=fingerprint(sampling),
        decode_digest=fingerprint([sampling, model.engine, dtype]),
        check_config_digest=check_config_digest,
        watermark=mark_name(sampling.watermark),
    )


def _key(*parts: str) -> str:
    """Identity of one request: equal key, equal text."""
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def build_requests(recipe: Recipe, catalogue: CatalogueSnapshot, known: Known, tonight: Tonight) -> RequestSet:
    """Write one row an item and locale, each with the reason why it is or is not generated.

    Args:
        known: what earlier nights published and rejected.
    """
    source = catalogue.path if tonight.limit is None else drawn(catalogue.path, recipe, tonight.limit, tonight.path)
    digest, reasons, states, rows = hashlib.sha256(), Counter[str](), Counter[str](), 0
    now = {**tonight.prompts.older, **tonight.making.columns}
    kinds = pa.Table.from_pylist([asdict(kind) for kind in tonight.prompts.kinds])
    with ParquetSink(tonight.path, REQUESTS) as sink, known.beside(source, kinds, now) as beside:
        judged = judge_again(beside, recipe, tonight.again) if tonight.again else None
        for items, told in _together(source, beside.rows(judged), len(recipe.locales)):
            table = _requests(items, told, recipe, tonight)
            sink.write(table)
            digest.update("\n".join(table["request_key"].to_pylist()).encode())
            reasons.update(_counts(table["reason"]))
            states.update(_counts(table["state"]))
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


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    return {one["values"]: one["counts"] for one in pc.value_counts(column).to_pylist() if one["values"] is not None}


def _together(source: str, known: Iterator[pa.RecordBatch], locales: int) -> Iterator[tuple[pa.Table, pa.RecordBatch]]:
    """The catalogue's rows, one for each locale, beside what is known of them; both come in the order of `position`."""
    items = _Rows(read_batches(source, rows=TOGETHER))
    for told in known:
        first = int(told.column("position")[0].as_py()) // locales
        last = int(told.column("position")[-1].as_py()) // locales
        held = items.upto(last)
        places = np.searchsorted(held["position"].to_numpy(), told.column("position").to_numpy() // locales)
        yield held.take(pa.array(places)), told
        items.drop_before(last if told.num_rows else first)


class _Rows:
    """A catalogue's rows, read no farther than is asked for."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._held: pa.Table | None = None

    def upto(self, position: int) -> pa.Table:
        """All rows held, read on until that position is among them."""
        while self._held is None or self._held["position"][-1].as_py() < position:
            fresh = pa.Table.from_batches([next(self._batches)])
            self._held = fresh if self._held is None else pa.concat_tables([self._held, fresh])
        return self._held.combine_chunks()

    def drop_before(self, position: int) -> None:
        """Let go of the rows before that position, which may be asked for once more in another locale."""
        if self._held is not None:
            self._held = self._held.filter(pc.greater_equal(self._held["position"], position))


def _requests(items: pa.Table, known: pa.RecordBatch, recipe: Recipe, tonight: Tonight) -> pa.Table:
    decided = decide(known, items["missing"].combine_chunks(), recipe, retry=tonight.retry_rejected)
    locales = [recipe.locales[place % len(recipe.locales)] for place in known.column("position").to_pylist()]
    refuse_instructions(decided, items)
    said, rows = _prompts(items, locales, decided, tonight.prompts), len(locales)
    categories, groups = items["category"].to_pylist(), items["product_group"].to_pylist()
    kinds = [tonight.prompts.kind_of(*named) for named in zip(locales, categories, groups, strict=True)]
    columns = {
        **{name: items[name] for name in ("item_id", "product_group", "variant_group", "category", "seller_id")},
        "position": known.column("position"),
        "locale": pa.array(locales, pa.string()),
        "attributes_digest": items["attributes_digest"],
        "request_key": pa.array(_keys(items, kinds, decided, tonight.making), pa.string()),
        **{name: pa.array([getattr(kind, name) for kind in kinds], pa.string()) for name in ("prompt_digest", *_KIND)},
        "seen": pa.array(tonight.seen.contains(groups)),
        "reason": pa.array(decided.reasons, pa.string()),
        "state": pa.array(decided.states, pa.string()),
        "previous": pa.array(decided.previous, pa.string()),
        "line": _same(recipe.line, rows),
        "run_id": _same(tonight.run_id, rows),
        **said,
    }
    return pa.table({name: columns[name] for name in REQUESTS.names}).cast(REQUESTS)


def _keys(items: pa.Table, kinds: Sequence[Kind], decided: Decided, making: Making) -> list[str]:
    """Each request's key; under a new one where the old would write the words again that were refused."""
    makings = {prompt: making.digest(prompt) for prompt in {kind.prompt_digest for kind in kinds}}
    named = zip(items["item_id"].to_pylist(), kinds, items["attributes_digest"].to_pylist(), strict=True)
    keys = [_key(item_id, kind.locale, values, makings[kind.prompt_digest]) for item_id, kind, values in named]
    for row, reason in enumerate(decided.reasons):
        if decided.states[row] is None and (reason.startswith(RETRY) or reason == FAILED_RULES):
            keys[row] = fingerprint([keys[row], decided.previous[row]])
    return keys


def _prompts(items: pa.Table, locales: Sequence[str], decided: Decided, prompts: Prompts) -> dict[str, pa.Array]:
    """Prompts and attributes of the requests to generate; empty for the others, which nobody asks a text of.

    A request whose prompt fails over its own values is held back; a template that fails for all is refused when read.
    """
    texts = [""] * len(locales)
    turns: list[list[dict[str, str]]] = [[]] * len(locales)
    attributes: list[list[dict[str, str]]] = [[]] * len(locales)
    wanted = np.flatnonzero(np.fromiter((state is None for state in decided.states), np.bool_, len(locales)))
    chosen = items.select(_SHOWN).take(pa.array(wanted)).to_pylist()
    for row, item in zip(wanted.tolist(), chosen, strict=True):
        try:
            said = prompts.of(Item(**item), locales[row])
        except RecipeInvalid as error:
            decided.hold_back(row, f"prompt: {error.came}")
            continue
        texts[row], attributes[row] = said.text, item["attributes"]
        turns[row] = [{"role": role, "content": content} for role, content in said.turns]
    return {
        "prompt": pa.array(texts, pa.string()),
        "attributes": pa.array(attributes, ATTRIBUTES),
        "turns": pa.array(turns, TURNS),
    }


def _same(value: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.string()), rows)
