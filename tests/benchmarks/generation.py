"""Generation, paired: refilled slots beside `generate` in padded batches, same model, prompts and hour.

    .venv/bin/python tests/benchmarks/generation.py MODEL_FOLDER REQUESTS_PARQUET [--rows 512] [--rounds 3]

Prints tokens per second of CPU time and the ratio to `generate` in batches of 32, median and range over the rounds.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from aigc_core.engines.base import TextRequest
from aigc_core.engines.hf import HfEngine
from aigc_core.engines.loading import load_model, load_tokenizer, prompt_ids
from aigc_core.records import Sampling

GREEDY = Sampling(temperature=0.0, max_new_tokens=96)
SAMPLED = Sampling(temperature=0.7, top_p=0.95, max_new_tokens=96)


def slots(folder: str, requests: Sequence[TextRequest], sampling: Sampling) -> Callable[[], int]:
    """Tokens made by our engine."""
    engine = HfEngine(folder, slots=128, device="cpu")
    return lambda: sum(text.tokens for text in engine.generate(requests, sampling=sampling, attempt=1))


def padded(folder: str, requests: Sequence[TextRequest], sampling: Sampling, size: int = 32) -> Callable[[], int]:
    """Tokens made by `generate` in left-padded batches, in catalogue order, as the usual loop does it."""
    import torch

    model: Any = load_model(Path(folder), device="cpu", dtype="float32")
    tokenizer = load_tokenizer(Path(folder))
    prompts = prompt_ids(tokenizer, [request.prompt for request in requests])
    choose: dict[str, Any] = {"do_sample": sampling.temperature > 0}
    if sampling.temperature:
        choose |= {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}

    def run() -> int:
        made = 0
        for start in range(0, len(prompts), size):
            batch = prompts[start : start + size]
            width = max(map(len, batch))
            pad = int(tokenizer.pad_token_id)
            ids = torch.tensor([[pad] * (width - len(row)) + row for row in batch])
            mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in batch])
            with torch.inference_mode():
                out = model.generate(
                    input_ids=ids, attention_mask=mask, max_new_tokens=sampling.max_new_tokens,
                    pad_token_id=pad, eos_token_id=int(tokenizer.eos_token_id), **choose,
                )  # fmt: skip
            ends = {pad, int(tokenizer.eos_token_id)}
            made += sum(token not in ends for row in out[:, width:].tolist() for token in row)
        return made

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("model")
    parser.add_argument("requests")
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    rows = pq.read_table(asked.requests, columns=["request_key", "locale", "prompt"]).to_pylist()
    requests = [
        TextRequest(key=row["request_key"], locale=row["locale"], prompt=row["prompt"], attributes=())
        for row in rows
        if row["prompt"]
    ][: asked.rows]
    for name, sampling in (("greedy", GREEDY), ("sampled", SAMPLED)):
        variants = {"generate, batches of 32": padded(asked.model, requests, sampling)}
        variants["slots, 128"] = slots(asked.model, requests, sampling)
        rates: dict[str, list[float]] = {variant: [] for variant in variants}
        for _ in range(asked.rounds):
            for variant, run in variants.items():
                started = time.process_time()
                rates[variant].append(run() / (time.process_time() - started))
        base = rates["generate, batches of 32"]
        for variant, speeds in rates.items():
            ratios = [speed / other for speed, other in zip(speeds, base, strict=True)]
            print(  # noqa: T201 -- a benchmark's output
                f"{name}: {variant}: {statistics.median(speeds):.0f} tokens/s, ratio "
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
            )


if __name__ == "__main__":
    main()
