"""Supervised fine-tuning with TRL: any causal language model, or the starter made from the corpus itself."""

import hashlib
import json
import math
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc_core.contracts.recipe import Model
from aigc_core.engines.base import TrainingPair
from aigc_core.engines.examples import Example, Plan, dataset, encode, plan_batches
from aigc_core.engines.loading import find_model, folder_digest, load_model, load_tokenizer, pick_device, quiet
from aigc_core.engines.loop import trainer_class, watch
from aigc_core.engines.starter import make_model, make_tokenizer
from aigc_core.errors import TrainingFailed
from aigc_core.ids import fingerprint
from aigc_core.records import ModelVersion

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl.trainer.sft_config import SFTConfig

STARTER = "starter"
VOCABULARY_PAIRS = 50_000
"""Pairs the starter's vocabulary is learnt from, at most."""
LOGGED = 100
"""Points of the training loss curve, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    training: list[Example]
    held_out: list[Example]
    plan: Plan


class SftTrainer:
    """Tunes a model on (prompt, text) pairs, scoring the text alone; see `Trainer`.

    Equal pairs, settings, device and thread count give equal weights, also over a kill and a restart.
    """

    def __init__(self, line: str, model: Model, *, device: str | None = None, corpus_fingerprint: str = "") -> None:
        """Take the settings.

        Args:
            line: written into the model's record.
            model: base and training settings of the recipe.
            device: e.g. `cpu`, `cuda`; None takes the GPU when there is one.
            corpus_fingerprint: written into the model's record.
        """
        self._line = line
        self._settings = model
        self._device = device
        self._corpus_fingerprint = corpus_fingerprint

    def train(self, training: Sequence[TrainingPair], held_out: Sequence[TrainingPair], folder: str) -> ModelVersion:
        """Train, and leave safetensors, tokenizer and the TensorBoard log `logs` in `folder`.

        Called again after a kill it goes on from the last checkpoint of the same settings and pairs.

        Raises:
            ModelInvalid: the base cannot be found or trusted.
            TrainingFailed: no pairs, none short enough to learn from, or a loss that is no number.
        """
        if not training or not held_out:
            raise TrainingFailed(
                f"There are {len(training)} pairs to train on and {len(held_out)} held out.",
                "At least one of each is needed.",
                "Bring more pairs, or change model.training.held_out_share.",
            )
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        with quiet(), _without_library_warnings():
            model, tokenizer = self._open_base(training)
            data = self._prepare(model, tokenizer, training, held_out)
            history = self._fit(model, tokenizer, data, target)
            model.save_pretrained(target)
            tokenizer.save_pretrained(target)
        shutil.rmtree(target / "checkpoints")
        return self._version(model, data, history, target)

    def _open_base(self, training: Sequence[TrainingPair]) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
        settings = self._settings
        if settings.base != STARTER:
            folder = find_model(settings.base)
            tokenizer = load_tokenizer(folder)
            return load_model(folder, device="cpu", dtype="float32"), tokenizer
        known = training[:VOCABULARY_PAIRS]
        texts = (part for pair in known for part in (pair.prompt, f" {pair.text}"))
        tokenizer = make_tokenizer(texts, settings.starter.vocabulary)
        return make_model(settings.starter, len(tokenizer), settings.training.seed), tokenizer

    def _prepare(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        training: Sequence[TrainingPair],
        held_out: Sequence[TrainingPair],
    ) -> _Data:
        settings = self._settings.training
        context = int(getattr(model.config, "max_position_embeddings", None) or settings.max_length)
        length = min(settings.max_length, context)
        examples = encode(tokenizer, training, length, most_tokens=settings.max_tokens)
        scored = encode(tokenizer, held_out[: settings.held_out_pairs], length)
        if not examples or not scored:
            raise TrainingFailed(
                f"No pair leaves room for its text: every prompt fills the {length} tokens of a pair.",
                "Prompt and text together are cut to model.training.max_length and the model's context.",
                "Raise max_length, or shorten the prompt.",
            )
        lengths = [len(example.tokens) for example in examples]
        rows = max(1, int(settings.epochs * len(training)))
        plan = plan_batches(lengths, rows, settings)
        return _Data(training=examples, held_out=sorted(scored, key=lambda e: len(e.tokens)), plan=plan)

    def _fit(
        self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", data: _Data, target: Path
    ) -> list[dict[str, Any]]:
        from torch.utils.tensorboard import SummaryWriter
        from transformers import PrinterCallback
        from transformers.integrations.integration_utils import TensorBoardCallback

        checkpoints = target / "checkpoints" / self._key(data)
        last = last_checkpoint(checkpoints)
        every = math.ceil(len(data.plan.batches) / self._settings.training.evaluations)
        order = [index for batch in data.plan.batches for index in batch]
        with SummaryWriter(str(target / "logs"), purge_step=_step(last) if last else None) as writer:
            trainer = trainer_class()(
                model=model,
                args=self._arguments(checkpoints, data.plan, every),
                train_dataset=dataset(data.training).select(order),
                eval_dataset=dataset(data.held_out),
                processing_class=tokenizer,
                callbacks=[watch(data.plan, every), TensorBoardCallback(writer)],  # type: ignore[no-untyped-call]
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train(resume_from_checkpoint=str(last) if last else None)
        return list(trainer.state.log_history)

    def _arguments(self, checkpoints: Path, plan: Plan, every: int) -> "SFTConfig":
        from trl.trainer.sft_config import SFTConfig

        settings = self._settings.training
        on_cpu = pick_device(self._device) == "cpu"
        steps = len(plan.batches)
        return SFTConfig(
            output_dir=str(checkpoints),
            max_steps=steps,
            per_device_train_batch_size=len(plan.batches[0]),
            per_device_eval_batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=math.ceil(settings.warmup_share * steps),
            weight_decay=settings.weight_decay,
            adam_beta2=0.95,
            seed=settings.seed,
            train_sampling_strategy="sequential",
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=None,
            eval_strategy="steps",
            eval_steps=every,
            save_strategy="steps",
            save_steps=every,
            save_total_limit=2,
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
            logging_steps=max(1, steps // LOGGED),
            logging_nan_inf_filter=False,
            use_cpu=on_cpu,
            bf16=not on_cpu,
            gradient_checkpointing=False,
            dataloader_pin_memory=not on_cpu,
            disable_tqdm=True,
            report_to=[],
        )

    def _key(self, data: _Data) -> str:
        """Of all that fixes the weights: a checkpoint under another key is never gone on from."""
        tokens = hashlib.sha256()
        for example in [*data.training, *data.held_out]:
            tokens.update(json.dumps([example.prompt_length, example.tokens]).encode())
        versions = [version(name) for name in ("torch", "transformers", "trl")]
        settings = self._settings.model_dump(mode="json")
        base = "" if self._settings.base == STARTER else folder_digest(find_model(self._settings.base))
        return fingerprint([settings, base, tokens.hexdigest(), pick_device(self._device), versions])

    def _version(
        self, model: "PreTrainedModel", data: _Data, history: list[dict[str, Any]], target: Path
    ) -> ModelVersion:
        losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
        return ModelVersion(
            line=self._line,
            digest=folder_digest(target),
            engine="hf",
            path=str(target),
            base=self._settings.base,
            corpus_fingerprint=self._corpus_fingerprint,
            parameters=model.num_parameters(),
            training_tokens=data.plan.tokens[-1],
            training_seconds=max(entry.get("seconds", 0.0) for entry in history),
            held_out_loss=min(losses),
            loss_curve=_curve(history),
        )


def _curve(history: Sequence[dict[str, Any]]) -> tuple[tuple[int, float, float | None], ...]:
    held_out = {entry["step"]: float(entry["eval_loss"]) for entry in history if "eval_loss" in entry}
    return tuple(
        (entry["step"], float(entry["loss"]), held_out.get(entry["step"])) for entry in history if "loss" in entry
    )


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; half-written ones are removed."""
    whole: list[Path] = []
    for checkpoint in folder.glob("checkpoint-*"):
        try:
            # The trainer writes its state after everything else.
            json.loads((checkpoint / "trainer_state.json").read_text("utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
        else:
            whole.append(checkpoint)
    return max(whole, key=_step, default=None)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))


@contextmanager
def _without_library_warnings() -> Iterator[None]:
    """Hide what the training libraries say to their own developers."""
    with warnings.catch_warnings():
        for module in ("transformers", "trl", "accelerate", "torch", "tensorboard", "datasets"):
            warnings.filterwarnings("ignore", module=rf"{module}(\.|$)")
        yield
