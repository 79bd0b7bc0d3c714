"""What is installed is what is pinned."""

import re
from importlib.metadata import distributions, version

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from aigc_core.workspace import REPOSITORY

PINS = dict(
    line.split("==")
    for line in (REPOSITORY / "infra" / "constraints.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)
NOT_PINNED = {"aigc", "pip", "setuptools", "wheel"}
"""Ourselves and what installs us."""


def plain(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_everything_installed_is_pinned() -> None:
    installed = {plain(found.name) for found in distributions()} - NOT_PINNED
    assert installed <= {plain(name) for name in PINS}


def test_pins_are_what_is_installed() -> None:
    differing = {name: (pin, version(name)) for name, pin in PINS.items() if Version(version(name)).public != pin}
    assert not differing


@pytest.mark.parametrize(("name", "bound"), [("fastapi", "0.151"), ("sqlalchemy", "2.1")])
def test_prefect_server_needs_its_bounds(name: str, bound: str) -> None:
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    asked = {plain(need.name): need for need in map(Requirement, project["dependencies"])}
    assert bound not in asked[name].specifier
    assert Version(version(name)) < Version(bound)
