import re
from collections.abc import Iterator
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from reporting_run import MODEL, Row, Run, blocked, build_run, finding, item_row

from aigc_core.errors import IntegrityBroken
from aigc_core.records import Door, Gate
from aigc_core.reporting.run_report import ReportFiles, write_run_report

HOSTILE = (
    "<script>alert('x')</script>\"><img src=http://evil.example/a onerror=alert(1)>\u202eevil\u2066\n{{ 7*7 }}&amp;"
)
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """What a browser would make of the page, as far as safety goes."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.marks: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "mark":
            self.marks.append("")
        else:
            self.text += " "

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
        if "mark" in self.open:
            self.marks[-1] += data


def write(run: Run, title: str = "Fashion descriptions") -> Page:
    summary, files, model = run
    path = Path(write_run_report(summary, files, title=title, model=model))
    assert str(path) == files.report
    html = path.read_text("utf-8")
    page = Page(html)
    assert page.open == []
    assert [html.count(f"<{tag}") for tag in ("!DOCTYPE html", "script", "link", "img")] == [1, 0, 0, 0]
    return page


def words(page: Page) -> str:
    return " ".join(page.text.split())


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return build_run(tmp_path, [item_row(n) for n in range(200)])


def test_page_shows_the_summarys_numbers(run: Run) -> None:
    summary, said = run[0], words(write(run))
    assert f"Published {summary.states['published']} texts as edition 14." in said
    for state, rows in summary.states.items():
        assert f"{state.capitalize()} {rows}" in said
    assert f"Requests {summary.requests} " in said
    assert re.search(rf"Adds up unchanged 20 \+ .* = {summary.requests} = requests", said)
    assert f"{summary.tokens:,} tokens" in said
    for reason, rows in summary.reasons.items():
        assert re.search(rf"{reason} \w+ {rows} ", said)


def test_page_shows_gates_doors_findings_attempts_and_model(run: Run) -> None:
    summary, said = run[0], words(write(run))
    assert "Q-L2 warned distinct_2_drop 0.071 <= 0.05 warn" in said
    assert "Warned: Q-L2, distinct_2_drop is 0.071, must be <= 0.05" in said
    assert "catalogue articles.csv rows accepted quarantined repeated unlabelled withheld 260 250 6 4 0 0" in said
    assert f"Q-F4 {summary.findings['Q-F4']} {summary.findings['Q-F4']} 0 0 claims a certification" in said
    assert f"attempt texts 1 {summary.attempts['1']} 2 {summary.attempts['2']}" in said
    assert "parameters 5,246,208" in said
    assert "held-out loss 1.2841 nats a token" in said
    seen = sum(summary.seen["seen"].values())
    assert f"product group rows published rejected quarantined unchanged failed went out seen {seen}" in said
    for reason, rows in summary.planned.items():
        assert f"{reason} {rows} " in said


def test_page_opens_offline_and_holds_every_chart(run: Run) -> None:
    page = write(run)
    policy = [attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert sum(tag == "svg" for tag, _ in page.tags) == 9
    links = [attrs["href"] or "" for tag, attrs in page.tags if tag == "a"]
    ids = {attrs.get("id") for _, attrs in page.tags}
    assert links
    assert {link.removeprefix("#") for link in links} <= ids
    assert "http" not in Path(run[1].report).read_text("utf-8").replace("http-equiv", "")


def test_equal_runs_make_equal_pages(run: Run) -> None:
    write(run)
    first = Path(run[1].report).read_bytes()
    write(run)
    assert Path(run[1].report).read_bytes() == first


def test_marks_hold_exactly_what_was_found(tmp_path: Path) -> None:
    found = [finding("Q-F4", "block", "too much", [(5, 9)]), finding("Q-L1", "warn", "again", [(7, 99), (-4, 2)])]
    row = {**item_row(2), "text": "Soft <b>x</b> coat", "findings": found, "state": "rejected", "decided": "too much"}
    page = write(build_run(tmp_path, [row]))
    assert page.marks[3:] == ["So", "<b>x", "</b> coat"]
    classes = [attrs["class"] for tag, attrs in page.tags if tag == "mark"]
    assert classes[3:] == ["warn", "block", "warn"]


def hostile_row(n: int, state: str) -> Row:
    row = {name: HOSTILE if isinstance(value, str) else value for name, value in item_row(2 * n + 2).items()}
    pairs = [{"name": HOSTILE, "value": HOSTILE}]
    found = [finding(HOSTILE, HOSTILE, HOSTILE, [(0, 20), (9, 400)], HOSTILE)]
    return {**row, "item_id": f"{HOSTILE}{n}", "state": state, "attributes": pairs, "findings": found, "error": HOSTILE}


def hostile_run(folder: Path) -> Run:
    """A run whose every text, wherever it comes from, is an attack; the state names alone are real."""
    summary, files, model = build_run(
        folder, [hostile_row(0, "published"), hostile_row(1, "rejected"), hostile_row(2, "failed")]
    )
    poisoned: dict[str, object] = {
        **{field.name: HOSTILE for field in fields(summary) if isinstance(getattr(summary, field.name), str)},
        "reasons": {HOSTILE: 3},
        "planned": {HOSTILE: 3},
        "findings": {HOSTILE: 3},
        "attempts": {HOSTILE: 3},
        "model": {HOSTILE: HOSTILE},
        "seconds": {HOSTILE: 2.0},
        "seen": {HOSTILE: {"published": 1}},
        "cost": {**summary.cost, "currency": HOSTILE, "basis": HOSTILE, "comparison": HOSTILE},
        "doors": (Door(name=HOSTILE, source=HOSTILE, rows=1, accepted=0, quarantined=1, reasons={HOSTILE: 1}),),
        "gates": (Gate(gate_id=HOSTILE, level=HOSTILE, measure=HOSTILE, value=None, rule=HOSTILE, passed=False),),
    }
    texts = {field.name: HOSTILE for field in fields(model) if isinstance(getattr(model, field.name), str)}
    harmless = replace(files, digests=dict.fromkeys(files.digests, HOSTILE))
    return replace(summary, **poisoned), harmless, replace(model, **texts)  # type: ignore[arg-type]


def resources(page: Page) -> Iterator[str]:
    for tag, attrs in page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href", "background"):
            if tag != "a" and attrs.get(name):
                yield str(attrs[name])


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    run = hostile_run(tmp_path)
    page = write(run, title=HOSTILE)
    html = Path(run[1].report).read_text("utf-8")
    assert not {tag for tag, _ in page.tags} & {"script", "img", "iframe", "object", "embed", "form", "base", "link"}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert all(resource.startswith("#") for resource in resources(page))
    assert not set("\u202e\u2066") & set(html)
    assert page.text.count("<script>alert('x')</script>") > 30
    assert "⟨U+202E⟩evil⟨U+2066⟩\n{{ 7*7 }}&amp;" in page.text


def test_blocked_run_says_what_refused_and_publishes_nothing(run: Run) -> None:
    said = words(write((blocked(run[0]), *run[1:])))
    held = run[0].states["published"]
    assert f"Blocked, nothing was published: 1 gate refused, and {held} texts that passed by themselves" in said
    assert "Refused: H-2, reject_share is 0.31, must be <= 0.25" in said
    assert f"Publishable {held} held back" in said
    assert "Cost a published text none" in said
    assert "none: the run was blocked" in said
    assert "went out" not in said


def test_quiet_night_renders(tmp_path: Path) -> None:
    said = words(write(build_run(tmp_path, [{**item_row(0), "item_id": str(n)} for n in range(7)])))
    assert "Nothing to do: no request needed a new text." in said
    assert "unchanged 7 = 7 = requests" in said
    assert "No gate was evaluated: there was nothing to judge." in said
    assert said.count("No text was generated in this run.") == 2


def test_run_without_a_row_or_a_file_renders(tmp_path: Path, run: Run) -> None:
    bare = replace(
        run[0],
        requests=0,
        states={},
        reasons={},
        planned={},
        seconds={},
        cost={},
        doors=(),
        gates=(),
        seen={},
        findings={},
    )
    said = words(write((bare, ReportFiles(report=str(tmp_path / "bare" / "report.html")), MODEL)))
    assert "No request was made." in said
    assert "No file came in." in said


def test_lost_rows_are_called_lost(run: Run) -> None:
    said = words(write((replace(run[0], requests=203), *run[1:])))
    assert "Does not add up" in said
    assert "but there were 203 requests: +3 unaccounted for" in said


def test_missing_file_is_named(run: Run) -> None:
    with pytest.raises(IntegrityBroken, match=r"gone\.parquet cannot be read back"):
        write((run[0], replace(run[1], outcomes="gone.parquet"), run[2]))
