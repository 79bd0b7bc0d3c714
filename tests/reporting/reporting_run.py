"""Builds one small, consistent run on disk: the files a report reads and the summary that goes with them."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from aigc_core.checks.base import FINDING_TYPE
from aigc_core.contracts.recipe import Prices
from aigc_core.records import Door, Gate, ModelVersion, RunSummary
from aigc_core.reporting.economics import cost_of
from aigc_core.reporting.run_report import ReportFiles

COLOURS = (("black", "黑色"), ("dark green", "墨绿色"), ("off-white", "米白色"), ("light blue", "浅蓝色"))
KINDS = (
    ("Strap top", "吊带"),
    ("Hooded jacket", "连帽外套"),
    ("Pleated skirt", "百褶裙"),
    ("Ankle boots", "短靴"),
)
FABRICS = (("cotton jersey", "棉质针织"), ("wool blend", "羊毛混纺"), ("recycled polyester", "再生涤纶"))
TAILS = (
    ("", ""),
    (" Narrow adjustable straps and a soft hem.", "可调节的细肩带，下摆柔软。"),
    (
        " Made to be worn on its own or under a shirt, with room to move.",
        "单穿或内搭都合适，活动自如，日常通勤也能轻松搭配。",
    ),
)
PAIR = pa.struct([("name", pa.string()), ("value", pa.string())])
REQUEST = [
    pa.field("position", pa.int64()),
    *(pa.field(name, pa.string()) for name in ("request_key", "item_id", "locale", "product_group", "category")),
    pa.field("attributes", pa.list_(PAIR)),
    pa.field("seen", pa.bool_()),
    pa.field("reason", pa.string()),
]
BATCH = pa.schema(
    [
        *REQUEST,
        pa.field("attempt", pa.int32()),
        pa.field("text", pa.string()),
        pa.field("tokens", pa.int32()),
        pa.field("error", pa.string()),
        pa.field("findings", pa.list_(FINDING_TYPE)),
        *(pa.field(name, pa.float64()) for name in ("mean_logprob", "attribute_coverage", "distinct_2", "toxicity")),
    ]
)
DECISIONS = pa.schema([(name, pa.string()) for name in ("request_key", "item_id", "locale", "state", "reason")])
OUTCOMES = pa.schema([*DECISIONS, ("attempts", pa.int32()), ("seen", pa.bool_()), ("category", pa.string())])
FINDINGS = pa.schema([*DECISIONS, ("check_id", pa.string()), ("severity", pa.string())]).remove(3)

Row = dict[str, object]
Run = tuple[RunSummary, ReportFiles, ModelVersion]


def finding(check_id: str, severity: str, reason: str, spans: list[tuple[int, int]], evidence: str = "") -> Row:
    """One finding as the batch file holds it."""
    places = [{"start": start, "end": end} for start, end in spans]
    made: Row = {"check_id": check_id, "severity": severity, "reason": reason, "spans": places}
    return {**made, "evidence": evidence, "version": "1", "params_digest": "0" * 8}


def item_row(n: int) -> Row:
    """Request `n` with its text, state and findings, all from its number."""
    zh, item = n % 2, n // 2
    colour, kind, fabric, tail = (
        COLOURS[item % 4][zh],
        KINDS[item // 4 % 4][zh],
        FABRICS[item % 3][zh],
        TAILS[n % 3][zh],
    )
    text = f"{colour}{kind}，面料为{fabric}。{tail}" if zh else f"{kind} in {colour} {fabric}.{tail}"
    row: Row = {
        "position": n,
        "request_key": f"{n:032x}",
        "item_id": f"0{108775015 + 7 * item}",
        "locale": "zh" if zh else "en",
        "product_group": f"g{item // 3}",
        "category": KINDS[item // 4 % 4][0],
        "attributes": [
            {"name": name, "value": value}
            for name, value in zip(
                ("颜色", "款式", "面料") if zh else ("colour", "type", "fabric"),
                (colour, kind, fabric),
                strict=True,
            )
        ],
        "seen": item // 3 % 5 != 0,
        "attempt": 1 + (n % 9 == 0) + (n % 27 == 0),
        "tokens": len(text) // (1 if zh else 4),
        "error": None,
        "mean_logprob": -0.4 - (n * 37 % 100) / 90,
        "attribute_coverage": 1.0 - (n * 13 % 4) / 8,
        "distinct_2": 1 - (n * 29 % 50) ** 2 / 9000,
        "toxicity": 0.0,
    }
    return {**row, **_judged(n, text)}


def _judged(n: int, text: str) -> Row:
    if n % 10 == 0:
        return {
            "text": None,
            "findings": [],
            "state": "unchanged",
            "decided": "published before",
            "reason": "nothing changed",
        }
    kept: Row = {"reason": "attributes changed" if n % 4 else "new item"}
    if n % 23 == 5:
        said = text + (" 100% waterproof." if n % 2 == 0 else "百分百防水。")
        found = [
            finding(
                "Q-F4",
                "block",
                "claims a certification the item does not have",
                [(len(text), len(said))],
                "waterproof",
            )
        ]
        return {
            **kept,
            "text": said,
            "findings": found,
            "state": "rejected",
            "decided": "claims a certification the item does not have",
        }
    if n % 31 == 7:
        found = [
            finding(
                "Q-L5",
                "quarantine",
                "ends in the middle of a sentence",
                [(max(0, len(text) - 12), len(text))],
            )
        ]
        return {
            **kept,
            "text": text[:-1],
            "findings": found,
            "state": "quarantined",
            "decided": "ends in the middle of a sentence",
        }
    if n % 41 == 9:
        return {
            **kept,
            "text": "",
            "findings": [],
            "error": "the prompt is longer than the context",
            "state": "failed",
            "decided": "no text",
        }
    found = [finding("Q-L1b", "warn", "repeats a phrase", [(0, 5)])] if n % 13 == 1 else []
    return {**kept, "text": text, "findings": found, "state": "published", "decided": ""}


def build_run(folder: Path, rows: list[Row]) -> Run:
    """Write the files of a run of these rows and the summary that agrees with them."""
    made = [row for row in rows if row["state"] not in ("unchanged", "no_data", "withheld", "carried_over")]
    decided = [{**row, "reason": row["decided"]} for row in rows]
    found = [{**row, **each} for row in made for each in _findings(row)]
    files = ReportFiles(
        report=str(folder / "report.html"),
        batch=tuple(_write(folder / f"batch-{n}.parquet", BATCH, made[n::2]) for n in range(2 if made else 0)),
        decisions=_write(
            folder / "decisions.parquet", DECISIONS, [row for row in decided if row["state"] != "unchanged"]
        ),
        outcomes=_write(
            folder / "outcomes.parquet", OUTCOMES, [{**row, "attempts": row["attempt"]} for row in decided]
        ),
        findings=_write(folder / "findings.parquet", FINDINGS, found),
        digests={"batch": "b" * 32, "requests": "r" * 32, "catalogue": "c" * 32},
    )
    return _summary(rows, made, files), files, MODEL


def blocked(summary: RunSummary) -> RunSummary:
    """The same run as its gates would have refused it."""
    gate = replace(summary.gates[0], value=0.31, passed=False)
    cost = cost_of(SECONDS, Prices(), published=0, generated=sum(summary.states.values()))
    return replace(summary, blocked=True, edition=None, cost=cost, gates=(gate, *summary.gates[1:]))


def _findings(row: Row) -> list[Row]:
    found = row["findings"]
    assert isinstance(found, list)
    return found


def _write(path: Path, schema: pa.Schema, rows: list[Row]) -> str:
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, write_page_checksum=True)
    return str(path)


def _count(rows: list[Row], column: str) -> dict[str, int]:
    return dict(Counter(str(row[column]) for row in rows))


def _summary(rows: list[Row], made: list[Row], files: ReportFiles) -> RunSummary:
    states = _count(rows, "state")
    published = states.get("published", 0)
    refused = len(made) - published
    tokens = sum(int(str(row["tokens"])) for row in made)
    seen = {
        name: _count([row for row in rows if row["seen"] is flag], "state")
        for name, flag in (("seen", True), ("unseen", False))
    }
    return RunSummary(
        line="fashion_description",
        run_id="20270114-020000-4f1c",
        date="2027-01-14",
        edition=14 if published else None,
        requests=len(rows),
        states=states,
        reasons=_count([row for row in rows if row["decided"]], "decided"),
        planned=_count(rows, "reason"),
        attempts={str(n): sum(int(str(row["attempt"])) >= n for row in made) for n in (1, 2, 3)} if made else {},
        tokens=tokens,
        tokens_per_second=tokens / 41.5,
        seconds=SECONDS,
        cost=cost_of(SECONDS, Prices(), published=published, generated=len(made)),
        model={"alias": "champion", "dtype": "float32", "digest": MODEL.digest},
        lake="/srv/lake",
        report=files.report,
        doors=DOORS,
        findings=dict(Counter(str(each["check_id"]) for row in made for each in _findings(row))),
        gates=(
            Gate(
                gate_id="H-2",
                level="block",
                measure="reject_share",
                value=refused / max(len(made), 1),
                rule="<= 0.25",
                passed=True,
            ),
            Gate(
                gate_id="Q-L2",
                level="warn",
                measure="distinct_2_drop",
                value=0.071,
                rule="<= 0.05",
                passed=False,
            ),
            Gate(
                gate_id="B-1",
                level="block",
                measure="counterfactual_gap",
                value=0.0134,
                rule="<= 0.05",
                passed=True,
            ),
            Gate(gate_id="H-4", level="block", measure="canaries_missed", value=0, rule="<= 0", passed=True),
        )
        if made
        else (),
        seen=seen,
    )


SECONDS = {
    "ingest": 3.2,
    "finetune": 412.7,
    "requests": 1.1,
    "generate": 41.5,
    "screen": 6.4,
    "audit": 9.8,
    "publish": 0.7,
}
DOORS = (
    Door(
        name="catalogue",
        source="articles.csv",
        rows=260,
        accepted=250,
        quarantined=6,
        repeated=4,
        reasons={"item_id is empty": 4, "price is not a number": 2},
    ),
    Door(
        name="corpus",
        source="pairs.jsonl.gz",
        rows=5000,
        accepted=4961,
        quarantined=39,
        reasons={"text shorter than 20 characters": 39},
    ),
)
MODEL = ModelVersion(
    line="fashion_description",
    digest="9f2c61d07be845aa90cc7a1e55d3f0b4",
    engine="hf",
    path="/srv/lake/models/fashion_description/9f2c61d0",
    base="starter",
    corpus_fingerprint="51d0e4a7c2b94f6685e1a0c7d9b2f314",
    parameters=5_246_208,
    training_tokens=2_998_272,
    training_seconds=412.7,
    held_out_loss=1.2841,
    loss_curve=tuple(
        (step, 1.1 + 7.2 / (1 + step / 22), 1.27 + 6.4 / (1 + step / 20) if step % 100 == 0 else None)
        for step in range(5, 401, 5)
    ),
)
