"""One text, judged by one check."""

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
import pytest

from aigc_core.checks.base import TEXTS, RowCheck
from aigc_core.checks.registry import build_row_checks

Pairs = Sequence[tuple[str, str]]


def _check(check_id: str, parameters: Mapping[str, object], locale: str) -> RowCheck:
    checks = build_row_checks({check_id: parameters}, locales=[locale])
    return next(check for check in checks if check.check_id == check_id)


@pytest.fixture
def one_text() -> Callable[..., pa.RecordBatch]:
    """A batch of one row; every column but the text has a default."""

    def make(
        text: str, *, locale: str = "en", attributes: Pairs = (), prompt: str = "", finish_reason: str = "stop"
    ) -> pa.RecordBatch:
        pairs = [{"name": name, "value": value} for name, value in attributes]
        row = {"item_id": "i", "locale": locale, "text": text, "finish_reason": finish_reason, "prompt": prompt}
        return pa.RecordBatch.from_pylist([{**row, "attributes": pairs}], schema=TEXTS)

    return make


@pytest.fixture
def judge(one_text: Callable[..., pa.RecordBatch]) -> Callable[..., list[str]]:
    """`severity: reason` of each finding one check has against one text."""

    def run(check_id: str, text: str, parameters: Mapping[str, object] | None = None, **row: object) -> list[str]:
        locale = str(row.get("locale", "en"))
        result = _check(check_id, parameters or {}, locale)(one_text(text, **row))
        return [f"{finding.severity}: {finding.reason}" for finding in result.findings]

    return run
