"""Great Expectations' rules, compiled once an object and run on Arrow tables.

The commonest ones run as Arrow kernels; Great Expectations itself, whose import takes seconds, is loaded only when a
rule needs it.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.contracts.kernels import broken_rows, known
from aigc_core.contracts.model import Expectation, ObjectContract
from aigc_core.contracts.rules import columns_named
from aigc_core.errors import ContractInvalid

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation as Compiled


class RuleFailure(NamedTuple):
    """One row that breaks one rule."""

    row: int
    """Index in the table."""
    rule: Expectation


class Outcome(NamedTuple):
    """What one rule on rows found in one table."""

    rule: Expectation
    rows: list[int]
    """Indices of the rows that break it."""
    present: int
    """Rows it could say something of: those with a value, or all for a rule on missing values."""


class Verdict(NamedTuple):
    """What one rule on the whole set found."""

    rule: Expectation
    passed: bool
    value: float | None
    """What was observed, where that is one number: a mean, a count, or the share of rows that break the rule."""
    judges_shares: bool


class Suite:
    """Rules made ready to run."""

    def __init__(self, rules: Sequence[Expectation]) -> None:
        """Compile the rules.

        Raises:
            ContractInvalid: an unknown expectation or arguments it does not take.
        """
        self._rules = tuple(rules)
        self._compiled: dict[int, Compiled] = {}
        for number, rule in enumerate(self._rules):
            if not known(rule):
                self._compiled[number] = _compile(rule, number)

    def outcomes(self, table: pa.Table) -> list[Outcome]:
        """What each rule on rows says of the table, in the order of the rules; rows in order.

        Raises:
            ContractInvalid: a rule cannot be evaluated on these columns.
        """
        found: dict[int, Outcome] = {}
        for number, rule in enumerate(self._rules):
            broken = broken_rows(rule, table)
            if broken is not None:
                found[number] = Outcome(rule, _places(broken), _present(rule, table))
        left = [number for number in range(len(self._rules)) if number not in found]
        for number, result in zip(left, self._validate(left, table, "COMPLETE"), strict=True):
            rule = self._rules[number]
            rows = sorted(int(row) for row in result.get("unexpected_index_list") or ())
            missing = 0 if _judges_missing(rule) else int(result.get("missing_count") or 0)
            found[number] = Outcome(rule, rows, int(result.get("element_count") or 0) - missing)
        return [found[number] for number in range(len(self._rules))]

    def failures(self, table: pa.Table) -> list[RuleFailure]:
        """Every (row, rule) that does not hold, in the order of the rules, then of the rows.

        Raises:
            ContractInvalid: a rule cannot be evaluated on these columns.
        """
        return [RuleFailure(row, outcome.rule) for outcome in self.outcomes(table) for row in outcome.rows]

    def verdicts(self, table: pa.Table) -> list[Verdict]:
        """What each rule says of the whole table, by Great Expectations.

        Raises:
            ContractInvalid: a rule cannot be evaluated on these columns.
        """
        results = self._validate(list(range(len(self._rules))), table, "BASIC")
        return [_verdict(rule, result) for rule, result in zip(self._rules, results, strict=True)]

    def _validate(self, numbers: Sequence[int], table: pa.Table, detail: str) -> list[dict[str, Any]]:
        """Great Expectations' results of these rules, each with `success` among them."""
        if not numbers:
            return []
        for number in numbers:
            if number not in self._compiled:
                self._compiled[number] = _compile(self._rules[number], number)
        import pandas as pd
        from great_expectations import ExpectationSuite

        # A rule on the table alone, such as a row count, names no column: any one shows the rows.
        wanted = columns_of(self._rules[number] for number in numbers) or table.column_names[:1]
        frame = table.select(wanted).to_pandas(types_mapper=pd.ArrowDtype)
        with warnings.catch_warnings():
            # A group in a contract's pattern is no mistake: nothing is to be extracted.
            warnings.filterwarnings("ignore", "This pattern is interpreted", UserWarning)
            report = (
                _batch_definition()
                .get_batch({"dataframe": frame})
                .validate(
                    ExpectationSuite(name="contract", expectations=[self._compiled[number] for number in numbers]),
                    result_format=_detailed(detail),
                )
            )
        # Results come grouped by column: the number given to each rule restores the order.
        ordered = sorted(report.results, key=_number)
        for number, outcome in zip(numbers, ordered, strict=True):
            _require_evaluated(self._rules[number], outcome)
        return [{**outcome.result, "success": bool(outcome.success)} for outcome in ordered]


