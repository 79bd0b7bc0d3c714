"""A night costs what changed: every item and locale is asked for, or known, and says why."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from shop import LINE, RECIPE, Made, Shop, item, rows_of

from aigc_core.catalog.outcomes import REJECTS, keep_rejects
from aigc_core.catalog.publish import Shelf, publish, published_schema
from aigc_core.contracts.content_line import ContentLine
from aigc_core.contracts.prompt import Prompts
from aigc_core.generation.deciding import FAILS_TOO, HOLDS
from aigc_core.generation.requests import making_of
from aigc_core.records import Example, Examples, RequestSet
from aigc_core.storage.groups import is_held_out

pytest_plugins = ("shop_fixtures",)

PROMPT = str(RECIPE["prompt"])
ATTRIBUTES: dict[str, object] = dict(RECIPE["attributes"])  # type: ignore[call-overload]
KNOWN = [item(1), item(2, feature="bad")]
LATER = ["template_digest", "examples_digest", "engine", "dtype", "sampling_digest"]
"""Columns that the tables of an older lake lack."""


def decided(shop: Shop, made: Made) -> None:
    """Put the run on the shelf and its rejections with the rejects."""
    schema = published_schema(LINE, shop.line.recipe.label)
    publish(made.batch, made.report, made.report.require_passed(), Shelf(table=shop.shelf, schema=schema))
    keep_rejects(made.batch, made.report, shop.rejects, decided_at="2026-01-01T00:00:00+00:00")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory, line: ContentLine) -> Shop:
    """A shop whose first night published one item and rejected another, in both languages; nothing else changes it."""
    shop = Shop(root=tmp_path_factory.mktemp("second"), line=line)
    decided(shop, shop.made(KNOWN))
    return shop


def rows(requests: RequestSet) -> pa.Table:
    """The requests."""
    return pq.read_table(requests.path)


def test_the_first_night_asks_for_everything(shop: Shop) -> None:
    requests = shop.requests([item(2), item(1)])
    table = rows(requests)
    assert (requests.requests, requests.to_generate, requests.reasons, requests.states) == (4, 4, {"new": 4}, {})
    assert table["item_id"].to_pylist() == ["S-002", "S-002", "S-001", "S-001"]
    assert table["locale"].to_pylist() == ["en", "zh"] * 2
    assert table["position"].to_pylist() == [0, 1, 2, 3]
    assert table["prompt"][1].as_py().startswith("zh: category bottle; name Cedar I;")


def test_an_item_without_a_required_attribute_gets_no_text(shop: Shop) -> None:
    requests = shop.requests([item(1, material=None, name="X"), item(2)])
    assert requests.states == {"no_data": 2}
    assert requests.reasons == {"new": 2, "no data: material": 2}
    assert (requests.to_generate, rows(requests)["prompt"][0].as_py()) == (2, "")


def test_nothing_changed_is_nothing_to_do(second: Shop) -> None:
    requests = second.requests(KNOWN, "run-2")
    assert (requests.to_generate, requests.states) == (0, {"unchanged": 4})
    assert requests.reasons == {"published before": 2, "rejected before": 2}
    assert set(rows(requests)["previous"].to_pylist()) == {"run-1"}


def test_changed_attributes_ask_again(second: Shop) -> None:
    requests = second.requests([item(1, capacity_ml=999), item(2, feature="bad", capacity_ml=999)], "run-2")
    assert requests.reasons == {"attributes changed": 4}
    assert set(rows(requests)["previous"].to_pylist()) == {"run-1"}


def test_a_column_the_model_is_not_shown_asks_nothing(second: Shop) -> None:
    assert second.requests([item(1, seller_id="another")], "run-2").reasons == {"published before": 2}


def test_a_changed_prompt_asks_again(second: Shop) -> None:
    assert second.changed(prompt="{{ locale }}?").requests(KNOWN, "run-2").reasons == {"prompt changed": 4}


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": {"en": PROMPT, "zh": "请写"}},
        {"attributes": ATTRIBUTES | {"name": {"column": "name", "label": {"zh": "名称"}}}},
    ],
)
def test_another_prompt_in_one_locale_asks_again_there(second: Shop, changes: dict[str, object]) -> None:
    requests = second.changed(**changes).requests(KNOWN, "run-2")
    assert requests.reasons == {"published before": 1, "rejected before": 1, "prompt changed": 2}
    asked = rows(requests).filter(pc.is_null(rows(requests)["state"]))
    assert asked["locale"].to_pylist() == ["zh", "zh"]


def test_what_shapes_no_prompt_asks_nothing(second: Shop) -> None:
    attributes = ATTRIBUTES | {"feature": {"column": "feature", "required": True}}
    requests = second.changed(attributes=attributes).requests(KNOWN, "run-2")
    assert requests.reasons == {"published before": 2, "rejected before": 2}


def test_a_lake_that_told_of_all_locales_together_is_not_written_again(shop: Shop) -> None:
    decided(shop, shop.made(KNOWN))
    as_of_all_locales(shop)
    assert shop.requests(KNOWN, "run-2").reasons == {"published before": 2, "rejected before": 2}
    assert shop.changed(prompt="{{ locale }}?").requests(KNOWN, "run-3").reasons == {"prompt changed": 4}


def test_an_item_in_another_category_is_shown_other_examples_and_says_so(tmp_path: Path, line: ContentLine) -> None:
    generation = line.recipe.generation.model_dump(mode="json") | {"regenerate_on": ["examples"]}
    plain = Shop(root=tmp_path, line=line)
    showing = plain.changed(few_shot={"count": 1}, generation=generation, attributes={"name": ATTRIBUTES["name"]})
    pairs: dict[str, tuple[Example, ...]]
    pairs = {name: (example(name, 1), example(name, 2)) for name in ("bottle", "lamp", "")}
    shown = Examples(corpus_version=1, drawn=dict.fromkeys(line.recipe.locales, pairs))
    before = showing.requests([item(1)], examples=shown)
    shelf_as_planned(showing, before)
    again = showing.requests([item(1)], "run-2", examples=shown)
    assert again.reasons == {"published before": 2}
    moved = {"category": "lamp"}, {"product_group": "bottle 1"}
    for number, change in enumerate(moved):
        requests = showing.requests([item(1, **change)], f"run-{number + 3}", examples=shown)
        assert requests.reasons == {"examples changed": 2}
        assert not set(rows(requests)["request_key"].to_pylist()) & set(rows(before)["request_key"].to_pylist())
    other = {"": pairs[""], "bottle": pairs["bottle"], "lamp": pairs["bottle"]}
    drawn_anew = Examples(corpus_version=2, drawn=dict.fromkeys(line.recipe.locales, other))
    assert showing.requests([item(1)], "run-5", examples=drawn_anew).reasons == {"published before": 2}


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("attributes[4].value", "list object has no element 4"),
        ("'%d' % attributes[1].value", "%d format"),
        ("'{} {}'.format(locale)", "index out of range"),
        ("cycler()", "at least one item"),
        ("attributes[3].value.split('l')[0].missing.more", "has no attribute 'missing'"),
    ],
)
def test_a_prompt_that_fails_for_one_item_holds_back_that_item_alone(shop: Shop, expression: str, said: str) -> None:
    template = "{% if attributes[3].value == 'odd' %}{{ " + expression + " }}{% endif %}x"
    requests = shop.changed(prompt=template).requests([item(1, feature="odd", capacity_ml=None), item(2)])
    assert (requests.to_generate, requests.states) == (2, {"quarantined": 2})
    (reason,) = {reason for reason in requests.reasons if reason != "new"}
    assert reason.startswith("prompt: The template cannot be rendered: ")
    assert said in reason


def test_without_examples_a_category_is_no_part_of_the_key(shop: Shop) -> None:
    named = shop.changed(attributes={"name": ATTRIBUTES["name"]})
    one, other = named.requests([item(1)]), named.requests([item(1, category="lamp")], "run-2")
    assert one.fingerprint == other.fingerprint


def as_of_all_locales(shop: Shop) -> None:
    """Let the tables tell digests of all locales' prompts together, as those of an older lake do."""
    for table in (shop.shelf, shop.rejects):
        told = table.dataset().to_table()
        for name, value in Prompts(shop.line.recipe).older.items():
            place = told.schema.get_field_index(name)
            told = told.set_column(place, told.schema.field(name), pa.array([value] * told.num_rows))
        table.replace_once(lambda told=told: told, key="of all", note={})  # type: ignore[misc]


