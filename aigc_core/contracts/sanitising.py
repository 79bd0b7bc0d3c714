"""Attributes enter a prompt as data: what could pass for an instruction's frame is taken out, nothing is cut."""

import re
from collections.abc import Iterable, Mapping, Sequence

SANITISING = "1"
"""Version of what `clean_value` does; part of every prompt digest."""
MOST_CHARS = 2_000
"""Characters of one value."""
MOST_BYTES = 16_384
"""UTF-8 bytes of a request's names and values together (TRUST 9.1, LLM10)."""
TOO_LONG = "attributes: a value over 2,000 characters"
TOO_MUCH = "attributes: over 16 kB in all"

# Control, bidirectional, zero-width and tag characters, noncharacters, lone surrogates. Joiners stay: some
# scripts need them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
_TOKEN = re.compile(
    r"<\|[^<>|\s]{1,64}\|>|<｜[^<>｜\s]{1,64}｜>"  # Qwen, Llama 3, Phi, GPT; DeepSeek
    r"|</?s>|<(?:bos|eos|pad|unk|mask|sep|cls|eod|sop|eop)>|<(?:start|end)_of_(?:turn|image|text)>"  # T5, Gemma
    r"|<(?:extra_id|unused|reserved|reserved_token|special)_?\d{1,5}>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|CLS|SEP|PAD|UNK|MASK|gMASK|sMASK|BOS|EOS)\]"
    r"|<</?SYS>>|</?(?:think|tool_call|tool_response|function_call)>"  # Llama 2; Qwen
)
_FENCE = re.compile(r"`{2,}|~{3,}|#{3,}")
_ROLE = re.compile(
    r"^((?:[^\S\n]|[>*_-])*"  # Not over line ends: from each of many it would look at all that follow.
    r"(?:system|assistant|user|human|developer|tool|instructions?|response|ai|系统|助手|助理|用户|指令|回答))"
    r"(?:\s*[:：])+",
    re.IGNORECASE | re.MULTILINE,
)
_SPACE = re.compile("[ \t-\r\x1c-\x1f\x85\u2028\u2029]+")
_ODD = re.compile(rf"{_UNSEEN.pattern}|[\t-\r\x1c-\x1f\x85\u2028\u2029<\[`]|~~~|###|  ")
_ROLE_FIRST = re.compile(_ROLE.pattern, re.IGNORECASE)


def clean_value(text: str, special: re.Pattern[str] | None = None) -> str:
    """One value as a prompt may show it: one line, without unseen characters, chat markers, fences and role prefixes.

    Nothing else changes: letters, digits and punctuation stay, so that a fact stays what it is. Idempotent.

    Args:
        special: also taken out; see `special_pattern`.
    """
    if not (_ODD.search(text) or _ROLE_FIRST.match(text) or (special is not None and special.search(text))):
        return text.strip()
    text = _UNSEEN.sub("", text)
    # Each is replaced by a space, so that what is left on both sides cannot close up to another one.
    for pattern in (_TOKEN, *([special] if special else []), _FENCE):
        text = pattern.sub(" ", text)
    # A prefix may stand behind another's place, e.g. at the start of a line that becomes the first.
    text = _ROLE.sub(r"\1", text.replace("`", "'"))
    return _ROLE_FIRST.sub(r"\1", _SPACE.sub(" ", text).strip())


def special_pattern(tokens: Iterable[str]) -> re.Pattern[str] | None:
    """What finds a tokenizer's special tokens in a value; None where it has none that a shop would not write.

    A token counts when it is framed by brackets or bars: some models declare plain words or signs as special.
    """
    framed = sorted({token for token in tokens if _FRAMED.fullmatch(token)}, key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, framed))) if framed else None


_FRAMED = re.compile(r"[<\[{|【「][^\s]+[>\]}|】」]")


def excess(item_id: str, attributes: Sequence[Mapping[str, str]]) -> str | None:
    """Why the attributes are too much for a prompt, or None. They are refused, never cut: a cut changes facts."""
    if any(len(pair["value"]) > MOST_CHARS or len(pair["name"]) > MOST_CHARS for pair in attributes):
        return TOO_LONG
    chars = len(item_id) + sum(len(pair["name"]) + len(pair["value"]) for pair in attributes)
    if chars * 4 <= MOST_BYTES:
        return None
    whole = item_id + "".join(pair["name"] + pair["value"] for pair in attributes)
    return TOO_MUCH if len(whole.encode("utf-8", "surrogatepass")) > MOST_BYTES else None
