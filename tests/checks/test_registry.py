import math
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
import pytest

from aigc_core.checks.base import FINDING_TYPE, CheckResult, Finding, RowCheck
from aigc_core.checks.canaries import missed, plant
from aigc_core.checks.registry import CHECKS, build_row_checks, run_checks, score_columns
from aigc_core.errors import RecipeInvalid

OneText = Callable[..., pa.RecordBatch]


class Broken:
    """A check that answers whatever it was told to."""

    check_id = "X-1"
    version = "1"
    params_digest = "0"
    score_columns = ("score",)

    def __init__(self, answer: CheckResult | Exception) -> None:
        self.answer = answer

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def _scored(*values: float) -> CheckResult:
    return CheckResult(findings=(), scores={"score": values})


BAD_ANSWERS = [
    ValueError("boom"),
    RecursionError(),
    _scored(),
    _scored(1, 2),
    _scored(math.nan),
    _scored(math.inf),
    CheckResult(findings=()),
    CheckResult(findings=(), scores={"score": (1.0,), "more": (1.0,)}),
    CheckResult(findings=[Finding(row=1, severity="warn", reason="r")], scores={"score": (1.0,)}),
    CheckResult(findings=[Finding(row=-1, severity="warn", reason="r")], scores={"score": (1.0,)}),
]


@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_a_check_that_cannot_judge_holds_every_row(one_text: OneText, answer: CheckResult | Exception) -> None:
    judged = run_checks([Broken(answer)], one_text("A mug."))
    assert [(f["severity"], f["reason"]) for f in judged.findings[0]] == [("quarantine", "check failed")]
    assert (judged.errored, judged.accepted) == ((0,), (False,))
    assert judged.scores["score"].to_pylist() == [None]


def test_a_failed_check_catches_no_canary() -> None:
    batch = plant(["en"]).set_column(6, "expected", pa.array(["X-1"] * plant(["en"]).num_rows))
    assert len(missed(batch, run_checks([Broken(ValueError())], batch))) == batch.num_rows


def test_sound_answers_are_kept(one_text: OneText) -> None:
    answer = CheckResult(findings=[Finding(row=0, severity="warn", reason="r")], scores={"score": (0.5,)})
    judged = run_checks([Broken(answer)], one_text("A mug."))
    assert (judged.errored, judged.accepted) == ((), (True,))
    assert judged.scores["score"].to_pylist() == [0.5]


def test_findings_make_an_arrow_column_heaviest_first(one_text: OneText) -> None:
    batch = one_text("=A <b>mug</b> for 5 with", finish_reason="length")
    column = run_checks(build_row_checks({}, locales=["en"]), batch).findings_array()
    assert column.type == pa.list_(FINDING_TYPE)
    ranks = [finding["severity"] for finding in column[0].as_py()]
    assert ranks == sorted(ranks, key=["block", "quarantine", "warn"].index)
    assert len(set(ranks)) == 3


def test_every_check_answers_for_an_empty_batch(one_text: OneText) -> None:
    judged = run_checks(build_row_checks({}, locales=["en"]), one_text("A mug.").slice(0, 0))
    assert (judged.findings, judged.errored) == ((), ())


def test_verdicts_do_not_depend_on_neighbours() -> None:
    batch = plant(["en", "zh"])
    checks = build_row_checks({}, locales=["en", "zh"])
    alone = [run_checks(checks, batch.slice(row, 1)).findings[0] for row in range(batch.num_rows)]
    assert list(run_checks(checks, batch).findings) == alone


def test_scores_stand_in_the_order_of_the_checks() -> None:
    assert score_columns(build_row_checks({}, locales=["en"])) == ("unsupported_numbers", "distinct_2")


def test_ids_and_order_are_those_of_the_catalogue() -> None:
    assert [check.check_id for check in build_row_checks({}, locales=["en"])] == list(CHECKS)


def test_parameters_change_the_digest() -> None:
    def digest(parameters: Mapping[str, Mapping[str, object]]) -> str:
        checks: Sequence[RowCheck] = build_row_checks(parameters, locales=["en"])
        return next(check.params_digest for check in checks if check.check_id == "Q-L2")

    assert digest({}) == digest({"Q-L2": {"warn_below": 0.6}})
    assert digest({}) != digest({"Q-L2": {"warn_below": 0.5}})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Q-L99": {}}, r"checks names Q-L99, which no check answers to\. Valid are Q-F2, .*S-1\."),
        ({"Q-L7": {"limit": {}}}, r"checks\.Q-L7: limit: Extra inputs .* Parameters of Q-L7: limits\."),
        ({"Q-L7": {"limits": {"en": {"min_chars": 9, "max_chars": 3}}}}, r"limits\.en: .*9 is above max_chars 3"),
        ({"Q-L7": {"limits": {"zh": {}}}}, r"checks\.Q-L7\.limits names locale zh\. The recipe's locales are en\."),
        ({"Q-L5": {"x": 1}}, r"Parameters of Q-L5: none\."),
        ({"Q-L2": {"warn_below": "low"}}, r"checks\.Q-L2: warn_below: Input should be a valid number"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_refused(parameters: dict[str, dict[str, object]], message: str) -> None:
    with pytest.raises(RecipeInvalid, match=message):
        build_row_checks(parameters, locales=["en"])


def test_ids_read_elsewhere_are_let_through() -> None:
    assert len(build_row_checks({"D-2": {"x": 1}}, locales=["en"], also_valid=["D-2"])) == len(CHECKS)
