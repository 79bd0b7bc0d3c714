"""The steps that take sources in, as part of a night or by themselves, and keep what the contracts found."""

from collections.abc import Sequence
from pathlib import Path

from aigc_core.contracts.content_line import ContentLine
from aigc_core.corpus.catalogue import CatalogueTables
from aigc_core.corpus.catalogue import take_catalogue as take_in_catalogue
from aigc_core.corpus.pairs import CorpusTables
from aigc_core.corpus.pairs import ingest as ingest_pairs
from aigc_core.errors import SourceInvalid
from aigc_core.night.pin import catalogue_source, corpus_source, open_night
from aigc_core.night.steps import tuned
from aigc_core.records import CatalogueSnapshot, CorpusVersion, Door, Intake, ModelVersion, Night, Order
from aigc_core.reporting.contract_pages import RESULTS, write_contract_pages
from aigc_core.storage.sources import file_sha256
from aigc_core.workspace import Workspace, open_workspace

REFUSED = "refused"
"""Ends the name of a folder with the results of a source that was not taken in."""


def take_corpus(night: Night) -> CorpusVersion | None:
    """The corpus version to train on or to show examples of; None when none was named and nothing needs one."""
    workspace, line, folder = open_night(night)
    source = corpus_source(night, line)
    trains = night.engine != "template" and night.model is None
    serves = workspace.models(line.name).champion() is not None and not night.retrain
    wanted = night.corpus_asked or line.recipe.few_shot is not None or (trains and not serves)
    if source is None or not wanted:
        return None
    return folder.keep("corpus", CorpusVersion, lambda: (_take_pairs(source, line, workspace), ()))


def take_catalogue(night: Night) -> CatalogueSnapshot:
    """Tonight's items, validated and pinned in the run's folder.

    Raises:
        SourceInvalid: the source does not hold, or changed since the night began.
        CatalogueShrunk: too many items are gone and nobody confirmed it.
    """
    workspace, line, folder = open_night(night)
    path = folder.file("catalogue.parquet")

    def take() -> tuple[CatalogueSnapshot, Sequence[Path]]:
        snapshot = take_items(night.source, line, workspace, path, confirm_drop=night.confirm_drop)
        _require_unchanged(night)
        return snapshot, [path]

    return folder.keep("catalogue", CatalogueSnapshot, take)


def _require_unchanged(night: Night) -> None:
    if file_sha256(night.source) != night.source_sha256:
        raise SourceInvalid(
            f"{night.source} changed while run {night.run_id} was under way.",
            "A run keeps the catalogue it began with.",
            "Run the same command again: it begins a new run with the changed file.",
        )


def take_in(order: Order) -> Intake:
    """Take a line's sources in outside of any night: the catalogue, the corpus, or whichever is named or its own.

    Raises:
        UserError: unknown line, no source at all, or one that does not hold.
        CatalogueShrunk: too many items are gone and nobody confirmed it.
    """
    workspace = open_workspace(order.lake)
    line = workspace.line(order.line)
    named = order.source is not None or order.corpus is not None
    items = catalogue_source(order, line) if order.source is not None or not named else None
    pairs = corpus_source(order, line) if order.corpus is not None or not named else None
    if items is None and pairs is None:
        raise SourceInvalid(
            f"{line.name} has neither a catalogue nor a corpus of its own.",
            remedy="Name one with --source FILE or --corpus FILE.",
        )
    workspace.require_writable()
    corpus = _take_pairs(pairs, line, workspace) if pairs else None
    snapshot = take_items(items, line, workspace, None, confirm_drop=order.confirm_drop) if items else None
    return Intake(line=line.name, lake=str(workspace.lake), catalogue=snapshot, corpus=corpus)


def tune(order: Order) -> ModelVersion:
    """Take the corpus in and fine-tune on it, outside of any night; the new model serves from then on.

    Raises:
        UserError: unknown line, no corpus, or one that does not hold.
    """
    workspace = open_workspace(order.lake)
    line = workspace.line(order.line)
    source = corpus_source(order, line)
    if source is None:
        raise SourceInvalid(f"{line.name} has no corpus of its own.", remedy="Name one with --corpus FILE.")
    workspace.require_writable()
    return tuned(_take_pairs(source, line, workspace), line, workspace)


def _take_pairs(source: str, line: ContentLine, workspace: Workspace) -> CorpusVersion:
    tables = CorpusTables(
        pairs=workspace.corpus_table(line.name),
        unlabelled=workspace.unlabelled(line.name),
        quarantine=workspace.quarantine(line.name),
        tombstones=workspace.tombstones(line.name),
        scratch=workspace.scratch(line.name, "corpus"),
        on_refusal=lambda door: _keep_results(door, REFUSED, line, workspace),
    )
    version = ingest_pairs(source, line, tables)
    _keep_results(version.door, f"v{version.version}", line, workspace)
    return version


def take_items(
    source: str, line: ContentLine, workspace: Workspace, path: Path | None, *, confirm_drop: bool
) -> CatalogueSnapshot:
    """A line's catalogue taken in, and pinned at `path` where one is given."""
    tables = CatalogueTables(
        items=workspace.catalogue_table(line.name),
        quarantine=workspace.quarantine(line.name),
        scratch=workspace.scratch(line.name, "catalogue"),
        on_refusal=lambda door: _keep_results(door, REFUSED, line, workspace),
    )
    snapshot = take_in_catalogue(source, line, tables, path, confirm_drop=confirm_drop)
    _keep_results(snapshot.door, f"v{snapshot.version}", line, workspace)
    return snapshot


def _keep_results(door: Door, ended: str, line: ContentLine, workspace: Workspace) -> None:
    """The contract's results as pages and JSON, beside those of other versions."""
    contract = line.corpus_rows if door.name == "corpus" else line.catalogue_rows
    folder = workspace.intake_folder(line.name) / f"{door.name}-{ended}"
    # A version keeps its results, also when the process that made it was killed before it wrote them.
    if ended == REFUSED or not (folder / RESULTS).exists():
        write_contract_pages(folder, contract, door, title=line.recipe.title)
