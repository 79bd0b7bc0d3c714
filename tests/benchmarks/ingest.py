"""How fast a catalogue and a corpus come in, and what memory it takes.

    python tests/benchmarks/ingest.py rows 500000 /tmp/half.csv     # distinct rows of 25 columns, made up
    python tests/benchmarks/ingest.py catalogue FILE                # ingest, beside pandas.read_csv + the suite
    python tests/benchmarks/ingest.py corpus FILE
    python tests/benchmarks/ingest.py memory FILE                   # one catalogue ingest, and the peak of the process

Run it on one core: `OMP_NUM_THREADS=1 taskset -c 0 ...`. Ratios are taken in one run; absolute times mean little.
"""

import csv
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from contracts import plain

from aigc_core.contracts.content_line import ContentLine
from aigc_core.corpus.catalogue import CatalogueTables, take_catalogue
from aigc_core.corpus.pairs import CorpusTables, ingest
from aigc_core.storage.delta import Table
from aigc_core.storage.tombstones import Tombstones
from aigc_core.workspace import open_workspace, quiet_process

LINE = "fashion_description"
KINDS = ("Dress", "Trousers", "Sweater", "Vest top", "Socks", "Jacket", "Blouse", "Skirt", "Shorts", "T-shirt")
COLOURS = ("Black", "White", "Dark Blue", "Light Pink", "Grey", "Beige", "Red", "Green", "Yellow", "Off White")
CUTS = ("narrow", "wide", "gathered", "ribbed", "tapered", "dropped", "raglan", "flared", "pleated", "boxy")
CLOTHS = ("cotton jersey", "washed denim", "crêpe", "linen weave", "soft wool", "satin", "velour", "mesh", "corduroy")
COLUMNS = (
    "sku", "product_code", "name", "product_type_no", "product_type_name", "product_group_name",
    "graphical_appearance_no", "graphical_appearance_name", "colour_group_code", "colour_group_name",
    "perceived_colour_value_id", "perceived_colour_value_name", "perceived_colour_master_id",
    "perceived_colour_master_name", "department_no", "department_name", "index_code", "index_name", "index_group_no",
    "index_group_name", "section_no", "section_name", "garment_group_no", "garment_group_name", "description",
)  # fmt: skip


def made_rows(count: int) -> Iterator[list[str]]:
    """Distinct articles, three colours a product; one name in ten holds an entity, one text in ten holds markup."""
    chance = random.Random(20261125)  # noqa: S311 -- a benchmark's data
    for number in range(count):
        product, kind = number // 3, KINDS[(number // 3) % len(KINDS)]
        words = [chance.choice(CUTS) for _ in range(4)]
        cloth, colour = chance.choice(CLOTHS), COLOURS[number % len(COLOURS)]
        text = (
            f"{kind} in {cloth} with a {words[0]} waist and {words[1]} sleeves, {words[2]} seams at the sides and a "
            f"{words[3]} hem. Style {_spelt(product)}."
        )
        if chance.random() < 0.1:
            text = f"<p>{text.replace('. ', '.<br>')}</p>"
        name = f"{words[0].title()} {kind}{' &amp; belt' if chance.random() < 0.1 else ''}"
        yield [
            f"0{number:09d}", f"{product:07d}", name, "265", kind, "Garment Full body",
            "1010016", "Solid", "9", colour, "4", "Dark", "5", "Black", "1676", f"{kind} Basic", "A", "Ladieswear",
            "1", "Ladieswear", "16", "Womens Everyday", "1002", "Jersey Basic", text,
        ]  # fmt: skip


def _spelt(number: int) -> str:
    """A number as letters: the line's corpus refuses digits, and every product needs a text of its own."""
    return "".join(chr(97 + int(digit)) for digit in f"{number:07d}")


def write_rows(count: int, path: Path) -> None:
    """The rows as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(made_rows(count))


def timed(what: str, rows: int, act: Callable[[], object]) -> float:
    """Run it; print and return rows a second of processor time, which other work on the machine does not change."""
    started, elapsed = time.process_time(), time.perf_counter()
    act()
    speed, seen = rows / (time.process_time() - started), rows / (time.perf_counter() - elapsed)
    print(f"{what}: {speed:,.0f} rows/s of processor time, {seen:,.0f} elapsed", flush=True)  # noqa: T201
    return speed


def count_of(source: str) -> int:
    """Records of the source."""
    from aigc_core.storage.sources import read_source

    return sum(len(batch) for batch in read_source(source))


def take(source: str, line: ContentLine, lake: Path) -> object:
    """A catalogue ingest into an empty lake."""
    tables = CatalogueTables(
        items=Table(str(lake / "catalogues")), quarantine=Table(str(lake / "quarantine")), scratch=lake / "scratch"
    )
    return take_catalogue(source, line, tables, lake / "items.parquet")


def learn(source: str, line: ContentLine, lake: Path) -> object:
    """A corpus ingest into an empty lake."""
    tables = CorpusTables(
        pairs=Table(str(lake / "corpora")),
        unlabelled=Table(str(lake / "unlabelled")),
        quarantine=Table(str(lake / "quarantine")),
        tombstones=Tombstones(Table(str(lake / "takedowns")), line.name),
        scratch=lake / "scratch",
    )
    return ingest(source, line, tables)


def scripted(source: str, line: ContentLine) -> None:
    """What a script does: pandas reads, Great Expectations validates the line's rules."""
    import pandas as pd

    frame = pd.read_parquet(source) if source.endswith(".parquet") else pd.read_csv(source, dtype=str)
    names = {of: to for to, of in line.recipe.columns.catalogue.items()}
    table = pa.Table.from_pandas(frame.rename(columns=names), preserve_index=False)
    plain(line.catalogue_rows, table)()


def main(what: str, *arguments: str) -> None:
    """Dispatch; see the module's words."""
    quiet_process()
    if what == "rows":
        write_rows(int(arguments[0]), Path(arguments[1]))
        return
    import great_expectations  # noqa: F401 -- its four seconds are no ingest

    source, line = arguments[0], open_workspace("lake").line(LINE)
    with tempfile.TemporaryDirectory() as scratch:
        rows = count_of(source)
        if what == "corpus":
            timed("corpus ingest", rows, lambda: learn(source, line, Path(scratch)))
        else:
            own = timed("catalogue ingest", rows, lambda: take(source, line, Path(scratch)))
        if what == "catalogue":
            theirs = timed("pandas + suite", rows, lambda: scripted(source, line))
            print(f"ratio: {own / theirs:.2f}")  # noqa: T201
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory: {peak:,.0f} MB")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
