"""What a contract found in one source, as static pages that open offline, load nothing and run no script."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aigc_core.contracts.description import ColumnDescription, ObjectDescription, RuleDescription, describe_object
from aigc_core.contracts.expectations import suite_json
from aigc_core.contracts.model import ObjectContract
from aigc_core.records import Door, RuleResult
from aigc_core.reporting.run_report import environment
from aigc_core.storage.files import read_json, write_json, write_text

RESULTS, SUITE, INDEX = "results.json", "suite.json", "index.html"
MOST_REASONS = 30
"""Reasons shown; the rest is added up in one line."""
_ROWS, _SET, _SCHEMA = "rows", "set", "schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """One rule as the page shows it."""

    rule: RuleDescription
    result: RuleResult | None
    """None for a rule that was not judged."""

    @property
    def share(self) -> float:
        """Share of the judged rows that break it, 0 to 1."""
        return self.result.broken / self.result.rows if self.result and self.result.rows else 0.0

    @property
    def outcome(self) -> str:
        """`passed`, `refused`, `warned`, `not judged`."""
        if self.result is None:
            return "not judged"
        if self.result.passed:
            return "passed"
        return "warned" if self.rule.level == "warn" else "refused"


def write_contract_pages(folder: Path, contract: ObjectContract, door: Door, *, title: str = "") -> Path:
    """Write what one door found into a folder of its own, and the index of all such folders beside it.

    In the folder: `<object>.html`, `results.json` (the door's record) and `suite.json` (the compiled Great
    Expectations suite). Beside it: `index.html`.

    Args:
        folder: of this intake, e.g. `intake/product_description/catalogue-v3`; made when it is not there.
        contract: what the rows were held to.
        door: what came of it.
        title: of the line.

    Returns:
        The object's page.

    Raises:
        LakeUnusable: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{_file_name(contract.name)}.html"
    view = _view(describe_object(contract), door, title=title)
    write_text(page, environment().get_template("contract_object.html").render(view))
    write_json(folder / SUITE, suite_json(contract))
    stated = {"page": page.name, "title": title, "object": contract.name, "verdict": view["verdict"]}
    write_json(folder / RESULTS, {**stated, "door": asdict(door)})
    write_contract_index(folder.parent)
    return page


def write_contract_index(folder: Path) -> Path:
    """List every intake whose results stand in a folder below this one, the latest first.

    Raises:
        LakeUnusable: the page cannot be written.
        IntegrityBroken: results that are not JSON.
    """
    found = sorted(folder.glob(f"*/{RESULTS}"), key=lambda path: (path.stat().st_mtime_ns, path), reverse=True)
    page = folder / INDEX
    view = {"intakes": [_intake(path) for path in found], "name": folder.name}
    write_text(page, environment().get_template("contract_index.html").render(view))
    return page


def _file_name(name: str) -> str:
    return "".join(one if one.isalnum() or one in "-_" else "_" for one in name) or "object"


def _intake(path: Path) -> dict[str, Any]:
    stated: Any = read_json(path)
    door, rules = stated["door"], stated["door"]["rules"]
    return {
        "name": path.parent.name,
        "link": f"{path.parent.name}/{stated['page']}",
        "title": stated["title"],
        "source": door["source"],
        "door": door,
        "rules": len(rules),
        "broken": sum(not rule["passed"] for rule in rules),
        "stopped": stated["verdict"]["tone"] == "bad",
    }


def _view(described: ObjectDescription, door: Door, *, title: str) -> dict[str, object]:
    lines = list(_lines(described, door.rules))
    # What broke comes first, the most broken on top; the rest in the contract's order.
    ranked = sorted(lines, key=lambda line: -line.result.broken if line.result and not line.result.passed else 0)
    groups = {
        _ROWS: [line for line in ranked if line.rule.judges != "set" and line.rule.engine != "schema"],
        _SET: [line for line in ranked if line.rule.judges == "set"],
        _SCHEMA: [line for line in ranked if line.rule.engine == "schema"],
    }
    reasons = list(door.reasons.items())
    return {
        "title": title or described.name,
        "door": door,
        "object": described,
        "verdict": verdict_of(door, lines),
        "figures": _figures(door),
        "groups": groups,
        "columns": [(column, _traits(column), _about(column.name, lines)) for column in described.columns],
        "reasons": reasons[:MOST_REASONS],
        "reasons_left": (len(reasons[MOST_REASONS:]), sum(rows for _, rows in reasons[MOST_REASONS:])),
    }


def _lines(described: ObjectDescription, results: Sequence[RuleResult]) -> Iterator[RuleLine]:
    """Each rule of the contract with its result, types last; results come in the order of the rules."""
    left = list(results)
    for rule in described.rules:
        match = next((one for one in left if _key(one) == (rule.rule_id, rule.words)), None)
        if match:
            left.remove(match)
        yield RuleLine(rule=rule, result=match)
    for one in left:
        judges = "row" if one.engine == "schema" else "set"
        known = RuleDescription(
            rule_id=one.rule_id,
            level="warn" if one.level == "warn" else "block",
            about=one.about,
            words=one.words,
            judges=judges,
            engine=one.engine,
        )
        yield RuleLine(rule=known, result=one)


def _key(result: RuleResult) -> tuple[str, str]:
    return result.rule_id, result.words


def verdict_of(door: Door, lines: Sequence[RuleLine]) -> dict[str, object]:
    """The page's first sentence, its tone (`ok` or `bad`), and what else a reader must know at once."""
    stopping = [line for line in lines if line.outcome == "refused" and line.rule.judges in ("set", "share")]
    warned = [line for line in lines if line.outcome == "warned"]
    if stopping:
        headline = f"Not taken in: the rows as a whole break {_counted(len(stopping), 'rule')}."
    elif door.quarantined:
        headline = f"{door.accepted:,} of {_counted(door.rows, 'row')} hold; {door.quarantined:,} are in quarantine."
    else:
        headline = f"All {_counted(door.rows, 'row')} hold." if door.rows else "No row came."
    notes = [f"{line.rule.rule_id}: {line.rule.words}." for line in stopping[:5]]
    if door.unlabelled:
        notes.append(f"{_counted(door.unlabelled, 'row')} without a text hold otherwise: kept apart as unlabelled.")
    if warned:
        notes.append(f"{_counted(len(warned), 'rule')} warned: nothing is held back for that.")
    return {"tone": "bad" if stopping or not door.rows else "ok", "headline": headline, "notes": notes}


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _figures(door: Door) -> list[tuple[str, int, str]]:
    """(label, rows, tone) of where the rows went; what did not happen is left out, but for the first three."""
    always = [("rows", door.rows, ""), ("accepted", door.accepted, "ok")]
    always.append(("quarantined", door.quarantined, "bad" if door.quarantined else ""))
    others = [("repeated", door.repeated), ("unlabelled", door.unlabelled), ("withheld", door.withheld)]
    return always + [(label, rows, "") for label, rows in others if rows]


def _traits(column: ColumnDescription) -> list[str]:
    traits = {"key": column.key, "required": column.required and not column.key, "unique": column.unique}
    return [name for name, holds in traits.items() if holds]


def _about(name: str, lines: Sequence[RuleLine]) -> list[RuleLine]:
    """The rules on this column alone, without the type itself, which the table shows."""
    return [line for line in lines if line.rule.about == name and line.rule.rule_id != f"{name}.type"]