def example(category: str, number: int) -> Example:
    """One pair."""
    group = f"{category} {number}"
    return Example(
        item_id=group, product_group=group, category=category, attributes=(("name", group),), text=f"A {group}."
    )


def shelf_as_planned(shop: Shop, requests: RequestSet) -> None:
    """Put a text of each of these requests on the shelf."""
    told = rows(requests)
    for name, value in {**shop.making().columns, "content_sha256": "h", "text": "t"}.items():
        told = told.append_column(name, pa.array([value] * told.num_rows))
    shop.shelf.create(told.schema, stats=("item_id",))
    shop.shelf.append_once(lambda: told, key="planned", note={})


def test_changed_rules_judge_what_stands_and_ask_nothing_where_the_verdict_stays(second: Shop) -> None:
    requests = second.requests(KNOWN, "run-2", making=second.making(check_config_digest="another"))
    assert requests.reasons == {HOLDS: 2, f"rejected {FAILS_TOO}": 2}
    assert (requests.to_generate, requests.states) == (0, {"unchanged": 4})
    judged = pq.read_table(second.folder("run-2").file("rejudged.parquet")).to_pylist()
    assert [(row["item_id"], row["holds"]) for row in judged] == [("S-001", True)] * 2 + [("S-002", False)] * 2
    assert all(row["reason"].startswith("Q-F2 ") for row in judged if not row["holds"])


