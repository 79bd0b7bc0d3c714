import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc_core.contracts.hygiene import Hygiene
from aigc_core.corpus.hygiene import SOURCES_TOLD, HygieneReport, inspect_pairs, inspect_unlabelled, require_licence
from aigc_core.corpus.rows import UNLABELLED_CANDIDATES
from aigc_core.errors import SourceInvalid
from aigc_core.ids import fingerprint

ATTRIBUTES = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))
TEXT_COLUMNS = ("item_id", "product_group", "locale", "text", "category", "licence", "source", "raw", "came")
SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        *((name, pa.string()) for name in TEXT_COLUMNS),
        ("attributes", ATTRIBUTES),
        ("attributes_digest", pa.string()),
        ("held_out", pa.bool_()),
    ]
)
MUG = "A stoneware mug with a wide handle, glazed by hand and made for slow mornings on the harbour wall."
GERMAN = "Weiche Socken aus Wolle mit gerippter Oberkante, einfarbig, zwei Paar in der Packung und sehr warm."


@dataclass(frozen=True)
class Inspected:
    report: HygieneReport
    kept: list[dict[str, Any]]
    refused: list[dict[str, Any]]


Inspect = Callable[..., Inspected]


def _row(number: int, given: Mapping[str, object]) -> dict[str, object]:
    own: dict[str, object] = {"number": number, "item_id": f"i{number:03}", "product_group": f"g{number:03}"}
    rest = {"locale": "en", "category": None, "licence": None, "source": None, "raw": None, "held_out": False}
    return own | rest | {"attributes": [], "attributes_digest": "as it came"} | dict(given)


@pytest.fixture
def inspect(tmp_path: Path) -> Inspect:
    """Inspect rows of which only what matters is named."""

    def run(rows: Sequence[Mapping[str, object]], group_rows: int = 1000, **rules: object) -> Inspected:
        table = pa.Table.from_pylist([_row(number, row) for number, row in enumerate(rows)], schema=SCHEMA)
        paths = [tmp_path / f"{name}.parquet" for name in ("candidates", "kept", "refused")]
        pq.write_table(table, paths[0], row_group_size=group_rows)
        chosen = Hygiene.model_validate({"licence": {"declared": "internal"}, **rules})
        report = inspect_pairs(
            paths[0], paths[1], paths[2], chosen, scratch=tmp_path / f"scratch{len(list(tmp_path.iterdir()))}"
        )
        return Inspected(report, *(pq.read_table(path).to_pylist() for path in paths[1:]))

    return run


def _texts(*texts: str) -> list[dict[str, object]]:
    return [{"text": text} for text in texts]


def test_clean_pairs_are_kept_as_they_came(inspect: Inspect) -> None:
    found = inspect([{"text": MUG, "held_out": True, "source": "shop"}, {"text": "A red plate for cakes."}])
    assert [row["text"] for row in found.kept] == [MUG, "A red plate for cakes."]
    assert found.kept[0]["held_out"] is True
    assert found.kept[0]["flags"] == []
    assert (found.report.rows, found.report.kept, found.refused) == (2, 2, [])


def test_licence_and_source_are_filled_in(inspect: Inspect) -> None:
    licence = {"declared": "MIT", "source": "our shop"}
    found = inspect([{"text": MUG}, {"text": "A red plate.", "licence": "CC0-1.0", "source": "b"}], licence=licence)
    assert [(row["licence"], row["source"]) for row in found.kept] == [("MIT", "our shop"), ("CC0-1.0", "b")]
    assert found.report.licences == {"CC0-1.0": 1, "MIT": 1}
    assert found.report.sources == {"b": 1, "our shop": 1}


def test_rows_under_other_licences_are_refused(inspect: Inspect) -> None:
    rows = [{"text": MUG, "licence": "GPL-3.0-only"}, {"text": "A red plate."}]
    found = inspect(rows, licence={"column": "licence"})
    assert [(row["column"], row["reason"]) for row in found.refused] == [
        ("licence", "licence: not among the allowed"),
        ("licence", "licence: none declared"),
    ]


def test_a_corpus_without_licence_is_refused_with_what_to_write() -> None:
    with pytest.raises(SourceInvalid, match=r"mugs/recipe\.yaml declares no licence.*declared: internal"):
        require_licence(Hygiene(), "mugs/recipe.yaml")


