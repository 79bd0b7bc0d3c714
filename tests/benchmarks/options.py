"""What a watermark, a schema and drafts cost per token made, paired with plain sampling, same model and prompts.

    .venv/bin/python tests/benchmarks/options.py ../shared/data/catalogue/hm_articles.parquet --model FOLDER

The folder is the one that `generation.py` fills. One thread, CPU time; rounds are interleaved, ratios within a round.
"""

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

from generation import LINE, pairs_of, requests_of

from aigc_core.contracts.steering import schema_text
from aigc_core.engines.base import Generator
from aigc_core.engines.best_of import BestOf
from aigc_core.engines.hf import HfEngine
from aigc_core.engines.structured import StructuredTexts
from aigc_core.engines.watermark import WatermarkKey, keyed
from aigc_core.records import Sampling
from aigc_core.workspace import open_workspace, quiet_process

KEY = WatermarkKey("a key of the benchmark, 32 characters or more")
PLAIN = Sampling(temperature=0.7, top_p=0.95, max_new_tokens=120)
TOP_K = replace(PLAIN, top_k=40)
TEXT = {"type": "string", "minLength": 20, "maxLength": 240}
CARD = {"type": "object", "properties": {"title": TEXT, "text": TEXT}, "required": ["title", "text"]}


def variants(engine: HfEngine) -> dict[str, tuple[Generator, Sampling, str]]:
    """Name -> (engine, sampling, name of what it is compared with)."""
    engine.mark_with(KEY)
    kgw, synthid = (keyed(f'{{"scheme":"{scheme}"}}', KEY) for scheme in ("kgw", "synthid"))
    schema = schema_text(CARD | {"additionalProperties": False})
    return {
        "top-p": (engine, PLAIN, "top-p"),
        "top-k": (engine, TOP_K, "top-k"),
        "kgw": (engine, replace(PLAIN, watermark=kgw), "top-p"),
        "synthid": (engine, replace(TOP_K, watermark=synthid), "top-k"),
        "json": (StructuredTexts(engine), replace(PLAIN, json_schema=schema), "top-p"),
        "best of 4": (BestOf(engine), replace(PLAIN, best_of=4), "top-p"),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    quiet_process()
    pairs = pairs_of(asked.catalogue, open_workspace().line(LINE).recipe)[: asked.rows]
    requests = requests_of([pair for _, _, pair in pairs], None)
    found = variants(HfEngine(str(asked.model), slots=128, device="cpu"))
    spent: dict[str, list[float]] = {name: [] for name in found}
    for number in range(asked.rounds + 1):
        for name, (engine, sampling, _) in found.items():
            start = time.process_time()
            texts = list(engine.generate(requests, sampling=sampling, attempt=1))
            made = sum(text.tokens + text.discarded_tokens for text in texts)
            if number:
                spent[name].append((time.process_time() - start) / made * 1e6)
    for name, (_, _, base) in found.items():
        ratio = statistics.median(mine / theirs for mine, theirs in zip(spent[name], spent[base], strict=True))
        print(f"{name:10s} {statistics.median(spent[name]):7.1f} us a token, {ratio:.2f}x {base}")  # noqa: T201


if __name__ == "__main__":
    main()
