"""Great Expectations, quietly: compiled once an object, run on Arrow tables."""

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from aigc_core.contracts.model import Expectation
from aigc_core.contracts.rules import columns_named
from aigc_core.errors import ContractInvalid
from aigc_core.records import Gate

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation as Compiled


class RuleFailure(NamedTuple):
    """One row that breaks one rule."""

    row: int
    """Index in the table."""
    rule: Expectation


class Suite:
    """Rules made ready to run. Making the first one imports Great Expectations: about four seconds."""

    def __init__(self, rules: Sequence[Expectation]) -> None:
        """Compile the rules.

        Raises:
            ContractInvalid: an unknown expectation or arguments it does not take.
        """
        self._rules = tuple(rules)
        if self._rules:
            self._compiled = [_compile(rule, number) for number, rule in enumerate(self._rules)]
            self._definition = _batch_definition()

    def failures(self, table: pa.Table) -> list[RuleFailure]:
        """Every (row, rule) that does not hold, in the order of the rules, then of the rows.

        Raises:
            ContractInvalid: a rule cannot be evaluated on these columns.
        """
        found: list[RuleFailure] = []
        for rule, outcome in self._outcomes(table, "COMPLETE"):
            found += [RuleFailure(int(row), rule) for row in outcome.result.get("unexpected_index_list") or ()]
        return found

    def gates(self, table: pa.Table) -> tuple[Gate, ...]:
        """One gate a rule. The value of a rule on rows is the share that breaks it.

        Raises:
            ContractInvalid: a rule cannot be evaluated on these columns.
        """
        return tuple(_gate(rule, outcome) for rule, outcome in self._outcomes(table, "BASIC"))

    def _outcomes(self, table: pa.Table, detail: str) -> Iterable[tuple[Expectation, "ExpectationValidationResult"]]:
        if not self._rules:
            return []
        import pandas as pd
        from great_expectations import ExpectationSuite

        frame = table.select(columns_of(self._rules)).to_pandas(types_mapper=pd.ArrowDtype)
        batch = self._definition.get_batch({"dataframe": frame})
        with warnings.catch_warnings():
            # A group in a contract's pattern is no mistake: nothing is to be extracted.
            warnings.filterwarnings("ignore", "This pattern is interpreted", UserWarning)
            report = batch.validate(
                ExpectationSuite(name="contract", expectations=self._compiled),
                result_format={"result_format": detail},
            )
        # Results come grouped by column: the number given to each rule restores the order.
        ordered = sorted(report.results, key=_number)
        for rule, outcome in zip(self._rules, ordered, strict=True):
            _require_evaluated(rule, outcome)
        return zip(self._rules, ordered, strict=True)


def columns_of(rules: Iterable[Expectation]) -> list[str]:
    """The columns the rules look at, each once."""
    return list(dict.fromkeys(name for rule in rules for name in columns_named(rule.kwargs)))


def _compile(rule: Expectation, number: int) -> "Compiled":
    from pydantic.v1 import ValidationError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports a module of the standard library that is
        from great_expectations.exceptions.exceptions import GreatExpectationsError
        from great_expectations.expectations.registry import get_expectation_impl
    try:
        arguments: dict[str, Any] = {**rule.kwargs, "meta": {"rule": number}}
        return get_expectation_impl(rule.name)(**arguments)
    except (GreatExpectationsError, ValidationError, TypeError, ValueError) as error:
        raise ContractInvalid(
            f"Rule {rule.rule_id}: {rule.name} cannot be made: {' '.join(str(error).split())[:300]}.",
            "Names and arguments are those of Great Expectations 1.x.",
        ) from error


def _number(outcome: "ExpectationValidationResult") -> int:
    configuration = outcome.expectation_config
    return int(configuration.meta["rule"]) if configuration and configuration.meta else -1


def _batch_definition() -> "BatchDefinition[Any]":
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


def _gate(rule: Expectation, outcome: "ExpectationValidationResult") -> Gate:
    share = outcome.result.get("unexpected_percent")
    observed = outcome.result.get("observed_value")
    mostly = float(str(rule.kwargs.get("mostly", 1)))
    value = share / 100 if share is not None else observed
    return Gate(
        gate_id=rule.rule_id,
        level="warn" if rule.level == "warn" else "block",
        measure=rule.reason,
        value=float(value) if isinstance(value, int | float) else None,
        rule=f"share <= {1 - mostly:g}" if share is not None else rule.name,
        passed=bool(outcome.success),
    )
