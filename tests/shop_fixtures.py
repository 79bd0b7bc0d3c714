"""Fixtures over `shop.py`; a test module names this one in `pytest_plugins`."""

from pathlib import Path

import pytest
from shop import Made, Shop, item, read_line

from aigc_core.contracts.content_line import ContentLine

MIXED = (
    item(1),
    item(2, feature="bad"),
    item(3, feature="second try"),
    item(4, feature="broken"),
    item(5, material=None),
    item(6, name="Fennel", product_group="twin-a", capacity_ml=None),
    item(7, name="Fennel", product_group="twin-b", capacity_ml=None),
    *(item(number) for number in range(8, 12)),
)
"""Published, rejected, published at the second attempt, failed, no data, one duplicate of a pair, published."""


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> ContentLine:
    """The small line, read once; never changed."""
    return read_line(tmp_path_factory.mktemp("lines"))


@pytest.fixture
def shop(tmp_path: Path, line: ContentLine) -> Shop:
    """An empty lake for the stages."""
    return Shop(root=tmp_path, line=line)


@pytest.fixture
def open_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """An empty lake for whole nights, with a copy of the line that may be changed."""
    monkeypatch.setenv("AIGC_LINES", str(tmp_path / "lines"))
    return Shop(root=tmp_path, line=read_line(tmp_path / "lines"))


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory, line: ContentLine) -> Made:
    """One audited run over items of every kind; read only."""
    return Shop(root=tmp_path_factory.mktemp("mixed"), line=line).made(MIXED)
