"""Numbers that carry their own proof: checksums and formats of identifiers of persons and accounts."""

import datetime as dt
import ipaddress
import math
from collections import Counter

RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
RESIDENT_DIGITS = "10X98765432"
"""GB 11643-1999, ISO 7064 MOD 11-2."""
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
"""GB 32100-2015, modulo 31."""
IBAN_LENGTHS = range(15, 35)
IBAN_COUNTRIES = (
    "AD AE AL AT AZ BA BE BG BH BI BR BY CH CR CY CZ DE DJ DK DO EE EG ES FI FK FO FR GB GE GI GL GR GT HN HR HU IE IL "
    "IQ IS IT JO KW KZ LB LC LI LT LU LV LY MC MD ME MK MN MR MT MU NI NL NO OM PK PL PS PT QA RO RS RU SA SC SD SE SI "
    "SK SM SO ST SV TL TN TR UA VA VG XK YE"
)
"""The countries that take part (ISO 13616 registry), two letters each, apart."""
TAIWAN_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
_CARDS: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...] = (
    (("4",), (13, 16, 19)),
    (tuple(map(str, range(51, 56))), (16,)),
    (tuple(map(str, range(2221, 2721))), (16,)),
    (("34", "37"), (15,)),
    (("62", "81"), (16, 17, 18, 19)),
    (("3528", "3529", *map(str, range(353, 359))), (16, 17, 18, 19)),
    (("1800", "2131"), (15,)),
    (("6011", "64", "65"), (16, 17, 18, 19)),
    (("300", "301", "302", "303", "304", "305", "36", "38", "39"), (14, 16, 19)),
    (("5018", "5020", "5038", "5893", "6304", "6759", "6761", "6762", "6763"), tuple(range(12, 20))),
)
"""First digits and lengths of the card schemes (ISO/IEC 7812 ranges as the schemes publish them)."""


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812 for the ones before it."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def is_card(digits: str) -> bool:
    """A payment card number: first digits and length of a scheme, and the check digit."""
    known = any(len(digits) in lengths and digits.startswith(starts) for starts, lengths in _CARDS)
    return known and len(set(digits)) > 1 and luhn(digits)


def is_gtin(digits: str) -> bool:
    """A trade item number of 8, 12, 13 or 14 digits (GS1: weights 3 and 1 from the right)."""
    if len(digits) not in (8, 12, 13, 14):
        return False
    weighted = [int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(weighted) % 10 == 0


def is_resident_id(text: str) -> bool:
    """A Chinese resident identity number of 18 characters: a real date of birth and the check character."""
    text = text.upper()
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], RESIDENT_WEIGHTS, strict=True))
    return _is_date(text[6:14]) and RESIDENT_DIGITS[total % 11] == text[17]


def _is_date(digits: str) -> bool:
    try:
        dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return True


def is_uscc(text: str) -> bool:
    """A Chinese unified social credit code of 18 characters: the check character."""
    text = text.upper()
    if any(character not in USCC_ALPHABET for character in text):
        return False
    total = sum(USCC_ALPHABET.index(c) * weight for c, weight in zip(text[:17], USCC_WEIGHTS, strict=True))
    return USCC_ALPHABET[-total % 31] == text[17]


def is_iban(text: str) -> bool:
    """An international bank account number, letters and digits only (ISO 13616): country, length, modulo 97."""
    text = text.upper()
    if len(text) not in IBAN_LENGTHS or text[:2] not in IBAN_COUNTRIES or not text[2:4].isdigit():
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def is_hong_kong_id(text: str) -> bool:
    """A Hong Kong identity card number, e.g. `A123456(3)`: one letter, six digits, check character."""
    letter, digits, check = text[0].upper(), text[1:7], text.strip("()")[-1].upper()
    total = 36 * 9 + (ord(letter) - 55) * 8 + sum(int(d) * w for d, w in zip(digits, range(7, 1, -1), strict=True))
    return "0A987654321"[total % 11] == check


def is_taiwan_id(text: str) -> bool:
    """A Taiwanese identity number: one letter, nine digits, the last one checked."""
    code = TAIWAN_LETTERS.index(text[0].upper()) + 10
    digits = [int(digit) for digit in text[1:]]
    total = code // 10 + 9 * (code % 10) + sum(d * w for d, w in zip(digits, (8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True))
    return total % 10 == 0


def is_ip(text: str) -> bool:
    """An IPv4 or IPv6 address that names one host: not unspecified, loopback, or a netmask."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback or text.startswith(("255.", "0.")))


def entropy(text: str) -> float:
    """Shannon entropy of the characters, in bits a character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def is_random(text: str) -> bool:
    """A string of at least 32 characters no person chose: three kinds of character, 4.3 bits a character."""
    kinds = sum(any(map(test, text)) for test in (str.islower, str.isupper, str.isdigit))
    return kinds == 3 and entropy(text) >= 4.3
