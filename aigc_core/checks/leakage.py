"""What must not leak into a text: the prompt, an assistant's manners, ways to make contact."""

import re
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from aigc_core.checks.base import CheckResult, Finding, NoParameters, ParameterCheck
from aigc_core.checks.views import View, attributes_of, is_chinese, matching_rows, shortened, strings, view_of
from aigc_core.contracts.strict import Strict

ASSISTANT = (
    r"<\|[^|\n]{1,40}\|>|\[/?INST\]|</?s>|<</?SYS>>|</?think>|#{3}|(?im:^\s*(?:system|user|assistant)\s*[:：])"
    r"|(?i:\bas an? (?:AI|artificial intelligence)\b|\bas a (?:large )?language model\b|\bI'm an AI\b)"
    r"|(?i:\bsure[,!] here|\bhere(?:'s| is) (?:a|the|your) (?:product )?(?:description|rewrite|text|copy)\b)"
    r"|\bI (?:cannot|can't|am unable to|apologi[sz]e)\b|(?i:\bI(?:'m| am) sorry\b)"
    r"|作为(?:一个|一名)?(?:AI|人工智能|语言模型)|(?:好的|当然)[，,！!]?(?:以下|这)是|抱歉|以下是(?:为您|根据|一段|商品|产品)"
    r"|(?:我|本人)(?:无法|不能)(?:提供|生成|回答|满足)"
)


class LeakageParameters(Strict):
    """Q-L9."""

    overlap_chars: int = Field(40, ge=20, le=80)
    """Least length of a passage copied from the prompt, in characters; half of it in Chinese."""
    secrets: tuple[str, ...] = Field((), max_length=20)
    """Strings planted in a prompt that must never appear; they are never quoted in evidence."""


