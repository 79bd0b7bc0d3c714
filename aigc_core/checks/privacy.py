"""P-1: personal data and secrets in a text: found by format, proved by checksum, masked or held against the text."""

import re
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.checks.base import CheckResult, Finding, NoParameters, ParameterCheck, Severity
from aigc_core.checks.identifiers import (
    is_card,
    is_gtin,
    is_hong_kong_id,
    is_iban,
    is_ip,
    is_random,
    is_resident_id,
    is_taiwan_id,
    is_uscc,
    luhn,
)
from aigc_core.checks.views import attributes_of, data_file, language_of, matching_rows, strings, view_of
from aigc_core.ids import fingerprint

ENTITIES: dict[str, Severity] = {
    "SECRET": "block",
    "EMAIL": "block",
    "RESIDENT_ID": "block",
    "IBAN": "block",
    "BANK_CARD": "block",
    "IMEI": "block",
    "SSN": "block",
    "MAC": "block",
    "IP": "block",
    "PHONE": "block",
    "MESSENGER": "block",
    "COMPANY_CODE": "warn",
    "ID_CARD": "quarantine",
    "PASSPORT": "quarantine",
    "PLATE": "quarantine",
    "ADDRESS": "quarantine",
    "NAME": "quarantine",
}
"""Entity -> severity (TRUST section 5). What only warns is public: it is counted, never masked."""
REACH = 30
"""Characters around a number in which a word says what it is, or a name stands with its contact."""
REGIONS = {"zh": ("CN",), "en": ("US", "GB"), "de": ("DE", "AT", "CH"), "fr": ("FR", "BE", "CH"), "es": ("ES", "MX")}
"""Language -> regions whose national phone numbers are recognised without a country code."""
TERMS = data_file("privacy_terms.json")
PROVINCES = TERMS["plate_provinces"]
STREETS = "|".join(TERMS["streets_en"])
HAN = "\u4e00-\u9fff"
SECRETS = (
    r"(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,64}|github_pat_\w{22,90}|hf_[A-Za-z0-9]{30,40}"
    r"|sk-[A-Za-z0-9_-]{20,120}|xox[abprs]-[A-Za-z0-9-]{10,80}|AIza[\w-]{35}"
    r"|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----|eyJ[\w-]{10,400}\.eyJ[\w-]{10,800}\.[\w-]{10,400}"
)
ADDRESS_ZH = rf"(?:[{HAN}\d]{{1,8}}?(?:省|市|区|县|镇|乡|村|路|街|道|巷|弄|号|栋|幢|单元|室)){{3,12}}"
ADDRESS_EN = (
    rf"\b\d{{1,5}}[a-z]?,? (?:[^\W\d_][\w'.-]{{0,20}},? ){{1,4}}(?:{STREETS})\b\.?"
    r"(?:,? (?:apt|apartment|suite|unit|flat)\.? ?\w{1,6})?"
)
NUMBER = r"\d(?:[ ().\-/]{0,2}\d){5,}"
# What may be in a text at all, for RE2 over the normalised column: clean texts are not looked at again.
SUSPICIOUS = (
    rf"@|[(\[]at[)\]]|{NUMBER}|[0-9a-f]{{2}}(?:[:-][0-9a-f]{{2}}){{5}}|[0-9a-f]{{0,4}}(?::[0-9a-f]{{0,4}}){{3,7}}"
    rf"|微信|薇信|wechat|\bvx|[{PROVINCES}][a-z][·•]?[a-hj-np-z0-9]{{5}}|\bqq"
    r"|akia|asia[0-9a-z]{16}|gh[pousr]_|github_pat|\bhf_|\bsk-|\bxox[abprs]-|aiza|private key|\beyj[\w-]{10}"
    rf"|[a-z0-9+/_=-]{{32}}|[省市区县镇][\p{{Han}}\d]{{1,10}}[路街道巷弄村]"
    rf"|\b\d{{1,5}}[a-z]?,? (?:\S+ ){{1,4}}(?:{STREETS})\b"
    r"|\b[a-z]{2}\d{2} ?[a-z0-9]{4} ?[a-z0-9]{4} ?[a-z0-9]{3}|\b[a-z]\d{6}\([0-9a]\)"
)
PHONE_CUE = (
    r"\b(?:tele)?phone|\btel\b|\bcall\b|\bcalling\b|\bmobile|\bcell\b|\bfax\b|\bwhatsapp|\bdial\b|\bsms\b|\bhotline"
    r"|\btext me\b|\breach (?:me|us|him|her)\b|\banswering at\b|\bmessages to\b|\bdesk:|\boffice:"
    r"|电话|手机|热线|致电|拨打|联系方式|座机|传真"
)
PHONE_LABEL = r"^ ?-? ?(?:office|fax|mobile|cell|desk|home)\b"
DATE = (
    r"(?:19|20)\d\d[-/. ](?:0?[1-9]|1[0-2])[-/. ](?:0?[1-9]|[12]\d|3[01])(?!\d)|(?:[0-3]?\d[-/.]){2}(?:19|20)\d\d(?!\d)"
)
CARD_CUE = r"\bcards?\b|\bvisa\b|\bmastercard\b|\bamex\b|卡号|银行卡|信用卡"
ADDRESS_CUE = (
    r"\baddress\b|\blives? (?:at|in|on)\b|\bliving (?:at|in)\b|\bship to\b|\bdeliver(?:ed)? to\b|\bresid|\bhome\b"
    r"|\boffice is at\b"
)
PASSPORT_CUE = r"护照(?:号码?|no\.?)?(?:是|为)?[ :：]{0,2}$|passport(?: (?:no\.?|number|#))?(?: is)?[ :]{0,2}$"
VALUE_CUE = (
    r"\b(?:(?:call|dial|sms|text|tel|telephone|whatsapp|fax|hotline)(?: (?:me|us|now|at|on|no|number)){0,3}"
    r"|(?:tele)?phone(?: (?:no|number)|(?=[.:#])))[.:# ]{0,3}$"
    r"|(?:电话|手机号?|热线|致电|拨打|座机|传真)[号码是为:： ]{0,4}$"
)
PHONE_NAME = (
    r"(?:(?:contact|customer|service|support|seller|home|office|work|mobile|cell)[ _-])?"
    r"(?:tel|telephone|phone|fax|hotline|whatsapp)(?:[ _-]?(?:no|num|number))?\.?|cellphone|mobile"
    r"|(?:联系|客服|售后)?(?:电话|手机|热线|传真)(?:号码?)?"
)
PRODUCT_NAME = (
    r"(?:.*[\W_])?(?:id|sku|ean|upc|gtin|isbn|asin|mpn|code|model|part|number|no|ref|reference|barcode|serial|article)"
    r"(?:[\W_].*)?|.*(?:型号|货号|编号|编码|条码|款号)"
)
"""Names of attributes whose digits are a phone number, or a product's own number."""
PRICE = r" \d+\.\d\d$"
POSTCODE = r"\b[a-z]{2},? \d{5}(?:-\d{4})?\b|\b[a-z]{1,2}\d[a-z\d]? \d[a-z]{2}\b"


