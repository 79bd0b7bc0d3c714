"""Screening: what the row checks say of one part's texts, so that failed ones can be tried again at once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from aigc_core.checks.base import FINDING_TYPE, RowCheck
from aigc_core.checks.duplicates import signature
from aigc_core.checks.registry import Judged, run_checks
from aigc_core.contracts.check import check_rows
from aigc_core.contracts.model import ObjectContract
from aigc_core.contracts.prompt import whole_prompt
from aigc_core.records import Part, Shard, Verdicts
from aigc_core.storage.files import read_table, write_table
from aigc_core.storage.progress import RunFolder

TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a text is judged by before a batch is sealed."""

    checks: Sequence[RowCheck]
    contract: ObjectContract
    """Object `rows` of the output contract; here only its rules on the text itself are held."""
    digest: str
    """Of all of it: verdicts under other rules are never used again."""


def screen(part: Part, shard: Shard, rules: Rules, folder: RunFolder) -> Verdicts:
    """Judge every text of a part; it is accepted when no finding is worse than a warning and the contract holds."""
    step = verdict_step(part, rules.digest)
    path = folder.file(f"{step}.parquet")
    return folder.keep(step, Verdicts, lambda: (_screen(part, shard, rules, path), [path]))


def verdict_step(part: Part, rules: str) -> str:
    """Where the verdicts on a part are noted, by the digest of the rules they were made by."""
    return f"verdicts/a{part.attempt}-{part.number:05d}-{part.sha256[:12]}-{rules[:8]}"


def _screen(part: Part, shard: Shard, rules: Rules, path: Path) -> Verdicts:
    texts = read_table(part.path)
    asked = _with_turns(read_table(shard.path, ["prompt", "attributes", "variant_group", "turns"]))
    for name in asked.column_names:
        texts = texts.append_column(asked.schema.field(name), asked[name])
    judged = run_checks(rules.checks, texts.combine_chunks().to_batches()[0])
    broken = {verdict.row for verdict in check_rows(on_texts(rules.contract), texts)}
    accepted = [
        fine and reason != "error" and row not in broken
        for row, (fine, reason) in enumerate(zip(judged.accepted, texts["finish_reason"].to_pylist(), strict=True))
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


def on_texts(contract: ObjectContract) -> ObjectContract:
    """The contract's rules on the text alone: the other columns are made when the batch is sealed."""
    columns = tuple(replace(column, key=False) for column in contract.columns if column.name == TEXT)
    return ObjectContract(
        name=contract.name,
        columns=columns,
        row_rules=tuple(rule for rule in contract.row_rules if rule.column == TEXT),
    )


def _with_turns(asked: pa.Table) -> pa.Table:
    """The requests with all that was said in their prompts: what a system turn says may not be copied either."""
    turns, place = asked["turns"].to_pylist(), asked.schema.get_field_index("prompt")
    said = asked.drop_columns(["turns"])
    if not any(turns):
        return said
    whole = [
        whole_prompt([turn["content"] for turn in before], prompt)
        for before, prompt in zip(turns, asked["prompt"].to_pylist(), strict=True)
    ]
    return said.set_column(place, said.schema.field("prompt"), pa.array(whole, pa.string()))


def _verdict_table(texts: pa.Table, judged: Judged, accepted: list[bool]) -> pa.Table:
    table = texts.select(["request_key", "item_id", "locale", "attempt", "variant_group"])
    table = table.append_column(pa.field("signature", pa.string(), nullable=False), _signatures(texts))
    table = table.append_column(pa.field("accepted", pa.bool_(), nullable=False), pa.array(accepted, pa.bool_()))
    kind = pa.list_(FINDING_TYPE)
    table = table.append_column(pa.field("findings", kind, nullable=False), judged.findings_array())
    for name, values in judged.scores.items():
        table = table.append_column(name, values)
    return table


def _signatures(texts: pa.Table) -> pa.Array:
    rows = zip(texts["text"].to_pylist(), texts["locale"].to_pylist(), strict=True)
    return pa.array([signature(text, locale=locale).hex() for text, locale in rows], pa.string())


def _by_check(findings: Sequence[Sequence[Mapping[str, object]]]) -> dict[str, int]:
    return dict(
        sorted(Counter(str(check) for row in findings for check in {found["check_id"] for found in row}).items())
    )