class Leakage(ParameterCheck[LeakageParameters]):
    """Q-L9: special tokens, an assistant's phrases, passages of the prompt and planted secrets block.

    A passage that stands word for word within one attribute value is no leak.
    """

    check_id = "Q-L9"
    version = "1"

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Search for phrases, then for passages shared with the prompt."""
        texts = batch.column("text")
        found = []
        for row in matching_rows(texts, ASSISTANT):
            hit = PHRASES.search(texts[row].as_py())
            if hit:
                found.append(_leak(row, "assistant's phrase", hit.span(), shortened(hit.group())))
        for secret in filter(None, self.parameters.secrets):
            for row in pc.indices_nonzero(pc.match_substring(texts, secret)).to_pylist():
                start = texts[row].as_py().index(secret)
                found.append(_leak(row, "planted secret", (start, start + len(secret)), "a secret of the prompt"))
        return CheckResult(findings=[*found, *self._copied(batch)])

    def _copied(self, batch: pa.RecordBatch) -> Iterator[Finding]:
        texts, prompts, locales = strings(batch, "text"), strings(batch, "prompt"), strings(batch, "locale")
        needed = [self.parameters.overlap_chars // (2 if is_chinese(locale) else 1) for locale in locales]
        passages = {
            row: spans
            for row, (text, prompt, least) in enumerate(zip(texts, prompts, needed, strict=True))
            if (spans := list(shared_passages(text, prompt, least)))
        }
        for (row, spans), pairs in zip(passages.items(), attributes_of(batch, list(passages)), strict=True):
            values = [value for _, value in pairs if value]
            leaks = [span for span in spans if not _is_given(texts[row][slice(*span)], values)]
            if leaks:
                yield _leak(row, "copies the prompt", leaks[0], shortened(texts[row][slice(*leaks[0])]))


def _is_given(passage: str, values: Sequence[str]) -> bool:
    passage = passage.strip()
    # Text and prompt may agree by chance in the few characters around a value.
    return any(passage in value or (value in passage and len(passage) - len(value) <= BY_CHANCE) for value in values)


BY_CHANCE = 4
# RE2 knows ASCII word boundaries only; without the flag a Han character would be part of the word beside it.
PHRASES = re.compile(ASSISTANT, re.ASCII)


def _leak(row: int, reason: str, span: tuple[int, int], evidence: str) -> Finding:
    return Finding(row=row, severity="block", reason=reason, spans=(span,), evidence=evidence)


def shared_passages(text: str, prompt: str, least: int) -> Iterator[tuple[int, int]]:
    """Where the text shares passages of at least `least` characters with the prompt.

    Any such passage covers one whole block of the prompt of half that length, so only blocks are looked up.
    """
    block = least // 2
    for start in range(0, len(prompt) - block + 1, block):
        place = text.find(prompt[start : start + block])
        if place < 0:
            continue
        left = _run(text[max(place - least, 0) : place][::-1], prompt[max(start - least, 0) : start][::-1])
        after, behind = place + block, start + block
        right = _run(text[after : after + least], prompt[behind : behind + least])
        if left + block + right >= least:
            yield place - left, after + right


def _run(one: str, other: str) -> int:
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return length


ADDRESSES = (
    r"https?://|\bwww\.[a-z\d]|[a-z\d._%+-]{1,64}@[a-z\d-]{1,63}\.[a-z]{2,}"
    r"|(?:微信|薇信|威信|微❤|\bvx|\bwechat|\bwhatsapp|\btelegram|\bline id)"
    r"\s?(?:号|id)?\s?[:：]?\s?[a-z\d][\w-]{4,19}"
    r"|加(?:我|客服|店主)?(?:微信|薇信|vx|qq)|\bqq(?:号|群)?\s?[:：]?\s?[1-9]\d{4,10}"
    r"|扫(?:描|一扫)?(?:下方|上方|此|右侧)?(?:二维)?码"
    r"|\bscan (?:the|this|our) (?:qr )?code\b"
)
# A number or domain that an attribute holds word for word is the item's own: a model number, a GTIN, a brand.
NUMBERS = (
    r"(?:\+\d{1,3}[ .-]?)?\(?\d{2,4}\)?[ .-]\d{3,4}[ .-]\d{3,4}\b|\+\d{9,15}\b|\b0\d{2,3}-\d{7,8}\b"
    r"|\b(?:86[ -]?)?1[3-9]\d{9}\b|\b[48]00[ -]?\d{3}[ -]?\d{4}\b"
    r"|\b[a-z\d-]{2,63}\.(?:com|cn|net|org|shop|store|co\.uk|io)\b"
)


class Contacts(ParameterCheck[NoParameters]):
    """Q-L11: web and e-mail addresses, phone numbers, messenger accounts and calls to scan a code block."""

    check_id = "Q-L11"
    version = "1"

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Search the normalised view, so that full-width digits hide nothing."""
        normal = pc.utf8_lower(pc.utf8_normalize(batch.column("text"), "NFKC"))
        near = matching_rows(normal, f"{ADDRESSES}|{NUMBERS}")
        views = [view_of(batch.column("text")[row].as_py()) for row in near]
        found = []
        for row, view, pairs in zip(near, views, attributes_of(batch, near), strict=True):
            given = "\n".join(view_of(value).text for _, value in pairs)
            found += _contact_findings(row, view, given)
        return CheckResult(findings=found)


ADDRESS_FINDER = re.compile(ADDRESSES, re.ASCII)
NUMBER_FINDER = re.compile(rf"(?<![\d.,])(?:{NUMBERS})(?!\d)", re.ASCII)


def _contact_findings(row: int, view: View, given: str) -> list[Finding]:
    hits = list(ADDRESS_FINDER.finditer(view.text))
    hits += [hit for hit in NUMBER_FINDER.finditer(view.text) if hit.group() not in given]
    spans: Sequence[tuple[int, int]] = [view.original(*hit.span()) for hit in hits[:20]]
    # Contact data is personal data: evidence names its kind by its first character at most.
    evidence = f"{hits[0].group()[:1]}..." if hits else ""
    if not hits:
        return []
    return [Finding(row=row, severity="block", reason="contact details", spans=tuple(spans), evidence=evidence)]
