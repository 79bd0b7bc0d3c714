"""Q-C1 to Q-C12: words of advertising law, per market, judged with the words around them."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

import ahocorasick
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from aigc_core.checks.base import CheckResult, Finding, ParameterCheck, Severity
from aigc_core.checks.views import (
    HAN,
    View,
    attributes_of,
    data_file,
    is_whole_word,
    language_of,
    matching_rows,
    strings,
    view_of,
)
from aigc_core.contracts.strict import Locale, Strict
from aigc_core.ids import fingerprint

Market = Literal["cn", "eu", "us"]
LEVELS: Mapping[str, Severity] = {"ban": "block", "evidence": "block", "caution": "quarantine"}
"""TRUST 2.3: what may never be said, what needs a document, what a person should look at."""
_VARIANT = re.compile(r"^(Q-C\d+)[a-z]+$")
EXCEPTION_CHARACTERS = 40
"""No exception is longer."""
EVIDENCE = "evidence"
"""Attribute that names the document behind a claim of level `evidence`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one market, in one language."""

    rule_id: str
    market: str
    lang: str
    level: str
    title: str
    basis: str
    suggest: str
    terms: tuple[str, ...]
    except_terms: tuple[str, ...]
    pattern: str

    @property
    def check_id(self) -> str:
        """The id in the trust catalogue: `Q-C6` of `Q-C6e`."""
        return _VARIANT.sub(r"\1", self.rule_id)


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim in one text; positions in the normalised text."""

    rule: Rule
    start: int
    end: int


class OwnRule(Strict):
    """A rule of the shop's own, judged as the shipped ones are."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")
    lang: Locale
    level: Literal["ban", "evidence", "caution"]
    title: str = Field(min_length=3, max_length=80)
    terms: tuple[Annotated[str, Field(min_length=2, max_length=EXCEPTION_CHARACTERS)], ...] = Field(
        min_length=1, max_length=5000
    )
    except_terms: tuple[Annotated[str, Field(min_length=2, max_length=EXCEPTION_CHARACTERS)], ...]
    """Words around a term in which it is none; named even where there are none, for a term is judged in its context."""


class Override(Strict):
    """A claim that a person lets through, by name and for a reason: it warns instead, and says so."""

    term: str = Field(min_length=2, max_length=80)
    """The words as the text says them; case and width do not matter."""
    by: str = Field(min_length=2, max_length=80)
    reason: str = Field(min_length=10, max_length=200)


class ClaimParameters(Strict):
    """Q-C."""

    markets: tuple[Market, ...] = ("cn", "eu", "us")
    """Whose law a text is read by."""
    certificates: tuple[str, ...] = Field(("certification",), max_length=20)
    """Attributes whose values name certificates: what names one, or stands in one, needs no other document."""
    own: tuple[OwnRule, ...] = Field((), max_length=200)
    overrides: tuple[Override, ...] = Field((), max_length=1000)

    @property
    def own_rules(self) -> tuple[Rule, ...]:
        """The shop's rules in the shape of the shipped ones."""
        return tuple(
            _rule(one.model_dump() | {"basis": "the shop's own list", "suggest": ""}, "own") for one in self.own
        )


def load_rules(markets: Sequence[str]) -> tuple[Rule, ...]:
    """The shipped rules of the markets, and those that hold in all."""
    rules = []
    for name in (*dict.fromkeys(markets), "all"):
        pack = data_file(f"claims_{name}.json")
        rules += [_rule(entry, pack["market"]) for entry in pack["entries"]]
    return tuple(rules)


def _rule(entry: Mapping[str, Any], market: str) -> Rule:
    return Rule(
        rule_id=entry["id"],
        market=market,
        lang=entry["lang"],
        level=entry["level"],
        title=entry["title"],
        basis=entry["basis"],
        suggest=entry["suggest"],
        terms=tuple(view_of(term).text for term in entry["terms"]),
        except_terms=tuple(view_of(term).text for term in entry["except_terms"]),
        pattern=entry.get("pattern", ""),
    )


def rules_version(markets: Sequence[str]) -> str:
    """Changes whenever the same text could be judged differently."""
    names = [*sorted(set(markets)), "all"]
    return f"1-{fingerprint([data_file(f'claims_{name}.json') for name in names], length=8)}"


