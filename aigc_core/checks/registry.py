"""All row checks of a content line: built from the recipe, run over a batch, failing closed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa
from pydantic import ValidationError

from aigc_core.checks.base import FINDING_TYPE, RANK, CheckResult, Finding, NoParameters, RowCheck
from aigc_core.checks.claims import ClaimParameters, Claims
from aigc_core.checks.faithfulness import NumberParameters, Numbers
from aigc_core.checks.form import (
    FormulaStart,
    Length,
    LengthParameters,
    Markup,
    PlaceholderParameters,
    Placeholders,
    Truncation,
)
from aigc_core.checks.language import Language, LanguageParameters
from aigc_core.checks.leakage import Contacts, Leakage, LeakageParameters
from aigc_core.checks.polarity import Polarity
from aigc_core.checks.privacy import PersonalData
from aigc_core.checks.regulated import RegulatedWords
from aigc_core.checks.repetition import Distinct, DistinctParameters, LongRepetition, ShortRepetition
from aigc_core.checks.safety import Safety
from aigc_core.checks.views import language_of
from aigc_core.contracts.strict import Strict
from aigc_core.errors import RecipeInvalid

CHECK_FAILED = "check failed"
"""Reason of the finding that stands for a check that could not judge a row."""

CHECKS: Mapping[str, tuple[type, type[Strict]]] = MappingProxyType(
    {
        "Q-F2": (Numbers, NumberParameters),
        "Q-F4": (RegulatedWords, NoParameters),
        "Q-F7": (Polarity, NoParameters),
        "Q-C": (Claims, ClaimParameters),
        "Q-L1": (LongRepetition, NoParameters),
        "Q-L1b": (ShortRepetition, NoParameters),
        "Q-L2": (Distinct, DistinctParameters),
        "Q-L5": (Truncation, NoParameters),
        "Q-L6": (Language, LanguageParameters),
        "Q-L7": (Length, LengthParameters),
        "Q-L8": (Placeholders, PlaceholderParameters),
        "Q-L9": (Leakage, LeakageParameters),
        "Q-L10": (Markup, NoParameters),
        "Q-L11": (Contacts, NoParameters),
        "Q-L13": (FormulaStart, NoParameters),
        "P-1": (PersonalData, NoParameters),
        "S-1": (Safety, NoParameters),
    }
)
"""Check id -> (check, its parameters)."""


def build_row_checks(
    parameters: Mapping[str, Mapping[str, object]], *, locales: Sequence[str], also_valid: Sequence[str] = ()
) -> tuple[RowCheck, ...]:
    """Every row check, in a fixed order, with the recipe's parameters where it names any.

    Args:
        parameters: check id -> parameters, as in the recipe's `checks`.
        locales: the recipe's locales; parameters for any other locale are refused.
        also_valid: ids of checks that are no row checks; their parameters are read elsewhere.

    Raises:
        RecipeInvalid: unknown check, unknown or wrong parameter.
    """
    valid = [*CHECKS, *also_valid]
    unknown = sorted(set(parameters) - set(valid))
    if unknown:
        raise RecipeInvalid(
            f"checks names {', '.join(unknown)}, which no check answers to.", f"Valid are {', '.join(valid)}."
        )
    return tuple(
        check_type(_parameters(check_id, parameters_type, parameters.get(check_id, {}), locales))
        for check_id, (check_type, parameters_type) in CHECKS.items()
    )


def _parameters(
    check_id: str, parameters_type: type[Strict], given: Mapping[str, object], locales: Sequence[str]
) -> Strict:
    valid = ", ".join(parameters_type.model_fields) or "none"
    known = {*locales, *map(language_of, locales)}
    for name, value in given.items():
        strange = sorted(set(value) - known) if name == "limits" and isinstance(value, Mapping) else []
        if strange:
            raise RecipeInvalid(
                f"checks.{check_id}.{name} names locale {', '.join(strange)}.",
                f"The recipe's locales are {', '.join(locales)}.",
            )
    try:
        return parameters_type.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "its parameters"
        raise RecipeInvalid(
            f"checks.{check_id}: {field}: {first['msg']}.", f"Parameters of {check_id}: {valid}."
        ) from error


def score_columns(checks: Sequence[RowCheck]) -> tuple[str, ...]:
    """Names of all score columns, in the order of the checks."""
    return tuple(column for check in checks for column in check.score_columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What all checks say of one batch."""

    findings: tuple[tuple[dict[str, object], ...], ...]
    """Per row, in the shape of `FINDING_TYPE`, heaviest first."""
    scores: Mapping[str, pa.Array]
    """Score column -> float64, one a row; null where the check failed."""
    errored: tuple[int, ...]
    """Rows at least one check could not judge, ascending."""

    @property
    def accepted(self) -> tuple[bool, ...]:
        """Per row: nothing heavier than a warning was found."""
        return tuple(all(found["severity"] == "warn" for found in row) for row in self.findings)

    def findings_array(self) -> pa.Array:
        """The findings as a list column of `FINDING_TYPE`."""
        return pa.array([list(row) for row in self.findings], pa.list_(FINDING_TYPE))


def run_checks(checks: Sequence[RowCheck], batch: pa.RecordBatch) -> Judged:
    """Run every check over the batch (columns of `TEXTS` at least).

    A check that raises, names a row that is not there, or leaves a score out or not finite has judged
    nothing: every row of the batch is held with reason `check failed`.
    """
    rows: list[list[dict[str, object]]] = [[] for _ in range(batch.num_rows)]
    scores: dict[str, pa.Array] = {}
    failed = False
    for check in checks:
        result = _result(check, batch)
        failed = failed or result is None
        for finding in _held(batch.num_rows) if result is None else result.findings:
            rows[finding.row].append(_recorded(check, finding))
        for column in check.score_columns:
            values = [None] * batch.num_rows if result is None else list(result.scores[column])
            scores[column] = pa.array(values, pa.float64())
    ordered = tuple(tuple(sorted(row, key=lambda found: -RANK[str(found["severity"])])) for row in rows)
    return Judged(findings=ordered, scores=scores, errored=tuple(range(batch.num_rows)) if failed else ())


def _result(check: RowCheck, batch: pa.RecordBatch) -> CheckResult | None:
    """The check's result, or None where it could not judge."""
    try:
        result = check(batch)
        sound = _is_sound(result, check.score_columns, batch.num_rows)
    except Exception:  # noqa: BLE001 -- whatever a check dies of, its texts must be held, not lost or let through
        return None
    return result if sound else None


def _is_sound(result: CheckResult, columns: Sequence[str], rows: int) -> bool:
    in_range = all(0 <= finding.row < rows and finding.severity in RANK for finding in result.findings)
    scored = set(result.scores) == set(columns) and all(
        len(values) == rows and all(math.isfinite(value) for value in values) for values in result.scores.values()
    )
    return in_range and scored


def _held(rows: int) -> list[Finding]:
    return [Finding(row=row, severity="quarantine", reason=CHECK_FAILED) for row in range(rows)]


def _recorded(check: RowCheck, finding: Finding) -> dict[str, object]:
    return {
        "check_id": check.check_id,
        "version": check.version,
        "severity": finding.severity,
        "reason": finding.reason,
        "spans": [{"start": start, "end": end} for start, end in finding.spans],
        "evidence": finding.evidence,
        "params_digest": check.params_digest,
    }
