"""The steps from catalogue to shelf. Flows call them in order; nothing here knows who calls."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from aigc_core.audit import gate
from aigc_core.audit.rejudge import rejudge
from aigc_core.catalog.outcomes import Occasion, write_findings
from aigc_core.catalog.publish import Shelf, publish, published_schema
from aigc_core.contracts.content_line import ContentLine
from aigc_core.contracts.generation import Caps
from aigc_core.contracts.prompt import Prompts
from aigc_core.corpus.examples import draw_all
from aigc_core.corpus.pairs import current_corpus
from aigc_core.engines.numeric import numeric_type
from aigc_core.errors import AuditBlocked, CapPassed, SourceInvalid
from aigc_core.finetune import GROUPS_FILE, finetune
from aigc_core.generation.again import Again
from aigc_core.generation.batch import Provenance, seal_batch
from aigc_core.generation.repeats import repeated_requests
from aigc_core.generation.requests import Making, Tonight, build_requests, making_of
from aigc_core.generation.shards import Left, plan_shards, plan_step, settled_shards
from aigc_core.generation.takeover import take_over
from aigc_core.night.fan_out import rows_a_shard
from aigc_core.night.pin import open_night
from aigc_core.night.trial import judge_shard, row_rules, tried, write_shard
from aigc_core.night.withdrawals import REJUDGED_FILE, keep_withdrawn, leaving, remember
from aigc_core.records import (
    AuditReport,
    Batch,
    CatalogueSnapshot,
    CorpusVersion,
    Edition,
    Examples,
    ModelVersion,
    Night,
    Part,
    RequestSet,
    Shard,
    Verdicts,
)
from aigc_core.reporting.forecast import at_most, estimate, passed_caps, rates_of, untold_caps
from aigc_core.storage.groups import GroupSet
from aigc_core.storage.progress import RunFolder
from aigc_core.workspace import (
    Workspace,
    decoding_of,
    open_model,
    open_trainer,
    ready_to_serve,
    require_chat,
    row_checks,
    rules_digest,
    special_tokens_of,
)


def obtain_model(night: Night, corpus: CorpusVersion | None) -> ModelVersion:
    """Tonight's model: the template engine, the one named, the champion, or one trained now."""
    workspace, line, folder = open_night(night)

    def obtain() -> ModelVersion:
        serving = serving_model(night, line, workspace)
        if serving is not None:
            return serving
        if corpus is None:
            raise SourceInvalid(f"{line.name} has no corpus to train on.", remedy="Name one with --corpus FILE.")
        return ready_to_serve(tuned(corpus, line, workspace), night.engine, line, workspace)

    return folder.keep("model", ModelVersion, lambda: (require_chat(obtain(), line), ()))


def serving_model(night: Night, line: ContentLine, workspace: Workspace) -> ModelVersion | None:
    """The model that writes without any training: the template engine, the one named, or the champion."""
    if night.engine == "template" or night.model is not None:
        return ready_to_serve(open_model(night.engine, night.model, line), night.engine, line, workspace)
    champion = None if night.retrain else workspace.models(line.name).champion()
    return None if champion is None else ready_to_serve(champion, night.engine, line, workspace)


def tuned(corpus: CorpusVersion, line: ContentLine, workspace: Workspace) -> ModelVersion:
    """Fine-tune on a corpus version; the new model serves from then on."""
    trainer = open_trainer(line, corpus)
    return finetune(corpus, line.recipe, trainer, workspace.corpus_table(line.name), workspace.models(line.name))


def plan(night: Night, catalogue: CatalogueSnapshot, model: ModelVersion) -> RequestSet:
    """Every item and locale with the reason why it is or is not generated.

    Raises:
        CapPassed: it would take more than the recipe allows and nobody confirmed it.
    """
    workspace, line, folder = open_night(night)
    requests = planned(night, catalogue, model, folder)
    if not night.confirm_cost:
        require_within_caps(requests, model, line, workspace)
    return requests


