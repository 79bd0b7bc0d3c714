import random
import time
from collections.abc import Callable

import pyarrow as pa
import pytest

from aigc_core.checks.base import RowCheck
from aigc_core.checks.registry import build_row_checks, run_checks

LENGTH = 100_000
SECONDS = 1.5
"""Of processor time; a quadratic step over so long a text takes minutes."""
UNITS = [
    "a", "A-", "1", "1,", "1/", "1.", "1 ", "1x", "一", "一千", "第", "百分之", "杯", "(", "[", "[a](", "*", "**", "{",
    "{{", "<", "<|", "&", "#", "a.", "a@", "a-1", "fuck", "f.", "海*", "1" * 19 + " ", "微信", "QQ1", "two ", "half a ",
    "\n", "\n1.", " ", "the ", "a b c d ", "手感", "0123-", "+1 ", "$", "https://", "½", "\u200b", "½\u0301",
]  # fmt: skip


@pytest.fixture(scope="module")
def checks() -> tuple[RowCheck, ...]:
    return build_row_checks({}, locales=["en", "zh"])


@pytest.mark.parametrize("unit", UNITS)
def test_long_runs_take_linear_time(
    checks: tuple[RowCheck, ...], one_text: Callable[..., pa.RecordBatch], unit: str
) -> None:
    text = (unit * LENGTH)[:LENGTH]
    batch = one_text(text, locale="en" if unit.isascii() else "zh", prompt=text, attributes=[("a", text)])
    for check in checks:
        started = time.process_time()
        check(batch)
        assert time.process_time() - started < SECONDS, (check.check_id, unit)


def test_noise_never_breaks_a_check(checks: tuple[RowCheck, ...], one_text: Callable[..., pa.RecordBatch]) -> None:
    rng = random.Random(3)  # noqa: S311 -- a fixed sample, no secret
    ranges = (range(0x250), range(0x2000, 0x2200), range(0x3400, 0x3440), range(0x1F600, 0x1F610))
    alphabet = [chr(code) for codes in ranges for code in codes]
    texts = ["".join(rng.choices([*alphabet, *UNITS], k=60)) for _ in range(200)]
    batches = [one_text(text, attributes=[(text[:5], text[5:20])]) for text in texts]
    judged = run_checks(checks, pa.Table.from_batches(batches).combine_chunks().to_batches()[0])
    assert judged.errored == ()
    for text, findings in zip(texts, judged.findings_array().to_pylist(), strict=True):
        spans = [span for finding in findings for span in finding["spans"]]
        assert all(0 <= span["start"] <= span["end"] <= len(text) for span in spans)
