"""A tiny shop: one content line cut small, its catalogues, and the way from a source to the shelf on a real lake."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from aigc_core.audit.gate import Bench, audit
from aigc_core.audit.rejudge import rejudge
from aigc_core.audit.screen import Rules, screen
from aigc_core.contracts.content_line import ContentLine, read_content_line
from aigc_core.contracts.prompt import Prompts
from aigc_core.contracts.recipe import Recipe
from aigc_core.corpus.catalogue import CatalogueTables, take_catalogue
from aigc_core.corpus.pairs import CorpusTables, ingest
from aigc_core.engines.template import TemplateEngine
from aigc_core.generation.again import Again
from aigc_core.generation.batch import Provenance, seal_batch
from aigc_core.generation.repeats import repeated_requests
from aigc_core.generation.requests import Making, Tonight, build_requests, making_of
from aigc_core.generation.shards import Left, generate_shard, plan_shards
from aigc_core.night import close, intake, pin, steps
from aigc_core.records import (
    AuditReport,
    Batch,
    CorpusVersion,
    Examples,
    ModelVersion,
    Night,
    Order,
    Part,
    RequestSet,
    RunSummary,
    Verdicts,
)
from aigc_core.storage.delta import Table
from aigc_core.storage.groups import GroupSet
from aigc_core.storage.known import Known
from aigc_core.storage.progress import RunFolder
from aigc_core.storage.tombstones import Tombstones
from aigc_core.workspace import row_checks, rules_digest

Rows = Sequence[Mapping[str, object]]
SHIPPED = Path(__file__).parent.parent / "data_contracts" / "product_description"
LINE = "product_description"
KEPT = {
    "catalogue": ("item_id", "product_group", "seller_id", "category", "name", "material", "feature", "capacity_ml"),
    "corpus": ("item_id", "product_group", "locale", "text", "category", "name", "material", "feature", "capacity_ml"),
    "rows": ("item_id", "locale", "text", "text_labelled", "aigc_label", "aigc_producer", "content_sha256"),
}
"""Columns of the shipped contracts that the small line keeps: reading and judging take a third of the time."""
BOUNDED = ("capacity_ml", "text", "text_labelled")
"""Columns whose bounds the small line keeps."""
ENGLISH = """\
{%- set a = attributes -%}
{%- if a.feature == 'broken' %}{{ 1 // 0 }}{% endif -%}
{{ a.name }} is a {{ a.category }} made of {{ a.material }} and easy to live with at home and away.
{%- if 'capacity' in a %} It holds {{ a.capacity }}.{% endif -%}
{%- if a.feature == 'bad' or (a.feature == 'second try' and attempt < 2) %} Its weight is 777 kg.{% endif -%}
"""
"""Feature `broken` fails, `bad` invents a number at every attempt, `second try` at the first one only."""
CHINESE = ENGLISH.replace(
    "is a {{ a.category }} made of {{ a.material }} and easy to live with at home and away.",
    "这件商品采用优质材料精心制成，日常使用轻松顺手，居家与外出都很合适。",
)
CHINESE = CHINESE.replace(" It holds {{ a.capacity }}.", "容量 {{ a.capacity }}。").replace(
    " Its weight is 777 kg.", "重量 777 kg。"
)
RECIPE: dict[str, object] = {
    "line": LINE,
    "title": "A tiny shop",
    "locales": ["en", "zh"],
    "columns": {
        "catalogue": {"item_id": "sku"},
        "corpus": {"item_id": "sku"},
        "text": {"en": "text_en", "zh": "text_zh"},
    },
    "attributes": {
        "category": {"column": "category", "required": True},
        "name": {"column": "name", "required": True},
        "material": {"column": "material", "required": True},
        "feature": {"column": "feature"},
        "capacity": {"column": "capacity_ml", "unit": "ml"},
    },
    "prompt": "{{ locale }}:{% for a in attributes %} {{ a.label }} {{ a.value }};{% endfor %} =>",
    "hygiene": {"licence": {"declared": "internal"}, "duplicates": {"near": "off"}},
    "product_group": "product_group",
    "variant_group": "product_group",
    "category": "category",
    "seller": "seller_id",
    "model": {
        "starter": {"vocabulary": 300, "hidden": 32, "layers": 1, "heads": 2, "context": 256},
        "training": {"epochs": 1, "max_tokens": 4000, "batch_size": 4, "held_out_share": 0.3, "evaluations": 1},
    },
    "generation": {
        "engine": "template",
        "attempts": 3,
        "shard_rows": 4,
        "template": {"en": ENGLISH, "zh": CHINESE},
    },
    "checks": {"Q-L7": {"limits": {"en": {"min_chars": 20, "max_chars": 500}, "zh": {"min_chars": 10}}}},
    "publish": {"max_reject_share": 0.7},
}
NAMES = ("Alder", "Birch", "Cedar", "Dahlia", "Elder", "Fennel", "Ginger", "Hazel", "Iris", "Juniper", "Kale", "Laurel")


def item(number: int, **changes: object) -> dict[str, object]:
    """One article of the shop; each number is a product of its own. A change to None leaves the value out."""
    row = {
        "sku": f"S-{number:03d}",
        "product_group": f"G-{number:03d}",
        "seller_id": "s-1",
        "category": "bottle",
        "name": f"{NAMES[number % len(NAMES)]} {'I' * (number // len(NAMES) + 1)}",
        "material": "glass",
        "feature": "lid",
        "capacity_ml": 250 + number,
    }
    return {name: value for name, value in (row | changes).items() if value is not None}


MIXED = (
    item(1),
    item(2, feature="bad"),
    item(3, feature="second try"),
    item(4, feature="broken"),
    item(5, material=None),
    item(6, name="Fennel", product_group="twin-a", capacity_ml=None),
    item(7, name="Fennel", product_group="twin-b", capacity_ml=None),
    *(item(number) for number in range(8, 12)),
)
"""Published, rejected, published at the second attempt, failed, no data, one duplicate of a pair, published."""


def pair(number: int, **changes: object) -> dict[str, object]:
    """One article with a text in both languages."""
    name = item(number)["name"]
    texts = {
        "text_en": f"{name} is a bottle for every day.",
        "text_zh": f"{name} 是一只适合每天使用的水瓶，轻便又结实。",
    }
    return item(number) | texts | changes


def write_rows(path: Path, rows: Rows) -> str:
    """The rows as a JSONL file; its path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return str(path)


def write_line(folder: Path, **changes: object) -> Path:
    """The small line in `folder/product_description`; changes replace whole sections of its recipe."""
    home = folder / LINE
    home.mkdir(parents=True, exist_ok=True)
    for path in SHIPPED.glob("*.odcs.yaml"):
        contract = yaml.safe_load(path.read_text("utf-8"))
        for part in contract["schema"]:
            kept = KEPT.get(part["name"], tuple(column["name"] for column in part["properties"]))
            part["properties"] = [
                column if column["name"] in BOUNDED else {**column, "logicalTypeOptions": {}}
                for column in part["properties"]
                if column["name"] in kept
            ]
            for rule in part.get("quality", []):
                if rule.get("metric") == "rowCount":
                    rule["mustBeGreaterOrEqualTo"] = 1
        (home / path.name).write_text(yaml.safe_dump(contract, allow_unicode=True, sort_keys=False), "utf-8")
    (home / "recipe.yaml").write_text(yaml.safe_dump(RECIPE | changes, allow_unicode=True, sort_keys=False), "utf-8")
    return home


def read_line(folder: Path, **changes: object) -> ContentLine:
    """The small line, read."""
    return read_content_line(write_line(folder, **changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One run made by the stages alone, up to its audit."""

    folder: RunFolder
    parts: tuple[Part, ...]
    verdicts: tuple[Verdicts, ...]
    batch: Batch
    report: AuditReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A lake and a line; what the stages need, opened."""

    root: Path
    line: ContentLine

    @property
    def shelf(self) -> Table:
        """The published table."""
        return Table(str(self.root / "lake" / "published" / LINE))

    @property
    def rejects(self) -> Table:
        """Texts that were not published."""
        return Table(str(self.root / "lake" / "rejects" / LINE))

    @property
    def quarantine(self) -> Table:
        """Source rows a contract refused."""
        return Table(str(self.root / "lake" / "quarantine" / LINE))

    @property
    def rejudged(self) -> Table:
        """What later rules said of earlier texts."""
        return Table(str(self.root / "lake" / "rejudged" / LINE))

    def again(self, folder: RunFolder, making: Making, prompts: Prompts) -> Again:
        """What judges earlier texts under tonight's rules."""
        rules = Rules(checks=row_checks(self.line), contract=self.line.description.objects["rows"], digest="")
        judge = partial(rejudge, rules=rules)
        path = folder.file("rejudged.parquet")
        return Again(judge=judge, rules=making.check_config_digest, prompts=prompts, path=path)

    def changed(self, **changes: object) -> "Shop":
        """The same lake with another recipe: changes replace whole sections."""
        recipe = Recipe.model_validate(self.line.recipe.model_dump(mode="json") | changes)
        return replace(self, line=replace(self.line, recipe=recipe))

    @property
    def takedowns(self) -> Table:
        """What may be neither learnt nor published."""
        return Table(str(self.root / "lake" / "takedowns"))

    @property
    def catalogue_tables(self) -> CatalogueTables:
        """The catalogue's door."""
        return CatalogueTables(
            items=Table(str(self.root / "lake" / "catalogues" / LINE)),
            quarantine=self.quarantine,
            scratch=self.root / "lake" / "scratch" / "catalogue",
        )

    @property
    def corpus_tables(self) -> CorpusTables:
        """The corpus' door."""
        return CorpusTables(
            pairs=Table(str(self.root / "lake" / "corpora" / LINE)),
            unlabelled=Table(str(self.root / "lake" / "unlabelled" / LINE)),
            quarantine=self.quarantine,
            tombstones=Tombstones(self.takedowns, LINE),
            scratch=self.root / "lake" / "scratch" / "corpus",
        )

    def ingest(self, rows: Rows, line: ContentLine | None = None, name: str = "corpus.jsonl") -> CorpusVersion:
        """The rows as the current corpus."""
        return ingest(write_rows(self.root / name, rows), line or self.line, self.corpus_tables)

    @property
    def model(self) -> ModelVersion:
        """The template engine as a model."""
        digest = TemplateEngine(self.line.recipe.generation.template).model_digest
        return ModelVersion(line=LINE, digest=digest, engine="template", path="", base="template")

    def making(self, **changes: str) -> Making:
        """Tonight's digests; changes stand for another night's."""
        rules = rules_digest(self.line, row_checks(self.line))
        sampling = self.line.recipe.sampling
        made = making_of(self.model, sampling=sampling, dtype="text", check_config_digest=rules)
        return Making(**{name: changes.get(name, getattr(made, name)) for name in made.__slots__})

    def requests(
        self,
        rows: Rows,
        run_id: str = "run-1",
        *,
        making: Making | None = None,
        seen: Sequence[str] = (),
        limit: int | None = None,
        retry_rejected: bool = False,
        examples: Examples | None = None,
    ) -> RequestSet:
        """The rows as a catalogue, and what of it wants a text."""
        folder = self.folder(run_id)
        source = write_rows(self.root / f"{run_id}.jsonl", rows)
        path = folder.file("catalogue.parquet")
        snapshot = take_catalogue(source, self.line, self.catalogue_tables, path, confirm_drop=True)
        prompts = Prompts(self.line.recipe, examples)
        tonight = Tonight(
            run_id=run_id,
            path=folder.file("requests.parquet"),
            making=making or self.making(),
            prompts=prompts,
            seen=GroupSet.of(seen),
            limit=limit,
            retry_rejected=retry_rejected,
            again=self.again(folder, making or self.making(), prompts),
        )
        known = Known(
            published=self.shelf,
            rejects=self.rejects,
            rejudged=self.rejudged,
            tombstones=Tombstones(self.takedowns, LINE),
            scratch=folder.file("scratch"),
        )
        return build_requests(self.line.recipe, snapshot, known, tonight)

    def made(self, rows: Rows, run_id: str = "run-1", *, making: Making | None = None, retry: bool = False) -> Made:
        """One run of the stages over the rows, up to the audit."""
        folder = self.folder(run_id)
        requests = self.requests(rows, run_id, making=making, retry_rejected=retry)
        parts, verdicts = self.write(requests, folder)
        provenance = Provenance(
            run_key=f"key of {run_id}",
            recipe=self.line.recipe,
            model=self.model,
            making=making or self.making(),
        )
        batch = seal_batch(requests, parts, verdicts, folder, provenance)
        report = audit(batch, self.bench(), self.shelf, folder.file("audit", "decisions.parquet"))
        return Made(folder=folder, parts=tuple(parts), verdicts=tuple(verdicts), batch=batch, report=report)

    def folder(self, run_id: str) -> RunFolder:
        """A run's folder."""
        return RunFolder(self.root / "lake" / "runs" / run_id)

    def write(self, requests: RequestSet, folder: RunFolder) -> tuple[list[Part], list[Verdicts]]:
        """Texts and verdicts of every attempt."""
        generation = self.line.recipe.generation
        rules = Rules(checks=row_checks(self.line), contract=self.line.description.objects["rows"], digest="rules" * 2)
        parts: list[Part] = []
        verdicts: list[Verdicts] = []
        for _ in range(generation.attempts):
            left = Left(verdicts=tuple(verdicts), repeated=repeated_requests(verdicts, self.shelf, folder))
            for shard in plan_shards(requests, left, folder, shard_rows=generation.shard_rows):
                engine = partial(TemplateEngine, generation.template)
                parts.append(generate_shard(shard, engine, self.line.recipe.sampling, folder))
                verdicts.append(screen(parts[-1], shard, rules, folder))
        return parts, verdicts

    def bench(self) -> Bench:
        """What the line audits with."""
        recipe = self.line.recipe
        return Bench(
            contract=self.line.description,
            checks=row_checks(self.line),
            locales=recipe.locales,
            max_reject_share=recipe.publish.max_reject_share,
        )

    def order(
        self,
        rows: Rows,
        *,
        date: str = "2026-01-01",
        limit: int | None = None,
        retry_rejected: bool = False,
        corpus: str | None = None,
        confirm_drop: bool = True,
    ) -> Order:
        """An order for these rows, at a fixed date unless another is named."""
        return Order(
            line=LINE,
            lake=str(self.root / "lake"),
            source=write_rows(self.root / "catalogue.jsonl", rows),
            corpus=corpus,
            date=date,
            limit=limit,
            retry_rejected=retry_rejected,
            confirm_drop=confirm_drop,
        )

    def night(self, rows: Rows, *, date: str = "2026-01-01", retry_rejected: bool = False) -> RunSummary:
        """One whole night over these rows."""
        return walk(pin.start(self.order(rows, date=date, retry_rejected=retry_rejected)))


def generated(night: Night) -> tuple[ModelVersion, Batch]:
    """A pinned night up to its sealed batch."""
    model = steps.obtain_model(night, intake.take_corpus(night))
    requests = steps.plan(night, intake.take_catalogue(night), model)
    parts: list[Part] = []
    verdicts: list[Verdicts] = []
    for _ in steps.attempts(night):
        for shard in steps.next_shards(night, requests, tuple(parts), tuple(verdicts)):
            parts.append(steps.write_texts(night, model, shard))
            verdicts.append(steps.judge_texts(night, shard, parts[-1]))
    return model, steps.seal(night, model, requests, tuple(parts), tuple(verdicts))


def walk(night: Night) -> RunSummary:
    """A pinned night to its end."""
    model, batch = generated(night)
    report = steps.judge_batch(night, batch)
    return close.finish(night, model, batch, report, steps.put_on_shelf(night, batch, report))


def rows_of(table: Table, *columns: str) -> list[dict[str, Any]]:
    """A table's rows by item and locale, whole or only these columns."""
    rows = table.dataset().to_table().to_pylist()
    ordered = sorted(rows, key=lambda row: (row["item_id"], row["locale"]))
    return [{name: row[name] for name in columns or row} for row in ordered]


def flip(path: Path) -> None:
    """Change one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
