"""A whole night whose texts a server writes, by the command."""

import json

import pytest
from local_server import MODEL, serving
from nights import DATE, LINE, Aigc, LineCopy

KEY = "sk-night-0123456789"


def test_a_night_asks_the_server_trains_nothing_and_charges_tokens(
    aigc: Aigc, line_copy: LineCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIGC_ENDPOINT_KEY", KEY)
    with serving() as server:
        endpoint = {"url": server.url, "model": MODEL, "price_per_million_tokens": 1000}
        line_copy({"generation.endpoint": endpoint, "generation.attempts": 1})
        said = aigc("nightly", LINE, "--engine", "endpoint", "--limit", 12, "--date", DATE, "--lake", "lake", "--json")
        assert said.code in (0, 4), said.err
        assert server.authorised == {f"Bearer {KEY}"}
    assert KEY not in said.out + said.err
    # Shouted prompts are no descriptions: the audit holds them back, and its exit code says so.
    shown = aigc("query", "SELECT summary FROM runs", "--format", "jsonl", "--lake", "lake").out
    run = json.loads(json.loads(shown)["summary"])
    assert run["tokens"] == 5 * len(server.bodies) > 0
    assert run["cost"]["served_tokens"] == pytest.approx(run["tokens"] / 1000)
    assert run["seconds"]["fine-tune"] < 1


def test_plan_and_run_count_every_draft_that_the_server_charges(aigc: Aigc, line_copy: LineCopy) -> None:
    order = (LINE, "--engine", "endpoint", "--limit", 12, "--date", DATE, "--lake", "lake", "--json")
    with serving() as server:
        prices = {"price_per_million_prompt_tokens": 100, "price_per_million_tokens": 1000}
        sampling = {"temperature": 0.7, "best_of": 3}
        endpoint = {"url": server.url, "model": MODEL, **prices}
        line_copy({"generation.endpoint": endpoint, "generation.attempts": 1, "generation.sampling": sampling})
        planned = json.loads(aigc("plan", *order).out)["estimate"]
        tried = len(server.bodies)
        assert planned["tokens"] == 5 * tried > 0
        aigc("nightly", *order)
        asked = [len(body["prompt"].split()) for body in server.bodies[tried:]]
    shown = aigc("query", "SELECT summary FROM runs", "--format", "jsonl", "--lake", "lake").out
    run = json.loads(json.loads(shown)["summary"])
    assert len(asked) == 3 * run["attempts"]["1"] > 0
    assert run["tokens"] == 5 * len(asked)
    assert run["wasted"]["discarded drafts"] == 10 * run["attempts"]["1"]
    served = run["cost"]["served_tokens"]
    assert served == pytest.approx((sum(asked) * 100 + run["tokens"] * 1000) / 1e6)
    assert planned["money"] == pytest.approx(served, rel=0.01)


def test_an_endpoint_that_the_recipe_does_not_name_is_refused(aigc: Aigc, line_copy: LineCopy) -> None:
    line_copy({})
    said = aigc("nightly", LINE, "--engine", "endpoint", "--limit", 2, "--lake", "lake")
    assert said.code == 2
    assert "generation.endpoint" in said.err
