"""Planted bad texts: a night whose checks let one of them through is not to be trusted (gate H-1)."""

from collections.abc import Sequence

import pyarrow as pa

from aigc_core.checks.base import TEXTS
from aigc_core.checks.registry import CHECK_FAILED, Judged
from aigc_core.checks.views import data_file, language_of

PREFIX = "canary-"
"""Item ids of planted texts start so; they are never published."""
LANGUAGES = frozenset({"en", "zh"})
OF_A_LANGUAGE = ("Q-L6", "Q-C")
"""Checks that read a text in its own language: what they catch in English they need not catch in another."""
PROMPT = "name: a mug"
PLANTED = TEXTS.append(pa.field("expected", pa.string(), nullable=False))
"""`expected` is the id of the check that must catch the row."""


def plant(locales: Sequence[str]) -> pa.RecordBatch:
    """At least 20 planted texts a locale, in the columns of `PLANTED`.

    Each is bad whatever the recipe's parameters. A locale that is neither en nor zh gets the English ones, without
    those that only English texts are refused for.
    """
    rows = [_row(canary, locale) for locale in dict.fromkeys(locales) for canary in _canaries_for(locale)]
    return pa.RecordBatch.from_pylist(rows, schema=PLANTED)


def _canaries_for(locale: str) -> list[dict[str, object]]:
    language = language_of(locale)
    if language in LANGUAGES:
        return [canary for canary in data_file("canaries.json") if canary["language"] == language]
    english = _canaries_for("en")
    return [canary for canary in english if canary["expected"] not in OF_A_LANGUAGE]


def _row(canary: dict[str, object], locale: str) -> dict[str, object]:
    pairs = canary["attributes"]
    if not isinstance(pairs, list):
        raise TypeError(f"canary {canary['name']} has no list of attributes")
    return {
        "item_id": f"{PREFIX}{canary['name']}-{locale}",
        "locale": locale,
        "text": str(canary["text"]) * int(str(canary.get("repeat", 1))),
        "finish_reason": canary.get("finish_reason", "stop"),
        "prompt": canary.get("prompt", PROMPT),
        "attributes": [{"name": name, "value": value} for name, value in pairs],
        "expected": canary["expected"],
    }


def missed(batch: pa.RecordBatch, judged: Judged) -> tuple[str, ...]:
    """Item ids of planted texts that the check meant for them did not block or hold; a failed check catches none."""
    names, expected = batch.column("item_id").to_pylist(), batch.column("expected").to_pylist()
    return tuple(
        name
        for name, check_id, found in zip(names, expected, judged.findings, strict=True)
        if not any(_caught(finding, check_id) for finding in found)
    )


def _caught(finding: dict[str, object], check_id: str) -> bool:
    stops = finding["severity"] in ("block", "quarantine") and finding["reason"] != CHECK_FAILED
    return stops and finding["check_id"] == check_id
