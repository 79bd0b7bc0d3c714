"""Fixtures over `shop.py`; a test module names this one in `pytest_plugins`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from shop import MIXED, Made, Shop, read_line

from aigc_core.contracts.content_line import ContentLine
from aigc_core.records import RunSummary
from aigc_core.storage.progress import release


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> ContentLine:
    """The small line, read once; never changed."""
    return read_line(tmp_path_factory.mktemp("lines"))


@pytest.fixture
def shop(tmp_path: Path, line: ContentLine) -> Shop:
    """An empty lake for the stages."""
    return Shop(root=tmp_path, line=line)


@pytest.fixture
def open_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """An empty lake for whole nights, with a copy of the line that may be changed; its runs are let go at the end."""
    monkeypatch.setenv("AIGC_LINES", str(tmp_path / "lines"))
    yield Shop(root=tmp_path, line=read_line(tmp_path / "lines"))
    for folder in (tmp_path / "lake" / "runs").glob("*"):
        release(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, RunSummary]:
    """A finished first night over items of every kind; read only."""
    root = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIGC_LINES", str(root / "lines"))
        shop = Shop(root=root, line=read_line(root / "lines"))
        return shop, shop.night(MIXED)


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory, line: ContentLine) -> Made:
    """One audited run over items of every kind; read only."""
    return Shop(root=tmp_path_factory.mktemp("mixed"), line=line).made(MIXED)
