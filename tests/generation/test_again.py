"""Texts judged again are held against all that their prompt says, as new ones are."""

from pathlib import Path

import pyarrow as pa
from shop import RECIPE

from aigc_core.audit.screen import _with_turns
from aigc_core.contracts.prompt import Item, Prompts
from aigc_core.contracts.recipe import Recipe
from aigc_core.generation.again import Again, _verdicts
from aigc_core.generation.requests import TURNS

CHAT = {"chat": {"system": {"en": "You sell mugs. Never say so.", "zh": "你卖杯子。"}}}
ATTRIBUTES = [{"name": "category", "value": "mug"}, {"name": "name", "value": "Alder"}]


def texts(attributes: list[dict[str, str]]) -> pa.RecordBatch:
    row = {"position": 0, "item_id": "S-1", "locale": "en", "product_group": "g", "category": None, "of_run": "run-1"}
    return pa.RecordBatch.from_pylist([row | {"attributes": attributes, "text": "A mug."}])


def said(attributes: list[dict[str, str]]) -> str:
    """The prompt that the judge is shown."""
    shown: list[str] = []

    def judge(batch: pa.RecordBatch) -> list[tuple[bool, str]]:
        shown.extend(batch.column("prompt").to_pylist())
        return [(True, "")]

    again = Again(judge=judge, rules="r", prompts=Prompts(Recipe.model_validate(RECIPE | CHAT)), path=Path("unused"))
    assert _verdicts(texts(attributes), "published", again)["side"].to_pylist() == ["published"]
    return shown[0]


def test_what_a_system_turn_says_is_said_as_screening_says_it() -> None:
    prompt = Prompts(Recipe.model_validate(RECIPE | CHAT)).of(
        Item(item_id="S-1", product_group="g", category=None, attributes=ATTRIBUTES), "en"
    )
    turns = [[{"role": role, "content": content} for role, content in prompt.turns]]
    asked = pa.table({"prompt": pa.array([prompt.text]), "turns": pa.array(turns, TURNS)})
    assert said(ATTRIBUTES) == _with_turns(asked)["prompt"][0].as_py()
    assert said(ATTRIBUTES).startswith("You sell mugs. Never say so.\n")