def test_a_refusal_that_new_rules_would_accept_is_asked_for_again(second: Shop) -> None:
    checks = second.line.recipe.checks | {"Q-F2": {"allow": ["777 kg"]}}
    recipe = second.line.recipe.model_copy(update={"checks": checks})
    tolerant = replace(second, line=replace(second.line, recipe=recipe))
    making = tolerant.making(check_config_digest="another")
    assert tolerant.requests(KNOWN, "run-4", making=making).reasons == {HOLDS: 2, "rules changed": 2}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ("model_digest", "model changed"),
        ("engine", "engine changed"),
        ("dtype", "engine changed"),
        ("sampling_digest", "sampling changed"),
    ],
)
def test_model_engine_and_sampling_ask_again_only_for_what_was_refused(second: Shop, changed: str, reason: str) -> None:
    requests = second.requests(KNOWN, "run-2", making=second.making(**{changed: "another"}))
    assert requests.reasons == {"published before": 2, reason: 2}
    asked = rows(requests).filter(pc.is_null(rows(requests)["state"]))
    assert asked["item_id"].to_pylist() == ["S-002", "S-002"]


def test_a_rejection_is_tried_again_on_demand_under_a_key_of_its_own(second: Shop) -> None:
    before = set(rows(second.requests(KNOWN, "run-2"))["request_key"].to_pylist())
    requests = second.requests(KNOWN, "run-3", retry_rejected=True)
    assert requests.reasons == {"published before": 2, "retry of rejected": 2}
    retried = rows(requests).filter(pc.is_null(rows(requests)["state"]))
    assert retried["item_id"].to_pylist() == ["S-002", "S-002"]
    assert not before & set(retried["request_key"].to_pylist())


def test_a_request_key_covers_all_that_shapes_a_text(shop: Shop) -> None:
    digests = ("engine", "dtype", "model_digest", "decode_digest")
    makings = [shop.making(), *(shop.making(**{name: "another"}) for name in digests)]
    keys = [rows(shop.requests([item(1)], f"run-{n}", making=one))["request_key"][0] for n, one in enumerate(makings)]
    keys.append(rows(shop.changed(prompt="{{ locale }}?").requests([item(1)], "run-p"))["request_key"][0])
    assert len(set(keys)) == len(makings) + 1


def test_changed_rules_keep_the_key(shop: Shop) -> None:
    one, other = (
        shop.requests([item(1)]),
        shop.requests([item(1)], "run-2", making=shop.making(check_config_digest="x")),
    )
    assert rows(one)["request_key"] == rows(other)["request_key"]
    assert one.fingerprint == other.fingerprint


def test_seen_groups_are_marked(shop: Shop) -> None:
    table = rows(shop.requests([item(1), item(2)], seen=["G-002"]))
    assert table["seen"].to_pylist() == [False, False, True, True]


def test_a_limited_night_draws_held_out_groups_first(shop: Shop) -> None:
    items = [item(number) for number in range(20)]
    share = shop.line.recipe.model.training.held_out_share
    held_out = {f"G-{number:03d}" for number in range(20) if is_held_out(LINE, f"G-{number:03d}", share)}
    groups = rows(shop.requests(items, limit=len(held_out)))["product_group"].to_pylist()
    assert set(groups) == held_out
    more = rows(shop.requests(items, "run-2", limit=len(held_out) + 3))["product_group"].to_pylist()
    assert held_out < set(more)
    assert len(set(more)) == len(held_out) + 3


def test_a_limited_draw_depends_on_the_items_alone(shop: Shop) -> None:
    items = [item(number) for number in range(20)]
    one = rows(shop.requests(items, limit=7))["item_id"].to_pylist()
    other = rows(shop.requests(items[::-1], "run-2", limit=7))["item_id"].to_pylist()
    assert one == sorted(one)
    assert sorted(other) == one


def test_a_limit_above_the_catalogue_is_the_catalogue(shop: Shop) -> None:
    assert shop.requests([item(1)], limit=9).requests == 2