@dataclass(frozen=True, slots=True)
class Found:
    """One place in a text: a half-open range of the original, and what stands there."""

    entity: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Place:
    """A match on the normalised text, and what stands around it."""

    text: str
    start: int
    end: int
    locale: str

    @property
    def value(self) -> str:
        return self.text[self.start : self.end]

    @property
    def digits(self) -> str:
        return re.sub(r"\D", "", self.value)

    def follows(self, cue: str) -> bool:
        return re.search(cue, self.text[max(self.start - REACH, 0) : self.start], re.ASCII) is not None

    def precedes(self, cue: str) -> bool:
        return re.search(cue, self.text[self.end : self.end + 2 * REACH], re.ASCII) is not None


Proof = Callable[[_Place], bool]


def _always(place: _Place) -> bool:
    return bool(place.value)


def _is_international(place: _Place) -> bool:
    text = place.value.strip()
    # Two zeros begin many an article number; a plus sign begins little else.
    return _is_number(text, None) if text.startswith("+") else _is_number(f"+{text[2:]}", "ZZ")


def _is_national(place: _Place) -> bool:
    """A phone number as its country writes it: a trunk zero or brackets, one kind of separator, no date."""
    separators = set(re.findall(r"[ .-]", place.value.replace(") ", ")")))
    if len(separators) > 1 or place.value[0] not in "(0" or re.match(DATE, place.value):
        return False
    regions = REGIONS.get(language_of(place.locale), ())
    return any(_is_number(place.value, region) for region in dict.fromkeys((*regions, "US", "GB", "FR", "DE")))


