"""Contract validation with row-level results beside plain Great Expectations: same suite, same rows, taken in turns.

    .venv/bin/python tests/benchmarks/contracts.py [--data FOLDER] [--rows 100000] [--rounds 5]

Great Expectations is given a pandas frame it likes best (its own text and float types) and its default result format;
the time to make the frame is not counted. Ours starts from the typed table and ends with the rows that break each
rule. A ratio above 1 means that ours took less time. The last lines time the whole door: cast, rules, repeats, results.
"""

import argparse
import gc
import logging
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aigc_core.contracts.check import Door
from aigc_core.contracts.expectations import Suite, suite_json
from aigc_core.contracts.model import Expectation, ObjectContract
from aigc_core.contracts.odcs import read_contract
from aigc_core.contracts.schema import RawRow, cast_rows

CONTRACT = Path(__file__).parents[2] / "data_contracts" / "fashion_description" / "catalogue.odcs.yaml"
SOURCE = {
    "item_id": "sku",
    "product_group": "product_code",
    "name": "name",
    "product_type": "product_type_name",
    "product_group_name": "product_group_name",
    "appearance": "graphical_appearance_name",
    "colour": "colour_group_name",
    "section": "section_name",
    "garment_group": "garment_group_name",
    "department": "department_name",
    "index_group": "index_group_name",
}
"""Column of the contract -> column of the H&M articles."""


def articles(folder: Path, rows: int) -> list[dict[str, object]]:
    """Real articles under the contract's names."""
    table = pq.read_table(folder / "catalogue" / "hm_articles.parquet", columns=list(SOURCE.values())).slice(0, rows)
    found: list[dict[str, object]] = pa.table(
        [table[name].cast(pa.string()) for name in SOURCE.values()], list(SOURCE)
    ).to_pylist()
    return found


def generated(rows: int) -> list[dict[str, object]]:
    """Distinct rows, one in fifty with something wrong."""
    words = ["Arden", "Bevel", "Cairn", "Dune", "Ember", "Fjord", "Grove"]
    made: list[dict[str, object]] = []
    for number in range(rows):
        row: dict[str, object] = {name: f"{words[number % 7]} {name} {number % 991}" for name in SOURCE}
        row |= {"item_id": f"{number:010d}", "product_group": str(number // 3)}
        if number % 50 == 0:
            row |= {"name": None} if number % 100 else {"colour": "x" * 80}
        made.append(row)
    return made


def without_kernels(contract: ObjectContract) -> ObjectContract:
    """The same columns under rules that Great Expectations alone evaluates."""
    rules = [
        Expectation(
            rule_id=f"{column.name}-list",
            level="block",
            column=column.name,
            name="expect_column_values_to_match_regex_list",
            kwargs={"column": column.name, "regex_list": ["^.{1,60}$", "^[0-9]+$"]},
            reason=f"{column.name}: odd",
        )
        for column in contract.columns[:5]
    ]
    pair = {"column_A": "name", "column_B": "name", "ignore_row_if": "either_value_is_missing"}
    name = "expect_column_pair_values_to_be_equal"
    rules.append(Expectation(rule_id="pair", level="warn", column="name", name=name, kwargs=pair, reason="differ"))
    return replace(contract, row_rules=tuple(rules))


def plain(contract: ObjectContract, table: pa.Table) -> Callable[[], int]:
    """Values that break a rule, counted by Great Expectations alone."""
    Suite(
        [Expectation(rule_id="r", level="warn", column="", name="expect_table_row_count_to_equal", kwargs={"value": 0})]
    )
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    stated: Any = suite_json(contract)
    suite = gx.ExpectationSuite(**stated)
    asset = context.data_sources.add_pandas("plain").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": table.to_pandas()})

    def run() -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = batch.validate(suite)
        return sum(int(one.result.get("unexpected_count") or 0) for one in report.results)

    return run


def ours(contract: ObjectContract, table: pa.Table) -> Callable[[], int]:
    """The same count from a suite made anew, row by row."""
    rules = [rule for rule in contract.row_rules if isinstance(rule, Expectation)]

    def run() -> int:
        return len(Suite(rules).failures(table))

    return run


def seconds(run: Callable[[], int]) -> tuple[float, int]:
    """CPU seconds of this process, and what the run returns."""
    gc.collect()
    begun = time.process_time()
    answer = run()
    return time.process_time() - begun, answer


def compare(name: str, contract: ObjectContract, rows: Sequence[dict[str, object]], rounds: int) -> None:
    """Print the paired ratio for these rows."""
    table, _ = cast_rows([RawRow(number, row) for number, row in enumerate(rows)], contract.columns)
    sides = {"ours": ours(contract, table), "great expectations": plain(contract, table)}
    for run in sides.values():
        run()
    times: dict[str, list[float]] = {side: [] for side in sides}
    counts: dict[str, set[int]] = {side: set() for side in sides}
    for turn in range(rounds):
        for side in sorted(sides, reverse=turn % 2 == 1):
            spent, count = seconds(sides[side])
            times[side].append(spent)
            counts[side].add(count)
    ratios = [theirs / mine for mine, theirs in zip(times["ours"], times["great expectations"], strict=True)]
    shown = ", ".join(f"{side} {statistics.median(spent):.3f} s" for side, spent in times.items())
    say(
        f"{name}: {len(rows):,} rows, {len(contract.row_rules)} rules: {shown}; "
        f"ratio {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}); "
        f"broken {counts['ours']} and {counts['great expectations']}"
    )


def door(contract: ObjectContract, rows: Sequence[dict[str, object]]) -> None:
    """Print rows per second through the whole door."""
    raw = [RawRow(number, row) for number, row in enumerate(rows, 1)]
    spent, accepted = seconds(lambda: sum(len(one.numbers) for one in Door(contract).split([raw])))
    say(f"door: {len(rows) / spent:,.0f} rows a second of CPU time, {accepted:,} of {len(rows):,} accepted")


def memory(contract: ObjectContract, rows: int) -> None:
    """Print the peak of resident memory after so many generated rows went through one door."""
    judge = Door(contract)
    batches = (
        [
            RawRow(start + place, {**row, "item_id": f"{start + place:010d}"})
            for place, row in enumerate(generated(50_000))
        ]
        for start in range(0, rows, 50_000)
    )
    begun = time.process_time()
    accepted = sum(len(one.numbers) for one in judge.split(batches))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"memory: {accepted:,} of {rows:,} rows accepted in {time.process_time() - begun:.0f} s, peak {peak:,.0f} MiB")


def say(text: str) -> None:
    """One line of results."""
    sys.stdout.write(text + "\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the real data sets")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=int, default=0, help="only stream so many generated rows and show the peak")
    asked = parser.parse_args()
    contract = read_contract(CONTRACT).objects["catalogue"]
    if asked.memory:
        memory(contract, asked.memory)
        return
    if asked.data:
        compare("hm_articles", contract, articles(Path(asked.data), asked.rows), asked.rounds)
    made = generated(asked.rows)
    compare("generated", contract, made, asked.rounds)
    compare("generated, no kernels", without_kernels(contract), made, asked.rounds)
    door(contract, made)


if __name__ == "__main__":
    main()
