"""Files that several tests of lines are made from."""

import json
from pathlib import Path

import pytest
from strange_files import KINDS, word


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    """A file of facts as triples, 40 lists of them, three texts for each, and no id."""
    path = tmp_path / "facts.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for item in range(40):
            town, mayor = f"Town_{word(item)}", f"Mayor_{word(item + 1)}"
            told = [f"{town} | country | Denmark", f'{town} | leaderName | "{mayor}, Jr"']
            for text in ("has {} as its leader", "is led by {}", "lies in Denmark, where {} leads it"):
                said = f"The town of {town} {text.format(mayor)} and is known for its {KINDS[item % 8].lower()} makers."
                file.write(json.dumps({"triples": json.dumps(told), "text": said, "split": "train"}) + "\n")
    return path
