"""Workers on a Prefect pool that nobody set up."""

import pytest

from aigc_core.errors import UserError
from aigc_core.records import Task


def test_a_server_without_the_deployment_is_told_in_words() -> None:
    from flows.work_pool import WorkPool

    with pytest.raises(UserError, match=r"write-shards/write-shards is not known .* Start `aigc up`"):
        WorkPool().start(Task(lake="lake", run_id="run"), of=2)
