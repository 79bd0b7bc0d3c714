"""However the work is cut, the texts are the same."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import Made, Shop, item, rows_of

from aigc_core.catalog.publish import Shelf, publish, published_schema
from aigc_core.contracts.content_line import ContentLine
from aigc_core.generation.requests import ATTRIBUTES
from aigc_core.generation.shards import Left, plan_shards
from aigc_core.ids import content_number
from aigc_core.records import RequestSet, Verdicts
from aigc_core.storage.files import write_table
from aigc_core.storage.progress import RunFolder

pytest_plugins = ("shop_fixtures",)

ITEMS = [
    item(1),
    item(2, feature="second try"),
    item(3, feature="bad"),
    item(4, material=None),
    item(5, feature="second try"),
    item(6),
    item(7, feature="broken"),
    item(8),
]
MAKING_FACTS = {"generated_at", "run_id", "run_key", "aigc_produce_id", "aigc_propagate_id"}


def requests_of(known: list[bool], folder: Path) -> RequestSet:
    """One request each; the known ones have a state."""
    count = len(known)
    strings = {name: [f"{name} {n}" for n in range(count)] for name in ("request_key", "item_id", "locale", "prompt")}
    table = pa.table(
        {
            "position": pa.array(range(count), pa.int64()),
            **{name: pa.array(values, pa.string()) for name, values in strings.items()},
            "variant_group": pa.nulls(count, pa.string()),
            "attributes": pa.array([[]] * count, ATTRIBUTES),
            "state": pa.array(["unchanged" if one else None for one in known], pa.string()),
        }
    )
    write_table(folder / "requests.parquet", table)
    left = known.count(False)
    path = str(folder / "requests.parquet")
    return RequestSet(run_id="r", path=path, fingerprint="f", requests=count, to_generate=left, reasons={}, states={})


def judged(folder: RunFolder, accepted: dict[str, bool], attempt: int) -> list[Verdicts]:
    """Verdicts over an attempt's shards."""
    found: list[Verdicts] = []
    for path in sorted(folder.file("shards").glob(f"a{attempt}-*.parquet")):
        keys = pq.read_table(path)["request_key"].to_pylist()
        target = folder.file("verdicts", path.name)
        fine = pa.array([accepted[key] for key in keys], pa.bool_())
        write_table(target, pa.table({"accepted": fine, "request_key": keys}))
        found.append(verdict(folder, target, attempt, len(found)))
    return found


def verdict(folder: RunFolder, path: Path, attempt: int, number: int) -> Verdicts:
    """A verdict's record."""
    return Verdicts(
        run_id=folder.run_id,
        attempt=attempt,
        number=number,
        path=str(path),
        sha256="",
        rows=0,
        accepted=0,
        findings={},
        errors=0,
    )


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder for many small runs."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@settings(max_examples=30, deadline=None)
@given(known=st.lists(st.booleans(), max_size=40), size=st.integers(1, 9))
def test_shards_are_a_partition_in_order(scratch: Path, known: list[bool], size: int) -> None:
    folder = RunFolder(Path(tempfile.mkdtemp(dir=scratch)))
    shards = plan_shards(requests_of(known, folder.path), Left(), folder, shard_rows=size)
    keys = [key for shard in shards for key in pq.read_table(shard.path)["request_key"].to_pylist()]
    assert keys == [f"request_key {n}" for n, is_known in enumerate(known) if not is_known]
    assert all(shard.rows == size for shard in shards[:-1])
    assert all(0 < shard.rows <= size and shard.of == len(shards) for shard in shards)
    assert [shard.number for shard in shards] == list(range(len(shards)))


@settings(max_examples=30, deadline=None)
@given(fates=st.lists(st.integers(1, 4), min_size=1, max_size=25), size=st.integers(1, 9))
def test_every_attempt_asks_for_exactly_what_is_not_accepted(scratch: Path, fates: list[int], size: int) -> None:
    """A fate is the attempt that is accepted; 4 is none of the three."""
    folder = RunFolder(Path(tempfile.mkdtemp(dir=scratch)))
    requests, verdicts = requests_of([False] * len(fates), folder.path), list[Verdicts]()
    for attempt in (1, 2, 3):
        shards = plan_shards(requests, Left(verdicts=verdicts), folder, shard_rows=size)
        keys = [key for shard in shards for key in pq.read_table(shard.path)["request_key"].to_pylist()]
        assert keys == [f"request_key {n}" for n, fate in enumerate(fates) if fate >= attempt]
        if not shards:
            break
        verdicts += judged(folder, {f"request_key {n}": fate <= attempt for n, fate in enumerate(fates)}, attempt)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=25), size=st.integers(1, 9))
def test_an_accepted_text_that_is_repeated_is_asked_for_again(
    scratch: Path, rows: list[tuple[bool, bool]], size: int
) -> None:
    """A row is (accepted, repeated)."""
    folder = RunFolder(Path(tempfile.mkdtemp(dir=scratch)))
    requests = requests_of([False] * len(rows), folder.path)
    plan_shards(requests, Left(), folder, shard_rows=size)
    verdicts = judged(folder, {f"request_key {n}": accepted for n, (accepted, _) in enumerate(rows)}, 1)
    repeated = frozenset(f"request_key {n}" for n, (_, again) in enumerate(rows) if again)
    shards = plan_shards(requests, Left(verdicts=verdicts, repeated=repeated), folder, shard_rows=size)
    keys = [key for shard in shards for key in pq.read_table(shard.path)["request_key"].to_pylist()]
    assert keys == [f"request_key {n}" for n, (accepted, again) in enumerate(rows) if again or not accepted]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, line: ContentLine) -> list[dict[str, object]]:
    """What is published when everything is one shard."""
    return published(tmp_path_factory.mktemp("whole"), line, 2000)


def published(root: Path, line: ContentLine, shard_rows: int) -> list[dict[str, object]]:
    """The shelf after a run cut in shards of this size, without the facts of the making."""
    generation = line.recipe.generation.model_copy(update={"shard_rows": shard_rows})
    shop = Shop(root=root, line=replace(line, recipe=line.recipe.model_copy(update={"generation": generation})))
    made: Made = shop.made(ITEMS)
    schema = published_schema(line.name, line.recipe.label)
    publish(made.batch, made.report, made.report.require_passed(), Shelf(table=shop.shelf, schema=schema))
    rows = rows_of(shop.shelf)
    assert all(row["aigc_produce_id"] == content_number(*number_of(row)) for row in rows)
    return [{name: value for name, value in row.items() if name not in MAKING_FACTS} for row in rows]


def number_of(row: dict[str, object]) -> tuple[str, ...]:
    """What a content number is made of."""
    return tuple(str(row[name]) for name in ("run_key", "item_id", "locale", "content_sha256"))


@pytest.mark.parametrize("shard_rows", [1, 3, 5])
def test_many_shards_publish_what_one_shard_does(
    tmp_path: Path, line: ContentLine, whole: list[dict[str, object]], shard_rows: int
) -> None:
    assert published(tmp_path, line, shard_rows) == whole
    assert len(whole) == 10