def _is_announced(place: _Place) -> bool:
    """A phone number of any country, because a word before it says so; not a list of sizes."""
    written = re.search(r"\d{3}", place.value) is not None or set(re.findall(r"\D", place.value)) in ({"-"}, {"."})
    said = place.follows(PHONE_CUE) or place.precedes(PHONE_LABEL)
    digits = re.sub(r"(?:x|ext).*|\D", "", place.value)
    otherwise = re.match(DATE, place.value) or re.search(PRICE, place.value)
    return 6 <= len(digits) <= 15 and written and said and not otherwise


def _is_number(text: str, region: str | None) -> bool:
    import phonenumbers

    judge = phonenumbers.is_valid_number if region else phonenumbers.is_possible_number
    try:
        return bool(judge(phonenumbers.parse(text, region)))
    except phonenumbers.NumberParseException:
        return False


def _is_payment_card(place: _Place) -> bool:
    if is_card(place.digits):
        return True
    return len(place.digits) >= 13 and luhn(place.digits) and place.follows(CARD_CUE)


def _is_address(place: _Place) -> bool:
    return place.follows(ADDRESS_CUE) or place.precedes(POSTCODE)


def _is_chain(place: _Place) -> bool:
    return all(re.search(part, place.value) for part in (r"\d(?:号|弄|栋|幢|室)", "[路街道巷村]"))


def _is_not_version(place: _Place) -> bool:
    return is_ip(place.value) and not place.follows(r"(?:\bv|version|firmware|版本)[ .:：]{0,2}$")


