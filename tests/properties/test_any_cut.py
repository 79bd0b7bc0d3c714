"""However often an attempt is cut anew and however much of each cut is written: the same texts, each made once."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sharding import requests_of

from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.engines.template import TemplateEngine
from aigc_core.generation.shards import Left, generate_shard, plan_shards
from aigc_core.generation.takeover import take_over
from aigc_core.records import RequestSet, Sampling
from aigc_core.storage.progress import RunFolder

ROWS = 12


class Stopping(TemplateEngine):
    """Writes so many texts, the last request's first, and is then interrupted."""

    def __init__(self, texts: int) -> None:
        super().__init__({"en": "{{ locale }} {{ attempt }}"})
        self.left = texts
        self.made: list[str] = []

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        for request in reversed(requests):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.made.append(request.key)
            yield GeneratedText(key=request.key, text=f"about {request.prompt}", finish_reason="stop", tokens=3)


def written(requests: RequestSet, folder: RunFolder, rows: int, engine: Stopping) -> list[dict[str, object]]:
    """The texts of a whole attempt."""
    shards = plan_shards(requests, Left(), folder, shard_rows=rows)
    take_over(shards, folder)
    parts = [generate_shard(shard, lambda: engine, Sampling(), folder) for shard in shards]
    return [row for part in parts for row in pq.read_table(part.path).to_pylist()]


@settings(max_examples=25, deadline=None)
@given(
    tries=st.lists(st.tuples(st.integers(1, ROWS), st.integers(0, ROWS - 1)), max_size=4),
    last=st.integers(1, ROWS),
)
def test_any_cuts_and_interruptions_give_the_same_texts(tries: list[tuple[int, int]], last: int) -> None:
    """A try is (rows a shard, texts until it is interrupted)."""
    with TemporaryDirectory() as home:
        requests = requests_of([False] * ROWS, Path(home))
        folder, made = RunFolder(Path(home) / "run"), list[str]()
        for rows, texts in tries:
            engine = Stopping(texts)
            with suppress(KeyboardInterrupt):
                written(requests, folder, rows, engine)
            made += engine.made
        engine = Stopping(ROWS)
        rows_now = written(requests, folder, last, engine)
        assert rows_now == written(requests, RunFolder(Path(home) / "whole"), ROWS, Stopping(ROWS))
        assert sorted(made + engine.made) == sorted({str(row["request_key"]) for row in rows_now})