def require_makeable(rule: Expectation) -> None:
    """Refuse a rule that cannot be made.

    Raises:
        ContractInvalid: an unknown expectation or arguments it does not take.
    """
    if not known(rule):
        _compile(rule, 0)


def suite_json(contract: ObjectContract) -> dict[str, object]:
    """The object's rules as a Great Expectations suite, as its own JSON form; rules in SQL are not among them."""
    rules = [rule for rule in (*contract.row_rules, *contract.set_rules) if isinstance(rule, Expectation)]
    severities = {"block": "critical", "quarantine": "critical", "warn": "warning"}
    return {
        "name": contract.name,
        "expectations": [
            {
                "type": rule.name,
                "kwargs": {name: _plain(value) for name, value in rule.kwargs.items() if value is not None},
                "meta": {"rule": rule.rule_id, "level": rule.level},
                "severity": severities[rule.level],
            }
            for rule in rules
        ],
        "meta": {},
    }


def columns_of(rules: Iterable[Expectation]) -> list[str]:
    """The columns the rules look at, each once."""
    return list(dict.fromkeys(name for rule in rules for name in columns_named(rule.kwargs)))


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | dict | None) else str(value)


def _places(broken: pa.ChunkedArray) -> list[int]:
    rows: list[int] = pc.indices_nonzero(broken).to_pylist() if pc.any(broken).as_py() else []
    return rows


def _present(rule: Expectation, table: pa.Table) -> int:
    if _judges_missing(rule):
        return int(table.num_rows)
    return int(table.num_rows - table[str(rule.kwargs["column"])].null_count)


def _judges_missing(rule: Expectation) -> bool:
    return rule.name.endswith("_be_null")


def _verdict(rule: Expectation, result: dict[str, Any]) -> Verdict:
    share = result.get("unexpected_percent")
    value = share / 100 if share is not None else result.get("observed_value")
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    return Verdict(rule, bool(result["success"]), number, share is not None)


def _quietly() -> Callable[[str], type["Compiled"]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports a module of the standard library that is
        from great_expectations.expectations.registry import get_expectation_impl
    found: Callable[[str], type[Compiled]] = get_expectation_impl
    return found


def _compile(rule: Expectation, number: int) -> "Compiled":
    find = _quietly()
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from pydantic.v1 import ValidationError

    try:
        arguments: dict[str, Any] = {**rule.kwargs, "meta": {"rule": number}}
        return find(rule.name)(**arguments)
    except (GreatExpectationsError, ValidationError, TypeError, ValueError) as error:
        raise ContractInvalid(
            f"Rule {rule.rule_id}: {rule.name} cannot be made: {' '.join(str(error).split())[:300]}.",
            "Names and arguments are those of Great Expectations 1.x.",
        ) from error


def _detailed(detail: str) -> dict[str, object]:
    # The rows' places are all that is wanted of a complete result: values and queries would be thrown away.
    complete = {"return_unexpected_index_query": False, "partial_unexpected_count": 0}
    return {"result_format": detail, **(complete if detail == "COMPLETE" else {})}


def _number(outcome: "ExpectationValidationResult") -> int:
    configuration = outcome.expectation_config
    return int(configuration.meta["rule"]) if configuration and configuration.meta else -1


@cache
def _batch_definition() -> "BatchDefinition[Any]":
    # One a process: it holds no rows, and making it takes a tenth of a second and a temporary folder.
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("contract").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("whole")


def _require_evaluated(rule: Expectation, outcome: "ExpectationValidationResult") -> None:
    problem = outcome.exception_info
    # Two shapes: one record, or one a metric.
    records = [problem] if "raised_exception" in problem else list(problem.values())
    raised = [record for record in records if record.get("raised_exception")]
    if raised:
        why = " ".join(str(raised[0].get("exception_message")).split())[:300]
        raise ContractInvalid(
            f"Rule {rule.rule_id}: {rule.name} cannot be evaluated: {why}.",
            "A rule must fit the type of its column.",
        )
