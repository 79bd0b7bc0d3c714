"""Records are frozen, small and JSON-able, and only a passed audit makes leave to publish."""

import dataclasses
import inspect
import json
from dataclasses import replace

import pytest

from aigc_core import records
from aigc_core.errors import AuditBlocked
from aigc_core.ids import canonical_json
from aigc_core.records import TERMINAL_STATES, AuditReport, Door, Gate, ModelVersion, Part, RequestSet
from aigc_core.storage.progress import as_record

KINDS = [found for _, found in inspect.getmembers(records, dataclasses.is_dataclass)]
GATE = Gate(gate_id="H-2", level="block", measure="share", value=0.9, rule="<= 0.5", passed=False)


def report(*gates: Gate) -> AuditReport:
    """An audit that came to these gates."""
    return AuditReport(
        run_id="run-1",
        content_hash="c",
        contract_digest="k",
        decisions="d.parquet",
        decisions_sha256="d",
        states={"published": 1},
        reasons={},
        gates=gates,
        canaries=20,
        canaries_missed=(),
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_record_is_frozen_and_named(kind: type) -> None:
    settings = kind.__dataclass_params__  # type: ignore[attr-defined]
    assert settings.frozen
    assert all(field.kw_only for field in dataclasses.fields(kind))


@pytest.mark.parametrize(
    "record",
    [
        Door(name="corpus", source="c.jsonl", rows=2, accepted=1, quarantined=1, reasons={"x: missing": 1}),
        RequestSet(run_id="r", path="p", fingerprint="f", requests=1, to_generate=1, reasons={"new": 1}, states={}),
        ModelVersion(line="l", digest="d", engine="hf", path="p", base="b", loss_curve=((1, 2.5, None), (2, 1.5, 1.0))),
        report(GATE, replace(GATE, value=None)),
    ],
    ids=lambda record: type(record).__name__,
)
def test_a_record_comes_back_from_its_json(record: object) -> None:
    assert as_record(type(record), canonical_json(record)) == record


def test_a_part_of_before_discarded_tokens_were_counted_still_reads() -> None:
    part = Part(
        run_id="r", attempt=1, number=0, path="p", sha256="s", rows=1, failed=0, prompt_tokens=3, tokens=5, seconds=1.0,
        finished_at="2026-01-01T00:00:00+00:00", discarded_tokens=7,
    )  # fmt: skip
    told = json.loads(canonical_json(part))
    assert told.pop("discarded_tokens") == 7
    before = as_record(Part, json.dumps(told))
    assert (part.made_tokens, before.made_tokens) == (12, 5)


def test_the_nine_terminal_states() -> None:
    assert len(set(TERMINAL_STATES)) == len(TERMINAL_STATES) == 9


def test_leave_to_publish_names_what_was_audited() -> None:
    passed = report(replace(GATE, passed=True)).require_passed()
    assert (passed.run_id, passed.content_hash, passed.decisions_sha256, passed.contract_digest) == (
        "run-1",
        "c",
        "d",
        "k",
    )


def test_a_blocked_report_names_every_gate_that_refused() -> None:
    other = replace(GATE, gate_id="I-1", measure="undecided", value=None, rule="= 0")
    with pytest.raises(
        AuditBlocked, match=r"H-2 share = 0\.9 \(must be <= 0\.5\); I-1 undecided = None .*Nothing was published"
    ) as caught:
        report(GATE, other, replace(GATE, gate_id="fine", passed=True)).require_passed()
    assert caught.value.run_id == "run-1"
    assert "fine" not in str(caught.value)


def test_no_gate_is_no_pass() -> None:
    with pytest.raises(AuditBlocked, match="no gate was evaluated"):
        report().require_passed()


def test_a_warning_does_not_block() -> None:
    assert report(replace(GATE, level="warn")).require_passed().run_id == "run-1"
