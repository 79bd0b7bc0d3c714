"""The one place that reads the environment; opens the lake, the lines and the engines for whoever asks."""

import gc
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.dataset as ds

from aigc_core.checks.base import RowCheck
from aigc_core.checks.registry import build_row_checks
from aigc_core.contracts.content_line import ContentLine
from aigc_core.contracts.endpoint import Endpoint
from aigc_core.contracts.generation import Generation
from aigc_core.contracts.sanitising import special_pattern
from aigc_core.engines.base import Generator, Trainer
from aigc_core.engines.best_of import BestOf
from aigc_core.engines.numeric import numeric_type
from aigc_core.engines.template import TemplateEngine
from aigc_core.engines.variants import ct2_dtype, ct2_library
from aigc_core.engines.vllm import vllm_library
from aigc_core.engines.watermark import WatermarkKey, keyed
from aigc_core.errors import EngineBroken, IntegrityBroken, LakeUnusable, ModelInvalid, RecipeInvalid, UserError
from aigc_core.generation.variants import parity_prompts, serve_converted
from aigc_core.ids import fingerprint
from aigc_core.lines.folders import list_lines, load_line
from aigc_core.records import CorpusVersion, ModelVersion, RunSummary, Sampling
from aigc_core.storage.delta import Table
from aigc_core.storage.failpoints import arm
from aigc_core.storage.files import lake_errors
from aigc_core.storage.known import Known
from aigc_core.storage.models import ModelStore
from aigc_core.storage.progress import RunFolder, as_record
from aigc_core.storage.tombstones import Tombstones

