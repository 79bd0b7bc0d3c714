import pytest

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
)


def _bumped(text: str) -> str:
    """The same number with one digit changed."""
    return text[:-1] + str((int(text[-1], 36) + 1) % 10)


@pytest.mark.parametrize(
    ("judge", "number"),
    [
        (is_card, "4111111111111111"),
        (is_card, "378282246310005"),
        (is_gtin, "4006381333931"),
        (is_iban, "DE89370400440532013000"),
        (is_iban, "gb82west12345698765432"),
        (is_taiwan_id, "A123456789"),
        (is_resident_id, "110101199003071233"),
    ],
)
def test_a_check_digit_proves_a_number(judge: object, number: str) -> None:
    assert callable(judge)
    assert judge(number)
    assert not judge(_bumped(number))


def test_a_resident_id_needs_a_real_date() -> None:
    digits = "11010119900230123"
    assert not any(is_resident_id(digits + check) for check in "0123456789X")


def test_hong_kong_ids_are_checked() -> None:
    assert is_hong_kong_id("A123456(3)")
    assert not is_hong_kong_id("A123456(4)")


def test_a_company_code_is_checked() -> None:
    code = "91350211M000100Y4"
    assert sum(is_uscc(code + check) for check in "0123456789ABCDEFGHJKLMNPQRTUWXY") == 1


@pytest.mark.parametrize(("text", "expected"), [("8.8.8.8", True), ("256.1.1.1", False), ("255.255.255.0", False)])
def test_addresses_of_hosts(text: str, *, expected: bool) -> None:
    assert is_ip(text) is expected


def test_a_word_is_not_random() -> None:
    assert is_random("q7Rz0LmXw2VbT9sKfJ4hYp8NcGd1AeUo")
    assert not is_random("Extraordinarily-long-product-name-2")
