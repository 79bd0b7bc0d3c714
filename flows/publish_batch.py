"""Publish: audit a sealed batch, put what passed on the shelf, report."""

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from aigc_core.night import close, steps
from aigc_core.records import Batch, ModelVersion, Night, RunSummary
from flows.retries import may_help

judge_batch = task(name="judge-batch", retries=1, retry_condition_fn=may_help)(steps.judge_batch)
put_on_shelf = task(name="put-on-shelf", retries=2, retry_delay_seconds=5, retry_condition_fn=may_help)(
    steps.put_on_shelf
)
finish = task(name="finish", retries=1, retry_condition_fn=may_help)(close.finish)


@flow(name="publish", flow_run_name="publish {night.run_id}")
def publish_batch(night: Night, model: ModelVersion, batch: Batch) -> RunSummary:
    """Audit, publish in one commit, write outcomes and report; a blocked run fails after its report is written."""
    report = judge_batch(night, batch)
    edition = put_on_shelf(night, batch, report)
    summary = finish(night, model, batch, report, edition)
    create_table_artifact(close.table_of(summary), key="states", description=f"Where requests of {night.run_id} ended")
    create_markdown_artifact(close.markdown_of(summary), key="summary")
    return close.settle(summary)
