"""What cleaning does to one text."""

import ftfy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_core.contracts.cleaning_text import (
    has_controls,
    has_odd_space,
    maybe_garbled,
    mended,
    normalised,
    placeholder_parts,
    removed,
    restyled,
    spaced,
    uncontrolled,
    without_capitals,
)

CODECS = ["latin-1", "cp1252", "cp1251", "cp1250", "mac_roman", "cp437"]
ODD = st.text(
    alphabet=st.one_of(
        st.sampled_from("aA e\u0301é <>&\t\n\r\xa0\u3000\u200b\u200d\u202e\ufeff\x00\x85\xadÃ©â€œ中😀\u1100\u1161"),
        st.characters(exclude_categories=["Cs"]),
    )
)


@pytest.mark.parametrize(
    ("came", "text"),
    [
        ("cafÃ© crÃ¨me", "café crème"),
        ("itâ€™s soft", "it’s soft"),
        ("voilÃ  le travail", "voilà le travail"),
        ("裙å\xad\x90", "裙子"),
        ("a\x96b", "a–b"),
    ],
)
def test_mojibake_is_mended(came: str, text: str) -> None:
    assert mended(came) == text


@pytest.mark.parametrize(
    "text", ["Café Brazil’s crème", "Größe: 38 – 40", "宽松的裤腿，裤子", "ÀÉÎ", "Ã?", "Ёлка и Еж", "naïve à"]
)
def test_good_text_is_not_mended(text: str) -> None:
    assert mended(text) == text


@given(
    st.text(alphabet=st.characters(min_codepoint=0xA0, max_codepoint=0x2FFF)), st.sampled_from(["latin-1", "cp1252"])
)
def test_the_fast_look_misses_nothing_that_ftfy_mends(text: str, codec: str) -> None:
    garbled = text.encode().decode(codec, "ignore")
    if ftfy.fix_encoding(garbled, ftfy.TextFixerConfig(replace_lossy_sequences=False)) != garbled:
        assert maybe_garbled(garbled)


def test_style_is_repaired_only_when_asked() -> None:
    assert (mended("“ﬁt”"), restyled("“ﬁt”")) == ("“ﬁt”", '"fit"')


def test_letters_are_composed() -> None:
    assert normalised("cafe\u0301", "NFC") == "café"
    assert normalised("ＡＢ", "NFC") == "ＡＢ"
    assert normalised("ＡＢ", "NFKC") == "AB"


@pytest.mark.parametrize(
    ("came", "text"),
    [
        ("a\x00b\u200bc\u202ed\ufeff\xad", "abcd"),
        ("a\u200db", "ab"),
        ("👩\u200d🔧", "👩\u200d🔧"),
        ("a\tb\x85c", "a\tb\x85c"),
    ],
)
def test_invisible_characters_go_but_emoji_stay_whole(came: str, text: str) -> None:
    assert uncontrolled(came) == text


def test_white_space_of_every_kind_becomes_one_space() -> None:
    assert spaced("\u3000a \xa0\t b\n\nc\u2028") == "a b c"
    assert spaced(" a  b \n\n c\r\nd ", keep_lines=True) == "a b\nc\nd"


@pytest.mark.parametrize(
    ("came", "title"),
    [
        ("STRAP TOP (1)", "Strap Top (1)"),
        ("MEN'S USB-C CABLE 3XL", "Men's USB-C Cable 3XL"),
        ("Strap top", "Strap top"),
        ("USB", "USB"),
        ("ÉLÉGANT", "Élégant"),
        ("裙子", "裙子"),
    ],
)
def test_shouted_names_are_written_quietly(came: str, title: str) -> None:
    assert without_capitals(came, style="title", keep=["USB", "C"]) == title


def test_a_sentence_has_one_capital() -> None:
    assert without_capitals("LONG STRAP TOP", style="sentence") == "Long strap top"


@pytest.mark.parametrize(
    ("came", "text"),
    [
        ("a <UNK> b", "a b"),
        ("<UNK>", ""),
        ("x<UNK>y", "xy"),
        ("<UNK> <UNK> a", "a"),
        ("a, <UNK>", "a,"),
        ("<<UNK>UNK>", ""),
    ],
)
def test_a_placeholder_leaves_no_hole(came: str, text: str) -> None:
    assert removed(came, placeholder_parts(["<UNK>"])) == text


@given(ODD)
def test_each_step_twice_is_each_step_once(text: str) -> None:
    parts = placeholder_parts(["<UNK>", "a"])
    for step in (mended, uncontrolled, spaced, lambda one: normalised(one, "NFC"), lambda one: removed(one, parts)):
        assert step(step(text)) == step(text)


@given(ODD)
def test_the_fast_looks_miss_nothing(text: str) -> None:
    assert has_controls(text) or uncontrolled(text) == text
    assert has_odd_space(text) or spaced(text) == text
    assert maybe_garbled(text) or mended(text) == text
