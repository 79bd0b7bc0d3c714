"""Generation, paired: the `hf` engine beside what people use instead, same model, prompts and hour.

    .venv/bin/python tests/benchmarks/generation.py ../shared/data/catalogue/hm_articles.parquet --model FOLDER
    .venv/bin/python tests/benchmarks/generation.py ../shared/data/catalogue/hm_articles.parquet --big

A folder without a model is filled first: the starter, trained on the catalogue's pairs with the settings of the
fashion line, long enough to end its texts by itself. `--big` takes an untrained model of 102M parameters from a
configuration instead, its texts as long as the catalogue's own, and states the share of the roofline.

One thread. Rates are useful tokens (those a text is made of) per second of CPU time; rounds are interleaved and
ratios are taken within a round. `--only WORD` runs the variants whose name holds the word, and the base.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from aigc_core.contracts.prompt import prompt_for
from aigc_core.contracts.recipe import Recipe
from aigc_core.engines.base import GeneratedText, TextRequest, TrainingPair
from aigc_core.engines.hf import HfEngine
from aigc_core.engines.loading import completion_ids, load_model, load_tokenizer, prompt_ids, quiet
from aigc_core.engines.onednn import multiply_by_onednn
from aigc_core.ids import stable_unit
from aigc_core.records import Sampling
from aigc_core.workspace import open_workspace, quiet_process

LINE = "fashion_description"
BASE = "generate, padded batches of 32"
GREEDY = Sampling(temperature=0.0, max_new_tokens=120)
SAMPLED = Sampling(temperature=0.7, top_p=0.95, max_new_tokens=120)
BIG_LAYERS, BIG_HIDDEN, BIG_INNER, BIG_HEADS = 14, 768, 2048, 12


@dataclass(frozen=True, slots=True)
class Bench:
    """One model and what it is asked for."""

    folder: Path
    requests: tuple[TextRequest, ...]
    sampling: Sampling

    @property
    def limits(self) -> list[int] | None:
        """Each text's length in tokens where the model does not end it by itself."""
        limits = [request.limit for request in self.requests if request.limit]
        return limits or None


Variant = Callable[[], int]
"""Writes all texts; the tokens they are made of."""


def hf_engine(bench: Bench) -> Variant:
    """Ours."""
    engine = HfEngine(str(bench.folder), slots=128, device="cpu")
    return lambda: sum(text.tokens for text in write(engine, bench))


def write(engine: HfEngine, bench: Bench) -> Iterator[GeneratedText]:
    """All texts of a bench."""
    return engine.generate(bench.requests, sampling=bench.sampling, attempt=1)


def padded(bench: Bench, size: int) -> Variant:
    """`generate` in left-padded batches, in catalogue order, as the usual loop does it."""
    import torch

    model: Any = load_model(bench.folder, device="cpu", dtype="float32")
    tokenizer = load_tokenizer(bench.folder)
    prompts = prompt_ids(tokenizer, [request.prompt for request in bench.requests])
    ends = {int(tokenizer.pad_token_id), int(tokenizer.eos_token_id)}
    limits = bench.limits

    def batch(start: int) -> int:
        rows = prompts[start : start + size]
        width = max(map(len, rows))
        most = limits[start : start + size] if limits else [bench.sampling.max_new_tokens] * len(rows)
        with torch.inference_mode():
            out = model.generate(
                input_ids=torch.tensor([[0] * (width - len(row)) + row for row in rows]),
                attention_mask=torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows]),
                pad_token_id=int(tokenizer.pad_token_id),
                **choosing(bench.sampling),
                **(ending(most, width) if limits else {"max_new_tokens": most[0]}),
            )
        made = out[:, width:].tolist()
        return sum(token not in ends for row, count in zip(made, most, strict=True) for token in row[:count])

    return lambda: sum(batch(start) for start in range(0, len(prompts), size))


def choosing(sampling: Sampling) -> dict[str, Any]:
    """The sampling as `generate` takes it."""
    if not sampling.temperature:
        return {"do_sample": False}
    return {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}


