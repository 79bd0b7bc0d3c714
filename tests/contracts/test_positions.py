import pytest
import yaml

from aigc_core.contracts.positions import Place, line_of, load_yaml

TEXT = "a: 1\nb:\n  - x: 2\n    y: 3\n  - z\n"


@pytest.mark.parametrize(
    ("path", "line"),
    [((), 1), (("a",), 1), (("b", 0), 3), (("b", 0, "y"), 4), (("b", 1), 5), (("b", 0, "none"), 3), (("b", 9), 2)],
)
def test_a_path_has_the_line_of_its_nearest_value(path: tuple[str | int, ...], line: int) -> None:
    assert line_of(TEXT, path) == line


def test_a_place_reads_as_file_line_and_path() -> None:
    assert str(Place(file="f.yaml", text=TEXT).at("b", 0).at("y")) == "f.yaml line 4, b.0.y"


def test_a_key_written_twice_is_an_error_with_its_line() -> None:
    with pytest.raises(yaml.YAMLError, match=r"the key 'a' stands twice(.|\n)*line 3"):
        load_yaml("a: 1\nb: 2\na: 3\n")


def test_keys_merged_from_an_anchor_may_be_overridden() -> None:
    assert load_yaml("base: &b {x: 1}\nown: {<<: *b, x: 2}\n") == {"base": {"x": 1}, "own": {"x": 2}}


def test_dates_stay_text() -> None:
    assert load_yaml("day: 2026-01-31") == {"day": "2026-01-31"}
