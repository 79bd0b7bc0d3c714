"""Judging again: whether texts that are written hold under rules that came later."""

import pyarrow as pa

from aigc_core.audit.screen import Rules, on_texts
from aigc_core.checks.registry import run_checks
from aigc_core.contracts.check import check_rows


def rejudge(texts: pa.RecordBatch, rules: Rules) -> list[tuple[bool, str]]:
    """For each text whether it holds as `screen` would have it, and the heaviest reason where it does not.

    Args:
        texts: columns of `checks.base.TEXTS`.
    """
    judged = run_checks(rules.checks, texts)
    broken = {
        verdict.row: verdict.reason for verdict in check_rows(on_texts(rules.contract), pa.Table.from_batches([texts]))
    }
    return [
        (fine and row not in broken, "" if fine and row not in broken else _why(judged.findings[row], broken.get(row)))
        for row, fine in enumerate(judged.accepted)
    ]


def _why(findings: tuple[dict[str, object], ...], broken: str | None) -> str:
    heavy = [finding for finding in findings if finding["severity"] != "warn"]
    return f"{heavy[0]['check_id']} {heavy[0]['reason']}" if heavy else f"contract {broken}"