def ending(limits: Sequence[int], width: int) -> dict[str, Any]:
    """Ends each row at its own length, as its end token would."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    ends = torch.tensor(limits) + width

    class RowLength(StoppingCriteria):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
            return input_ids.shape[1] >= ends

    return {
        "stopping_criteria": StoppingCriteriaList([RowLength()]),
        "max_new_tokens": max(limits),
        "eos_token_id": None,
    }


def pipeline_of_32(bench: Bench) -> Variant:
    """The text-generation pipeline, in catalogue order."""
    from transformers import TextGenerationPipeline

    tokenizer = load_tokenizer(bench.folder)
    model = load_model(bench.folder, device="cpu", dtype="float32")
    pipeline: Any = TextGenerationPipeline
    writer = pipeline(model=model, tokenizer=tokenizer, batch_size=32)
    prompts = [request.prompt for request in bench.requests]
    known = prompt_ids(tokenizer, prompts)
    ends = {int(tokenizer.pad_token_id), int(tokenizer.eos_token_id)}

    def run() -> int:
        with quiet():
            answers = writer(
                prompts, return_tensors=True, max_new_tokens=bench.sampling.max_new_tokens, **choosing(bench.sampling)
            )
        made = 0
        for prompt, (answer,) in zip(known, answers, strict=True):
            kept = [token for token in answer["generated_token_ids"] if token not in ends | {1}]
            made += len(kept) - sum(token not in ends | {1} for token in prompt)
        return made

    return run


def ctranslate2_bare(bench: Bench, quantization: str) -> Variant:
    """The library itself, which sorts by length and drops finished rows."""
    ctranslate2: Any = import_module("ctranslate2")
    target = tempfile.mkdtemp()
    with quiet():
        ctranslate2.converters.TransformersConverter(str(bench.folder)).convert(
            target, quantization=quantization, force=True
        )
    writer = ctranslate2.Generator(target, inter_threads=1, intra_threads=1, compute_type=quantization)
    tokenizer = load_tokenizer(bench.folder)
    rows = prompt_ids(tokenizer, [request.prompt for request in bench.requests])
    prompts = [tokenizer.convert_ids_to_tokens(row) for row in rows]
    choice: dict[str, Any] = {"sampling_topk": 1}
    if bench.sampling.temperature:
        choice = {"sampling_topk": 0, "sampling_topp": bench.sampling.top_p}
        choice |= {"sampling_temperature": bench.sampling.temperature}

    def run() -> int:
        answers = writer.generate_batch(
            prompts,
            max_batch_size=64,
            include_prompt_in_result=False,
            max_length=bench.sampling.max_new_tokens,
            **choice,
        )
        return sum(len(answer.sequences_ids[0]) for answer in answers)

    return run


def starter_variants(bench: Bench) -> dict[str, Variant]:
    """Everything, over the starter."""
    few = replace(bench, requests=bench.requests[:: max(1, len(bench.requests) // 250)])
    return {
        BASE: padded(bench, 32),
        "generate, row by row (every 8th row)": padded(few, 1),
        "transformers pipeline, batch 32": pipeline_of_32(bench),
        "CTranslate2 float32, bare": ctranslate2_bare(bench, "float32"),
        "CTranslate2 int8, bare": ctranslate2_bare(bench, "int8"),
        "hf engine": hf_engine(bench),
    }


def big_variants(bench: Bench) -> dict[str, Variant]:
    """What matters for a larger model."""
    return {BASE: padded(bench, 32), "hf engine": hf_engine(bench)}


def measure(variants: dict[str, Variant], rounds: int) -> dict[str, list[float]]:
    """Tokens per second of CPU time, a list entry a round."""
    rates: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, run in variants.items():
            started = time.process_time()
            made = run()
            rates[name].append(made / (time.process_time() - started))
    return rates


def show(title: str, rates: dict[str, list[float]]) -> None:
    """Medians and ranges, with ratios to the base."""
    print(  # noqa: T201 -- a benchmark's output
        f"\n{title}\n| variant | tokens/s: median (range) | ratio to {BASE}: median (range) |\n|---|---|---|"
    )
    for name, speeds in rates.items():
        ratios = [speed / other for speed, other in zip(speeds, rates[BASE], strict=True)]
        print(  # noqa: T201 -- a benchmark's output
            f"| {name} | {statistics.median(speeds):.0f} ({min(speeds):.0f}-{max(speeds):.0f}) "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) |",
            flush=True,
        )


def show_roofline(bench: Bench, tokens_a_second: float) -> None:
    """Share of what copying and multiplying alone would allow, measured now.

    Work a text token takes: two operations a weight of the layers for it and for its share of the prompt, two a
    weight of the head for it alone. Bytes: every weight once a step of 128 rows, and the row's keys and values.
    """
    model: Any = load_model(bench.folder, device="cpu", dtype="float32")
    head = model.get_output_embeddings().weight.numel()
    layers = sum(weight.numel() for weight in model.model.layers.parameters())
    prompts = prompt_ids(load_tokenizer(bench.folder), [request.prompt for request in bench.requests])
    made = sum(bench.limits or [])
    prompt = sum(map(len, prompts)) / made
    operations = 2 * (layers * (1 + prompt) + head)
    keys = 2 * BIG_LAYERS * BIG_HIDDEN * (statistics.mean(map(len, prompts)) + made / len(prompts) / 2)
    moved = 4 * ((layers + head) / 128 + keys)
    flops, bandwidth = matmul_rate(), copy_rate()
    bound = 1 / max(operations / flops, moved / bandwidth)
    print(  # noqa: T201 -- a benchmark's output
        f"\nmatmul {flops / 1e9:.0f} GFLOP/s, copy {bandwidth / 1e9:.1f} GB/s; a text token takes "
        f"{operations / 1e6:.0f} MFLOP and {moved / 1e6:.2f} MB: at most {bound:.0f} tokens/s "
        f"({flops / operations:.0f} by multiplying, {bandwidth / moved:.0f} by copying); "
        f"reached {100 * tokens_a_second / bound:.0f} %"
    )


def matmul_rate() -> float:
    """Operations a second of 128 rows times a layer's weights, the shape that generation has, by oneDNN."""
    import torch

    layer = torch.nn.Linear(BIG_HIDDEN, BIG_INNER, bias=False)
    multiply_by_onednn(layer)
    rows = torch.randn(128, BIG_HIDDEN)
    with torch.inference_mode():
        return 2 * 128 * BIG_HIDDEN * BIG_INNER / best_of(lambda: layer(rows))