def require_within_caps(requests: RequestSet, model: ModelVersion, line: ContentLine, workspace: Workspace) -> None:
    """Ask for a person's word where a cap of the recipe would be passed, or nobody can tell.

    Before any night of this engine a few texts are tried, and the cap on texts is held against all attempts.

    Raises:
        CapPassed: see above.
    """
    generation, prices, caps = line.recipe.generation, line.recipe.prices, line.recipe.generation.caps
    if caps == Caps() or not requests.to_generate:
        return
    rates = past = rates_of(workspace.history(line.name), engine=model.engine, model=model.digest)
    if past is None and caps != Caps(texts=caps.texts):
        rates = tried(requests, model, line, workspace.run(requests.run_id))
    found = estimate(requests, rates, prices, attempts=generation.attempts)
    held = found if past else at_most(found, requests, attempts=generation.attempts)
    if passed := (*passed_caps(held, caps, prices.currency), *untold_caps(found, caps)):
        raise CapPassed(
            f"{requests.to_generate:,} requests would take {'; '.join(passed)} (from {found.basis}).",
            "The caps stand in the recipe, generation.caps.",
            "`aigc plan` shows the whole plan; --confirm-cost goes on with it.",
        )


def planned(night: Night, catalogue: CatalogueSnapshot, model: ModelVersion, folder: RunFolder) -> RequestSet:
    """The plan, kept in a folder: the run's own, or one that only looks ahead."""
    workspace, line, _ = open_night(night)
    path = folder.file("requests.parquet")

    def build() -> tuple[RequestSet, Sequence[Path]]:
        prompts = prompts_of(line, model, workspace, folder)
        tonight = Tonight(
            run_id=night.run_id,
            path=path,
            making=_making(line, model),
            prompts=prompts,
            seen=GroupSet.read(Path(model.path) / GROUPS_FILE),
            limit=night.limit,
            retry_rejected=night.retry_rejected,
            again=_again(line, prompts, folder),
        )
        scratch = folder.file("scratch")
        known = workspace.known(line.name, scratch)
        requests = build_requests(line.recipe, catalogue, known, tonight)
        shutil.rmtree(scratch, ignore_errors=True)
        return requests, [file for file in (path, folder.file(REJUDGED_FILE)) if file.exists()]

    return folder.keep("requests", RequestSet, build)


def _again(line: ContentLine, prompts: Prompts, folder: RunFolder) -> Again:
    rules = row_rules(line)
    path = folder.file(REJUDGED_FILE)
    return Again(judge=partial(rejudge, rules=rules), rules=rules.digest, prompts=prompts, path=path)


def attempts(night: Night) -> range:
    """Numbers of the attempts the recipe allows."""
    return range(1, night.attempts + 1)


def next_shards(
    night: Night, requests: RequestSet, parts: Sequence[Part], verdicts: Sequence[Verdicts]
) -> tuple[Shard, ...]:
    """The next attempt's shards; none when every request has an accepted text that no other item has."""
    workspace, line, folder = open_night(night)

    def make() -> tuple[tuple[Shard, ...], Sequence[Path]]:
        repeated = repeated_requests(verdicts, workspace.published(line.name), folder)
        sampling = line.recipe.sampling
        left = Left(
            verdicts=verdicts,
            parts=parts,
            max_new_tokens=sampling.max_new_tokens,
            repeated=repeated,
            greedy=night.engine != "template" and sampling.temperature == 0,
        )
        shards = plan_shards(requests, left, folder, shard_rows=rows)
        take_over(shards, folder)
        return shards, [Path(shard.path) for shard in shards]

    attempt = max((verdict.attempt for verdict in verdicts), default=0) + 1
    refused = sum(verdict.rows - verdict.accepted for verdict in verdicts if verdict.attempt == attempt - 1)
    model = folder.recall("model", ModelVersion)
    generation = line.recipe.generation
    rows = rows_a_shard(refused or requests.to_generate, model, generation) if model else generation.shard_rows
    settled = settled_shards(folder, attempt, shard_rows=rows)
    return settled if settled is not None else folder.make(plan_step(attempt), make)


