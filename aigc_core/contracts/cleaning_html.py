"""Text out of HTML and out of character references, without gluing words and without taking prices for tags."""

import html
import re
from collections.abc import Callable
from html.entities import html5

import nh3

ROUNDS = 4
"""Passes over a text whose markup was escaped again and again; what is left then is broken up, not decoded."""
MOST_TAGS = 5_000
"""Above this many tags a cell is not parsed as a tree, which would cost the square of their number."""


def _elements(names: str) -> frozenset[str]:
    return frozenset(names.split())


_BLOCKS = _elements(
    "address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset figcaption "
    "figure footer form h1 h2 h3 h4 h5 h6 head header hr html legend li main menu nav ol p pre section summary table "
    "tbody tfoot thead title tr ul"
)
_CELLS = _elements("td th option optgroup button select")
# Formatting elements are reopened after every block, with all their attributes: the parser's one quadratic habit.
_FORMATTING = _elements("a b big code em font i nobr s small strike strong tt u")
_INLINE = _FORMATTING | _elements(
    "abbr acronym area audio base basefont bdi bdo canvas cite col colgroup data datalist del dfn embed frame frameset "
    "iframe img input ins kbd label link map mark marquee meta meter noframes noscript object output param picture "
    "progress q rp rt ruby samp source span sub sup textarea time track var video wbr"
)
_DROPPED = _elements("script style template svg math")
_RAW = _DROPPED | _elements("iframe noframes noscript textarea title xmp noembed listing")
"""Elements that swallow all that follows when they are not closed."""
_KNOWN = _BLOCKS | _CELLS | _INLINE | _RAW | {"plaintext"}
_LEGACY = sorted((name for name in html5 if not name.endswith(";")), key=len, reverse=True)
_ENTITY = re.compile(
    r"&(?:#(?:[0-9]{1,7}|[xX][0-9a-fA-F]{1,6});?|[A-Za-z][A-Za-z0-9]{1,31};|(?:"
    + "|".join(_LEGACY)
    + r")(?![A-Za-z0-9=;]))"
)
_AMPERSANDS = re.compile(r"&(?:(?:amp|AMP|#0{0,5}38|#[xX]0{0,4}26);)+")
_MARK = re.compile(
    r"<(!--|!\[CDATA\[|!doctype(?=[\s>])|\?xml(?=[\s>])|/?[A-Za-z][^\s<>/]*(?=[\s/>]))?|\]\]>|&", re.IGNORECASE
)
_SUSPECT = re.compile(r"<[A-Za-z/!?]|&[#A-Za-z]")
_TAG = re.compile(r"<(/?)([a-z0-9]+)>")
_ANY_TAG = re.compile(r"<[^<>]*>")
_CLOSER = re.compile(r"</([A-Za-z][^\s<>/]*)\s*>")
_OWN_ELEMENT = re.compile(r"[a-z][a-z0-9]*(?:[-:.][a-z0-9]+)*")
_PARSER = nh3.Cleaner(
    tags=set(_BLOCKS | _CELLS),
    attributes={"*": set()},
    clean_content_tags=set(_DROPPED),
    url_schemes=set(),
    link_rel=None,
)


def suspect(text: str) -> bool:
    """Whether there may be a tag or a character reference in it."""
    return _SUSPECT.search(text) is not None


def decode_entities(text: str) -> str:
    """Character references as the characters they stand for, also where they were escaped more than once.

    A reference without its semicolon counts only where no letter, digit or `=` follows, so that `?a=1&copy=2`
    stays an address. What names no character (`&#0;`, `&nosuch;`) stays as it is.
    """
    return _settled(text, _decode_once)


def html_to_text(text: str, *, item: str = "") -> str:
    """The text a reader of the page sees: blocks and `<br>` on lines of their own, cells apart by a space.

    Scripts, styles, comments and attributes are dropped. Only what HTML knows as a tag is one: `5 < 6`, `I <3 you`
    and `<UNK>` stay. Text without a tag keeps its own line breaks. Text that is not valid Unicode is left alone.

    Args:
        item: put before each list item, e.g. `- `.
    """
    page = _Page(item)
    try:
        return _settled(text, page.stripped)
    except UnicodeEncodeError:
        return text


