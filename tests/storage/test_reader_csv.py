"""Delimited files: dialect and header found, and a broken record leaves its neighbours alone."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from reader_files import broken_in, refusal_of, rows_of, said_of, values_of, written

from aigc_core.contracts.reading import Reading
from aigc_core.storage import source_records

UNCLOSED = "a quote is opened and never closed"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~", ":", ", "])
def test_delimiters_are_found(tmp_path: Path, delimiter: str) -> None:
    text = "\n".join(
        delimiter.join(cells) for cells in (("name", "size", "tint"), ("hat", "M", "red"), ("cap", "L", ""))
    )
    path = written(tmp_path, "a.csv", text)
    assert values_of(path)[1] == {"name": "cap", "size": "L", "tint": ""}
    assert said_of(path).delimiter == delimiter


def test_a_single_space_parts_cells_when_every_line_agrees(tmp_path: Path) -> None:
    assert values_of(written(tmp_path, "a.csv", "name size\nhat M\ncap L\n")) == [
        {"name": "hat", "size": "M"},
        {"name": "cap", "size": "L"},
    ]


def test_prose_in_one_column_stays_whole(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text\nHello, world\nOne; two, three\nJust a hat\n")
    assert [row["text"] for row in values_of(path)] == ["Hello, world", "One; two, three", "Just a hat"]
    assert "no delimiter was found" in said_of(path).notes[0]


def test_a_quote_inside_may_stand_behind_a_backslash(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'a,b\n1,"a 10\\" hat, red"\n2,"back\\\\slash \\n"\n')
    assert [row["b"] for row in values_of(path)] == ['a 10" hat, red', "back\\slash \\n"]
    assert said_of(path).escape == "\\"


def test_a_quote_inside_may_be_bare(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'a,b,c\n1,"a 10" hat, red","x"\n2,"48"","y"\n3,"z","w"\n')
    assert [row["b"] for row in values_of(path)] == ['a 10" hat, red', '48"', "z"]
    assert "quotes inside quotes are not doubled" in said_of(path).notes[0]


def test_quotes_around_no_cell_are_text(tmp_path: Path) -> None:
    path = written(tmp_path, "a.tsv", 'sku\tname\n1\t"Best" hat\n2\t10" tall\n3\tcap "L\n')
    assert [row["name"] for row in values_of(path)] == ['"Best" hat', '10" tall', 'cap "L']
    assert said_of(path).quote == ""


def test_single_quotes_are_found(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "'a','b'\n'1','it''s, red'\n'2','two\nlines'\n")
    assert [row["b"] for row in values_of(path)] == ["it's, red", "two\nlines"]
    assert said_of(path).quote == "'"


def test_an_apostrophe_is_no_quote(tmp_path: Path) -> None:
    assert values_of(written(tmp_path, "a.csv", "a,b\n'tis,men's\n")) == [{"a": "'tis", "b": "men's"}]


def test_what_is_declared_is_not_searched_for(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "a;b,c\n1;2,3\n")
    assert values_of(path, delimiter=";") == [{"a": "1", "b,c": "2,3"}]
    assert values_of(path, delimiter=",", quote="") == [{"a;b": "1;2", "c": "3"}]


@pytest.mark.parametrize(
    "declared", [{"delimiter": "'", "quote": "'"}, {"delimiter": "\n"}, {"quote": '"', "escape": '"'}]
)
def test_marks_that_cannot_be_told_apart_are_refused(declared: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Reading.model_validate(declared)


def test_the_first_line_may_name_the_delimiter(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "sep=;\na;b\n1;2\n")
    assert values_of(path) == [{"a": "1", "b": "2"}]
    assert said_of(path).notes == ("line 1 says that the delimiter is ';'",)


def test_an_unclosed_quote_costs_its_own_line(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'a,b,c\n1,"open,x\n2,"y",z\n3,"two\nlines",w\n')
    assert broken_in(path) == [(2, "text follows a closing quote", '1,"open,x\n')]
    assert [(row.number, row.values["a"]) for row in rows_of(path)[1:]] == [(3, "2"), (4, "3")]


def test_an_unclosed_quote_before_plain_lines_costs_its_own_line(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'a,b\n1,"open\n' + "2,x\n" * 500)
    assert broken_in(path) == [(2, UNCLOSED, '1,"open\n')]
    assert len(values_of(path)) == 500


@pytest.mark.parametrize("declared", [{"escape": "\\", "delimiter": ","}, {"delimiter": ", "}])
def test_an_unclosed_quote_costs_its_own_line_in_every_dialect(tmp_path: Path, declared: dict[str, str]) -> None:
    text = 'a,b\n1,"open\n2,"x"\n3,"two\nlines"\n'.replace(",", declared["delimiter"])
    path = written(tmp_path, "a.csv", text)
    assert [number for number, _, _ in broken_in(path, **declared)] == [2]
    assert values_of(path, **declared)[-1]["b"] == "two\nlines"


def test_damage_inside_a_cell_of_several_lines_is_one_row(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'a,b\n1,"two\nlines" oops\n2,x\n')
    assert broken_in(path) == [(2, "text follows a closing quote", '1,"two\nlines" oops\n')]


def test_a_cell_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_records, "MAX_CHARACTERS", 1000)
    path = written(tmp_path, "a.csv", 'a,b\n1,"open\n' + "2,x\n" * 1000)
    assert [number for number, _, _ in broken_in(path)] == [2]


@pytest.mark.parametrize("line", ["1,2,", "1,2,,", "1,2,3", "1"])
def test_a_row_of_another_width_is_refused(tmp_path: Path, line: str) -> None:
    path = written(tmp_path, "a.csv", f"a,b\n8,9\n{line}\n7,7\n")
    assert broken_in(path) == [(3, f"{line.count(',') + 1} cells where the header has 2", f"{line}\n")]


def test_what_stands_before_the_header_is_no_row(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "Our catalogue\n\nMay 2026,,\n,,\nsku,name,price\n1,hat,2.5\n2,cap,3\n3,tie,4\n")
    assert values_of(path)[0] == {"sku": "1", "name": "hat", "price": "2.5"}
    assert [(number, why) for number, why, _ in broken_in(path)] == [
        (1, "stands before the header"),
        (3, "stands before the header"),
    ]
    assert said_of(path).header_line == 5


def test_declared_lines_before_the_header_are_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "x,y\nq,r\na,b\n1,2\n")
    assert [(row.number, row.values) for row in rows_of(path, skip_lines=2)] == [(4, {"a": "1", "b": "2"})]


def test_without_a_header_columns_are_numbered(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "hat,2.50,2026-01-31\ncap,3.00,2026-02-28\n")
    assert [row["column_2"] for row in values_of(path)] == ["2.50", "3.00"]
    assert "no header line was found" in said_of(path).notes[0]


def test_a_declared_header_names_the_columns(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "hat,red\ncap,blue\n")
    assert values_of(path, header=("name", "tint"))[0] == {"name": "hat", "tint": "red"}


def test_columns_that_nothing_fills_do_not_hide_the_header(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "sku,name,,,,\nA,hat,,,,\nB,cap,,,,\n,,,,,\n")
    assert values_of(path)[0] == {"sku": "A", "name": "hat"} | {f"column_{place}": "" for place in range(3, 7)}


def test_years_are_names_of_columns(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "name,2019,2020\nhat,3,4\ncap,5,6\n")
    assert values_of(path)[0] == {"name": "hat", "2019": "3", "2020": "4"}


def test_a_header_of_two_lines_is_joined(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "item,price,weight\nname,net,gross\nhat,2.5,100\ncap,3,90\n")
    assert values_of(path)[0] == {"item name": "hat", "price net": "2.5", "weight gross": "100"}
    assert said_of(path).notes == ("the header goes on in line 2",)


def test_a_header_that_comes_again_is_no_row(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "a,b\n1,2\na,b\n3,4\n")
    assert broken_in(path) == [(3, "repeats the header", "a,b\n")]


def test_a_row_is_not_taken_for_the_header_of_a_wider_table(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "sku,text\nA1,red, n/a\nA2,blue, 3\nA3,white, 4\nA4,grey, 5\n")
    assert "line 1 looks like a header of 2 names, but the rows have 3 cells" in refusal_of(path)


def test_a_header_that_does_not_fit_is_refused_with_its_remedy(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "sku,name\n1,hat,2.5\n2,cap,3.0\n3,tie,4\n")
    assert "line 1 looks like a header of 2 names, but the rows have 3 cells" in refusal_of(path)
    assert values_of(path, skip_lines=1, header=("sku", "name", "price"))[0]["price"] == "2.5"


@pytest.mark.parametrize(
    ("header", "note"),
    [
        ("sku;name;price", "the header is parted by ';', the rows are not"),
        (",sku,name,price", "the header has an empty cell more than the rows"),
        ('"sku,name,price', "a quote in the header that does not close was taken as text"),
    ],
)
def test_a_damaged_header_is_mended_when_there_is_one_way(tmp_path: Path, header: str, note: str) -> None:
    path = written(tmp_path, "a.csv", f'{header}\n1,"hat",2.5\n2,"cap",3.0\n3,"tie",4\n')
    assert [name.strip('"') for name in values_of(path)[0]] == ["sku", "name", "price"]
    assert note in said_of(path).notes[0]


@pytest.mark.parametrize("declared", [{}, {"escape": "\\"}])
def test_a_carriage_return_inside_a_line_ends_nothing(tmp_path: Path, declared: dict[str, str]) -> None:
    path = written(tmp_path, "a.csv", 'a,b\r\n1,x\ry\r\n2,"p\rq"\r\n3,z\n4,last\rone')
    assert [row["b"] for row in values_of(path, **declared)] == ["x\ry", "p\rq", "z", "last\rone"]


def test_keys_keep_their_zeros_and_codes_their_case(tmp_path: Path) -> None:
    assert values_of(written(tmp_path, "a.csv", "id,code\n0012,1E5\n")) == [{"id": "0012", "code": "1E5"}]


def test_plain_text_is_one_row_a_line(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", 'One, "two"\n\n  three\r\nfour')
    assert [(row.number, row.values["text"]) for row in rows_of(path)] == [
        (1, 'One, "two"'),
        (3, "  three"),
        (4, "four"),
    ]
