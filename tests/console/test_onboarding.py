"""The commands that bring a file in, as a newcomer calls them."""

import json
from pathlib import Path

import pytest
from nights import Aigc
from strange_files import body, plain_csv, shopify_export, word


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of lines, the only one there is."""
    folder = tmp_path / "lines"
    monkeypatch.setenv("AIGC_LINES", str(folder))
    monkeypatch.setenv("COLUMNS", "80")
    return folder


def test_profile_of_a_file(aigc: Aigc, tmp_path: Path) -> None:
    said = aigc("profile", shopify_export(tmp_path / "shop.csv"))
    assert said.code == 0
    assert "180 rows, 15 columns" in said.out
    assert "180 lines are 60 products: lines share 'Handle'." in said.out
    assert "html 60" in said.out


def test_profile_fits_eighty_columns(aigc: Aigc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.console import cli

    monkeypatch.setattr(cli.out, "_width", 80)
    said = aigc("profile", plain_csv(tmp_path / "p.csv"))
    table = said.out[said.out.index("\ncolumn") :]
    assert max(map(len, table.splitlines())) <= 80


def test_profile_as_json(aigc: Aigc, tmp_path: Path) -> None:
    found = json.loads(aigc("profile", plain_csv(tmp_path / "plain.csv"), "--json").out)
    assert (found["rows"], found["structure"]["key"], len(found["columns"])) == (60, "sku", 8)


def test_profile_as_page(aigc: Aigc, tmp_path: Path) -> None:
    said = aigc("profile", plain_csv(tmp_path / "plain.csv"), "--html", tmp_path / "page.html", "--json")
    assert json.loads(said.out)["rows"] == 60
    assert "style_code" in (tmp_path / "page.html").read_text("utf-8")


@pytest.mark.parametrize("words", [("profile",), ("line", "new", "pots", "--from")])
def test_an_address_with_a_secret_is_refused(aigc: Aigc, lines: Path, words: tuple[str, ...]) -> None:
    said = aigc(*words, "https://shop.example/a.csv?X-Amz-Signature=hidden")
    assert said.code == 2
    assert "carries a key and a secret" in " ".join(said.err.split())
    assert "hidden" not in said.out + said.err
    assert not lines.exists()


def test_a_file_in_an_unknown_encoding_names_the_options(aigc: Aigc, lines: Path, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(b"a,b\n" + bytes(range(128, 256)) + b",\xff\n")
    said = aigc("profile", path)
    assert said.code == 2
    assert "with `--encoding` and `--delimiter` while it has no line" in " ".join(said.err.split())


def test_profile_of_nothing(aigc: Aigc, lines: Path) -> None:
    said = aigc("profile", "nowhere.csv")
    assert said.code == 2
    assert "nowhere.csv" in said.err
    assert "Traceback" not in said.err


def test_hostile_values_do_not_drive_the_terminal(aigc: Aigc, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("sku,note\n1,\x1b[31mred[/red]\n2,\x1b[31mred[/red]\n", "utf-8")
    said = aigc("profile", path)
    assert "\x1b" not in said.out
    assert "<U+001B>[31mred[/red] 2" in " ".join(said.out.split())


def test_line_new(aigc: Aigc, lines: Path, tmp_path: Path) -> None:
    said = aigc("line", "new", "pots", "--from", plain_csv(tmp_path / "plain.csv"))
    assert said.code == 0
    assert {path.name for path in (lines / "pots").iterdir()} == {
        "recipe.yaml", "catalogue.odcs.yaml", "corpus.odcs.yaml", "description.odcs.yaml",
    }  # fmt: skip
    assert "licence of the texts" in said.out
    assert "aigc ingest pots" in said.out
    assert "pots" in aigc("lines").out


def test_line_new_never_writes_among_the_shipped_lines(aigc: Aigc, tmp_path: Path) -> None:
    assert aigc("line", "new", "pots", "--from", plain_csv(tmp_path / "plain.csv")).code == 0
    assert (tmp_path / "data_contracts" / "pots" / "recipe.yaml").is_file()


def test_line_new_as_json(aigc: Aigc, lines: Path, tmp_path: Path) -> None:
    words = ("line", "new", "pots", "--from", plain_csv(tmp_path / "plain.csv"), "--licence", "internal", "--json")
    found = json.loads(aigc(*words).out)
    assert (found["key"], found["product_group"], found["texts"]["zh"]) == ("sku", "style_code", "text_zh")
    assert not any(decision["required"] for decision in found["decisions"])


def test_line_new_from_a_file_without_ids(aigc: Aigc, lines: Path, tmp_path: Path) -> None:
    source = tmp_path / "names.csv"
    source.write_text("name,description\n" + "".join(f'Cup {word(n)},"{body(n)}"\n' for n in range(30)), "utf-8")
    found = json.loads(aigc("line", "new", "cups", "--from", source, "--json").out)
    assert (found["key"], found["key_made_of"], found["product_group"]) == ("made_id", ["name"], "made_group")
    said = aigc("line", "new", "mugs", "--from", source)
    assert "no column names an item" in " ".join(said.out.split())


def test_line_new_refuses_what_is_there(aigc: Aigc, lines: Path, tmp_path: Path) -> None:
    source = plain_csv(tmp_path / "plain.csv")
    aigc("line", "new", "pots", "--from", source)
    said = aigc("line", "new", "pots", "--from", source)
    assert said.code == 2
    assert "never overwrites a line" in said.err


def test_contract_check_says_rules_in_words(aigc: Aigc, lines: Path, tmp_path: Path) -> None:
    aigc("line", "new", "pots", "--from", plain_csv(tmp_path / "plain.csv"))
    said = aigc("contract", "check", lines / "pots" / "catalogue.odcs.yaml")
    assert said.code == 0
    assert "width_cm is at most 300" in said.out
    assert "required, key, unique" in said.out


def test_contract_check_names_the_line_at_fault(aigc: Aigc, tmp_path: Path) -> None:
    path = tmp_path / "odd.odcs.yaml"
    path.write_text("apiVersion: v3.1.0\nkind: DataContract\nid: x\nversion: 1.0.0\nstatus: active\nschema: 7\n")
    said = aigc("contract", "check", path)
    assert said.code == 2
    assert "line 6" in said.err


def test_ingest_shows_where_every_row_went(aigc: Aigc, lines: Path, tmp_path: Path, prefect_server: str) -> None:
    aigc("line", "new", "pots", "--from", plain_csv(tmp_path / "plain.csv"), "--licence", "internal")
    said = aigc("ingest", "pots", "--lake", tmp_path / "lake")
    assert said.code == 0
    assert "60 rows = 60 accepted + 0 quarantined + 0 repeated" in said.out
    assert "version 1: 60 came, 0 changed, 0 went, 60 items" in said.out
    again = aigc("ingest", "pots", "--lake", tmp_path / "lake")
    assert again.out.count("nothing to do") == 2


def test_ingest_as_json(aigc: Aigc, lines: Path, tmp_path: Path, prefect_server: str) -> None:
    source = plain_csv(tmp_path / "plain.csv")
    aigc("line", "new", "pots", "--from", source, "--licence", "internal")
    said = aigc("ingest", "pots", "--source", source, "--lake", tmp_path / "lake", "--json")
    found = json.loads(said.out.splitlines()[-1])
    assert found["catalogue"]["door"]["accepted"] == 60
    assert found["corpus"] is None


def test_a_corpus_without_licence_is_refused(aigc: Aigc, lines: Path, tmp_path: Path, prefect_server: str) -> None:
    aigc("line", "new", "pots", "--from", plain_csv(tmp_path / "plain.csv"))
    said = aigc("ingest", "pots", "--lake", tmp_path / "lake")
    assert said.code == 2
    assert "licence" in said.err


def test_profile_of_a_line_shows_its_quarantine(aigc: Aigc, lines: Path, tmp_path: Path, prefect_server: str) -> None:
    source = plain_csv(tmp_path / "plain.csv")
    aigc("line", "new", "pots", "--from", source, "--licence", "internal")
    bad = tmp_path / "bad.csv"
    bad.write_text(source.read_text("utf-8").replace("000007,", "x7,"), "utf-8")
    assert aigc("ingest", "pots", "--source", bad, "--lake", tmp_path / "lake").code == 0
    said = aigc("profile", "pots", "--lake", tmp_path / "lake", "--html", tmp_path / "pots.html")
    assert "catalogue and corpus" in said.out
    assert "item_id: does not match the pattern" in said.out
    assert "x7" in (tmp_path / "pots.html").read_text("utf-8")
