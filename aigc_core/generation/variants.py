"""Serving a converted model: made once beside its source, and only where its texts are the source's."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.contracts.prompt import prompt_for
from aigc_core.contracts.recipe import Recipe
from aigc_core.engines.base import GeneratedText, Generator, TextRequest
from aigc_core.engines.variants import Ct2Dtype, Parity, Variant, convert, ct2_dtype, read_variant, write_manifest
from aigc_core.errors import ModelInvalid
from aigc_core.ids import fingerprint
from aigc_core.records import ModelVersion, Sampling
from aigc_core.storage.delta import Table
from aigc_core.storage.files import lake_errors
from aigc_core.storage.models import ModelStore
from aigc_core.storage.scratch import alone_in

PROMPTS = 64
"""Greedy texts compared, at most."""
DRAWN_FROM = 20_000
"""Rows the prompts are drawn from, at most."""
THRESHOLDS: dict[Ct2Dtype, float] = {"float32": 0.98, "int8": 0.75}
"""Share of texts that must be equal where the recipe names none.

In fp32 two choices that tie within the last bits may fall the other way, no more: one text in 64. In int8 every weight
is rounded to 8 bits: the same model to a reader, not to a byte, so the gate is against a conversion gone wrong (which
shares no text at all), and the audit judges the texts.
"""


def serve_converted(
    model: ModelVersion, recipe: Recipe, store: ModelStore, prompts: Callable[[], Sequence[str]]
) -> ModelVersion:
    """The model as engine `ct2` takes it: converted and measured unless that was done before.

    Killed and called again it begins that anew; only a whole variant with its measurement ever stands in its place.

    Args:
        prompts: what to compare texts on; asked only when there is something to measure.

    Raises:
        ModelInvalid: the library does not know the architecture, there is no prompt, or too few texts are equal.
        MissingExtra: CTranslate2 is not installed.
    """
    dtype = ct2_dtype(recipe.generation.dtype)
    home = store.variant(model.digest, f"ct2-{dtype}")
    made = _found(home, model) or _made(home, model, recipe, prompts)
    require_parity(made, recipe.generation.parity)
    return replace(model, engine="ct2", variant=str(home))


def require_parity(variant: Variant, threshold: float | None) -> None:
    """Refuse a variant whose texts are not its source's.

    Raises:
        ModelInvalid: see above, with the numbers.
    """
    least = THRESHOLDS[variant.dtype] if threshold is None else threshold
    found = variant.parity
    if found is None or found.equal < least:
        numbers = "not measured" if found is None else _numbers(found)
        raise ModelInvalid(
            f"The model converted for ct2 in {variant.dtype} is refused: {numbers}; {least:.1%} must be equal.",
            "The share stands in the recipe, generation.parity.",
            "Use --engine hf, float32 instead of int8, or set generation.parity to what you can accept.",
        )


def parity_prompts(recipe: Recipe, corpus: Table, catalogue: Table) -> list[str]:
    """Prompts to compare texts on: of held-out pairs, else of any, else of items; the same ones at each call.

    Raises:
        ModelInvalid: the line has neither pairs nor items yet.
    """
    rows: list[dict[str, object]] = []
    if corpus.exists():
        rows = _head(corpus, ["item_id", "locale", "attributes"], pc.field("held_out"))
        rows = rows or _head(corpus, ["item_id", "locale", "attributes"], None)
    if not rows and catalogue.exists():
        items = _head(catalogue, ["item_id", "attributes"], None)
        rows = [{**row, "locale": locale} for row in items for locale in recipe.locales]
    if not rows:
        raise ModelInvalid(
            f"{recipe.line} has no pairs and no items yet: there is nothing to compare a converted model on.",
            remedy=f"Take the line's sources in: `aigc ingest {recipe.line}`.",
        )
    drawn = sorted(rows, key=lambda row: fingerprint([row["item_id"], row["locale"]]))[:PROMPTS]
    return [prompt_for(recipe, row["item_id"], row["locale"], row["attributes"]) for row in drawn]  # type: ignore[arg-type]


def measure(source: Generator, variant: Generator, prompts: Sequence[str], most_tokens: int) -> Parity:
    """Greedy texts of two engines side by side; prompts that the source cannot answer are left out."""
    expected, came = (_greedy(engine, prompts, most_tokens) for engine in (source, variant))
    pairs = [(expected[key].text, came[key].text) for key in expected if expected[key].finish_reason != "error"]
    count = max(len(pairs), 1)
    return Parity(
        prompts=len(pairs),
        equal=sum(one == other for one, other in pairs) / count,
        agreement=sum(_before_difference(one, other) for one, other in pairs) / count,
    )


def _found(home: Path, model: ModelVersion) -> Variant | None:
    made = read_variant(home)
    return made if made is not None and made.source == model.digest and made.parity is not None else None


def _made(home: Path, model: ModelVersion, recipe: Recipe, prompts: Callable[[], Sequence[str]]) -> Variant:
    from aigc_core.engines.ct2 import Ct2Engine
    from aigc_core.engines.hf import HfEngine

    with alone_in(home.with_name(f".making-{home.name}")) as work:
        if (made := _found(home, model)) is not None:
            return made
        target = work / "model"
        made = convert(Path(model.path), model.digest, target, ct2_dtype(recipe.generation.dtype))
        parity = measure(
            HfEngine(model.path, device="cpu", dtype="float32"),
            Ct2Engine(model.path, str(target)),
            prompts(),
            recipe.generation.sampling.max_new_tokens,
        )
        made = replace(made, parity=parity)
        write_manifest(target, made)
        _put_in_place(target, home)
    return made


def _put_in_place(target: Path, home: Path) -> None:
    with lake_errors(home):
        for path in target.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        shutil.rmtree(home, ignore_errors=True)
        target.rename(home)


def _head(table: Table, columns: list[str], condition: pc.Expression | None) -> list[dict[str, object]]:
    found: pa.Table = table.dataset().scanner(columns=columns, filter=condition).head(DRAWN_FROM)
    return list(found.to_pylist())


def _greedy(engine: Generator, prompts: Sequence[str], most_tokens: int) -> dict[str, GeneratedText]:
    requests = [
        TextRequest(key=str(number), locale="", prompt=prompt, attributes=()) for number, prompt in enumerate(prompts)
    ]
    sampling = Sampling(temperature=0, max_new_tokens=most_tokens)
    return {text.key: text for text in engine.generate(requests, sampling=sampling, attempt=1)}


def _before_difference(one: str, other: str) -> float:
    """Share of the longer text's characters before the first in which the two differ; 1 for equal ones."""
    longer = max(len(one), len(other))
    same = next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    return same / longer if longer else 1.0


def _numbers(parity: Parity) -> str:
    return (
        f"of {parity.prompts} greedy texts {parity.equal:.1%} are equal to those of hf in float32, "
        f"and the two agree for {parity.agreement:.1%} of a text"
    )
