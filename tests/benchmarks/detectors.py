"""What the checks of training pairs find, beside labelled data.

    .venv/bin/python tests/benchmarks/detectors.py privacy ../shared/data/checks/presidio_pii_a.jsonl.gz
    .venv/bin/python tests/benchmarks/detectors.py recall ../shared/data/catalogue/hm_articles.parquet --rows 5000
    .venv/bin/python tests/benchmarks/detectors.py claims ../shared/data/checks/zh_adlaw_terms.txt

`privacy`: per entity how many labelled places are touched by one found (recall), and how many found touch a labelled
one of that entity (precision). `recall`: rows and pairs at J >= 0.8 that the search finds, beside comparing all
texts with all. `claims`: terms of an advertising-law list that some rule recognises.
"""

import argparse
import gzip
import json
import tempfile
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aigc_core.checks.claims import lexicons
from aigc_core.checks.duplicates import signature
from aigc_core.checks.near_duplicates import jaccards_among, settle, views
from aigc_core.checks.privacy import find
from aigc_core.contracts.hygiene import Duplicates

LABELS = {
    "CREDIT_CARD": "BANK_CARD",
    "EMAIL_ADDRESS": "EMAIL",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "PHONE_NUMBER": "PHONE",
    "US_SSN": "SSN",
    "PERSON": "NAME",
    "ADDRESS": "ADDRESS",
    "STREET_ADDRESS": "ADDRESS",
}
AT = 0.8
TEXTS = pa.schema(
    [
        ("position", pa.int64()),
        *((name, pa.string()) for name in ("item_id", "product_group", "locale", "text")),
        ("signature", pa.binary(16)),
    ]
)


def say(text: str) -> None:
    """Print one line."""
    print(text, flush=True)  # noqa: T201


def privacy(path: Path) -> None:
    """Recall and precision per entity, by touching spans."""
    there, hit, found, right = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            spans = [
                (LABELS[one["entity_type"]], one["start_position"], one["end_position"])
                for one in row["spans"]
                if one["entity_type"] in LABELS
            ]
            places = [(one.entity, one.start, one.end) for one in find(row["full_text"], [], "en")]
            for mine, theirs, all_of, touched in ((spans, places, there, hit), (places, spans, found, right)):
                for entity, start, end in mine:
                    all_of[entity] += 1
                    touched[entity] += any(e == entity and s < end and start < t for e, s, t in theirs)
    for entity in sorted(set(LABELS.values())):
        precision = f"{right[entity] / found[entity]:.3f}" if found[entity] else "none found"
        say(f"{entity}: recall {hit[entity] / there[entity]:.3f} of {there[entity]}, precision {precision}")


def recall(path: Path, rows: int) -> None:
    """Rows and pairs found, beside comparing all with all."""
    column = pq.read_table(path, columns=["description"])["description"].to_pylist()
    texts = list({signature(text, locale="en"): text for text in column if text}.values())
    chosen = [texts[at] for at in np.random.default_rng(20261125).permutation(len(texts))[:rows]]
    truth = true_pairs(chosen)
    with tempfile.TemporaryDirectory() as scratch:
        ids = [f"{at:07}" for at in range(len(chosen))]
        own = [signature(text, locale="en") for text in chosen]
        table = pa.table([range(len(chosen)), ids, ids, ["en"] * len(ids), chosen, own], schema=TEXTS)
        source = Path(scratch) / "texts.parquet"
        pq.write_table(table, source)
        settled = settle(source, Duplicates(exact="off", near="flag"), scratch=Path(scratch) / "s")
        marked = set(pq.read_table(settled.marks)["position"].to_pylist())
        pairs = pq.read_table(Path(scratch) / "s" / "similar.parquet").filter(pa.compute.field("jaccard") >= AT)
        found = set(zip(pairs["earlier"].to_pylist(), pairs["later"].to_pylist(), strict=True))
    later = {pair[1] for pair in truth}
    say(f"rows: {len(later & marked) / len(later):.4f} of {len(later)}, wrong {len(marked - later)}")
    say(f"pairs: {len(truth & found) / len(truth):.4f} of {len(truth)}, wrong {len(found - truth)}")


def true_pairs(texts: list[str]) -> set[tuple[int, int]]:
    """Every pair at J >= 0.8."""
    normal, found = views(pa.array(texts)).to_pylist(), set()
    places = np.arange(len(texts))
    for at in range(len(texts)):
        others = places[at + 1 :]
        if len(others):
            alike = jaccards_among(normal[at:], np.zeros(len(others), np.int64), others - at) >= AT
            found |= {(at, int(other)) for other in others[alike]}
    return found


def claims(path: Path) -> None:
    """Terms recognised."""
    lexicon = lexicons(("cn", "eu", "us"))["zh"]
    terms = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    missed = [term for term in terms if not lexicon.claims(f"这款{term}产品")]
    say(f"recognised {1 - len(missed) / len(terms):.2f} of {len(terms)}; not: {', '.join(islice(missed, 12))} ...")


def main() -> None:
    """Dispatch; see the module's words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["privacy", "recall", "claims"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=3000)
    asked = parser.parse_args()
    if asked.what == "recall":
        recall(asked.path, asked.rows)
    else:
        {"privacy": privacy, "claims": claims}[asked.what](asked.path)


if __name__ == "__main__":
    main()