_RECOGNISERS: tuple[tuple[str, str, Proof], ...] = (
    ("EMAIL", r"[a-z0-9][a-z0-9._%+'-]{0,63}@(?:[a-z0-9][a-z0-9-]{0,61}\.){1,8}[a-z]{2,24}", _always),
    ("EMAIL", r"[a-z0-9][a-z0-9._%+-]{0,63} ?[(\[]at[)\]] ?[a-z0-9-]{1,62} ?(?:\.|[(\[]dot[)\]]) ?[a-z]{2,24}",
     _always),
    ("RESIDENT_ID", r"(?<![\da-z])[1-9]\d{5}(?:18|19|20)\d{2}[01]\d[0-3]\d{4}[\dx](?![\da-z])",
     lambda p: is_resident_id(p.value)),
    ("IBAN", r"(?<![a-z\d])[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,3})?(?![a-z\d])",
     lambda p: is_iban(p.value.replace(" ", ""))),
    ("COMPANY_CODE", r"(?<![a-z\d])[0-9a-hj-npqrtuwxy]{2}\d{6}[0-9a-hj-npqrtuwxy]{10}(?![a-z\d])",
     lambda p: is_uscc(p.value) and not p.value.isalpha()),
    ("IMEI", r"(?<![\d.])\d{2}-?\d{6}-?\d{6}-?\d(?!\d)", lambda p: luhn(p.digits) and p.follows(r"imei")),
    ("BANK_CARD", r"(?<![\w.,/-])\d{4}(?:([ -])\d{4}(?:\1\d{4}){2})(?![\w/-])", _is_payment_card),
    ("BANK_CARD", r"(?<![\w.,/-])\d(?:[ -]?\d){11,18}(?![\w/-])", _is_payment_card),
    ("SSN", r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])", _always),
    ("SSN", r"(?<![\w-])(?!000|666|9)\d{3} ?(?!00)\d{2} ?(?!0000)\d{4}(?![\w-])",
     lambda p: p.follows(r"\bssn\b|social security")),
    ("MAC", r"(?<![0-9a-f:-])[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}(?![0-9a-f:-])", lambda p: p.digits != p.value),
    ("IP", r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d]|\.\d)", _is_not_version),
    ("IP", r"(?<![0-9a-z:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![0-9a-z:])",
     lambda p: len(p.value) > 6 and is_ip(p.value)),
    ("PHONE", r"(?<![\d.])(?:\+?86[- ]?)?1[3-9]\d(?:\d{8}|-\d{4}-\d{4}| \d{4} \d{4})(?!\d)(?!\.\d)", _always),
    ("PHONE", r"(?<!\d)\(?0\d{2,3}[-)] ?[1-9]\d{6,7}(?!\d)|(?<![\d.])[48]00-\d{3}-?\d{4}(?!\d)", _always),
    ("PHONE", r"(?<![\w.])(?:\+|00)(?:[ ().\-/]{0,3}\d){7,17}(?!\d)", _is_international),
    ("PHONE",
     r"(?<![\w.-])(?:1[-. ])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}-)[2-9]\d{2}-\d{4}(?: ?(?:x|ext\.?) ?\d{1,5})?(?!\d)",
     _always),
    ("PHONE", r"(?<![\w.])\(?\d{2,5}\)?(?:[ .-]\d{2,4}){2,4}(?!\w)", _is_national),
    ("PHONE", r"(?<![\w.-])\d{3}-\d{4}(?![\w-])", _is_announced),
    ("PHONE", r"(?<![\w.])\(?\d(?:[ ().\-/]{0,2}\d){5,14}(?: ?(?:x|ext\.?) ?\d{1,5})?(?!\w)", _is_announced),
    ("MESSENGER", r"(?:微信|薇信|威信|(?<![a-z])(?:vx|wechat))(?:号|id)?(?: ?[:：])? ?[a-z][\w-]{5,19}(?![\w-])",
     _always),
    ("MESSENGER", r"(?<![a-z])qq(?:号|群)?(?: ?[:：])? ?[1-9]\d{4,10}(?!\d)", _always),
    ("ID_CARD", r"(?<![a-z\d])[a-z]\d{6}\([0-9a]\)", lambda p: is_hong_kong_id(p.value)),
    ("ID_CARD", r"(?<![a-z\d])[a-z][12]\d{8}(?![a-z\d])",
     lambda p: is_taiwan_id(p.value) and p.follows(r"身[分份][证證]|\bid\b|identity")),
    ("PASSPORT", r"(?<![a-z\d])(?:[eg]\d{8}|e[a-hj-np-z]\d{7}|[a-z]{0,2}\d{6,9})(?![a-z\d])",
     lambda p: p.follows(PASSPORT_CUE)),
    ("PLATE", rf"[{PROVINCES}][a-z][·•]?(?=[a-hj-np-z]{{0,5}}\d)[a-hj-np-z0-9]{{5,6}}(?![a-z0-9])", _always),
    ("ADDRESS", ADDRESS_ZH, _is_chain),
    ("ADDRESS", ADDRESS_EN, _is_address),
)  # fmt: skip
"""Entity, pattern on the normalised text, proof; earlier ones take a place before later ones."""
_COMPILED = tuple((entity, re.compile(pattern, re.ASCII), proof) for entity, pattern, proof in _RECOGNISERS)
_SECRETS = re.compile(rf"(?<![A-Za-z0-9])(?:{SECRETS})", re.ASCII)
_RANDOM = re.compile(r"(?<![A-Za-z0-9+/_=.-])[A-Za-z0-9+/_-]{32,128}={0,2}(?![A-Za-z0-9+/_=.-])", re.ASCII)
_SURNAMES = TERMS["surnames_zh"]
_NAME_ZH = re.compile(
    rf"(?:(?<=联系人)|(?<=姓名)|(?<=收件人)|(?<=联系)|(?<=找))[:： ]{{0,2}}([{_SURNAMES}][{HAN}]{{1,2}}?)"
    rf"(?=[^{HAN}]|$|电|手|微)"
    rf"|([{_SURNAMES}][{HAN}]{{0,2}}?(?:{'|'.join(TERMS['titles_zh'])}))"
)
# Looked ahead for, so that a capital word before the name does not take it.
_NAME_EN = re.compile(r"\b(?=(([A-Z][a-z]{2,12}) (?:[A-Z]\. )?[A-Z][a-z'’-]{1,20}\b))")
CONTACTS = frozenset({"EMAIL", "PHONE", "MESSENGER"})


