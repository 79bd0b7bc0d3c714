"""Engine `ct2` beside the library called bare, and beside `hf`: same model, prompts and hour.

    .venv/bin/python tests/benchmarks/ct2.py ../shared/data/catalogue/hm_articles.parquet --model FOLDER

FOLDER holds the model that `generation.py --model FOLDER` trains. One thread; tokens per second of CPU time; rounds
are interleaved and ratios are taken within a round. Bare means `generate_batch` over all prompts in batches of 64, once
from tokens to tokens and once from texts to texts, which is what an engine does. Also said: greedy texts equal to those
of `hf`.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from aigc_core.contracts.prompt import prompt_for
from aigc_core.engines.base import Generator, TextRequest
from aigc_core.engines.ct2 import Ct2Engine
from aigc_core.engines.hf import HfEngine
from aigc_core.engines.loading import folder_digest, load_tokenizer, prompt_ids
from aigc_core.engines.variants import Ct2Dtype, convert, ct2_library
from aigc_core.generation.variants import measure
from aigc_core.records import Sampling
from aigc_core.workspace import open_workspace, quiet_process

LINE = "fashion_description"
GREEDY = Sampling(temperature=0.0, max_new_tokens=120)
SAMPLED = Sampling(temperature=0.7, top_p=0.95, max_new_tokens=120)
DTYPES: tuple[Ct2Dtype, ...] = ("float32", "int8")
Variant = Callable[[], int]


def prompts_of(catalogue: Path, rows: int) -> list[str]:
    """The line's prompts, evenly drawn from the catalogue."""
    recipe = open_workspace().line(LINE).recipe
    columns = {"name": "name", **recipe.columns.catalogue}
    items = pq.read_table(catalogue)
    found = items.take(list(range(0, len(items), max(1, len(items) // rows)))[:rows]).to_pylist()
    return [
        prompt_for(
            recipe,
            "",
            "en",
            [
                {"name": name, "value": str(row[columns[attribute.column]])}
                for name, attribute in recipe.attributes.items()
                if row[columns[attribute.column]]
            ],
        )
        for row in found
    ]


def engine(made: Generator, requests: Sequence[TextRequest], sampling: Sampling) -> Variant:
    """Ours: requests in, texts out."""
    return lambda: sum(text.tokens for text in made.generate(requests, sampling=sampling, attempt=1))


def bare(folder: Path, variant: str, dtype: Ct2Dtype, prompts: Sequence[str], sampling: Sampling) -> dict[str, Variant]:
    """The library itself: from tokens to tokens, and from texts to texts."""
    writer = ct2_library().Generator(variant, compute_type=dtype, inter_threads=1, intra_threads=1)
    tokenizer: Any = load_tokenizer(folder)
    options: dict[str, Any] = {"sampling_topk": 1}
    if sampling.temperature:
        options = {"sampling_topk": 0, "sampling_topp": sampling.top_p, "sampling_temperature": sampling.temperature}

    def pieces() -> list[list[str]]:
        return [tokenizer.convert_ids_to_tokens(row) for row in prompt_ids(tokenizer, prompts)]

    def answers(rows: list[list[str]]) -> list[list[int]]:
        came = writer.generate_batch(
            rows, max_batch_size=64, include_prompt_in_result=False, max_length=sampling.max_new_tokens, **options
        )
        return [answer.sequences_ids[0] for answer in came]

    known = pieces()

    def whole() -> int:
        made = answers(pieces())
        tokenizer.batch_decode(made, skip_special_tokens=True)
        return sum(map(len, made))

    return {"tokens": lambda: sum(map(len, answers(known))), "texts": whole}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    quiet_process()
    prompts = prompts_of(asked.catalogue, asked.rows)
    requests = [TextRequest(key=str(n), locale="en", prompt=prompt, attributes=()) for n, prompt in enumerate(prompts)]
    hf, digest = HfEngine(str(asked.model), device="cpu"), folder_digest(asked.model)
    for sampling, title in ((GREEDY, "greedy"), (SAMPLED, "sampled")):
        variants = {"hf engine": engine(hf, requests, sampling)}
        for dtype in DTYPES:
            place = tempfile.mkdtemp()
            convert(asked.model, digest, Path(place), dtype)
            made = Ct2Engine(str(asked.model), place)
            for name, run in bare(asked.model, place, dtype, prompts, sampling).items():
                variants[f"bare {dtype}, {name}"] = run
            variants[f"ct2 engine {dtype}"] = engine(made, requests, sampling)
            if not sampling.temperature:
                print(f"{dtype}: {measure(hf, made, prompts, sampling.max_new_tokens)}")  # noqa: T201 -- output
        show(title, variants, asked.rounds)


def show(title: str, variants: dict[str, Variant], rounds: int) -> None:
    """Medians, with the engines' ratios to the library."""
    rates: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, run in variants.items():
            started = time.process_time()
            made = run()
            rates[name].append(made / (time.process_time() - started))
    for name, speeds in rates.items():
        print(f"{title}: {name}: {statistics.median(speeds):.0f} tokens/s", flush=True)  # noqa: T201 -- output
    for dtype in DTYPES:
        for base in ("tokens", "texts"):
            pairs = zip(rates[f"ct2 engine {dtype}"], rates[f"bare {dtype}, {base}"], strict=True)
            ratios = [ours / theirs for ours, theirs in pairs]
            print(  # noqa: T201 -- output
                f"{title}: ct2 engine {dtype} to bare, {base}: {statistics.median(ratios):.2f} "
                f"({min(ratios):.2f}-{max(ratios):.2f})"
            )


if __name__ == "__main__":
    main()