def _settled(text: str, once: Callable[[str], str]) -> str:
    """The text after as many passes as change it, at most `ROUNDS`; then nothing in it can be decoded again."""
    for _ in range(ROUNDS):
        if not suspect(text):
            return text
        after = once(text)
        if after == text:
            return text
        text = after
    return text if once(text) == text else _SUSPECT.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)


def _decode_once(text: str) -> str:
    return _ENTITY.sub(lambda found: _character(found[0]) or found[0], _AMPERSANDS.sub("&", text))


def _character(reference: str) -> str:
    """What a reference stands for; empty when it names nothing that a text may hold."""
    if reference[1] != "#" and reference[1:] not in html5:
        return ""
    found = html.unescape(reference)
    return "" if "\ufffd" in found else found


class _Page:
    """One text on its way out of HTML; later passes keep the line breaks that earlier ones made."""

    def __init__(self, item: str) -> None:
        self._item = item
        self._broken = False

    def stripped(self, text: str) -> str:
        """One pass: tags found and taken out, references decoded."""
        text = _AMPERSANDS.sub("&", text)
        marks = _Marks(text)
        marked = _MARK.sub(marks.written, text) if "<" in text else text
        if not marks.tags:
            return _decode_once(text).replace("\xa0", " ")
        if not self._broken:
            marked = " ".join(marked.split())
        self._broken = True
        marked = marked.replace("\x00", "")  # the parser would put U+FFFD for some of them
        if marks.tags > MOST_TAGS:
            return _lines(_plain(_ANY_TAG.sub(" ", marked)))
        return _lines(_plain(_TAG.sub(self._break, _PARSER.clean(marked))))

    def _break(self, found: re.Match[str]) -> str:
        closing, name = found[1], found[2]
        if name in _CELLS:
            return " "
        return f"\n{self._item}" if name == "li" and not closing else "\n"


class _Marks:
    """Tells the tags of one text from its other angle brackets, and counts them."""

    def __init__(self, text: str) -> None:
        self.tags = 0
        self._last_end = text.rfind(">")
        self._last_comment_end = text.rfind("-->")
        self._last_section_end = text.rfind("]]>") if "<![CDATA[" in text else -1
        self._closers = {found[1].lower(): found.start() for found in _CLOSER.finditer(text)}

    def written(self, found: re.Match[str]) -> str:
        """The mark as the parser shall see it: a tag, or the character itself, escaped."""
        if found[0] == "&":
            reference = _ENTITY.match(found.string, found.start())
            return "&" if reference and _character(reference[0]) else "&amp;"
        if found[0] == "]]>":
            return "]]&gt;" if self._last_section_end < 0 else ""
        name = found[1] or ""
        if not name or found.start() > self._last_end or not self._opens(name, found.start()):
            return f"&lt;{name}"
        self.tags += 1
        return self._tag(name.lower(), found)

    def _opens(self, written: str, at: int) -> bool:
        name = written.lower()
        if name == "!--":
            return at < self._last_comment_end
        if name == "![cdata[":
            return at < self._last_section_end
        if name in ("!doctype", "?xml"):
            return True
        # An element of the page's own making shows by being closed; a placeholder such as <UNK> never is.
        bare = name.removeprefix("/")
        return bare in _KNOWN or (bare in self._closers and bool(_OWN_ELEMENT.fullmatch(written.removeprefix("/"))))

    def _tag(self, name: str, found: re.Match[str]) -> str:
        bare = name.removeprefix("/")
        slash = name[: len(name) - len(bare)]
        if name == "![cdata[":
            return "<wbr>"
        if bare in _FORMATTING or bare == "plaintext":
            return f"<{slash}span"
        if bare in _RAW and not slash and self._closers.get(bare, -1) < found.start():
            return "<span"
        return found[0]


def _plain(escaped: str) -> str:
    """The parser's output without its escapes, once the tags are gone."""
    return escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&")


def _lines(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)