def find(text: str, attributes: Sequence[tuple[str, str]], locale: str) -> list[Found]:
    """Every place with personal data or a secret, in order, none overlapping another.

    What an attribute of the item holds word for word is the item's own: a model number, a GTIN, a brand; but not what
    `mask_value` masks there.

    Args:
        text: as it came.
        attributes: (name, value) pairs of the item.
        locale: decides which national phone numbers are known.
    """
    view = view_of(text)
    given = _Own([view_of(mask_value(name, value, locale)[0]).text for name, value in attributes if value])
    taken = _Taken()
    for hit in _SECRETS.finditer(text):
        taken.add(Found("SECRET", *hit.span()))
    for hit in _RANDOM.finditer(text):
        if is_random(hit.group()):
            taken.add(Found("SECRET", *hit.span()))
    for entity, pattern, proof in _COMPILED:
        for hit in pattern.finditer(view.text):
            found = Found(entity, *view.original(*hit.span()))
            place = _Place(view.text, hit.start(), hit.end(), locale)
            if taken.leaves(found) and not given.holds(hit.group()) and proof(place):
                taken.add(found)
    for name in _names(text, tuple(taken.places)):
        taken.add(name)
    return taken.places


class _Taken:
    """Places found so far, in order, none overlapping another."""

    def __init__(self) -> None:
        self.places: list[Found] = []

    def leaves(self, found: Found) -> bool:
        """Whether the place is still free."""
        at = bisect_left(self.places, found.start, key=lambda place: place.start)
        before = at == 0 or self.places[at - 1].end <= found.start
        return before and (at == len(self.places) or self.places[at].start >= found.end)

    def add(self, found: Found) -> None:
        """Take the place if it is free."""
        if self.leaves(found):
            insort(self.places, found, key=lambda place: place.start)


class _Own:
    """The item's own values, as written and without what separates digits."""

    def __init__(self, values: Sequence[str]) -> None:
        self._values = values
        self._plain = [_SEPARATORS.sub("", value) for value in values]

    def holds(self, value: str) -> bool:
        """Whether an attribute holds the value."""
        plain = _SEPARATORS.sub("", value)
        return any(value in held for held in self._values) or any(plain in held for held in self._plain)


_SEPARATORS = re.compile(r"[\s().-]")


def _names(text: str, found: Sequence[Found]) -> Iterator[Found]:
    """Names that stand within reach of a contact: a name alone is no personal data in product copy."""
    given = _given_names()
    seen: set[tuple[int, int]] = set()
    for contact in [place for place in found if place.entity in CONTACTS]:
        low, high = max(contact.start - REACH, 0), contact.end + REACH
        window = text[low:high]
        spans = [hit.span(1 if hit.group(1) else 2) for hit in _NAME_ZH.finditer(window)]
        spans += [hit.span(1) for hit in _NAME_EN.finditer(window) if hit.group(2).lower() in given]
        for start, end in spans:
            if (low + start, low + end) not in seen:
                seen.add((low + start, low + end))
                yield Found("NAME", low + start, low + end)


@cache
def _given_names() -> frozenset[str]:
    return frozenset(TERMS["given_en"])


def mask(text: str, attributes: Sequence[tuple[str, str]], locale: str) -> tuple[str, Mapping[str, int]]:
    """The text with `[EMAIL]`, `[PHONE]` ... where personal data was, and how many places of each entity.

    Company codes are public: counted, left as they are. Masking a masked text changes nothing.
    """
    found = find(text, attributes, locale)
    return _hidden(text, found), Counter(place.entity for place in found)


def _hidden(text: str, found: Sequence[Found]) -> str:
    pieces, behind = [], 0
    for place in found:
        if ENTITIES[place.entity] != "warn":
            pieces += [text[behind : place.start], f"[{place.entity}]"]
            behind = place.end
    return "".join([*pieces, text[behind:]])


@lru_cache(maxsize=1 << 16)
def mask_value(name: str, value: str, locale: str) -> tuple[str, Mapping[str, int]]:
    """An attribute's value with what is strongly proved to be personal masked, and how many places of each entity.

    Values hold numbers of products, which look like numbers of persons. So only these are masked: e-mail addresses,
    secrets with a known beginning, resident ids and IBANs by checksum; payment cards by scheme and check digit, of at
    least 15 digits unless a word says card, no GTIN; SSNs with their dashes; phone numbers written with a plus, or
    right behind a word such as `call` or `tel:`, or under a name such as `phone`. Cards and SSNs stay where the
    attribute's name says that it holds a product's number. Masking a masked value changes nothing.
    """
    view = view_of(value)
    if not _VALUE_SCREEN.search(view.text):
        return value, {}
    taken = _Taken()
    for hit in _SECRETS.finditer(value):
        taken.add(Found("SECRET", *hit.span()))
    for entity, pattern, proof in _COMPILED:
        if entity in _IN_VALUES:
            for hit in pattern.finditer(view.text):
                found = Found(entity, *view.original(*hit.span()))
                place = _Place(view.text, hit.start(), hit.end(), locale)
                if taken.leaves(found) and _is_proved(entity, name.strip().lower(), place, proof):
                    taken.add(found)
    return _hidden(value, taken.places), Counter(place.entity for place in taken.places)