def test_a_declared_licence_must_be_allowed() -> None:
    rules = Hygiene.model_validate({"licence": {"declared": "CC-BY-NC-4.0"}})
    with pytest.raises(SourceInvalid, match=r"CC-BY-NC-4\.0.*Allowed are internal.*add it to `allowed`"):
        require_licence(rules, "recipe.yaml")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": GERMAN}, "text: not in its language (Q-L6)"),
        ({"text": "纯棉马克杯，手感温润。"}, "text: not in its language (Q-L6)"),
        ({"text": "kettle steel glass litre water minutes noise for the cook " * 8}, "text: is no prose (Q-G)"),
        ({"text": "the mug and the cup with a saucer of clay " * 8}, "text: repeats itself (Q-L1)"),
    ],
)
def test_texts_that_teach_nothing_good_are_refused(inspect: Inspect, row: dict[str, object], reason: str) -> None:
    assert [refused["reason"] for refused in inspect([row]).refused] == [reason]


def test_a_rule_may_flag_instead(inspect: Inspect) -> None:
    found = inspect(_texts(GERMAN), language="flag")
    assert found.kept[0]["flags"] == ["Q-L6"]
    assert found.report.flags == {"Q-L6": 1}


def test_a_rule_may_be_off(inspect: Inspect) -> None:
    found = inspect(_texts(GERMAN, "Write to a@b.com, the best"), language="off", personal_data="off", claims="off")
    assert [row["flags"] for row in found.kept] == [[], []]


def test_personal_data_is_masked_and_counted(inspect: Inspect) -> None:
    found = inspect(_texts("Write to the maker at a@b.com or c@d.com.", MUG))
    assert found.kept[0]["text"] == "Write to the maker at [EMAIL] or [EMAIL]."
    assert (found.report.masked, found.report.flags) == ({"EMAIL": 2}, {"P-1": 1})


TITLE = "Mug call 555-0100 john.doe@example.com 4111 1111 1111 1111"
MASKED = "Mug call [PHONE] [EMAIL] [BANK_CARD]"


