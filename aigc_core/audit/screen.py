"""Screening: what the row checks say of one part's texts, so that failed ones can be tried again at once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from aigc_core.checks.base import FINDING_TYPE, RowCheck
from aigc_core.checks.registry import Judged, run_checks
from aigc_core.records import Part, Shard, Verdicts
from aigc_core.storage.files import read_table, write_table
from aigc_core.storage.progress import RunFolder


def screen(part: Part, shard: Shard, checks: Sequence[RowCheck], folder: RunFolder, *, rules: str) -> Verdicts:
    """Judge every text of a part; a text is accepted when no finding is worse than a warning.

    Args:
        rules: digest of the checks and their parameters: verdicts of other rules are never used again.
    """
    step = f"verdicts/a{part.attempt}-{part.number:05d}-{part.sha256[:12]}-{rules[:8]}"
    path = folder.file(f"{step}.parquet")
    return folder.keep(step, Verdicts, lambda: (_screen(part, shard, checks, path), [path]))


def _screen(part: Part, shard: Shard, checks: Sequence[RowCheck], path: Path) -> Verdicts:
    texts = read_table(part.path)
    asked = read_table(shard.path, ["prompt", "attributes"])
    for name in asked.column_names:
        texts = texts.append_column(asked.schema.field(name), asked[name])
    judged = run_checks(checks, texts.combine_chunks().to_batches()[0])
    accepted = [
        fine and reason != "error"
        for fine, reason in zip(judged.accepted, texts["finish_reason"].to_pylist(), strict=True)
    ]
    table = _verdict_table(texts, judged, accepted)
    return Verdicts(
        run_id=part.run_id,
        attempt=part.attempt,
        number=part.number,
        path=str(path),
        sha256=write_table(path, table),
        rows=table.num_rows,
        accepted=sum(accepted),
        findings=_by_check(judged.findings),
        errors=len(judged.errored),
    )


def _verdict_table(texts: pa.Table, judged: Judged, accepted: list[bool]) -> pa.Table:
    table = texts.select(["request_key", "item_id", "locale", "attempt"])
    table = table.append_column(pa.field("accepted", pa.bool_(), nullable=False), pa.array(accepted, pa.bool_()))
    kind = pa.list_(FINDING_TYPE)
    table = table.append_column(pa.field("findings", kind, nullable=False), judged.findings_array())
    for name, values in judged.scores.items():
        table = table.append_column(name, values)
    return table


def _by_check(findings: Sequence[Sequence[Mapping[str, object]]]) -> dict[str, int]:
    return dict(
        sorted(Counter(str(check) for row in findings for check in {found["check_id"] for found in row}).items())
    )