@pytest.mark.parametrize(
    ("watched", "changed"),
    [("model", "model_digest"), ("engine", "engine"), ("engine", "dtype")],
)
def test_another_change_asks_again_where_the_recipe_says_so(second: Shop, watched: str, changed: str) -> None:
    generation = second.line.recipe.generation.model_copy(update={"regenerate_on": frozenset({watched})})
    recipe = second.line.recipe.model_copy(update={"generation": generation})
    watching = replace(second, line=replace(second.line, recipe=recipe))
    asked = watching.requests(KNOWN, "run-2", making=second.making(**{changed: "x"}))
    assert asked.reasons == {f"{watched} changed": 4}
    unwatched = watching.changed(prompt="{{ locale }}?").requests(KNOWN, "run-3")
    assert unwatched.reasons == {"published before": 2, "prompt changed": 2}


def test_engine_and_numeric_type_are_told_apart_from_the_sampling(shop: Shop) -> None:
    made = partial(making_of, shop.model, check_config_digest="c")
    sampling = shop.line.recipe.sampling
    one, other = made(sampling=sampling, dtype="float32"), made(sampling=sampling, dtype="int8")
    cooler = made(sampling=replace(sampling, temperature=0.1), dtype="float32")
    assert one.sampling_digest == other.sampling_digest != cooler.sampling_digest
    assert (one.engine, one.dtype, other.dtype) == ("template", "float32", "int8")
    assert len({making.digest("p") for making in (one, other, cooler)}) == 3


def test_a_lake_of_an_older_release_is_planned_and_written_on(shop: Shop) -> None:
    """Its tables have no columns for the engine and the examples; what they do not tell has not changed."""
    decided(shop, shop.made(KNOWN))
    as_of_all_locales(shop)
    for table in (shop.shelf, shop.rejects):
        older = table.dataset().to_table().drop_columns(LATER)
        table.replace_once(lambda older=older: older, key="older", note={})  # type: ignore[misc]
    assert shop.requests(KNOWN, "run-2").reasons == {"published before": 2, "rejected before": 2}
    assert shop.requests(KNOWN, "run-3", making=shop.making(engine="x")).to_generate == 0
    more = [*KNOWN, item(3), item(4, feature="bad")]
    decided(shop, shop.made(more, "run-4"))
    assert {row["item_id"]: row["engine"] for row in rows_of(shop.shelf)} == {"S-001": None, "S-003": "template"}
    assert {row["item_id"]: row["engine"] for row in rows_of(shop.rejects)} == {"S-002": None, "S-004": "template"}
    reasons = shop.requests(more, "run-5", making=shop.making(engine="x")).reasons
    assert reasons == {"published before": 4, "rejected before": 2, "engine changed": 2}


@pytest.mark.parametrize(
    ("state", "reason", "planned"),
    [
        ("failed", "engine: out of memory", "retry of failed"),
        ("quarantined", "Q-L7 check failed", "retry of quarantined"),
        ("quarantined", "Q-L7 too short", "quarantined before"),
        ("duplicate", "D-1 same text as a published item", "duplicate before"),
    ],
)
def test_what_was_never_judged_is_tried_again(shop: Shop, state: str, reason: str, planned: str) -> None:
    before = shop.requests([item(1)])
    refuse(shop, before, state=state, reason=reason)
    requests = shop.requests([item(1)], "run-2")
    assert requests.reasons == {planned: 2}
    same_keys = rows(requests)["request_key"] == rows(before)["request_key"]
    assert same_keys == planned.endswith("before")


def refuse(shop: Shop, requests: RequestSet, *, state: str, reason: str) -> None:
    """Keep these requests as refused with such a reason."""
    making = shop.making()
    when = datetime(2026, 1, 1, tzinfo=UTC)
    decision = {"state": state, "reason": reason, "decided_at": when, "text": "", "findings": "[]", **making.columns}
    table = pa.Table.from_pylist([row | decision for row in rows(requests).to_pylist()], schema=REJECTS)
    shop.rejects.create(REJECTS, stats=("item_id",))
    shop.rejects.append_once(lambda: table, key="refused", note={})


@pytest.fixture
def turned(shop: Shop) -> Shop:
    """A shop that published an item and refused its text when its attributes changed."""
    decided(shop, shop.made([item(2)]))
    decided(shop, shop.made([item(2, feature="bad")], "run-2"))
    return shop


def test_a_refusal_says_that_an_older_text_stays(turned: Shop) -> None:
    requests = turned.requests([item(2, feature="bad")], "run-3")
    assert requests.reasons == {"rejected before, an older text stays on the shelf": 2}
    assert (requests.states, set(rows(requests)["previous"].to_pylist())) == ({"unchanged": 2}, {"run-2"})


def test_a_published_text_that_fits_answers_before_a_refusal(turned: Shop) -> None:
    requests = turned.requests([item(2)], "run-3", retry_rejected=True)
    assert requests.reasons == {"published before": 2}
    assert set(rows(requests)["previous"].to_pylist()) == {"run-1"}
