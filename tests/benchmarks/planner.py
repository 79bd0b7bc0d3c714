"""The planner, when 99 of 100 texts stand: rows a second and the memory it takes.

    OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/planner.py 100000 1000000

Makes a catalogue and a shelf of that many rows; each size is planned in a process of its own.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from aigc_core.contracts.content_line import read_content_line
from aigc_core.contracts.prompt import Prompts
from aigc_core.corpus.rows import ITEMS
from aigc_core.generation.again import Again
from aigc_core.generation.requests import Making, Tonight, build_requests
from aigc_core.records import CatalogueSnapshot, Door
from aigc_core.storage.delta import Table
from aigc_core.storage.files import ParquetSink
from aigc_core.storage.groups import GroupSet
from aigc_core.storage.known import Known
from aigc_core.storage.tombstones import Tombstones
from aigc_core.workspace import REPOSITORY

LINE = "fashion_description"
TOGETHER = 50_000
MAKING = Making(
    engine="hf",
    dtype="float32",
    model_digest="m",
    sampling_digest="s",
    decode_digest="d",
    check_config_digest="c",
)
KIND = Prompts(read_content_line(REPOSITORY / "data_contracts" / LINE).recipe).kind_of("en", None, "")
PAIRS = [{"name": name, "value": f"some {name} of it"} for name in ("name", "type", "appearance", "colour", "section")]


def spans(rows: int) -> Iterator[range]:
    """The rows, so many at a time."""
    for start in range(0, rows, TOGETHER):
        yield range(start, min(start + TOGETHER, rows))


def items(span: range) -> pa.Table:
    """Items of a catalogue."""
    names = [f"i{number:08d}" for number in span]
    columns = {
        "position": pa.array(span, pa.int64()),
        "item_id": names,
        "product_group": names,
        "category": ["Trousers"] * len(span),
        "attributes": [PAIRS] * len(span),
        "attributes_digest": [f"a{number:031d}" for number in span],
        "missing": pa.array([[]] * len(span), pa.list_(pa.string())),
    }
    plain = {name: columns.get(name, pa.nulls(len(span), ITEMS.field(name).type)) for name in ITEMS.names}
    return pa.table(plain).cast(ITEMS)


def shelf(span: range) -> pa.Table:
    """Their texts; of every hundredth item the attributes have changed since."""
    numbers = np.arange(span.start, span.stop)
    digests = [f"a{number:031d}" if number % 100 else "then" for number in numbers]
    count = len(numbers)
    return pa.table(
        {
            "item_id": [f"i{number:08d}" for number in numbers],
            "locale": ["en"] * count,
            "run_id": ["run-1"] * count,
            "attributes_digest": digests,
            "template_digest": [KIND.template_digest] * count,
            "examples_digest": [KIND.examples_digest] * count,
            "prompt_digest": [KIND.prompt_digest] * count,
            "model_digest": ["m"] * count,
            "engine": ["hf"] * count,
            "dtype": ["float32"] * count,
            "sampling_digest": ["s"] * count,
            "decode_digest": ["d"] * count,
            "check_config_digest": ["c"] * count,
            "content_sha256": [f"{number:064d}" for number in numbers],
            "text": ["Trousers in soft cotton with a high waist, zip fly and button, and wide legs."] * count,
        }
    )


def measure(rows: int) -> None:
    """Plan once, and print."""
    line = read_content_line(REPOSITORY / "data_contracts" / LINE)
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        with ParquetSink(home / "catalogue.parquet", ITEMS) as sink:
            for span in spans(rows):
                sink.write(items(span))
        tables = {name: Table(str(home / name)) for name in ("published", "rejects", "rejudged")}
        tables["published"].create(shelf(range(1)).schema, stats=("item_id",))
        for number, span in enumerate(spans(rows)):
            made = shelf(span)
            tables["published"].append_once(lambda made=made: made, key=str(number), note={})  # type: ignore[misc]
        known = Known(**tables, tombstones=Tombstones(Table(str(home / "takedowns")), LINE), scratch=home / "scratch")
        door = Door(name="catalogue", source="", rows=rows, accepted=rows, quarantined=0)
        snapshot = CatalogueSnapshot(
            line=LINE, path=str(home / "catalogue.parquet"), fingerprint="f", items=rows, door=door
        )
        tonight = Tonight(
            run_id="run-2",
            path=home / "requests.parquet",
            making=MAKING,
            prompts=Prompts(line.recipe),
            seen=GroupSet.of(()),
            again=Again(judge=lambda _: [], rules="c", prompts=Prompts(line.recipe), path=home / "rejudged.parquet"),
        )
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        started, used = time.monotonic(), time.process_time()
        planned = build_requests(line.recipe, snapshot, known, tonight)
        elapsed, used = time.monotonic() - started, time.process_time() - used
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(  # noqa: T201 -- a benchmark's output
            f"{rows:,} rows: {rows / elapsed:,.0f} rows/s elapsed, {rows / used:,.0f} of processor time; "
            f"{planned.reasons}; peak {peak:,.0f} MB ({before:,.0f} MB before)"
        )


def main() -> None:
    """Each size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("rows", type=int, nargs="+")
    asked = parser.parse_args()
    if len(asked.rows) == 1:
        measure(asked.rows[0])
        return
    for rows in asked.rows:
        subprocess.run([sys.executable, __file__, str(rows)], check=True)


if __name__ == "__main__":
    main()
