"""Whole nights: how the machinery grows, and how much of the bare engine's speed a night keeps.

    .venv/bin/python tests/benchmarks/whole_nights.py scale 10000 100000        template engine, distinct requests
    .venv/bin/python tests/benchmarks/whole_nights.py efficiency LINE SOURCE MODEL --limit 10000

    .venv/bin/python tests/benchmarks/whole_nights.py workers LINE SOURCE MODEL --limit 8000

`workers` runs the night with one and with two worker processes on an empty lake each, and prints their speeds.
`scale` prints seconds by stage, requests a second and the largest process of each night.
`efficiency` runs a night with the `hf` engine, then the bare engine over the very shards the night wrote, in the same
processor, and prints the night's speed from the first shard to the commit as a share of the engine's own. Start-up,
ingest, planning and training are told apart. Both need one idle core: OMP_NUM_THREADS=1 taskset -c 0.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from aigc_core.engines.base import TextRequest
from aigc_core.engines.hf import HfEngine
from aigc_core.workspace import REPOSITORY, child_environment, open_workspace

AIGC = str(Path(sys.executable).with_name("aigc"))
SYLLABLES = ("ka", "lo", "mi", "ne", "ru", "sa", "to", "vi", "dar", "bel", "fin", "gor", "hul", "jas", "pel", "wen")
MATERIALS = ("glass", "steel", "copper", "enamel", "ceramic", "aluminium")
COLOURS = ("black", "white", "grey", "navy", "olive", "sand", "teal", "cream", "plum")
PAGE = 4096


@dataclass(frozen=True)
class Measured:
    """One night."""

    summary: dict[str, object]
    elapsed: float
    peak_mb: float
    """Of the largest single process of the night, Prefect's server left out."""


def name_of(number: int) -> str:
    """A name of letters that no other number has."""
    letters = ""
    while True:
        number, rest = divmod(number, len(SYLLABLES))
        letters += SYLLABLES[rest]
        if not number:
            return letters.capitalize()


def rows(count: int) -> Iterator[dict[str, object]]:
    """Articles of a shop, each a product of its own."""
    for number in range(count):
        yield {
            "sku": f"N{number:08d}",
            "product_group": f"N{number:08d}",
            "seller_id": f"s-{number % 40}",
            "category": "bottle",
            "name": name_of(number),
            "material": MATERIALS[number % len(MATERIALS)],
            "colour": COLOURS[number % len(COLOURS)],
            "feature": "straw lid",
            "use": "the office",
            "capacity_ml": 250 + number % 1500,
            "weight_g": 100 + number % 900,
        }


def night(words: Sequence[str], home: Path, **settings: str) -> Measured:
    """Run `aigc nightly` and watch its processes."""
    peak = [0.0]
    started = time.monotonic()
    environment = child_environment(PREFECT_HOME=str(home / "prefect"), **settings)
    with subprocess.Popen([AIGC, "nightly", *words, "--json"], stdout=subprocess.PIPE, env=environment) as process:
        watch = threading.Thread(target=watched, args=(process, peak), daemon=True)
        watch.start()
        out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the night ended with {process.returncode}")
    return Measured(json.loads(out.splitlines()[-1]), time.monotonic() - started, peak[0] / 2**20)


def watched(process: "subprocess.Popen[bytes]", peak: list[float]) -> None:
    """Keep the largest resident set of the process and its children, looked at twice a second."""
    while process.poll() is None:
        for child in [process.pid, *offspring(process.pid)]:
            try:
                words = Path(f"/proc/{child}/cmdline").read_bytes()
                resident = int(Path(f"/proc/{child}/statm").read_text().split()[1]) * PAGE
            except (OSError, IndexError):
                continue
            if b"uvicorn" not in words and b"prefect" not in words.split(b"\0")[0]:
                peak[0] = max(peak[0], float(resident))
        time.sleep(0.5)


def offspring(pid: int) -> list[int]:
    """All processes below one."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in path.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *offspring(child)]
    return found


def scale(counts: Sequence[int]) -> None:
    """Nights of the template engine over distinct requests."""
    print("requests | published | elapsed s | first shard to commit s | requests/s | peak MB | seconds by stage")  # noqa: T201 -- a benchmark's output
    for count in counts:
        with tempfile.TemporaryDirectory() as place:
            home = Path(place)
            source = home / "catalogue.jsonl"
            with source.open("w") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows(count // 2))
            words = ["product_description", "--source", str(source), "--engine", "template"]
            made = night([*words, "--lake", str(home / "lake"), "--date", "2026-01-01"], home)
            (folder,) = open_workspace(str(home / "lake")).runs()
            span = made_in(folder.path)
            print(  # noqa: T201 -- a benchmark's output
                f"{count:,} | {made.summary['states']['published']:,} | {made.elapsed:.0f} | {span:.0f} | "  # type: ignore[index]
                f"{count / span:,.0f} | {made.peak_mb:,.0f} | {made.summary['seconds']}",
                flush=True,
            )


def made_in(run: Path) -> float:
    """Seconds from the first shard, when the plan of the first attempt stood, to the commit."""
    planned = min(path.stat().st_mtime for path in run.glob("shards/a1*.json"))
    return (run / "edition.json").stat().st_mtime - planned


def loading_in(run: Path) -> float:
    """Seconds spent on opening the engine: start-up, told apart."""
    return float(sum(facts["seconds_loading"] for facts in facts_in(run)))


def starting_in(run: Path) -> float:
    """Seconds from the plan to the first shard: the start of the worker's process."""
    began = min(datetime.fromisoformat(facts["began_at"]).timestamp() for facts in facts_in(run))
    return began - min(path.stat().st_mtime for path in run.glob("shards/a1*.json"))


