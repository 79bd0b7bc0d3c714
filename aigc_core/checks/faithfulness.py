"""Q-F2: every number and unit in a text must follow from the item's attributes."""

import re

import pyarrow as pa
from pydantic import Field

from aigc_core.checks.base import CheckResult, Finding, ParameterCheck
from aigc_core.checks.quantities import MENTIONS_LIMIT, Given, Mention, candidate_pattern, mentions
from aigc_core.checks.views import View, attributes_of, matching_rows, shortened, view_of
from aigc_core.contracts.strict import Strict


class NumberParameters(Strict):
    """Q-F2."""

    allow: tuple[str, ...] = Field((), max_length=100)
    """Phrases whose numbers are no claims, e.g. `3D`; case does not matter."""


class Numbers(ParameterCheck[NumberParameters]):
    """Q-F2: an unsupported number, or a supported one with another unit, blocks.

    A number follows from the attributes when an equal one stands there after unit conversion, after rounding
    to the precision it is written with (and by at most 5 %), or as a declared pack size times a volume or
    mass. Model-like words (`80D`, `AW18`) and runs of over 18 digits must stand there word for word. Numbers
    in words count only before a unit of measure that idioms do not use. Ordinals, list numbers and `24/7`
    need no support; `100%` does.
    """

    check_id = "Q-F2"
    version = "1"
    score_columns = ("unsupported_numbers",)

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Read numbers only where a first look finds one; the score is their count."""
        texts = batch.column("text")
        scores = [0.0] * batch.num_rows
        found: list[Finding] = []
        candidates = [(row, view_of(texts[row].as_py())) for row in matching_rows(texts, candidate_pattern())]
        read = [(row, view, self._claims(view)) for row, view in candidates]
        read = [(row, view, claims) for row, view, claims in read if claims]
        for (row, view, claims), pairs in zip(read, attributes_of(batch, [row for row, _, _ in read]), strict=True):
            given = Given(pairs)
            objections = [(claim, given.objection(claim)) for claim in claims]
            scores[row] = float(sum(bool(reason) for _, reason in objections))
            found += [_finding(row, view, claim, reason) for claim, reason in objections if reason][:20]
            if len(claims) >= MENTIONS_LIMIT:
                found.append(Finding(row=row, severity="block", reason="too many numbers"))
        return CheckResult(findings=found, scores={"unsupported_numbers": scores})

    def _claims(self, view: View) -> list[Mention]:
        text = view.text
        for phrase in self.parameters.allow:
            lowered = view_of(phrase).text
            text = text.replace(lowered, " " * len(lowered)) if lowered else text
        return mentions(text, strict=True)


# What may be a telephone or account number is personal data and stays out of the evidence.
LONG_NUMBER = re.compile(r"\d(?:[ ().+-]{0,2}\d){6}|[a-z]{3,}[a-z\d]*\d{3}")


def _finding(row: int, view: View, claim: Mention, reason: str) -> Finding:
    around = view.text[max(claim.start - 16, 0) : claim.end + 16]
    seen = view.text[claim.start : claim.end]
    evidence = "part of a long number" if LONG_NUMBER.search(around) else shortened(seen)
    spans = (view.original(claim.start, claim.end),)
    return Finding(row=row, severity="block", reason=reason, spans=spans, evidence=evidence)
