from pathlib import Path

import pytest

from aigc_core.engines import memory
from aigc_core.engines.loading import load_model
from aigc_core.engines.memory import Room, affordable_slots


def test_slots_follow_the_free_memory(tiny_llama: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 layers of 2 heads of 16 numbers, keys and values, fp32: 512 bytes a token; 8 copies of the logits beside."""
    model = load_model(Path(tiny_llama), device="cpu", dtype="float32")
    text = 100 * 512 + 8 * 4 * int(model.config.vocab_size)
    monkeypatch.setattr(memory, "_free_on_machine", lambda: int(10.5 * text / memory.SHARE_ON_CPU))
    assert affordable_slots(model, 100) == 10
    monkeypatch.setattr(memory, "_free_in_container", lambda: int(3.5 * text / memory.SHARE_ON_CPU))
    assert affordable_slots(model, 100) == 3
    monkeypatch.setattr(memory, "_free_on_machine", lambda: 0)
    assert affordable_slots(model, 100) == 1


def test_a_container_has_what_its_limit_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory._free_in_container() == 2**63
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 300\ninactive_file 200\n")
    assert memory._free_in_container() == 500
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._free_in_container() == 2**63


def test_a_room_halves_down_to_one() -> None:
    room = Room(5)
    assert room.note == ""
    assert room.halve(5)
    assert (room.slots, room.note) == (2, "memory holds 2 texts at once")
    assert room.halve(2)
    assert not room.halve(1)
    assert room.slots == 1