def _attributes(**values: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def test_personal_data_in_attributes_is_masked_and_counted(inspect: Inspect) -> None:
    given = _attributes(title=TITLE, gtin="4006381333931", model="SM-G991B")
    found = inspect([{"text": "A mug. Ask john.doe@example.com.", "attributes": given}, {"text": MUG}])
    masked = _attributes(title=MASKED, gtin="4006381333931", model="SM-G991B")
    assert found.kept[0]["attributes"] == masked
    assert found.kept[0]["attributes_digest"] == fingerprint(masked)
    assert (found.kept[0]["text"], found.kept[1]["attributes_digest"]) == ("A mug. Ask [EMAIL].", "as it came")
    assert found.report.masked == {"BANK_CARD": 1, "EMAIL": 2, "PHONE": 1}


def test_personal_data_in_attributes_may_be_refused(inspect: Inspect) -> None:
    found = inspect([{"text": MUG, "attributes": _attributes(title=TITLE)}], personal_data="quarantine")
    assert [row["reason"] for row in found.refused] == ["attributes: hold personal data (P-1)"]


def test_personal_data_in_attributes_may_be_flagged(inspect: Inspect) -> None:
    (row,) = inspect([{"text": MUG, "attributes": _attributes(title=TITLE)}], personal_data="flag").kept
    assert (row["attributes"], row["flags"]) == (_attributes(title=TITLE), ["P-1"])


def test_what_cleaning_took_away_is_masked_too(inspect: Inspect) -> None:
    raw = json.dumps({"text": "<p>Ask\na@b.com</p>", "rank": 3, "notes": ["c@d.com"]})
    (row,) = inspect([{"text": "Ask the maker of the mug.", "raw": raw}]).kept
    assert json.loads(row["raw"]) == {"text": "<p>Ask\n[EMAIL]</p>", "rank": 3, "notes": ["[EMAIL]"]}


def test_personal_data_may_be_refused_and_is_not_shown(inspect: Inspect) -> None:
    found = inspect(_texts("Write to the maker at a@b.com."), personal_data="quarantine")
    assert found.refused[0]["reason"] == "text: holds personal data (P-1)"
    assert "a@b.com" not in found.refused[0]["detail"]


def test_claims_are_flagged_by_rule(inspect: Inspect) -> None:
    found = inspect([{"text": "An eco-friendly mug, hurry!"}, {"text": "这是国家级的工艺", "locale": "zh"}])
    assert found.report.flags == {"Q-C1": 1, "Q-C11": 1, "Q-C12": 1, "Q-C8": 1}
    assert found.report.refused == 0


def test_claims_may_be_refused(inspect: Inspect) -> None:
    found = inspect(_texts("An eco-friendly mug.", "Hurry, a mug."), claims="quarantine")
    assert [row["reason"] for row in found.refused] == ["text: claims what advertising law forbids (Q-C)"]


def test_duplicates_of_other_products_go_and_variants_stay(inspect: Inspect) -> None:
    rows = [{"text": MUG, "product_group": group} for group in ("a", "a", "b")]
    found = inspect([*rows, {"text": MUG.replace("harbour", "harbor")}])
    assert [row["reason"] for row in found.refused] == [
        "text: repeats another product's text (D-1)",
        "text: nearly repeats another product's text (D-2)",
    ]
    assert found.refused[0]["detail"].endswith("the same text as item i000")
    assert found.report.variants_sharing_text == 1


def test_a_refused_text_takes_nothing_from_another(inspect: Inspect) -> None:
    rows = [{"text": MUG, "licence": "secret"}, {"text": MUG}]
    assert [row["item_id"] for row in inspect(rows).kept] == ["i001"]


def test_texts_that_differ_in_personal_data_alone_are_equal(inspect: Inspect) -> None:
    found = inspect(_texts("Ask the maker: a@b.com", "Ask the maker: c@d.com"))
    assert found.report.reasons == {"text: repeats another product's text (D-1)": 1}


def test_the_raw_row_is_kept_with_a_refusal(inspect: Inspect) -> None:
    raw = json.dumps({"text": "<p>Socken</p>"})
    (row,) = inspect([{"text": GERMAN, "raw": raw, "attributes": [{"name": "size", "value": "M"}]}]).refused
    came = json.loads(row["raw"])
    assert (row["number"], came["item_id"], came["text"]) == (0, "i000", "<p>Socken</p>")
    assert came["attributes"] == [["size", "M"]]


def test_the_source_row_is_kept_with_a_refusal_and_masked(inspect: Inspect) -> None:
    came = json.dumps({"Beschreibung": "<p>Socken</p>", "EAN": "4006381333931", "Titel": TITLE, "n": 7})
    found = inspect([{"text": GERMAN, "came": came, "attributes": _attributes(title=TITLE)}, {"text": MUG}])
    assert json.loads(found.refused[0]["raw"]) == json.loads(came) | {"Titel": MASKED}
    assert "came" not in found.kept[0]


def test_the_source_row_of_a_flagged_corpus_stays_as_it_came(inspect: Inspect) -> None:
    came = json.dumps({"Titel": TITLE})
    (row,) = inspect([{"text": GERMAN, "came": came}], personal_data="flag").refused
    assert row["raw"] == came


def _apart(folder: Path, rows: Sequence[Mapping[str, object]], **rules: object) -> Inspected:
    filled = [_row(number, row) | {"attributes_digest": "as it came"} for number, row in enumerate(rows)]
    paths = [folder / f"{name}.parquet" for name in ("candidates", "kept", "refused")]
    pq.write_table(pa.Table.from_pylist(filled, schema=UNLABELLED_CANDIDATES), paths[0])
    chosen = Hygiene.model_validate({"licence": {"declared": "internal"}, **rules})
    report = inspect_unlabelled(paths[0], paths[1], paths[2], chosen)
    return Inspected(report, *(pq.read_table(path).to_pylist() for path in paths[1:]))


def test_rows_without_a_text_need_a_licence_too(tmp_path: Path) -> None:
    rows = [{"text": "name: mug", "licence": "secret", "came": '{"id": "1"}'}, {"text": "name: mug", "source": "shop"}]
    found = _apart(tmp_path, rows)
    assert [(row["reason"], row["raw"]) for row in found.refused] == [("licence: not among the allowed", '{"id": "1"}')]
    assert [row["licence"] for row in found.kept] == ["internal"]
    assert (found.report.rows, found.report.licences, found.report.sources) == (
        2,
        {"internal": 1},
        {"(not said)": 1, "shop": 1},
    )


def test_rows_without_a_text_are_masked(tmp_path: Path) -> None:
    given = _attributes(title=f"{TITLE}\nagain", phone="13800138000", gtin="4006381333931")
    row = {"text": f"Title: {TITLE} again\nRing: 13800138000\nGTIN: 4006381333931", "attributes": given}
    found = _apart(tmp_path, [row, {"text": "a"}])
    assert found.kept[0]["text"] == f"Title: {MASKED} again\nRing: [PHONE]\nGTIN: 4006381333931"
    assert found.kept[0]["attributes_digest"] == fingerprint(found.kept[0]["attributes"])
    assert found.report.masked == {"BANK_CARD": 1, "EMAIL": 1, "PHONE": 2}
    assert found.kept[1]["attributes_digest"] == "as it came"


def test_a_raw_row_that_is_no_json_is_kept_as_text(inspect: Inspect) -> None:
    (row,) = inspect([{"text": GERMAN, "raw": "Socken; M"}]).refused
    assert json.loads(row["raw"])["raw"] == "Socken; M"


def test_sources_with_too_much_harm_are_named(inspect: Inspect) -> None:
    bad = [{"text": f"A cocaine mug, number {word}.", "source": "bad"} for word in ("one", "two")]
    good = [{"text": f"A mug named after the {word}.", "source": "good"} for word in ("sea", "moon", "hill")]
    report = inspect([*bad, *good], duplicates={"near": "off"}).report
    assert report.sources_over_limit == {"bad": 1.0}
    assert report.flags["S-1"] == 2


def test_many_sources_are_summed_up(inspect: Inspect) -> None:
    rows = [{"text": f"A mug numbered {at}.", "source": f"s{at:03}"} for at in range(SOURCES_TOLD + 5)]
    sources = inspect(rows, duplicates={"near": "off"}).report.sources
    assert (len(sources), sources["(all others)"]) == (SOURCES_TOLD + 1, 5)


def test_the_report_is_json(inspect: Inspect) -> None:
    assert json.loads(json.dumps(asdict(inspect(_texts(MUG)).report)))["kept"] == 1


def test_no_rows(inspect: Inspect) -> None:
    found = inspect([])
    assert (found.report.rows, found.kept, found.refused) == (0, [], [])


def test_neither_order_nor_groups_of_rows_change_what_is_kept(inspect: Inspect) -> None:
    rows = [_row(at, {"text": f"{MUG[: 40 + at % 7]} {at % 5}", "product_group": str(at % 9)}) for at in range(60)]
    one, other = inspect(rows), inspect(rows[::-1], group_rows=7)
    assert {row["item_id"]: row["flags"] for row in one.kept} == {row["item_id"]: row["flags"] for row in other.kept}
    assert one.report == other.report


@pytest.mark.real
def test_real_chinese_copy(inspect: Inspect, real_data: Path) -> None:
    with gzip.open(real_data / "catalogue/advertisegen_zh_train.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    report = inspect([{"text": row["description"], "locale": "zh"} for row in rows]).report
    assert report.rows == report.kept + report.refused == 5000
    assert report.refused < 50
    assert not report.masked


@pytest.mark.real
def test_real_english_copy(inspect: Inspect, real_data: Path) -> None:
    columns = ["sku", "product_code", "description"]
    table = pq.read_table(real_data / "catalogue/hm_articles.parquet", columns=columns).slice(0, 10_000)
    rows = [
        {"item_id": str(row["sku"]), "product_group": str(row["product_code"]), "text": row["description"]}
        for row in table.to_pylist()
        if row["description"]
    ]
    report = inspect(rows).report
    assert report.rows == report.kept + report.refused == len(rows)
    assert report.variants_sharing_text > 5000
    assert set(report.reasons) <= {
        "text: repeats another product's text (D-1)",
        "text: nearly repeats another product's text (D-2)",
        "text: repeats itself (Q-L1)",
    }