REPOSITORY = Path(__file__).resolve().parent.parent
_QUIET = {
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "aigc_core",
    "GX_ANALYTICS_ENABLED": "false",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
"""Set unless the user set them: no telemetry, JSON results, library logs shown, no chatter."""
HISTORY = 30
"""Latest runs that are looked back on."""
_FOLDERS = {"catalogue": "catalogues", "corpus": "corpora", "unlabelled": "unlabelled"}
"""Name in SQL, before the line's -> folder of the lake."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A lake and the lines that write to it."""

    lake: Path
    lines_folder: Path

    def line_names(self) -> tuple[str, ...]:
        """The lines there are."""
        return list_lines(self.lines_folder)

    def line(self, name: str) -> ContentLine:
        """One content line."""
        return load_line(self.lines_folder, name)

    def corpus_table(self, line: str) -> Table:
        """Validated training pairs."""
        return Table(str(self.lake / "corpora" / line))

    def unlabelled(self, line: str) -> Table:
        """Items without a description, as text for continued pre-training."""
        return Table(str(self.lake / "unlabelled" / line))

    def catalogue_table(self, line: str) -> Table:
        """The line's items: a version a changed source."""
        return Table(str(self.lake / "catalogues" / line))

    def intake_folder(self, line: str) -> Path:
        """Where the results of a line's contracts are kept as pages and JSON."""
        return self.lake / "intake" / line

    def scratch(self, line: str, door: str) -> Path:
        """Where one door of a line works."""
        return self.lake / "scratch" / f"{line}-{door}"

    def tombstones(self, line: str) -> Tombstones:
        """The takedowns in force for a line."""
        return Tombstones(Table(str(self.lake / "takedowns")), line)

    def published(self, line: str) -> Table:
        """The shelf: one row an item and locale."""
        return Table(str(self.lake / "published" / line))

    def rejects(self, line: str) -> Table:
        """Texts that were not published, with the reason."""
        return Table(str(self.lake / "rejects" / line))

    def quarantine(self, line: str) -> Table:
        """Source rows a contract refused, with the reason."""
        return Table(str(self.lake / "quarantine" / line))

    def run_index(self) -> Table:
        """One row a finished run."""
        return Table(str(self.lake / "run_index"))

    def history(self, line: str) -> tuple[RunSummary, ...]:
        """Summaries of the line's latest finished runs, latest first."""
        if not self.run_index().exists():
            return ()
        columns = ["finished_at", "summary"]
        rows = self.run_index().dataset().to_table(columns=columns, filter=pc.field("line") == line).to_pylist()
        latest = sorted(rows, key=lambda row: row["finished_at"], reverse=True)[:HISTORY]
        return tuple(as_record(RunSummary, row["summary"]) for row in latest)

    def models(self, line: str) -> ModelStore:
        """The line's tuned models."""
        return ModelStore(self.lake / "models" / line)

    def run(self, run_id: str) -> RunFolder:
        """A run's folder; not made by asking."""
        return RunFolder(self.lake / "runs" / run_id)

    def runs(self, prefix: str = "") -> tuple[RunFolder, ...]:
        """The runs whose id starts so, sorted by id."""
        return tuple(RunFolder(path.parent) for path in sorted((self.lake / "runs").glob(f"{prefix}*/run.json")))

    def known(self, line: str, scratch: Path) -> Known:
        """What earlier nights decided."""
        return Known(
            published=self.published(line),
            rejects=self.rejects(line),
            rejudged=self.rejudged(line),
            tombstones=self.tombstones(line),
            scratch=scratch,
        )

    def rejudged(self, line: str) -> Table:
        """What later rules said of texts of earlier nights."""
        return Table(str(self.lake / "rejudged" / line))

    def require_writable(self) -> None:
        """Make the lake's folder, or say why it cannot be used.

        Raises:
            LakeUnusable: not a folder, not writable, or object storage.
        """
        if "://" in str(self.lake) or ":/" in str(self.lake):
            raise LakeUnusable(f"The lake {self.lake} is an address.", "This version writes to a folder on local disk.")
        if odd := sorted(set(str(self.lake)) & set("%[]?#*")):
            raise LakeUnusable(
                f"The lake's path {self.lake} holds {' '.join(odd)}.", "Table paths are read as addresses."
            )
        with lake_errors(self.lake):
            self.lake.mkdir(parents=True, exist_ok=True)
            probe = self.lake / f".probe-{os.getpid()}"
            probe.write_text("")
            probe.unlink()


def open_workspace(lake: str | None = None) -> Workspace:
    """The workspace of this process.

    Args:
        lake: a folder; `AIGC_LAKE`, else `./lake`, when None.

    `AIGC_LINES` names the folder of content lines; else `./data_contracts`, else the one shipped.
    `AIGC_FAILPOINT` is for tests: see `storage.failpoints`.
    """
    arm(os.environ.get("AIGC_FAILPOINT", ""))
    here = Path("data_contracts")
    shipped = here if here.is_dir() else REPOSITORY / "data_contracts"
    return Workspace(
        lake=Path(lake or os.environ.get("AIGC_LAKE") or "lake").absolute(),
        lines_folder=Path(os.environ.get("AIGC_LINES") or shipped).absolute(),
    )


def quiet_process() -> None:
    """Set what the libraries read from the environment, where the user did not."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def quiet_console() -> None:
    """Keep Prefect's own log off this terminal; a server still gets it."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")


def server_address() -> str | None:
    """The Prefect server the user named, or None: then Prefect's embedded one serves."""
    return os.environ.get("PREFECT_API_URL")


def child_environment(**settings: str) -> dict[str, str]:
    """This process's environment for a child, with the quiet defaults and these settings."""
    return {**_QUIET, **os.environ, **settings}


def row_checks(line: ContentLine) -> tuple[RowCheck, ...]:
    """The line's row checks with its parameters."""
    return build_row_checks(line.recipe.checks, locales=line.recipe.locales)


def rules_digest(line: ContentLine, checks: Sequence[RowCheck]) -> str:
    """Of everything that decides on a text: output contract, checks, their versions and parameters."""
    return fingerprint(
        [line.description.digest, [[check.check_id, check.version, check.params_digest] for check in checks]]
    )


def named_model(engine: str, name: str | None, line: ContentLine) -> str | None:
    """The model that was asked for as the engine takes it; None where the line's own tuned one serves.

    Engine `endpoint` always has one: the name given, else the recipe's; `vllm` else the recipe's base.

    Raises:
        ModelInvalid: see `checked_model`.
        RecipeInvalid: the engine has no tuned model and neither order nor recipe name another.
    """
    if engine == "endpoint":
        return name or _endpoint(line).model
    if engine == "vllm" and name is None:
        base = line.recipe.model.base
        if base == "starter":
            raise RecipeInvalid("Engine vllm does not train.", remedy="Name a model with --model, or use --engine hf.")
        return checked_model(engine, base)
    return None if name is None else checked_model(engine, name)


def _endpoint(line: ContentLine) -> Endpoint:
    endpoint = line.recipe.generation.endpoint
    if endpoint is None:
        raise RecipeInvalid(
            f"Engine endpoint was asked for and the recipe of {line.name} has no `generation.endpoint`.",
            "It says where the server is, for example {url: http://127.0.0.1:8000/v1, model: my-model}.",
        )
    return endpoint


def checked_model(engine: str, name: str) -> str:
    """The name as the engine takes it, known to be there; a local folder becomes absolute.

    Raises:
        ModelInvalid: not found, not safetensors, or the engine takes no model.
    """
    if engine == "template":
        raise ModelInvalid("The template engine takes no model.", remedy="Leave --model out, or use --engine hf.")
    from aigc_core.engines.loading import find_model

    return str(find_model(name))


def open_model(engine: str, name: str | None, line: ContentLine) -> ModelVersion:
    """A model that was not tuned here, as a record: the template engine, or a folder of `checked_model`."""
    if engine == "template":
        digest = TemplateEngine(line.recipe.generation.template).model_digest
        return ModelVersion(line=line.name, digest=digest, engine=engine, path="", base=engine)
    if engine == "endpoint":
        endpoint = _endpoint(line)
        asked = endpoint.model_copy(update={"model": name or endpoint.model})
        return ModelVersion(line=line.name, digest=asked.digest, engine=engine, path=asked.model, base=asked.model)
    from aigc_core.engines.loading import folder_digest

    path = name or ""
    return ModelVersion(line=line.name, digest=folder_digest(path), engine=engine, path=path, base=Path(path).name)


def open_generator(model: ModelVersion, line: ContentLine) -> Generator:
    """The engine behind a model version; the last one opened is kept.

    Raises:
        ModelInvalid: the model's files changed since it was registered.
        MissingExtra: the engine needs a package that is not installed.
        EngineBroken: it computes in another numeric type than the run's texts are told to have.
    """
    engine = _opened(model, line.recipe.generation)
    if model.dtype and engine.dtype != model.dtype:
        raise EngineBroken(
            f"The engine {model.engine} computes in {engine.dtype} here, and the run's texts are in {model.dtype}.",
            "A run's texts are all made in one numeric type.",
        )
    return engine


def _opened(model: ModelVersion, settings: Generation) -> Generator:
    if model.engine == "template":
        return TemplateEngine(settings.template)
    if model.dtype and model.engine in ("hf", "vllm"):
        settings = settings.model_copy(update={"dtype": model.dtype})
    engine = _kept(model.engine, model.path, model.variant, settings.model_dump_json(), _watermark_key(settings))
    if engine.model_digest != model.digest:
        raise ModelInvalid(
            f"The model in {model.path} is not the one that was registered: its files changed.",
            remedy="Restore the folder, or name the changed model with --model.",
        )
    return engine


def close_generator() -> None:
    """Let go of the engine that is open, and of its memory."""
    _kept.cache_clear()
    gc.collect()
    if "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()


def require_chat(model: ModelVersion, line: ContentLine) -> ModelVersion:
    """The model, known to take part in a chat where the recipe holds one.

    Raises:
        ModelInvalid: it has no chat template.
    """
    if line.recipe.chat is None or model.engine not in ("hf", "ct2"):
        return model
    from aigc_core.engines.loading import load_tokenizer

    if load_tokenizer(Path(model.path)).chat_template is None:
        raise ModelInvalid(
            f"The model {model.base} has no chat template, and the recipe of {line.name} has `chat`.",
            "A chat is held in the template of the model's own tokenizer.",
            "Name a chat model with --model, or take `chat` out of the recipe.",
        )
    return model


def special_tokens_of(model: ModelVersion) -> re.Pattern[str] | None:
    """What finds the special tokens of the model's own tokenizer in a value; None for a model without a folder."""
    if not model.path:
        return None
    from aigc_core.engines.loading import special_tokens

    return special_pattern(special_tokens(model.path))


def ready_to_serve(model: ModelVersion, engine: str, line: ContentLine, workspace: Workspace) -> ModelVersion:
    """The model as the engine takes it, and in which numeric type; for `ct2` converted once, held to its own texts.

    Raises:
        ModelInvalid: it cannot be converted, or what came of it writes other texts.
    """
    if engine == "ct2":
        corpus, catalogue = workspace.corpus_table(line.name), workspace.catalogue_table(line.name)
        prompts = partial(parity_prompts, line.recipe, corpus, catalogue)
        model = serve_converted(model, line.recipe, workspace.models(line.name), prompts)
    return replace(model, dtype=numeric_type(model.engine, line.recipe.generation))


def open_trainer(line: ContentLine, corpus: CorpusVersion) -> Trainer:
    """What fine-tunes this line's model."""
    from aigc_core.engines.sft import SftTrainer

    return SftTrainer(line.name, line.recipe.model, corpus_fingerprint=corpus.fingerprint)


@lru_cache(maxsize=1)
def _kept(engine: str, path: str, variant: str, generation: str, key: WatermarkKey | None) -> Generator:
    """The engine, with settings as JSON: equal settings find the one that is open."""
    settings = Generation.model_validate_json(generation)
    match engine:
        case "hf":
            from aigc_core.engines.hf import HfEngine

            made = HfEngine(path, slots=settings.slots, dtype=settings.dtype)
            if key is not None:
                made.mark_with(key)
            return _wrapped(made, settings)
        case "ct2":
            from aigc_core.engines.ct2 import Ct2Engine

            return _wrapped(Ct2Engine(path, variant, slots=settings.slots), settings)
        case "endpoint":
            from aigc_core.engines.endpoint import EndpointEngine

            endpoint = settings.endpoint
            if endpoint is None:
                raise ModelInvalid("The recipe has no `generation.endpoint`.")
            asked = endpoint.model_copy(update={"model": path})
            return _wrapped(EndpointEngine(asked, key=os.environ.get("AIGC_ENDPOINT_KEY")), settings)
        case "vllm":
            from aigc_core.engines.vllm import VllmEngine

            return _wrapped(VllmEngine(path, dtype=settings.dtype), settings)
        case _:
            raise ModelInvalid(f"There is no engine {engine!r}.")


def _wrapped(engine: Generator, settings: Generation) -> Generator:
    """The engine with what the recipe asks beyond one text a request."""
    if settings.json_schema is not None:
        from aigc_core.engines.structured import StructuredTexts

        engine = StructuredTexts(engine)
    return BestOf(engine) if settings.sampling.best_of > 1 else engine


def _watermark_key(settings: Generation) -> WatermarkKey | None:
    if settings.watermark is None:
        return None
    secret = os.environ.get("AIGC_WATERMARK_KEY")
    if not secret:
        raise RecipeInvalid(
            "`generation.watermark` is set and AIGC_WATERMARK_KEY is not.",
            "The key stands in the environment, never in a recipe.",
            "Make one with `openssl rand -hex 32`, keep it, and set the variable to it.",
        )
    return WatermarkKey(secret)


def decoding_of(line: ContentLine) -> Sampling:
    """How the line's texts are chosen, with the fingerprint of this process's watermark key.

    Raises:
        RecipeInvalid: the line marks its texts, and the environment holds no key that can be used.
    """
    sampling, key = line.recipe.sampling, _watermark_key(line.recipe.generation)
    return sampling if key is None else replace(sampling, watermark=keyed(sampling.watermark, key))


def require_options(engine: str, line: ContentLine) -> None:
    """Refuse what this engine or this machine cannot do of what the recipe asks.

    Raises:
        RecipeInvalid: the engine cannot carry it or hold a chat, there is no watermark key, or a schema cannot be held.
        MissingExtra: it needs a package that is not installed.
    """
    generation = line.recipe.generation
    if refusal := generation.refusal(engine):
        raise RecipeInvalid(
            f"{line.name} cannot be written with engine {engine}: {refusal}.",
            remedy="Name --engine hf, or leave the option out of the recipe.",
        )
    line.recipe.require_turns(engine)
    _watermark_key(generation)
    if engine == "ct2":
        ct2_dtype(generation.dtype)
        ct2_library()
    if engine == "vllm":
        vllm_library()
    if engine == "hf" and generation.json_schema is not None:
        from aigc_core.engines.structured import grammar_of

        grammar_of(generation.decoding.json_schema)


def finished_run(workspace: Workspace, run_id: str) -> RunSummary:
    """A finished run's summary.

    Raises:
        UserError: no such run, or it was begun and not finished.
    """
    known = {folder.run_id: folder for folder in workspace.runs()}
    if run_id not in known:
        raise UserError(
            f"There is no run {run_id!r} in {workspace.lake}.", "`aigc runs` lists them.", "Is --lake the right one?"
        )
    summary = known[run_id].recall("summary", RunSummary)
    if summary is None and known[run_id].file("manifest.json").exists():
        raise IntegrityBroken(
            f"{known[run_id].file('summary.json')} is damaged.",
            remedy="The command that made the run makes it anew; its published texts are not touched.",
        )
    if summary is None:
        raise UserError(
            f"Run {run_id} was begun and not finished.", remedy="The command that began it goes on with it."
        )
    return summary


def query_sources(workspace: Workspace) -> dict[str, ds.Dataset]:
    """Everything that may be asked about, by the name SQL knows it under; only what is there."""
    lines = sorted({path.parent.name for path in (workspace.lake / "published").glob("*/_delta_log")})
    found = {f"published_{line}": workspace.published(line).dataset() for line in lines}
    for kind in ("catalogue", "corpus", "unlabelled"):
        home = workspace.lake / _FOLDERS[kind]
        found |= {f"{kind}_{path.parent.name}": Table(str(path.parent)).dataset() for path in home.glob("*/_delta_log")}
    for kind in ("rejects", "quarantine"):
        tables = [Table(str(path.parent)) for path in sorted((workspace.lake / kind).glob("*/_delta_log"))]
        if tables:
            found[kind] = ds.dataset([table.dataset() for table in tables])
    for name in ("requests", "outcomes", "findings"):
        files = sorted(str(path) for path in (workspace.lake / "runs").glob(f"*/{name}.parquet"))
        if files:
            found[name] = ds.dataset(files, format="parquet")
    if workspace.run_index().exists():
        found["runs"] = workspace.run_index().dataset()
    return found
