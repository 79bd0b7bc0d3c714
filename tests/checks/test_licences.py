import pytest

from aigc_core.checks.licences import NONE_DECLARED, NOT_ALLOWED, held_against, is_allowed, licence_id

ALLOWED = ("internal", "MIT", "CC-BY-4.0", "CC0-1.0", "Apache-2.0")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA-4.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://opensource.org/licenses/MIT", "MIT"),
        ("https://www.apache.org/licenses/LICENSE-2.0.txt", "Apache-2.0"),
        ("CC BY-NC 3.0", "CC-BY-NC-3.0"),
        (" our own terms ", "our own terms"),
    ],
)
def test_addresses_and_spellings_have_one_id(text: str, expected: str) -> None:
    assert licence_id(text) == expected


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("mit", True),
        ("cc-by-nc-4.0", False),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("(MIT AND Apache-2.0)", True),
        ("MIT-0", False),
    ],
)
def test_expressions(licence: str, *, expected: bool) -> None:
    assert is_allowed(licence, ALLOWED) is expected


@pytest.mark.parametrize(
    ("licence", "reason"), [(None, NONE_DECLARED), (" ", NONE_DECLARED), ("x", NOT_ALLOWED), ("MIT", "")]
)
def test_what_is_held_against_a_row(licence: str | None, reason: str) -> None:
    assert held_against(licence, ALLOWED) == reason