def copy_rate() -> float:
    """Bytes a second read of a block larger than any cache."""
    import torch

    block = torch.randn(64 * 2**20)
    return block.numel() * 4 / best_of(lambda: block.sum())


def best_of(run: Callable[[], object], rounds: int = 30) -> float:
    """Least CPU seconds of one call."""
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        run()
        seconds.append(time.process_time() - started)
    return min(seconds[1:])


def pairs_of(catalogue: Path, recipe: Recipe) -> list[tuple[float, str, TrainingPair]]:
    """(place, product code, pair) of each distinct text, in a fixed pseudo-random order."""
    columns = {"name": "name", **recipe.columns.catalogue}
    seen, pairs = set(), []
    for row in pq.read_table(catalogue).to_pylist():
        text, code = row["description"], str(row["product_code"])
        if not text or (code, text) in seen or len(text) < 20 or any(sign.isdigit() for sign in text):
            continue
        seen.add((code, text))
        shown = [
            {"name": name, "value": str(row[columns[attribute.column]])}
            for name, attribute in recipe.attributes.items()
            if row[columns[attribute.column]]
        ]
        pairs.append(
            (stable_unit(row["sku"]), code, TrainingPair(prompt=prompt_for(recipe, "", "en", shown), text=text))
        )
    return sorted(pairs, key=lambda pair: pair[0])


def train(folder: Path, recipe: Recipe, pairs: Sequence[tuple[float, str, TrainingPair]]) -> None:
    """The starter, with the line's own settings."""
    from aigc_core.engines.sft import SftTrainer

    held_out = [pair for _, code, pair in pairs if stable_unit(code) < recipe.model.training.held_out_share]
    training = [pair for _, code, pair in pairs if stable_unit(code) >= recipe.model.training.held_out_share]
    SftTrainer(LINE, recipe.model, device="cpu").train(training, held_out, str(folder))


def make_big(folder: Path, starter: Path) -> None:
    """102M parameters, untrained, with the starter's vocabulary."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = load_tokenizer(starter)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=BIG_HIDDEN, intermediate_size=BIG_INNER,
        num_hidden_layers=BIG_LAYERS, num_attention_heads=BIG_HEADS, num_key_value_heads=BIG_HEADS,
        max_position_embeddings=512, pad_token_id=0, bos_token_id=1, eos_token_id=2, tie_word_embeddings=True,
    )  # fmt: skip
    with quiet():
        LlamaForCausalLM(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def requests_of(pairs: Sequence[TrainingPair], starter: Path | None) -> tuple[TextRequest, ...]:
    """One request a pair; with a tokenizer's folder each text gets the length the pair's own text has."""
    limits: list[int | None] = [None] * len(pairs)
    if starter:
        limits = [len(row) for row in completion_ids(load_tokenizer(starter), [pair.text for pair in pairs])]
    return tuple(
        TextRequest(key=f"bench-{number}", locale="en", prompt=pair.prompt, attributes=(), limit=limit)
        for number, (pair, limit) in enumerate(zip(pairs, limits, strict=True))
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--model", type=Path, default=Path(tempfile.gettempdir()) / "bench-model")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--big", action="store_true")
    parser.add_argument("--only", default="", help="word of a name")
    parser.add_argument("--kind", choices=("greedy", "sampled"), action="append")
    asked = parser.parse_args()
    quiet_process()
    import torch

    torch.set_num_threads(1)
    recipe = open_workspace().line(LINE).recipe
    pairs = pairs_of(asked.catalogue, recipe)
    if not (asked.model / "config.json").is_file():
        train(asked.model, recipe, pairs)
    # In the order of their texts' codes, as a catalogue holds them: near ones are alike, not equally long.
    chosen = [pair for _, _, pair in sorted(pairs[-asked.rows :], key=lambda pair: pair[1])]
    folder, requests = asked.model, requests_of(chosen, asked.model if asked.big else None)
    if asked.big:
        folder = Path(tempfile.mkdtemp())
        make_big(folder, asked.model)
    for kind in asked.kind or ("greedy", "sampled"):
        bench = Bench(folder, requests, GREEDY if kind == "greedy" else SAMPLED)
        variants = big_variants(bench) if asked.big else starter_variants(bench)
        rates = measure({n: run for n, run in variants.items() if n == BASE or asked.only in n}, asked.rounds)
        show(f"{kind}, {len(requests)} requests, {folder.name if not asked.big else '102M parameters'}", rates)
        if asked.big:
            show_roofline(bench, statistics.median(rates["hf engine"]))


if __name__ == "__main__":
    main()