def write_texts(night: Night, model: ModelVersion, shard: Shard) -> Part:
    """One shard's texts."""
    _, line, folder = open_night(night)
    return write_shard(shard, model, line, folder)


def judge_texts(night: Night, shard: Shard, part: Part) -> Verdicts:
    """What the row checks say of one shard's texts."""
    _, line, folder = open_night(night)
    return judge_shard(shard, part, line, folder)


def seal(
    night: Night,
    model: ModelVersion,
    requests: RequestSet,
    parts: Sequence[Part],
    verdicts: Sequence[Verdicts],
) -> Batch:
    """The chosen texts, labelled and complete; no reader of published data sees them."""
    _, line, folder = open_night(night)
    provenance = Provenance(run_key=night.run_key, recipe=line.recipe, model=model, making=_making(line, model))

    def make() -> tuple[Batch, Sequence[Path]]:
        batch = seal_batch(requests, parts, verdicts, folder, provenance)
        write_findings(verdicts, occasion(night), folder.file("findings.parquet"))
        return batch, [*map(Path, batch.paths), folder.file("findings.parquet")]

    return folder.keep("batch", Batch, make)


def judge_batch(night: Night, batch: Batch) -> AuditReport:
    """One decision per row, one for the run."""
    workspace, line, folder = open_night(night)
    path = folder.file("audit", "decisions.parquet")
    bench = gate.Bench(
        contract=line.description,
        checks=row_checks(line),
        locales=line.recipe.locales,
        max_reject_share=line.recipe.publish.max_reject_share,
        taken_down=workspace.tombstones(line.name).hashes,
    )
    shelf = workspace.published(line.name)
    return folder.keep("audit/report", AuditReport, lambda: (gate.audit(batch, bench, shelf, path), [path]))


def put_on_shelf(night: Night, batch: Batch, report: AuditReport) -> Edition | None:
    """Publish what passed, in one commit; None when the gates refused the run."""
    workspace, line, folder = open_night(night)
    try:
        passed = report.require_passed()
    except AuditBlocked:
        return None
    shelf = Shelf(
        table=workspace.published(line.name),
        schema=published_schema(line.name, line.recipe.label),
        leaving=leaving(night, report, line, workspace),
    )
    return folder.keep("edition", Edition, lambda: (publish(batch, report, passed, shelf), ()))


def keep_refused_texts(night: Night, model: ModelVersion) -> None:
    """Remember what later rules said of earlier texts, and which of them left without a successor."""
    workspace, line, _ = open_night(night)
    remember(night, workspace)
    keep_withdrawn(night, _making(line, model), workspace)


def occasion(night: Night) -> Occasion:
    """What outcomes and findings say of their run."""
    return Occasion(line=night.line, run_id=night.run_id, date=night.date)


def prompts_of(line: ContentLine, model: ModelVersion, workspace: Workspace, folder: RunFolder) -> Prompts:
    """The night's prompts; examples are drawn once and kept with the run.

    Raises:
        SourceInvalid: the recipe shows examples and the corpus has none.
    """
    if line.recipe.few_shot is None:
        return Prompts(line.recipe, special=special_tokens_of(model))
    table = workspace.corpus_table(line.name)
    drawn = folder.keep(
        "examples", Examples, lambda: (draw_all(table, current_corpus(line.name, table), line.recipe), ())
    )
    return Prompts(line.recipe, drawn, special=special_tokens_of(model))


def _making(line: ContentLine, model: ModelVersion) -> Making:
    rules = rules_digest(line, row_checks(line))
    # A night that trains looks ahead with no model at hand, and one begun by an older release kept no type with it.
    dtype = model.dtype or numeric_type(model.engine, line.recipe.generation)
    return making_of(model, sampling=decoding_of(line), dtype=dtype, check_config_digest=rules)
