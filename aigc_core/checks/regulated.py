"""Q-F4: certificates and regulated words only where an attribute says so."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import ahocorasick
import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.checks.base import CheckResult, Finding, NoParameters, ParameterCheck
from aigc_core.checks.views import View, attributes_of, data_file, is_whole_word, matching_rows, view_of
from aigc_core.ids import fingerprint

TERMS_FILE = "regulated_terms.json"


@dataclass(frozen=True, slots=True)
class Regulated:
    """One thing that may be said of an item only where its data says it."""

    claim: str
    proofs: tuple[str, ...]
    """Any of these in an attribute's value, or in the name of one that is not denied, proves it."""


@dataclass(frozen=True, slots=True)
class Said:
    """A regulated word in a normalised text."""

    start: int
    end: int
    entry: Regulated


class RegulatedWords(ParameterCheck[NoParameters]):
    """Q-F4: a certificate or a regulated word that no attribute bears out blocks.

    "Water-resistant" in the data does not bear out "waterproof" in the text; the other way round it does. A rating such
    as IPX4 must stand in the data as it is.
    """

    check_id = "Q-F4"

    def __init__(self, parameters: NoParameters) -> None:
        super().__init__(parameters)
        self.version = f"1-{fingerprint(data_file(TERMS_FILE), length=8)}"

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Look for terms in one pass; attributes are read only of rows that say one."""
        normal = pc.utf8_lower(pc.utf8_normalize(batch.column("text"), "NFKC"))
        rated = frozenset(matching_rows(normal, data_file(TERMS_FILE)["ratings"]))
        rows = [row for row, text in enumerate(normal.to_pylist()) if row in rated or _said(text, rated=False)]
        findings: list[Finding] = []
        for row, pairs in zip(rows, attributes_of(batch, rows), strict=True):
            # Looked for once more in the view, whose places can be traced back.
            findings += _findings(row, view_of(batch.column("text")[row].as_py()), _told(pairs))
        return CheckResult(findings=findings)


def _findings(row: int, view: View, told: str) -> Iterator[Finding]:
    unproved: dict[str, list[Said]] = {}
    for one in _said(view.text, rated=True):
        if not any(_stands_in(proof, told) for proof in one.entry.proofs):
            unproved.setdefault(one.entry.claim, []).append(one)
    for claim, places in unproved.items():
        spans = [view.original(one.start, one.end) for one in places]
        evidence = ", ".join(dict.fromkeys(view.text[one.start : one.end] for one in places))[:80]
        reason = f"says {claim}, which no attribute does"
        yield Finding(row=row, severity="block", reason=reason, spans=tuple(spans[:20]), evidence=evidence)


_DENIED = frozenset({"", "no", "false", "none", "n/a", "0", "否", "无", "不", "没有"})


def _told(pairs: Sequence[tuple[str, str]]) -> str:
    """What the attributes say, normalised; of one that is denied nothing."""
    told = ((name, view_of(value).text.strip()) for name, value in pairs)
    return "\n".join(f"{view_of(name).text} {value}" for name, value in told if value not in _DENIED)


def _stands_in(proof: str, told: str) -> bool:
    """Short Latin words, such as CE, must stand alone; longer ones may be the beginning of a word."""
    if not proof.isascii():
        return proof in told
    whole = r"\b" if len(proof) <= 3 else ""
    return re.search(rf"\b{re.escape(proof)}{whole}", told) is not None


def _said(text: str, *, rated: bool) -> list[Said]:
    hits = [(last + 1 - length, last + 1, entry) for last, (length, entry) in _automaton().iter(text)]
    whole = [(start, end, entry) for start, end, entry in hits if is_whole_word(text, start, end)]
    spared = [(start, end) for start, end, entry in whole if entry is None]
    found = [Said(start, end, entry) for start, end, entry in whole if entry is not None]
    if rated:
        ratings = re.compile(data_file(TERMS_FILE)["ratings"], re.ASCII).finditer(text)
        found += [Said(*hit.span(), Regulated(hit.group().upper(), (hit.group(),))) for hit in ratings]
    return [one for one in found if not any(start <= one.start and one.end <= end for start, end in spared)]


@cache
def _automaton() -> ahocorasick.Automaton:
    automaton = ahocorasick.Automaton()
    for entry in data_file(TERMS_FILE)["entries"]:
        regulated = Regulated(entry["claim"], tuple(view_of(proof).text for proof in entry["proofs"]))
        for term in entry["terms"]:
            automaton.add_word(view_of(term).text, (len(term), regulated))
        for term in entry.get("except_terms", ()):
            automaton.add_word(view_of(term).text, (len(term), None))
    automaton.make_automaton()
    return automaton
