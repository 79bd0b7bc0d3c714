"""Nights with workers, cut small: eight shards of six rows, and an item whose English text never ends."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from shop import Shop, item, read_line

from aigc_core.night import intake, pin, steps, workers
from aigc_core.night.pools import Ended
from aigc_core.records import Batch, ModelVersion, Night, RequestSet, Shard, Task
from aigc_core.storage.files import read_json, read_table
from aigc_core.storage.progress import release

ROWS = [item(number) for number in range(1, 25)]
SLOW = {"shard_rows": 6, "workers": 2, "stall_seconds": 6.0}
ENDLESS = (
    "{% if attributes.name == '" + str(item(5)["name"]) + "' %}"
    "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}{% endif %}"
)


def told(root: Path, **generation: object) -> Shop:
    """A shop whose line writes with these settings."""
    plain = read_line(root / "lines").recipe.generation.model_dump(mode="json")
    return Shop(root=root, line=read_line(root / "lines", generation=plain | generation))


def endless(shop: Shop) -> dict[str, str]:
    """Templates of which one never ends, for one item."""
    plain = shop.line.recipe.generation.template
    return {**plain, "en": ENDLESS + plain["en"]}


class Nowhere:
    """The work pool of nights that have none."""

    seconds_between_looks = 1.0

    def start(self, task: Task, *, of: int) -> str:
        raise AssertionError((task, of))

    def ended(self, workers: Sequence[str]) -> Mapping[str, Ended]:
        raise AssertionError(workers)

    def forget(self, worker: str) -> None:
        raise AssertionError(worker)

    def stop(self, *, done: bool) -> None:
        raise AssertionError(done)


def write_together(night: Night, shards: tuple[Shard, ...]) -> None:
    """Have the night's workers write an attempt."""
    folder = pin.open_night(night)[2]
    requests, model = folder.recall("requests", RequestSet), folder.recall("model", ModelVersion)
    assert requests is not None
    assert model is not None
    with workers.crew(night, model, requests, Nowhere()) as crew:
        assert tuple(crew.written(shards)) == shards


def planned(shop: Shop) -> tuple[Night, tuple[Shard, ...]]:
    """A night up to its first attempt's shards."""
    night = pin.start(shop.order(ROWS))
    model = steps.obtain_model(night, None)
    requests = steps.plan(night, intake.take_catalogue(night), model)
    return night, steps.next_shards(night, requests, (), ())


def texts(batch: Batch) -> list[tuple[str, str, str]]:
    """Item, locale and text of every sealed row."""
    columns = ["item_id", "locale", "text"]
    return [tuple(row.values()) for path in batch.paths for row in read_table(path, columns).to_pylist()]


def writers(shop: Shop, night: Night) -> list[int]:
    """Process that wrote each part."""
    parts = sorted(shop.folder(night.run_id).file("parts").glob("[!.]*.json"))
    found = [read_json(path) for path in parts]
    return [one["facts"]["process"]["pid"] for one in found if isinstance(one, dict)]


def let_go(shop: Shop) -> None:
    """Let the shop's runs go."""
    for folder in (shop.root / "lake" / "runs").glob("*"):
        release(folder)
