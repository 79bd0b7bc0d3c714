"""Generate: from a night's requests to a sealed batch that no reader sees."""

from typing import cast
from uuid import UUID

from prefect import flow, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from aigc_core.night import pin, steps, workers
from aigc_core.night.course import in_words, percent_of
from aigc_core.records import Batch, Course, ModelVersion, Night, Order, Part, RequestSet, Verdicts
from flows.finetune_model import obtain_model
from flows.ingest_corpus import ingest
from flows.parameters import (
    ConfirmCost,
    ConfirmDrop,
    Corpus,
    Date,
    Engine,
    Lake,
    Limit,
    Line,
    Model,
    Retrain,
    RetryRejected,
    Source,
    documented,
)
from flows.retries import may_help
from flows.work_pool import WorkPool

start = task(name="start")(pin.start)
plan = task(name="plan", retries=1, retry_condition_fn=may_help)(steps.plan)
write_texts = task(
    name="write-texts",
    task_run_name="write {shard.attempt}-{shard.number}",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=may_help,
)(steps.write_texts)
judge_texts = task(name="judge-texts", task_run_name="judge {shard.attempt}-{shard.number}")(steps.judge_texts)
seal = task(name="seal")(steps.seal)


@flow(name="write-batch", flow_run_name="write {night.run_id}")
def write_batch(night: Night, model: ModelVersion, requests: RequestSet) -> Batch:
    """Write and judge shard after shard; what was not accepted is written again, as often as the recipe allows."""
    bar = cast("UUID", create_progress_artifact(0.0, description=f"Texts of {night.run_id}"))
    parts: list[Part] = []
    verdicts: list[Verdicts] = []
    with workers.crew(night, model, requests, WorkPool()) as crew:
        for _attempt in steps.attempts(night):
            for shard in crew.written(steps.next_shards(night, requests, tuple(parts), tuple(verdicts))):
                parts.append(write_texts(night, model, shard))
                verdicts.append(judge_texts(night, shard, parts[-1]))
                show(bar, night, crew.meter.add(parts[-1], verdicts[-1]))
    update_progress_artifact(bar, 100.0)
    return seal(night, model, requests, tuple(parts), tuple(verdicts))


def show(bar: UUID, night: Night, course: Course) -> None:
    """Move the night's bar in the UI."""
    update_progress_artifact(bar, percent_of(course), description=f"{night.run_id}: {in_words(course)}")


@flow(name="generate", flow_run_name="generate {line}")
@documented
def generate_batch(
    line: Line,
    source: Source = None,
    corpus: Corpus = None,
    lake: Lake = None,
    date: Date = None,
    limit: Limit = None,
    engine: Engine = None,
    model: Model = None,
    retrain: Retrain = False,
    retry_rejected: RetryRejected = False,
    confirm_drop: ConfirmDrop = False,
    confirm_cost: ConfirmCost = False,
) -> Batch:
    """Make a sealed batch and stop: the nightly flow with the same values then audits and publishes it."""
    order = Order(
        line=line, source=source, corpus=corpus, lake=lake, date=date, limit=limit,
        engine=engine, model=model, retrain=retrain, retry_rejected=retry_rejected, confirm_drop=confirm_drop,
        confirm_cost=confirm_cost,
    )  # fmt: skip
    night = start(order)
    pairs, catalogue = ingest(night)
    writer = obtain_model(night, pairs)
    return write_batch(night, writer, plan(night, catalogue, writer))
