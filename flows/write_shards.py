"""Write shards: one more worker for a night under way, on the pool `gpu`."""

from prefect import flow, task

from aigc_core.night import work
from aigc_core.records import Task
from flows.parameters import Lake, RunId, documented

write_free_shards = task(name="write-free-shards")(work.work)


@flow(name="write-shards", flow_run_name="shards of {run_id}")
@documented
def write_shards(run_id: RunId, lake: Lake = None) -> Task:
    """Write and judge what no other worker of the night has in hand, until nothing is left."""
    return write_free_shards(Task(lake=lake, run_id=run_id))
