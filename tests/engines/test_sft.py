import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aigc_core.contracts.recipe import Model, Starter, Training
from aigc_core.engines.base import TextRequest, TrainingPair
from aigc_core.engines.hf import HfEngine
from aigc_core.engines.loading import folder_digest
from aigc_core.engines.sft import SftTrainer, last_checkpoint
from aigc_core.errors import ModelInvalid, TrainingFailed
from aigc_core.events import LOGGER_NAME
from aigc_core.records import ModelVersion, Sampling

COLOURS = ["red", "blue", "green", "black", "white", "grey"]
TYPES = ["coat", "shirt", "dress", "scarf", "hat", "sock"]
PAIRS = [
    TrainingPair(prompt=f"type: {kind}\ncolour: {colour}\ndescription:", text=f"A {colour} {kind}, soft and warm.")
    for kind in TYPES
    for colour in COLOURS
] * 2
TRAINING, HELD_OUT = PAIRS[:60], PAIRS[60:]
TRAINING_OPTIONS = {"epochs": 6, "batch_size": 18, "max_length": 64, "evaluations": 4, "learning_rate": 1e-2}
SETTINGS = Model(
    starter=Starter(vocabulary=320, hidden=32, layers=2, heads=2, context=64),
    training=Training.model_validate(TRAINING_OPTIONS),
)


def train(folder: Path, settings: Model = SETTINGS) -> ModelVersion:
    trainer = SftTrainer("shop", settings, device="cpu", corpus_fingerprint="corpus")
    return trainer.train(TRAINING, HELD_OUT, str(folder))


def with_training(**options: float) -> Model:
    return SETTINGS.model_copy(update={"training": SETTINGS.training.model_copy(update=options)})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    return train(tmp_path_factory.mktemp("trained"))


def test_the_record_tells_the_training(trained: ModelVersion) -> None:
    assert (trained.line, trained.engine, trained.base) == ("shop", "hf", "starter")
    assert trained.digest == folder_digest(trained.path)
    assert trained.training_tokens > 5000
    assert trained.training_seconds > 0
    assert trained.parameters > 10_000


def test_the_loss_falls(trained: ModelVersion) -> None:
    steps, losses, held_out = zip(*trained.loss_curve, strict=True)
    assert steps == tuple(range(1, 21))
    assert losses[-1] < 0.6 * losses[0]
    measured = [loss for loss in held_out if loss is not None]
    assert [step for step, loss in zip(steps, held_out, strict=True) if loss is not None] == [5, 10, 15, 20]
    assert trained.held_out_loss == min(measured)


def test_the_folder_holds_a_model_and_its_log_only(trained: ModelVersion) -> None:
    names = {path.name for path in Path(trained.path).iterdir()}
    assert names == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "logs",
    }
    assert list((Path(trained.path) / "logs").glob("events.out.tfevents.*"))


def test_the_model_writes(trained: ModelVersion) -> None:
    request = TextRequest(key="k", locale="en", prompt=TRAINING[0].prompt, attributes=())
    engine = HfEngine(trained.path, device="cpu")
    (text,) = engine.generate([request], sampling=Sampling(temperature=0, max_new_tokens=40), attempt=1)
    assert text.text
    assert engine.model_digest == trained.digest


def test_the_held_out_loss_is_nats_per_completion_token(trained: ModelVersion) -> None:
    import torch

    from aigc_core.engines.examples import encode
    from aigc_core.engines.loading import load_model, load_tokenizer

    folder = Path(trained.path)
    model = load_model(folder, device="cpu", dtype="float32")
    total, count = 0.0, 0
    for example in encode(load_tokenizer(folder), HELD_OUT, 64):
        with torch.inference_mode():
            scores = model(input_ids=torch.tensor([example.tokens])).logits[0].log_softmax(-1)
        places = range(example.prompt_length, len(example.tokens))
        total -= sum(float(scores[place - 1, example.tokens[place]]) for place in places)
        count += len(places)
    assert trained.held_out_loss == pytest.approx(total / count, abs=1e-4)


def test_a_killed_training_goes_on_to_equal_weights(trained: ModelVersion, tmp_path: Path) -> None:
    """The child is killed by SIGKILL in step 12, after the checkpoint of step 10."""
    code = "import sys, test_sft; test_sft.train_and_die(sys.argv[1], 12)"
    here = str(Path(__file__).parent)
    child = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=here, check=False)
    assert child.returncode == -signal.SIGKILL
    (checkpoints,) = (tmp_path / "checkpoints").iterdir()
    assert last_checkpoint(checkpoints) == checkpoints / "checkpoint-10"
    resumed = train(tmp_path)
    assert resumed.digest == trained.digest
    assert resumed.loss_curve == trained.loss_curve


def train_and_die(folder: str, step: int) -> None:
    class Killer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.__dict__["progress"].done == step:
                os.kill(os.getpid(), signal.SIGKILL)

    logger = logging.getLogger(LOGGER_NAME)
    logger.setLevel(logging.INFO)
    logger.addHandler(Killer())
    train(Path(folder))


def test_half_written_checkpoints_are_not_used(tmp_path: Path) -> None:
    for step, state in ((5, "{}"), (10, '{"log')):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
    (tmp_path / "checkpoint-15").mkdir()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-5"
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-5"]


def test_a_local_base_is_tuned(trained: ModelVersion, tmp_path: Path) -> None:
    tuned = train(tmp_path, with_training(epochs=1).model_copy(update={"base": trained.path}))
    assert tuned.base == trained.path
    assert tuned.digest != trained.digest
    assert tuned.parameters == trained.parameters
    assert tuned.held_out_loss is not None
    assert trained.held_out_loss is not None
    assert tuned.held_out_loss < trained.held_out_loss + 0.1


def test_another_architecture_is_tuned(make_tiny: Callable[..., str], tmp_path: Path) -> None:
    base = make_tiny("gpt2")
    tuned = train(tmp_path, with_training(epochs=2).model_copy(update={"base": base}))
    assert tuned.loss_curve[-1][1] < tuned.loss_curve[0][1]
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "gpt2"


def test_nothing_reaches_the_screen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train(tmp_path, with_training(epochs=1))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("training", "held_out"), [([], HELD_OUT), (TRAINING, [])])
def test_no_pairs_no_training(training: list[TrainingPair], held_out: list[TrainingPair], tmp_path: Path) -> None:
    counts = f"There are {len(training)} pairs to train on and {len(held_out)} held out"
    with pytest.raises(TrainingFailed, match=counts):
        SftTrainer("shop", SETTINGS, device="cpu").train(training, held_out, str(tmp_path))


def test_prompts_that_fill_the_context_are_refused(tmp_path: Path) -> None:
    long = [TrainingPair(prompt="soft and warm " * 30, text="A coat.")] * 20
    with pytest.raises(TrainingFailed, match="every prompt fills the 64 tokens"):
        SftTrainer("shop", SETTINGS, device="cpu").train(long, long, str(tmp_path))


def test_a_loss_that_is_no_number_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"loss at step \d+ is (nan|inf)"):
        train(tmp_path, with_training(learning_rate=1e30))
    assert not (tmp_path / "model.safetensors").exists()


def test_an_unknown_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelInvalid, match="There is no model folder"):
        train(tmp_path, SETTINGS.model_copy(update={"base": str(tmp_path / "nowhere")}))
