"""Fine-tuning: from a corpus version to the model that writes tonight, kept with its card and lineage."""

import heapq
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version

from aigc_core.contracts.prompt import prompt_for, require_plain
from aigc_core.contracts.recipe import Recipe
from aigc_core.engines.base import Trainer, TrainingPair
from aigc_core.errors import TrainingFailed
from aigc_core.ids import fingerprint
from aigc_core.records import CorpusVersion, ModelVersion
from aigc_core.storage.delta import Table
from aigc_core.storage.groups import GroupSet
from aigc_core.storage.models import ModelStore, training_key
from aigc_core.storage.progress import hold, release

GROUPS_FILE = "training_groups.parquet"
_TOKENS_A_PAIR = 16
"""No useful pair is shorter: bounds how many pairs a token budget can use."""
_PACKAGES = ("torch", "transformers", "trl", "tokenizers", "accelerate", "aigc")


@dataclass(frozen=True, slots=True)
class _Example:
    prompt: str
    text: str
    group: str


def key_of(corpus: CorpusVersion, recipe: Recipe) -> str:
    """Equal corpus, prompt and settings give the equal model: it is trained once."""
    settings = recipe.model.model_dump(mode="json")
    return training_key(corpus.fingerprint, recipe.prompt_digest, settings, version("torch"), version("transformers"))


def finetune(corpus: CorpusVersion, recipe: Recipe, trainer: Trainer, table: Table, store: ModelStore) -> ModelVersion:
    """Train on the corpus, keep the model under its digest and let it serve.

    Training groups and held-out groups never share a product. Variants that share a text are learnt once.
    Killed and called again it goes on from the last checkpoint; called after success it does nothing.

    Raises:
        RecipeInvalid: prompts hold more than the item, see `require_plain`.
        RunBusy: another process trains the same model.
        TrainingFailed: nothing to train on, or no usable model came of it.
        ModelInvalid: the base cannot be found or trusted.
    """
    require_plain(recipe, recipe.line)
    key = key_of(corpus, recipe)
    model = store.trained_under(key)
    if model is None:
        workshop = store.workshop(key)
        hold(workshop, f"The training of {recipe.line}")
        try:
            model = store.trained_under(key) or _train(corpus, recipe, trainer, table, store)
        finally:
            release(workshop)
    store.promote(model.digest)
    return model


def _train(corpus: CorpusVersion, recipe: Recipe, trainer: Trainer, table: Table, store: ModelStore) -> ModelVersion:
    key = key_of(corpus, recipe)
    training = _examples(table, corpus, recipe, held_out=False)
    held_out = _examples(table, corpus, recipe, held_out=True)
    if not training or not held_out:
        raise TrainingFailed(
            f"The corpus of {recipe.line} gives {len(training)} pairs to train on and {len(held_out)} held out.",
            "Both are needed: groups are split by a fixed hash of the product group.",
            "Bring more product groups with texts, or raise model.training.held_out_share in the recipe.",
        )
    workshop = store.workshop(key)
    model = trainer.train(_pairs(training), _pairs(held_out), str(workshop))
    model = replace(model, line=recipe.line, corpus_fingerprint=corpus.fingerprint, corpus_version=corpus.version)
    GroupSet.of(example.group for example in training).write(workshop / GROUPS_FILE)
    lineage = {
        "training_key": key,
        "corpus": corpus,
        "training_pairs": len(training),
        "held_out_pairs": len(held_out),
        "settings": recipe.model.model_dump(mode="json"),
        "prompt_digest": recipe.prompt_digest,
        "packages": {name: version(name) for name in _PACKAGES},
        "hardware": {
            "machine": platform.machine(),
            "system": platform.system(),
            "python": platform.python_version(),
        },
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return store.keep(workshop, model, _card(model, corpus, recipe, len(training), len(held_out)), lineage)


def _pairs(examples: Sequence[_Example]) -> list[TrainingPair]:
    return [TrainingPair(prompt=example.prompt, text=example.text) for example in examples]


def _examples(table: Table, corpus: CorpusVersion, recipe: Recipe, *, held_out: bool) -> list[_Example]:
    """The split's pairs in a fixed pseudo-random order, at most as many as the token budget can use."""
    most = max(1, recipe.model.training.max_tokens // _TOKENS_A_PAIR)
    drawn = heapq.nsmallest(most, _ordered(table, corpus, recipe, held_out=held_out))
    return [_Example(prompt, text, group) for _, prompt, text, group in drawn]


def _ordered(
    table: Table, corpus: CorpusVersion, recipe: Recipe, *, held_out: bool
) -> Iterator[tuple[str, str, str, str]]:
    seen: set[bytes] = set()
    columns = ["item_id", "locale", "product_group", "attributes", "text", "held_out"]
    for batch in table.dataset(corpus.version).to_batches(columns=columns):
        for row in batch.to_pylist():
            same_text = bytes.fromhex(fingerprint([row["product_group"], row["locale"], row["text"]]))
            if row["held_out"] != held_out or same_text in seen:
                continue
            seen.add(same_text)
            prompt = prompt_for(recipe, row["item_id"], row["locale"], row["attributes"])
            yield fingerprint([row["item_id"], row["locale"]]), prompt, row["text"], row["product_group"]


def _card(model: ModelVersion, corpus: CorpusVersion, recipe: Recipe, training: int, held_out: int) -> str:
    origin = (
        "A small Llama-architecture model and byte-level BPE made from scratch from the corpus: for demos and tests."
        if model.base == "starter"
        else f"Tuned from `{model.base}`; its own licence and limits apply."
    )
    loss = "not measured" if model.held_out_loss is None else f"{model.held_out_loss:.4f} nats per token"
    return "\n".join(
        [
            "---",
            f"language: [{', '.join(recipe.locales)}]",
            "library_name: transformers",
            "tags: [product-descriptions, ai-generated]",
            "---",
            f"# {recipe.title}: {model.digest}",
            "",
            origin,
            "",
            f"- Line: {recipe.line}; parameters: {model.parameters:,}; weights: safetensors",
            f"- Corpus: version {corpus.version}, fingerprint `{corpus.fingerprint}`, from `{corpus.door.source}`",
            f"- Pairs: {training:,} to train on, {held_out:,} held out, split by product group",
            f"- Training: {model.training_tokens:,} tokens in {model.training_seconds:.0f} s",
            f"- Held-out loss: {loss}",
            "- Licence of the weights: that of the corpus and the base; none is granted here",
            "- Limits: it writes what such texts usually say; every text is audited before it is published",
            "",
        ]
    )
