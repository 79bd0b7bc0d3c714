"""S-1: a small word list of what no shop prints; models that judge meaning come on top of it."""

import re
from collections.abc import Iterator

import ahocorasick
import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.checks.base import CheckResult, Finding, NoParameters, ParameterCheck, Severity
from aigc_core.checks.views import View, data_file, view_of
from aigc_core.ids import fingerprint

# Letters or Han characters kept apart by signs: f.u.c.k, 海*洛*因.
SPLIT = r"(?:^|[^a-z])[a-z](?:[.*_+~-][a-z]){2,}|\p{Han}[.*_+~·|-]\p{Han}"
SEPARATED = re.compile(r"(?:(?<=[\u4e00-\u9fff])|(?<=(?<![a-z])[a-z]))[.*_+~·|-](?=[\u4e00-\u9fff]|[a-z](?![a-z]))")
LEET = r"[a-z][013457@$!]|[013457@$!][a-z]"


class Safety(ParameterCheck[NoParameters]):
    """S-1: slurs, drugs, illegal goods block; sexual, violent, self-harm, weapon, gambling, foul words hold.

    Terms are matched on the normalised text, on one with leetspeak undone and on ones without separating
    signs; in Latin script as whole words. Evidence counts places and never holds the word.
    """

    check_id = "S-1"

    def __init__(self, parameters: NoParameters) -> None:
        super().__init__(parameters)
        terms = data_file("safety_terms.json")
        self.version = f"1-{fingerprint(terms, length=8)}"
        self._exceptions = [view_of(text).text for text in terms["exceptions"]]
        self._leet = str.maketrans(terms["leet"])
        self._severity: dict[str, Severity] = {name: group["severity"] for name, group in terms["classes"].items()}
        self._automaton = ahocorasick.Automaton()
        for name, group in terms["classes"].items():
            for term in (*group["en"], *group["zh"]):
                self._automaton.add_word(view_of(term).text, (len(view_of(term).text), name))
        self._automaton.make_automaton()

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Look every text up once; only suspicious ones are looked at character by character."""
        texts = batch.column("text")
        normal = pc.utf8_lower(pc.utf8_normalize(texts, "NFKC"))
        disguised = pc.match_substring_regex(normal, f"{SPLIT}|{LEET}").to_pylist()
        found = []
        for row, (text, hidden) in enumerate(zip(normal.to_pylist(), disguised, strict=True)):
            if hidden or any(True for _ in self._hits(text)):
                found += self._judge(row, view_of(texts[row].as_py()))
        return CheckResult(findings=found)

    def _judge(self, row: int, view: View) -> list[Finding]:
        spans: dict[str, set[tuple[int, int]]] = {}
        plain = View(view.text.translate(self._leet), view.origins)
        for seen in (view, plain, _joined(view), _joined(plain)):
            for name, start, end in self._hits(seen.text):
                spans.setdefault(name, set()).add(seen.original(start, end))
        return [
            Finding(
                row=row,
                severity=self._severity[name],
                reason=f"unsafe words: {name.replace('_', ' ')}",
                spans=tuple(sorted(places)[:20]),
                evidence=f"{len(places)} places",
            )
            for name, places in sorted(spans.items())
        ]

    def _hits(self, text: str) -> Iterator[tuple[str, int, int]]:
        for last, (length, name) in self._automaton.iter(text):
            start, end = last + 1 - length, last + 1
            if _is_whole(text, start, end) and not self._is_excepted(text, start, end):
                yield name, start, end

    def _is_excepted(self, text: str, start: int, end: int) -> bool:
        around = text[max(start - 24, 0) : end + 24]
        offset = min(start, 24)
        return any(
            place <= offset and offset + end - start <= place + len(exception)
            for exception in self._exceptions
            for place in [around.find(exception, max(offset + end - start - len(exception), 0))]
            if place >= 0
        )


def _is_whole(text: str, start: int, end: int) -> bool:
    if not text[start].isascii():
        return True
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (before.isascii() and before.isalnum()) and not (after.isascii() and after.isalnum())


def _joined(view: View) -> View:
    """The view without the signs that keep single letters or Han characters apart."""
    dropped = {hit.start() for hit in SEPARATED.finditer(view.text)}
    kept = [index for index in range(len(view.text)) if index not in dropped]
    return View("".join(view.text[index] for index in kept), [view.origins[index] for index in kept])
