"""Text out of HTML: nothing glued, nothing swallowed, nothing taken for a tag that is none."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_core.contracts.cleaning_html import MOST_TAGS, decode_entities, html_to_text

TAGS = "<p> </p> <b> </b <br/> <li> <td> <script> </script> <svg> <textarea> </textarea> <my-tag> </my-tag> <UNK>"
MARKS = "<!-- --> <![CDATA[ ]]> &amp; &lt; amp; lt; b> &nbsp; &#38; #60; &copy <a\xa0href=' a é < > & ' \" = </"
ALONE = (" ", "\n", "\x00", "\ud800")
PIECES = st.lists(st.sampled_from([*TAGS.split(" "), *MARKS.split(" "), *ALONE]), max_size=12).map("".join)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>Soft</p><p>Warm</p>", "Soft\nWarm"),
        ("one<br>two<BR/>three", "one\ntwo\nthree"),
        ("<ul><li>oak<li>pine</ul>Made by hand", "oak\npine\nMade by hand"),
        ("<table><tr><td>Size</td><td>M</td></tr><tr><td>Fit</td><td>slim</td></tr></table>", "Size M\nFit slim"),
        ("a <b>big</b>ger <i>box</i>", "a bigger box"),
        ("<p>one\n  line</p>", "one line"),
        ('<p data-x=\'{"a": "b>c"}\'>text</p>', "text"),
        ('<div title="5 &gt; 3 &quot;x&quot;">text</div>', "text"),
        ("<style>p {}</style>a<script>if (1<2) b()</script> c<!-- d -->", "a c"),
        ("<p>10&nbsp;000 &euro; &amp; more</p>", "10 000 € & more"),
        ("<html><head><title>T</title></head><body>B</body></html>", "T\nB"),
        ("<![CDATA[soft <b>wool</b>]]> hat", "soft wool hat"),
        ("<o:p>office</o:p> <my-card>own</my-card>", "office own"),
        ("<p></p>", ""),
    ],
)
def test_a_page_becomes_what_its_reader_sees(page: str, text: str) -> None:
    assert html_to_text(page) == text


@pytest.mark.parametrize(
    "text",
    [
        "5 < 6",
        "5<6 and 7>2",
        "I <3 you",
        "<UNK> is soft",
        "{b> <b}Knitted",
        "R&D at H&M",
        "from <$5",
        "see <a href='x",
        "",
    ],
)
def test_what_is_no_tag_stays(text: str) -> None:
    assert html_to_text(text) == text


@pytest.mark.parametrize(
    "page", ["<script>kept", "<svg>kept", "<textarea>kept", "<!-- kept", "<title>kept", "<xmp>kept"]
)
def test_an_element_that_is_never_closed_swallows_nothing(page: str) -> None:
    assert "kept" in html_to_text(page)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_markup_escaped_again_is_markup_still(times: int) -> None:
    page = "<p>Soft &amp; warm</p><p>x</p>"
    for _ in range(times):
        page = page.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert html_to_text(page) == "Soft & warm\nx"


def test_lines_of_a_text_without_tags_stay() -> None:
    assert html_to_text("one &amp;\n\ntwo") == "one &\n\ntwo"


def test_list_items_may_have_a_mark() -> None:
    assert html_to_text("<ul><li>oak</li><li>pine</li></ul>", item="- ") == "- oak\n- pine"


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("caf&eacute; &#233; &#xE9;", "café é é"),
        ("&amp;amp;lt;", "<"),
        ("?a=1&copy=2&reg", "?a=1&copy=2®"),
        ("&copy 2020", "© 2020"),
        ("&#0; &#xD800; &#x110000; &nosuch; &", "&#0; &#xD800; &#x110000; &nosuch; &"),
        ("&#150;", "–"),
    ],
)
def test_references_are_decoded_where_they_name_a_character(text: str, decoded: str) -> None:
    assert decode_entities(text) == decoded


@given(PIECES)
def test_no_replacement_character_appears(page: str) -> None:
    assert "\ufffd" not in html_to_text(page) + decode_entities(page)


@given(PIECES)
def test_what_was_cleaned_once_is_clean(page: str) -> None:
    assert html_to_text(html_to_text(page)) == html_to_text(page)
    assert decode_entities(decode_entities(page)) == decode_entities(page)


@given(st.text(alphabet=st.characters(exclude_characters="<>&\xa0")))
def test_plain_text_is_left_alone(text: str) -> None:
    assert html_to_text(text) == decode_entities(text) == text


@pytest.mark.parametrize(
    "unit",
    [
        "<div>",
        "<b a={n}><p>",
        "<a href=x><table>",
        "<",
        "&amp",
        "<!--",
        "</b",
        "<b ",
        "&#38;",
        "<p",
        "<![CDATA[",
        "<table>",
    ],
)
def test_hostile_pages_cost_their_length_only(unit: str) -> None:
    page = "".join(unit.format(n=n) for n in range(10 * MOST_TAGS))
    started = time.process_time()
    html_to_text(page)
    assert time.process_time() - started < 3
