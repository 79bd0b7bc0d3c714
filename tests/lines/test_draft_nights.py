"""Drafted lines at work: every row of the file accounted for, and a night that publishes."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from strange_files import gb18030_csv, pairs_jsonl, plain_csv, shopify_export

from aigc_core.lines.draft import Wishes, draft_line
from aigc_core.lines.profile import profile_source
from aigc_core.records import Door, Intake, RunSummary

LIMIT = 50
Drafted = Callable[[Path], "AtWork"]


class AtWork:
    """A line drafted from a file, its licence decided, with a lake of its own."""

    def __init__(self, source: Path, home: Path) -> None:
        self.name = "drafted"
        self.lake = str(home / "lake")
        draft_line(profile_source(str(source)), self.name, home / "lines", wishes=Wishes(licence="internal"))

    def ingest(self) -> Intake:
        """Both doors, as the recipe names them."""
        from flows.ingest_corpus import ingest_line

        taken: Intake = ingest_line(line=self.name, lake=self.lake)
        return taken

    def night(self, *, engine: Literal["hf", "template"]) -> RunSummary:
        """A night as the recipe names its sources."""
        from flows.nightly import nightly

        summary: RunSummary = nightly(line=self.name, lake=self.lake, limit=LIMIT, engine=engine)
        return summary


@pytest.fixture
def drafted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: str) -> Drafted:
    """Drafts a line from a file."""
    monkeypatch.setenv("AIGC_LINES", str(tmp_path / "lines"))
    return lambda source: AtWork(source, tmp_path)


def door(taken: Intake, name: str) -> Door:
    version = taken.corpus if name == "corpus" else taken.catalogue
    assert version is not None
    return version.door.require_conserved()


def require_published(summary: RunSummary, least: float) -> None:
    assert not summary.blocked
    assert summary.states["published"] >= least * summary.requests, summary.reasons


def test_shop_export(drafted: Drafted, tmp_path: Path) -> None:
    line = drafted(shopify_export(tmp_path / "shop.csv"))
    items = door(line.ingest(), "catalogue")
    assert (items.read, items.rows, items.accepted) == (180, 60, 60)
    require_published(line.night(engine="template"), 0.9)


def test_shop_export_texts_are_plain(drafted: Drafted, tmp_path: Path) -> None:
    pairs = drafted(shopify_export(tmp_path / "shop.csv")).ingest().corpus
    assert pairs is not None
    assert pairs.pairs == 60
    assert pairs.door.cleaned["html_to_text: Body (HTML)"] == 60


def test_chinese_pairs(drafted: Drafted, tmp_path: Path) -> None:
    line = drafted(pairs_jsonl(tmp_path / "pairs.jsonl"))
    pairs = door(line.ingest(), "corpus")
    assert pairs.rows == 60
    assert sum(count for reason, count in pairs.reasons.items() if "<UNK>" in reason) == 6
    require_published(line.night(engine="template"), 0.9)


def test_gb18030_spreadsheet(drafted: Drafted, tmp_path: Path) -> None:
    line = drafted(gb18030_csv(tmp_path / "shop.csv"))
    assert door(line.ingest(), "catalogue").accepted == 60
    require_published(line.night(engine="template"), 0.9)


def test_two_languages(drafted: Drafted, tmp_path: Path) -> None:
    line = drafted(plain_csv(tmp_path / "plain.csv"))
    assert door(line.ingest(), "corpus").rows == 120
    summary = line.night(engine="template")
    assert summary.requests == 2 * LIMIT
    require_published(summary, 0.9)


def test_several_texts_of_one_item_without_an_id(drafted: Drafted, facts: Path) -> None:
    line = drafted(facts)
    taken = line.ingest()
    items, pairs = door(taken, "catalogue"), door(taken, "corpus")
    assert (items.read, items.accepted, items.repeated, pairs.accepted) == (120, 40, 80, 120)
    require_published(line.night(engine="template"), 0.5)


@pytest.mark.slow
def test_the_starter_model_learns_from_a_draft(drafted: Drafted, tmp_path: Path) -> None:
    summary = drafted(plain_csv(tmp_path / "plain.csv", rows=600)).night(engine="hf")
    assert summary.model["engine"] == "hf"
    assert summary.requests == 2 * LIMIT


@pytest.mark.real
def test_real_shop_export(drafted: Drafted, real_data: Path) -> None:
    line = drafted(real_data / "catalogue" / "shopify_hair_export.csv")
    taken = line.ingest()
    assert door(taken, "catalogue").read == 565
    assert door(taken, "corpus").rows == 84
    require_published(line.night(engine="template"), 0.8)


@pytest.mark.real
def test_real_articles(drafted: Drafted, real_data: Path) -> None:
    line = drafted(real_data / "catalogue" / "hm_articles.parquet")
    items = door(line.ingest(), "catalogue")
    assert items.rows == 100_454
    assert items.accepted >= 0.99 * items.rows
    require_published(line.night(engine="template"), 0.8)


@pytest.mark.real
@pytest.mark.parametrize(
    ("file", "items", "pairs"),
    [
        ("catalogue/e2e_restaurant.parquet", 5_409, 45_000),
        ("catalogue/webnlg_en.parquet", 7_753, 20_000),
        ("dirty/advertisegen_300_gbk.jsonl", 286, 180),
    ],
)
def test_real_files_without_an_id(file: str, items: int, pairs: int, drafted: Drafted, real_data: Path) -> None:
    taken = drafted(real_data / file).ingest()
    assert door(taken, "catalogue").accepted == items
    assert door(taken, "corpus").accepted >= pairs


@pytest.mark.real
@pytest.mark.parametrize(
    ("file", "least"),
    [
        ("catalogue/shopify_apparel.csv", 0.9),
        ("catalogue/shopify_home-and-garden.csv", 0.9),
        ("catalogue/shopify_jewelery.csv", 0.9),
        ("catalogue/advertisegen_zh_train.jsonl.gz", 0.8),
        ("dirty/advertisegen_300_gbk.jsonl", 0.8),
        ("catalogue/e2e_restaurant.parquet", 0.9),
        ("catalogue/webnlg_en.parquet", 0.7),
    ],
)
def test_a_night_from_real_files(file: str, least: float, drafted: Drafted, real_data: Path) -> None:
    require_published(drafted(real_data / file).night(engine="template"), least)
