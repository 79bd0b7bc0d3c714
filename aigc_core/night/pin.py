"""Pinning a night: what was asked is checked and written down before anything is made."""

from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path

from aigc_core.contracts.content_line import ContentLine
from aigc_core.contracts.mapping import require_columns
from aigc_core.contracts.model import ObjectContract
from aigc_core.contracts.prompt import require_plain
from aigc_core.engines.watermark import mark_name
from aigc_core.errors import RecipeInvalid, SourceInvalid, UserError
from aigc_core.ids import fingerprint
from aigc_core.records import Night, Order
from aigc_core.storage.files import sweep
from aigc_core.storage.progress import RunFolder
from aigc_core.storage.source_files import require_no_secret
from aigc_core.storage.sources import file_sha256, source_columns
from aigc_core.workspace import (
    Workspace,
    checked_model,
    decoding_of,
    named_model,
    open_workspace,
    require_options,
    row_checks,
    rules_digest,
)

RUN, MANIFEST = "run", "manifest"


def start(order: Order) -> Night:
    """Pin a run: a new one, or the unfinished one of the same command.

    Equal commands on an unchanged lake give the equal run id, so a second trigger adds nothing.

    Raises:
        UserError: the order cannot be carried out; nothing was written.
        RunBusy: another process works on this run.
    """
    workspace = open_workspace(order.lake)
    line = workspace.line(order.line)
    pinned = pin(order, workspace, line)
    workspace.require_writable()
    night = _unfinished(workspace, pinned) or pinned
    folder = workspace.run(night.run_id)
    folder.lock()
    for place in (folder.path, Path(workspace.published(line.name).uri)):
        sweep(place)
    kept = folder.recall(RUN, Night)
    if kept is None:
        folder.note(RUN, night, (), seconds=0.0)
    # Equal files may have moved since the run began, and a drop or a cost may have been confirmed.
    return replace(
        kept or night,
        source=pinned.source,
        corpus=pinned.corpus,
        confirm_drop=pinned.confirm_drop,
        confirm_cost=pinned.confirm_cost,
    )


def catalogue_source(order: Order | Night, line: ContentLine) -> str | None:
    """The file with items: the one named, else the recipe's, else None."""
    named = order.source or _own(line, line.recipe.source)
    return None if named is None else _absolute(named)


def corpus_source(order: Order | Night, line: ContentLine) -> str | None:
    """The file with training pairs: the one named, else the recipe's, else None."""
    named = order.corpus or _own(line, line.recipe.corpus)
    return None if named is None else _absolute(named)


def open_night(night: Night) -> tuple[Workspace, ContentLine, RunFolder]:
    """Where a pinned night works.

    Raises:
        RecipeInvalid: the line's files or the watermark's key changed since the night began.
    """
    workspace = open_workspace(night.lake)
    line = workspace.line(night.line)
    if line.digest != night.line_digest:
        raise RecipeInvalid(
            f"The files of {night.line} changed while run {night.run_id} was under way.",
            "A run keeps the recipe and the contracts it began with.",
            "Run the same command again: it begins a new run with the changed files.",
        )
    mark = mark_name(decoding_of(line).watermark)
    if mark != night.watermark:
        raise RecipeInvalid(
            f"Run {night.run_id} marks its texts as {night.watermark}, and AIGC_WATERMARK_KEY stands for {mark}.",
            "One run marks with one key.",
            "Set the variable as it was when the run began, or run the command again: it begins a new run.",
        )
    return workspace, line, workspace.run(night.run_id)


def pin(order: Order, workspace: Workspace, line: ContentLine) -> Night:
    """The night an order asks for; nothing is written.

    Raises:
        UserError: the order cannot be carried out.
    """
    engine = order.engine or line.recipe.generation.engine
    require_options(engine, line)
    day = _day(order.date)
    source, corpus = _required_source(order, line), corpus_source(order, line)
    _require_fitting(source, line, line.catalogue_rows)
    model = named_model(engine, order.model, line)
    champion = workspace.models(line.name).champion()
    trains = engine != "template" and model is None and (champion is None or order.retrain)
    if trains:
        _require_trainable(corpus, line)
    shows = line.recipe.few_shot is not None
    rules = rules_digest(line, row_checks(line))
    came = file_sha256(source)
    wanted = {
        **asdict(order),
        "lake": None,
        "confirm_drop": None,
        "confirm_cost": None,
        "source": came,
        "engine": engine,
        "model": model,
    }
    wanted["corpus"] = file_sha256(corpus) if corpus and (trains or order.corpus or shows) else None
    if mark := mark_name(decoding_of(line).watermark):
        wanted["watermark"] = mark
    asked = fingerprint([wanted, line.digest, rules])
    shelf = workspace.published(line.name).version()
    key = fingerprint([asked, day, shelf, champion.digest if champion else None], length=64)
    return Night(
        run_id=f"{line.name}-{day}-{key[:8]}",
        run_key=key,
        lake=str(workspace.lake),
        line=line.name,
        line_digest=line.digest,
        date=day,
        source=source,
        source_sha256=came,
        corpus=corpus,
        limit=order.limit,
        engine=engine,
        model=model,
        retrain=order.retrain,
        retry_rejected=order.retry_rejected,
        asked=asked,
        corpus_asked=order.corpus is not None,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        attempts=line.recipe.generation.attempts,
        confirm_drop=order.confirm_drop,
        confirm_cost=order.confirm_cost,
        watermark=mark,
    )


def _unfinished(workspace: Workspace, pinned: Night) -> Night | None:
    """The latest run of the same command that was begun and not finished: a night may end after midnight."""
    for folder in reversed(workspace.runs(f"{pinned.line}-")):
        if folder.file(f"{MANIFEST}.json").exists():
            continue
        night = folder.recall(RUN, Night)
        if night is not None and night.asked == pinned.asked:
            return night
    return None


def _day(asked: str | None) -> str:
    try:
        return (date.fromisoformat(asked) if asked else datetime.now(UTC).date()).isoformat()
    except ValueError as error:
        raise UserError(f"{asked!r} is not a date.", "A date is written YYYY-MM-DD.") from error


def _required_source(order: Order, line: ContentLine) -> str:
    named = catalogue_source(order, line)
    if named is None:
        raise SourceInvalid(
            f"{line.name} has no catalogue of its own.",
            remedy="Name one with --source FILE (CSV, JSON, JSONL or Parquet; also a folder, a pattern or an address).",
        )
    return named


def _require_trainable(corpus: str | None, line: ContentLine) -> None:
    if corpus is None:
        raise SourceInvalid(
            f"{line.name} has no trained model yet and no corpus of its own to train one on.",
            remedy="Name training pairs with --corpus FILE, a model with --model, or use --engine template.",
        )
    require_plain(line.recipe, line.name)
    _require_fitting(corpus, line, line.corpus_rows)
    if line.recipe.model.base != "starter":
        checked_model("hf", line.recipe.model.base)


def _require_fitting(source: str, line: ContentLine, contract: ObjectContract) -> None:
    """Look at the first rows only: what can be refused at once is refused before anything is written."""
    require_columns(line.recipe, contract, source_columns(source, reading=line.recipe.reading), source)


def _own(line: ContentLine, named: str | None) -> str | None:
    """A source of the recipe: an address as it stands, a path from the line's folder."""
    return named if named is None or "://" in named else str(line.folder / named)


def _absolute(path: str) -> str:
    if "://" not in path:
        return str(Path(path).absolute())
    require_no_secret(path)
    return path
