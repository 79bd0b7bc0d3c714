"""Texts of earlier nights under rules that came later: judged again where they stand, never written again for that."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from aigc_core.checks.base import TEXTS
from aigc_core.contracts.prompt import Item, Prompts
from aigc_core.contracts.recipe import Recipe
from aigc_core.errors import RecipeInvalid
from aigc_core.storage.files import ParquetSink
from aigc_core.storage.known import BIT, Beside, Side

SIDES: tuple[Side, ...] = ("published", "refused")
Judge = Callable[[pa.RecordBatch], Sequence[tuple[bool, str]]]
"""From a batch with the columns of `checks.base.TEXTS`: for each text whether it holds, else why not."""
REJUDGED = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("locale", pa.string(), nullable=False),
        pa.field("side", pa.string(), nullable=False),
        pa.field("of_run", pa.string(), nullable=False),
        pa.field("check_config_digest", pa.string(), nullable=False),
        pa.field("holds", pa.bool_(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("text", pa.string()),
    ]
)
"""`text` stands beside verdicts that refuse it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What judges, and where its verdicts are written."""

    judge: Judge
    rules: str
    """Digest of the rules it judges by."""
    prompts: Prompts
    """Tonight's: what is said in them may not be copied."""
    path: Path


def judge_again(beside: Beside, recipe: Recipe, again: Again) -> Path | None:
    """Write a verdict on every text that was judged by other rules; None where there is no such text."""
    sides = [side for side in SIDES if beside.count_under_other_rules(side)]
    if not sides:
        return None
    watched = sum(BIT[name] for name in recipe.generation.regenerate_on)
    with ParquetSink(again.path, REJUDGED) as sink:
        for side in sides:
            for texts in beside.texts(side, ("text",), watched=watched):
                sink.write(_verdicts(texts, side, again))
    return again.path


def _verdicts(texts: pa.RecordBatch, side: Side, again: Again) -> pa.Table:
    judgeable = list(_judgeable(texts, again.prompts))
    verdicts = again.judge(pa.RecordBatch.from_pylist(judgeable, schema=TEXTS))
    rows = texts.select(["position", "item_id", "locale", "of_run", "text"]).to_pylist()
    said = [
        {**row, "side": side, "check_config_digest": again.rules, "holds": holds, "reason": reason}
        | ({"text": None} if holds else {})
        for row, (holds, reason) in zip(rows, verdicts, strict=True)
    ]
    return pa.Table.from_pylist(said, schema=REJUDGED)


def _judgeable(texts: pa.RecordBatch, prompts: Prompts) -> Iterator[dict[str, object]]:
    shown = ["item_id", "product_group", "category", "attributes"]
    for row, item in zip(texts.to_pylist(), texts.select(shown).to_pylist(), strict=True):
        yield {**row, "prompt": _said(Item(**item), row["locale"], prompts), "finish_reason": "stop"}


def _said(item: Item, locale: str, prompts: Prompts) -> str:
    """All that is said in an item's prompt; nothing where it lacks what its prompt is made of."""
    try:
        prompt = prompts.of(item, locale)
    except RecipeInvalid:
        return ""
    return prompt.whole
