"""Corpus hygiene: the speed of the whole inspection and the memory it takes.

    .venv/bin/python tests/benchmarks/hygiene.py speed ../shared/data/catalogue/hm_articles.parquet
    .venv/bin/python tests/benchmarks/hygiene.py memory --rows 500000
    .venv/bin/python tests/benchmarks/hygiene.py template --rows 20000

`speed` prints pairs per second of CPU time, best of three rounds, for the whole inspection and beside it for the
in-memory deduplicator of rensa on the same texts, which finds near duplicates only and holds every signature.
`memory` runs on made-up distinct texts and prints the peak; `template` on texts of one template, the worst case.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aigc_core.contracts.hygiene import Hygiene
from aigc_core.corpus.hygiene import inspect_pairs

RULES = Hygiene.model_validate({"licence": {"declared": "internal"}})
ROUNDS = 3
BATCH = 10_000
COLUMNS = ("item_id", "product_group", "locale", "text", "category", "licence", "source", "raw")
SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        *((name, pa.string()) for name in COLUMNS),
        ("attributes", pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))),
    ]
)
NOUNS = "mug kettle lamp chair shelf basket blanket pillow clock bowl vase mirror".split()  # noqa: SIM905 -- read as one


def candidates(path: Path, texts: Iterator[tuple[str, str]]) -> int:
    """Write (product group, text) as candidates; the rows."""
    with pq.ParquetWriter(path, SCHEMA) as writer:
        rows, number = [], 0
        for number, (group, text) in enumerate(texts, start=1):
            pair = {"name": "name", "value": text.split()[0]}
            own = {"number": number, "item_id": f"{number:09}", "product_group": group, "locale": "en", "text": text}
            rows.append({**dict.fromkeys(COLUMNS), **own, "source": "benchmark", "attributes": [pair]})
            if len(rows) == BATCH:
                writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
                rows = []
        writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
    return number


def real(path: Path) -> Iterator[tuple[str, str]]:
    """Product code and description of the H&M articles."""
    for batch in pq.ParquetFile(path).iter_batches(columns=["product_code", "description"]):
        for row in batch.to_pylist():
            if row["description"]:
                yield str(row["product_code"]), row["description"]


def distinct(rows: int) -> Iterator[tuple[str, str]]:
    """Texts of 40 words drawn from 20,000, so that no two are alike."""
    chosen = np.random.default_rng(7)
    words = np.array([f"{noun}{chr(97 + at % 26)}{at // 26 % 97}x" for at in range(1667) for noun in NOUNS])
    for start in range(0, rows, BATCH):
        for row in words[chosen.integers(0, len(words), (min(BATCH, rows - start), 36))]:
            yield str(start), "The mug is made of " + " ".join(row) + " and."


def template(rows: int) -> Iterator[tuple[str, str]]:
    """Texts that differ in three words."""
    chosen = np.random.default_rng(7)
    for number in range(rows):
        noun, other = (NOUNS[at] for at in chosen.integers(0, len(NOUNS), 2))
        words = f"This {noun} goes with a {other}, is finished by hand and comes with a regular fit and a soft touch."
        yield str(number), f"{words} Item {number} of the collection."


def whole(path: Path) -> None:
    """Inspect the candidates, and say how many went for what."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        report = inspect_pairs(path, made / "kept", made / "refused", RULES, scratch=made / "scratch")
    sys.stdout.write(f"{report}\n")


def alternative(path: Path) -> None:
    """Near duplicates by rensa's deduplicator: character trigrams, the same permutations and bands, no verification."""
    from rensa import RMinHash, RMinHashDeduplicator  # type: ignore[import-untyped]

    found = RMinHashDeduplicator(threshold=0.9, num_perm=100, use_lsh=True, num_bands=20)
    gone = 0
    for number, text in enumerate(pq.read_table(path, columns=["text"])["text"].to_pylist()):
        signature = RMinHash(num_perm=100, seed=42)
        signature.update([text[at : at + 3] for at in range(len(text) - 2)])
        gone += not found.add(str(number), signature)
    sys.stdout.write(f"alternative: {gone} near duplicates\n")


def best(work: Callable[[Path], None], path: Path, rows: int) -> float:
    """Rows per second of CPU time, best of the rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work(path)
        times.append(time.process_time() - start)
    return rows / min(times)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "memory", "template"])
    parser.add_argument("articles", nargs="?", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candidates.parquet"
        made = {"memory": distinct, "template": template}
        texts = real(chosen.articles) if chosen.what == "speed" else made[chosen.what](chosen.rows)
        rows = candidates(path, texts)
        if chosen.what == "speed":
            ours, theirs = best(whole, path, rows), best(alternative, path, rows)
            sys.stdout.write(f"{rows} pairs: inspection {ours:.0f}/s, rensa deduplicator alone {theirs:.0f}/s\n")
            return
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        whole(path)
        spent, peak = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sys.stdout.write(
            f"{rows} pairs: {rows / spent:.0f}/s, peak {peak / 1024:.0f} MiB (before: {before / 1024:.0f})\n"
        )


if __name__ == "__main__":
    main()