def facts_in(run: Path) -> list[dict[str, Any]]:
    """What every shard's manifest tells beside its record."""
    return [json.loads(path.read_text())["facts"] for path in run.glob("parts/a*.json")]


def efficiency(asked: argparse.Namespace) -> None:
    """A night beside the bare engine on the same requests."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        lake = str(home / "lake")
        words = [asked.line, "--source", asked.source, "--limit", str(asked.limit), "--model", asked.model]
        made = night([*words, "--lake", lake, "--engine", "hf"], home)
        workspace = open_workspace(lake)
        line, folder = workspace.line(asked.line), workspace.run(str(made.summary["run_id"]))
        apart = starting_in(folder.path) + loading_in(folder.path)
        span = made_in(folder.path) - apart
        engine = HfEngine(asked.model, slots=line.recipe.generation.slots, device="cpu")
        texts, bare = 0, 0.0
        for shard in sorted(folder.file("shards").glob("a*.parquet")):
            asked_rows = pq.read_table(shard).to_pylist()
            requests = [
                TextRequest(key=r["request_key"], locale=r["locale"], prompt=r["prompt"], attributes=())
                for r in asked_rows
            ]
            started = time.monotonic()
            attempt = int(shard.name[1 : shard.name.index("-")])
            texts += len(list(engine.generate(requests, sampling=line.recipe.sampling, attempt=attempt)))
            bare += time.monotonic() - started
        seconds: dict[str, float] = made.summary["seconds"]  # type: ignore[assignment]
        share = {stage: f"{seconds[stage] / span:.1%}" for stage in ("generate", "screen", "seal", "audit", "publish")}
        print(f"texts {texts:,}; bare engine {texts / bare:,.1f} texts/s; night {texts / span:,.1f} texts/s")  # noqa: T201 -- a benchmark's output
        print(f"efficiency {bare / span:.3f}; of the night: {share}; start-up apart {apart:.1f} s; stages {seconds}")  # noqa: T201 -- a benchmark's output
        print(f"published {made.summary['states']}; largest process {made.peak_mb:,.0f} MB")  # noqa: T201 -- a benchmark's output


def side_by_side(asked: argparse.Namespace) -> None:
    """The same night with one worker process and with two."""
    spans: dict[int, float] = {}
    for count in (1, 2):
        with tempfile.TemporaryDirectory() as place:
            home = Path(place)
            folder = shutil.copytree(REPOSITORY / "data_contracts" / asked.line, home / "lines" / asked.line)
            recipe = yaml.safe_load((folder / "recipe.yaml").read_text("utf-8"))
            recipe["generation"] |= {"workers": count}
            (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True), "utf-8")
            words = [asked.line, "--source", asked.source, "--limit", str(asked.limit), "--model", asked.model]
            made = night([*words, "--lake", str(home / "lake"), "--engine", "hf"], home, AIGC_LINES=str(home / "lines"))
            run = home / "lake" / "runs" / str(made.summary["run_id"])
            spans[count] = made_in(run)
            print(f"{count}: first shard to commit {spans[count]:.1f} s, loading {loading_in(run):.1f} s in all")  # noqa: T201 -- a benchmark's output
    print(f"two over one: {spans[1] / spans[2]:.2f} times, loading included")  # noqa: T201 -- a benchmark's output


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    verbs = parser.add_subparsers(dest="verb", required=True)
    growing = verbs.add_parser("scale")
    growing.add_argument("counts", type=int, nargs="+")
    for verb in ("efficiency", "workers"):
        beside = verbs.add_parser(verb)
        beside.add_argument("line")
        beside.add_argument("source")
        beside.add_argument("model", help="Folder of a model that was tuned on the line's prompts.")
        beside.add_argument("--limit", type=int, default=10_000)
    asked = parser.parse_args()
    if asked.verb == "scale":
        scale(asked.counts)
    elif asked.verb == "workers":
        side_by_side(asked)
    else:
        efficiency(asked)


if __name__ == "__main__":
    main()
