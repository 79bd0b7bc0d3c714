"""TRL's trainer, made to score completions only, to measure exactly and to keep quiet."""

import math
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aigc_core.engines.examples import UNSCORED, Plan
from aigc_core.engines.slots import PLAIN_MODEL_TYPES
from aigc_core.errors import TrainingFailed
from aigc_core.events import Progress, report_progress

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
    from trl.trainer.sft_trainer import SFTTrainer


@lru_cache(maxsize=1)
def trainer_class() -> "type[SFTTrainer]":
    """The trainer; a function because trl is imported only where training happens."""
    import torch
    from trl.trainer.sft_trainer import SFTTrainer

    class CompletionTrainer(SFTTrainer):
        """Runs the output layer over completion tokens alone and reports nothing to anybody."""

        def _send_telemetry(self) -> None:
            return

        def create_model_card(self, *_: object, **__: object) -> None:
            return

        def compute_loss(
            self, model: "Module", inputs: "dict[str, Tensor]", *extra: object, **options: object
        ) -> "Tensor":
            """Mean nats per completion token of a batch."""
            kind = getattr(getattr(self.model, "config", None), "model_type", None)
            if kind not in PLAIN_MODEL_TYPES:
                loss: Tensor = super().compute_loss(model, inputs, *extra, **options)  # type: ignore[no-untyped-call]
                return loss
            with self.accelerator.autocast():
                return completion_loss(model, inputs["input_ids"], inputs["labels"])

        def evaluate(self, *_: object, **__: object) -> dict[str, float]:
            """Held-out loss in nats per completion token, every token weighing the same."""
            model = self.model_wrapped
            model.eval()
            total, scored = 0.0, 0
            with torch.inference_mode():
                for batch in self.get_eval_dataloader():
                    inputs = self._prepare_inputs(batch)
                    count = int((inputs["labels"][:, 1:] != UNSCORED).sum())
                    total += float(self.compute_loss(model, inputs)) * count
                    scored += count
            measured = {"eval_loss": total / max(1, scored)}
            self.log(dict(measured))
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, measured)
            return measured

    return CompletionTrainer


def completion_loss(model: "Module", tokens: "Tensor", labels: "Tensor") -> "Tensor":
    """Mean cross-entropy in nats over the labelled tokens of right-padded rows, both (rows, length).

    No attention mask is needed: causal attention keeps padding on the right out of every earlier token. The
    output layer runs over the labelled positions alone, which is most of its cost where prompts are long.
    """
    from torch.nn.functional import cross_entropy

    causal: Any = model
    hidden = causal.base_model(input_ids=tokens, use_cache=False).last_hidden_state
    targets = labels[:, 1:]
    scored = targets != UNSCORED
    logits = causal.get_output_embeddings()(hidden[:, :-1][scored])
    return cross_entropy(logits.float(), targets[scored])


def watch(plan: Plan, every: int) -> "TrainerCallback":
    """A callback that reports progress, keeps time over restarts and stops at a loss that is no number.

    Args:
        plan: what is trained on.
        every: steps between two evaluations; the training loss is logged at each of them too.
    """
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        def __init__(self) -> None:
            self._began = time.monotonic()

        def on_train_begin(
            self, args: "TrainingArguments", state: "TrainerState", control: "TrainerControl", **_: object
        ) -> None:
            spent = [entry["seconds"] for entry in state.log_history if "seconds" in entry]
            self._began = time.monotonic() - max(spent, default=0.0)

        def on_step_end(
            self, args: "TrainingArguments", state: "TrainerState", control: "TrainerControl", **_: object
        ) -> None:
            step = state.global_step
            control.should_log = control.should_log or step % every == 0
            report_progress(
                Progress(
                    stage="fine-tune",
                    done=step,
                    total=len(plan.batches),
                    unit="steps",
                    tokens=plan.tokens[step - 1],
                )
            )

        def on_log(
            self, args: "TrainingArguments", state: "TrainerState", control: "TrainerControl", **_: object
        ) -> None:
            latest = state.log_history[-1]
            latest["seconds"] = time.monotonic() - self._began
            for name in ("loss", "eval_loss"):
                if not math.isfinite(latest.get(name, 0.0)):
                    raise TrainingFailed(
                        f"The {name} at step {state.global_step} is {latest[name]}.",
                        "A loss is a finite number.",
                        "Lower model.training.learning_rate, or raise warmup_share.",
                    )

    return Watch()
