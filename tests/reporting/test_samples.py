from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporting_run import Row, build_run, finding, item_row

from aigc_core.reporting.samples import LONGEST_TEXT, MASK, SampleGroup, Span, pick_samples, segments

SPANS = st.lists(
    st.tuples(st.integers(-3, 30), st.integers(-3, 30), st.sampled_from(("warn", "quarantine", "block"))), max_size=6
)


def marked(text: str, spans: list[Span]) -> list[tuple[str, str]]:
    return [(piece.text, piece.severity) for piece in segments(text, spans)]


@pytest.mark.parametrize(
    ("spans", "pieces"),
    [
        ([], [("防水jacket", "")]),
        ([(0, 2, "block")], [("防水", "block"), ("jacket", "")]),
        ([(2, 8, "warn"), (4, 6, "block")], [("防水", ""), ("ja", "warn"), ("ck", "block"), ("et", "warn")]),
        ([(1, 4, "warn"), (3, 6, "quarantine")], [("防", ""), ("水j", "warn"), ("ack", "quarantine"), ("et", "")]),
        ([(-5, 1, "warn"), (6, 99, "block")], [("防", "warn"), ("水jack", ""), ("et", "block")]),
        ([(3, 3, "block"), (5, 2, "block"), (50, 60, "block")], [("防水jacket", "")]),
    ],
)
def test_marks_cover_exactly_the_spans(spans: list[Span], pieces: list[tuple[str, str]]) -> None:
    assert marked("防水jacket", spans) == pieces


@given(text=st.text(max_size=25), spans=SPANS)
def test_segments_are_the_text_and_every_mark_is_a_span(text: str, spans: list[Span]) -> None:
    pieces = segments(text, spans)
    assert "".join(piece.text for piece in pieces) == text
    flags = [bool(piece.severity) for piece in pieces for _ in piece.text]
    assert flags == [any(start <= n < end for start, end, _ in spans) for n in range(len(text))]


def samples_of(folder: Path, rows: list[Row]) -> tuple[SampleGroup, ...]:
    folder.mkdir(exist_ok=True)
    _, files, _ = build_run(folder, rows)
    return pick_samples(files.decisions, files.batch)


def test_twelve_published_and_three_a_reason_whatever_the_order(tmp_path: Path) -> None:
    rows = [item_row(n) for n in range(300)]
    groups = samples_of(tmp_path / "a", rows)
    assert [(group.state, len(group.samples)) for group in groups[:2]] == [("published", 12), ("rejected", 3)]
    assert all(len(group.samples) == 3 for group in groups[1:])
    assert sum(group.rows for group in groups) == sum(row["state"] != "unchanged" for row in rows)
    assert samples_of(tmp_path / "b", rows[::-1]) == groups


def test_samples_carry_what_the_row_says(tmp_path: Path) -> None:
    found = finding("Q-F4", "block", "claims too much", [(0, 4)], "waterproof")
    row = {**item_row(2), "text": "Best coat.", "findings": [found], "state": "rejected", "decided": "claims too much"}
    (group,) = samples_of(tmp_path, [row])
    (sample,) = group.samples
    assert [(piece.text, piece.severity) for piece in sample.segments] == [("Best", "block"), (" coat.", "")]
    assert (sample.remarks[0].check_id, sample.remarks[0].evidence) == ("Q-F4", "waterproof")
    assert dict(sample.attributes)["colour"] == "dark green"
    assert (sample.item_id, sample.locale, sample.reason) == ("0108775022", "en", "claims too much")


@pytest.mark.parametrize(
    ("spans", "shown"), [([(5, 16)], f"Call {MASK * 11} now"), ([], f"{MASK * 4} {MASK * 11} {MASK * 3}")]
)
def test_personal_data_is_placed_but_not_shown(tmp_path: Path, spans: list[tuple[int, int]], shown: str) -> None:
    found = finding("P-1", "block", "holds a phone number", spans)
    row = {**item_row(2), "text": "Call 13800138000 now", "findings": [found], "state": "rejected", "decided": "phone"}
    (group,) = samples_of(tmp_path, [row])
    assert "".join(piece.text for piece in group.samples[0].segments) == shown


def test_long_texts_are_shortened_and_say_so(tmp_path: Path) -> None:
    row = {**item_row(2), "text": "x" * 5000, "findings": [finding("Q-L7", "warn", "long", [(0, 5000)])]}
    (group,) = samples_of(tmp_path, [row])
    (piece,) = group.samples[0].segments
    assert (len(piece.text), group.samples[0].shortened) == (LONGEST_TEXT, True)


def test_decided_rows_without_a_batch_row_are_not_invented(tmp_path: Path) -> None:
    path = str(tmp_path / "decisions.parquet")
    pq.write_table(pa.table({"item_id": ["1"], "locale": ["en"], "state": ["failed"], "reason": ["no text"]}), path)
    (group,) = pick_samples(path, ())
    assert (group.rows, group.samples) == (1, ())
