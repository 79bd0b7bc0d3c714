import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc_core.contracts.check import Door as Judge
from aigc_core.contracts.model import ObjectContract
from aigc_core.contracts.odcs import read_contract
from aigc_core.contracts.schema import RawRow
from aigc_core.records import Door
from aigc_core.reporting.contract_pages import write_contract_index, write_contract_pages

CONTRACT = """\
version: 1.0.0
kind: DataContract
apiVersion: v3.1.0
id: mugs
status: active
schema:
  - name: catalogue
    properties:
      - {name: item_id, logicalType: string, primaryKey: true}
      - {name: kind, logicalType: string, enum: [{value: mug}, {value: bottle}]}
      - {name: size, logicalType: number, logicalTypeOptions: {minimum: 1}}
    quality:
      - id: bottles
        type: sql
        description: A bottle has a size.
        query: SELECT count(*) FROM {object} WHERE kind = 'bottle' AND size IS NULL
        mustBe: 0
        severity: warn
      - {id: many, metric: rowCount, mustBeGreaterThan: 100}
"""
ROWS = [
    ("1", "mug", "2"), ("1", "mug", "3"), ("2", "bottle", ""), ("3", "<script>alert(1)</script>", "5"),
    ("4", "mug", "x"), ("5", "mug\u202e", "4"),
]  # fmt: skip


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> ObjectContract:
    path = tmp_path_factory.mktemp("contract") / "catalogue.odcs.yaml"
    path.write_text(CONTRACT, "utf-8")
    return read_contract(path).objects["catalogue"]


@pytest.fixture(scope="module")
def door(contract: ObjectContract, tmp_path_factory: pytest.TempPathFactory) -> Door:
    judge = Judge(contract)
    rows = [RawRow(n, dict(zip(("item_id", "kind", "size"), row, strict=True))) for n, row in enumerate(ROWS, 1)]
    path = tmp_path_factory.mktemp("accepted") / "accepted.parquet"
    pq.write_table(pa.concat_tables(one.accepted for one in judge.split([rows])), path)
    judge.finish(str(path))
    return judge.record(name="catalogue", source="mugs & more.csv")


@pytest.fixture
def page(contract: ObjectContract, door: Door, tmp_path: Path) -> str:
    return write_contract_pages(tmp_path / "catalogue-v1", contract, door, title="Mugs").read_text("utf-8")


class Text(HTMLParser):
    """What a reader sees, and which elements there are."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen, self.tags, self.loads = "", list[str](), list[str]()
        self.feed(page.split("</style>", 1)[1])
        self.seen = re.sub(r"\s+", " ", self.seen)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name == "src"]

    def handle_data(self, data: str) -> None:
        self.seen += data + " "


def test_the_page_says_first_what_came_of_the_rows(page: str) -> None:
    seen = Text(page).seen
    assert "Not taken in: the rows as a whole break 1 rule. many: rowCount > 100." in seen
    assert seen.index("Not taken in") < seen.index("Rules on rows")


def test_without_a_rule_on_the_whole_broken_the_verdict_counts_rows(
    contract: ObjectContract, door: Door, tmp_path: Path
) -> None:
    held = replace(door, rules=tuple(one for one in door.rules if one.rule_id != "many"))
    seen = Text(write_contract_pages(tmp_path / "a", contract, held).read_text("utf-8")).seen
    assert "2 of 6 rows hold; 4 are in quarantine." in seen
    assert "rowCount > 100 many not judged" in seen


@pytest.mark.parametrize(
    "said",
    [
        "item_id is unique item_id.unique e.g. '1' refused block schema 3 1",
        "kind is one of mug, bottle kind.enum e.g. '<script>alert(1)</script>'",
        "A bottle has a size. bottles e.g. kind 'bottle', size missing warned warn SQL 2 1 50.0 %",
        "size is a number size.type e.g. 'x' refused block schema 6 1 16.7 %",
        "rowCount > 100 many observed 2 refused block SQL 2 1 as a whole",
        "item_id key text string",
        "kind: not one of the allowed values 2 33.3 %",
    ],
)
def test_every_rule_stands_with_what_it_found(page: str, said: str) -> None:
    assert said in Text(page).seen


def test_values_from_the_data_are_escaped_and_hidden_characters_spelt_out(page: str) -> None:
    assert "script" not in Text(page).tags
    assert "mugs &amp; more.csv" in page
    assert "\u202e" not in page


def test_the_page_loads_nothing_and_says_so(page: str) -> None:
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    found = Text(page)
    assert not {"script", "link", "img", "iframe"} & set(found.tags)
    assert found.loads == []
    assert not re.search(r"https?://|url\(", page)


def test_each_link_within_the_page_has_its_target(page: str) -> None:
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))


def test_results_and_the_compiled_suite_are_kept_beside_the_page(page: str, door: Door, tmp_path: Path) -> None:
    assert page
    kept = json.loads((tmp_path / "catalogue-v1" / "results.json").read_text("utf-8"))
    assert [one["broken"] for one in kept["door"]["rules"]] == [one.broken for one in door.rules]
    suite = json.loads((tmp_path / "catalogue-v1" / "suite.json").read_text("utf-8"))
    assert [one["type"] for one in suite["expectations"]] == [
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_be_in_set",
        "expect_column_values_to_be_between",
    ]


def test_the_index_lists_every_intake_and_links_to_it(contract: ObjectContract, door: Door, tmp_path: Path) -> None:
    for number in (1, 2):
        write_contract_pages(tmp_path / f"catalogue-v{number}", contract, door)
    index = (tmp_path / "index.html").read_text("utf-8")
    links = re.findall(r'href="([^"]+)"', index)
    assert links == ["catalogue-v2/catalogue.html", "catalogue-v1/catalogue.html"]
    assert all((tmp_path / link).is_file() for link in links)
    assert "not taken in 6 2 4" in Text(index).seen


def test_an_index_of_nothing_says_so(tmp_path: Path) -> None:
    assert "Nothing was taken in yet." in write_contract_index(tmp_path).read_text("utf-8")


def test_the_same_results_give_the_same_bytes(contract: ObjectContract, door: Door, tmp_path: Path) -> None:
    pages = [write_contract_pages(tmp_path / name / "x", contract, door).read_bytes() for name in ("a", "b")]
    assert pages[0] == pages[1]


def test_broken_rules_stand_above_the_others(page: str) -> None:
    seen = Text(page).seen
    assert seen.index("kind is one of mug, bottle") < seen.index("size is at least 1") < seen.index("size is a number")
    assert seen.index("size is at least 1") > seen.index("A bottle has a size.")