def _is_proved(entity: str, name: str, place: _Place, proof: Proof) -> bool:
    if entity == "PHONE":
        if place.value.startswith("+"):
            return proof(place)
        said = place.follows(VALUE_CUE) or re.fullmatch(PHONE_NAME, name) is not None
        return said and 7 <= len(place.digits) <= 15 and re.match(DATE, place.value) is None
    if entity == "BANK_CARD":
        long_enough = len(place.digits) >= 15 and re.fullmatch(PRODUCT_NAME, name) is None
        return proof(place) and not is_gtin(place.digits) and (long_enough or place.follows(CARD_CUE))
    if entity == "SSN":
        return proof(place) and re.fullmatch(PRODUCT_NAME, name) is None
    return proof(place)


_IN_VALUES = frozenset({"EMAIL", "RESIDENT_ID", "IBAN", "BANK_CARD", "SSN", "PHONE"})
VALUE_SUSPICIOUS = (
    r"@|[(\[]at[)\]]|\d(?:[ -]?\d){11,}|[1-9]\d{16}x|\d{3}[ -]?\d\d[ -]?\d{4}|\+(?:[ ().\-/]{0,3}\d){7}"
    r"|\d(?:[ ().\-/]{0,2}\d){6}|[a-z]{2}\d{2} ?[a-z0-9]{4} ?[a-z0-9]{4} ?[a-z0-9]{3}"
    r"|akia|asia[0-9a-z]{16}|gh[pousr]_|github_pat|\bhf_|\bsk-|\bxox[abprs]-|aiza|private key|\beyj[\w-]{10}"
)
_VALUE_SCREEN = re.compile(VALUE_SUSPICIOUS, re.ASCII)


def suspicious_values(values: pa.Array) -> list[int]:
    """Attribute values that may hold what `mask_value` masks; the others hold none."""
    return matching_rows(pc.utf8_lower(pc.utf8_normalize(values, "NFKC")), VALUE_SUSPICIOUS)


def suspicious_rows(texts: pa.Array) -> list[int]:
    """Rows that may hold personal data; the others hold none that `find` would find."""
    return matching_rows(pc.utf8_lower(pc.utf8_normalize(texts, "NFKC")), SUSPICIOUS)


class PersonalData(ParameterCheck[NoParameters]):
    """P-1: personal data and secrets block or hold a text, by entity; evidence counts places, never shows them."""

    check_id = "P-1"
    version = f"1-{fingerprint([[entity, pattern] for entity, pattern, _ in _RECOGNISERS] + [TERMS], length=8)}"

    def __call__(self, batch: pa.RecordBatch) -> CheckResult:
        """Look at the rows a linear-time pattern points out."""
        texts, locales = batch.column("text"), strings(batch, "locale")
        rows = suspicious_rows(texts)
        found: list[Finding] = []
        for row, pairs in zip(rows, attributes_of(batch, rows), strict=True):
            places: dict[str, list[tuple[int, int]]] = {}
            for place in find(texts[row].as_py(), pairs, locales[row]):
                places.setdefault(place.entity, []).append((place.start, place.end))
            found += [_finding(row, entity, spans) for entity, spans in sorted(places.items())]
        return CheckResult(findings=found)


def _finding(row: int, entity: str, spans: Sequence[tuple[int, int]]) -> Finding:
    words = entity.lower().replace("_", " ")
    what = "secret" if entity == "SECRET" else f"personal data: {words}"
    return Finding(
        row=row, severity=ENTITIES[entity], reason=what, spans=tuple(spans[:20]), evidence=f"{len(spans)} places"
    )