class Lexicon:
    """All terms of one language in one automaton: a text is read once, whatever the number of rules."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._patterns = [(rule, _compiled(rule.pattern)) for rule in rules if rule.pattern]
        self._screen = "|".join(f"(?:{rule.pattern})" for rule in rules if rule.pattern)
        held: dict[str, list[Rule | None]] = {}
        for rule in rules:
            for term in rule.terms:
                held.setdefault(term, []).append(rule)
            for term in rule.except_terms:
                held.setdefault(term, []).append(None)
        self._automaton = ahocorasick.Automaton()
        for term, owners in held.items():
            self._automaton.add_word(term, (len(term), tuple(owners)))
        self._automaton.make_automaton()
        self._empty = not held

    def suspects(self, texts: pa.Array) -> frozenset[int]:
        """Rows in which a pattern matches; terms are looked up in every row."""
        return frozenset(matching_rows(texts, self._screen)) if self._screen else frozenset()

    def claims(self, text: str, *, patterns: bool = True) -> list[Claim]:
        """What a normalised text claims, by place; a term within an exception is none.

        Args:
            text: NFKC, lower case.
            patterns: whether to look for patterns too; terms always are.
        """
        hits = [] if self._empty else list(self._hits(text))
        spared = sorted({(start, end) for start, end, rule in hits if rule is None})
        found = {(start, end, rule) for start, end, rule in hits if rule is not None}
        if patterns:
            found |= {(*hit.span(), rule) for rule, pattern in self._patterns for hit in pattern.finditer(text)}
        spans = sorted(found, key=lambda one: (one[0], one[1], one[2].rule_id))
        return [Claim(rule, start, end) for start, end, rule in spans if not _is_within(start, end, spared)]

    def _hits(self, text: str) -> Iterator[tuple[int, int, Rule | None]]:
        for last, (length, owners) in self._automaton.iter(text):
            start, end = last + 1 - length, last + 1
            if is_whole_word(text, start, end):
                for owner in owners:
                    yield start, end, owner


def _compiled(pattern: str) -> re.Pattern[str]:
    """An RE2 pattern as Python spells it: word boundaries of ASCII words, Han characters by range."""
    return re.compile(pattern.replace(r"\p{Han}", HAN), re.ASCII)


def _is_within(start: int, end: int, spared: Sequence[tuple[int, int]]) -> bool:
    """Whether one of the sorted exceptions covers the place; only those that begin close by can."""
    low = bisect_left(spared, (start - EXCEPTION_CHARACTERS, 0))
    high = bisect_right(spared, start, key=lambda one: one[0])
    return any(end <= behind for _, behind in spared[low:high])


@lru_cache(maxsize=8)
def lexicons(markets: tuple[str, ...], own: tuple[Rule, ...] = ()) -> Mapping[str, Lexicon]:
    """Language -> its lexicon."""
    rules = (*load_rules(markets), *own)
    return {lang: Lexicon([rule for rule in rules if rule.lang == lang]) for lang in sorted({r.lang for r in rules})}


class Claims(ParameterCheck[ClaimParameters]):
    """Q-C: forbidden claims block; claims that need a document block unless the attribute `evidence` names one;
    what needs a look holds; what a person lets through warns. Every rule says which law it rests on; texts are read in
    their locale's language.
    """

    check_id = "Q-C"

    def __init__(self, parameters: ClaimParameters) -> None:
        super().__init__(parameters)
        self.version = rules_version(parameters.markets)
        self._lexicons = lexicons(parameters.markets, parameters.own_rules)
        self._overrides = {view_of(one.term).text: one for one in parameters.overrides}

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """One pass over each normalised text; only hits are traced back to the original."""
        locales = strings(batch, "locale")
        normal = pc.utf8_lower(pc.utf8_normalize(batch.column("text"), "NFKC"))
        claimed: dict[int, list[Claim]] = {}
        for lang, lexicon in self._lexicons.items():
            own = [row for row, locale in enumerate(locales) if language_of(locale) == lang]
            texts = normal.take(pa.array(own, pa.int64()))
            suspects = lexicon.suspects(texts)
            for index, text in enumerate(texts.to_pylist()):
                claims = lexicon.claims(text, patterns=index in suspects)
                if claims:
                    claimed[own[index]] = claims
        rows = sorted(claimed)
        found: list[Finding] = []
        for row, pairs in zip(rows, attributes_of(batch, rows), strict=True):
            found += self._findings(row, batch.column("text")[row].as_py(), claimed[row], self._proof(pairs))
        return CheckResult(findings=found)

    def _proof(self, pairs: Sequence[tuple[str, str]]) -> tuple[str, ...] | None:
        """The certificates, normalised; None where a document stands for the whole item."""
        if any(name == EVIDENCE and value.strip() for name, value in pairs):
            return None
        named = (view_of(value).text.strip() for name, value in pairs if name in self.parameters.certificates)
        return tuple(value for value in named if len(value) > 1)

    def _findings(
        self, row: int, text: str, claims: Sequence[Claim], proof: tuple[str, ...] | None
    ) -> Iterator[Finding]:
        view = view_of(text)
        held: dict[tuple[Rule, Override | None], list[Claim]] = {}
        for claim in claims:
            said = view.text[claim.start : claim.end]
            if claim.rule.level == "evidence" and (proof is None or _is_proved(said, proof)):
                continue
            held.setdefault((claim.rule, self._overrides.get(said)), []).append(claim)
        for (rule, override), places in held.items():
            yield _finding(row, view, rule, override, places)


def _is_proved(said: str, proof: Sequence[str]) -> bool:
    """Whether a certificate names what is said, or what is said names the certificate: FSC, FSC certified."""
    return any(said in value or value in said for value in proof)


def _finding(row: int, view: View, rule: Rule, override: Override | None, places: Sequence[Claim]) -> Finding:
    # Normalising a whole text may compose what normalising by character leaves apart: then no span is told.
    spans = [view.original(one.start, one.end) for one in places if one.end <= len(view.text)]
    said = dict.fromkeys(view.text[one.start : one.end] for one in places)
    allowed = f"; let through by {override.by}: {override.reason}" if override else ""
    return Finding(
        row=row,
        severity="warn" if override else LEVELS[rule.level],
        reason=f"{rule.check_id} {rule.level}: {rule.title} ({rule.market}){allowed}",
        spans=tuple(spans[:20]),
        evidence=", ".join(list(said)[:5]),
    )


def flagged(finding: Finding) -> str:
    """The check id a finding of `Claims` stands for, e.g. `Q-C1`."""
    return finding.reason.partition(" ")[0]


def is_ban(finding: Finding) -> bool:
    """Whether a finding of `Claims` is of words that no document makes lawful."""
    return finding.reason.partition(" ")[2].startswith("ban")
