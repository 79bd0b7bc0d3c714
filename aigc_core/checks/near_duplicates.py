"""D-1 and D-2 on a whole corpus: which texts repeat another product's, exactly or nearly, in bounded memory."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.contracts.hygiene import Duplicates
from aigc_core.ids import fingerprint
from aigc_core.storage.files import ParquetSink, read_batches
from aigc_core.storage.indexes import BandIndex, PairSpill, Places, TextFile, release_memory, spilling_database

SHINGLE, PERMUTATIONS, BANDS, SEED = 3, 100, 20, 42
"""TRUST D-2: character trigrams, 100 permutations in 20 bands of 5."""
ALGORITHM = "rensa R-MinHash, NFKC, lower case, spaces collapsed; candidates by sketch"
LOWEST, LIKEST = 4, 8
"""Candidates verified for each row: the four lowest ids and the eight whose sketches agree in most bits."""
VERIFIED = 8_000
"""Pairs verified together: about 4 KiB each for texts of 200 characters."""
FETCHED = 2_000
"""Rows taken from the database at a time."""
SIMILAR = pa.schema([("earlier", pa.int64()), ("later", pa.int64()), ("jaccard", pa.float64())])
MARK = pa.schema([("class", pa.int64()), ("keeper", pa.int64()), ("jaccard", pa.float64()), ("near", pa.bool_())])
Codes = npt.NDArray[np.uint64]
Similar = tuple[Places, Places, npt.NDArray[np.float64]]
"""Earlier row, later row, Jaccard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What was found among all texts."""

    marks: Path
    """Parquet: position, check (`D-1` or `D-2`), refused, keeper (an item id), jaccard; in order of position."""
    variants_sharing_text: int
    """Rows that say what an earlier row of their own product group says: legitimate."""
    similar_pairs: int
    """Pairs of texts of different groups, both kept, from `flag_at` up to `near_at`; a lower bound where more than
    twelve texts are similar to one."""


def spec_digest() -> str:
    """Changes whenever the same texts could be found near or not: shingles, seed, bands, library (TRUST 4.2)."""
    from importlib.metadata import version

    return fingerprint([SHINGLE, PERMUTATIONS, BANDS, SEED, ALGORITHM, version("rensa")], length=16)


def views(texts: pa.Array) -> pa.Array:
    """What is compared: NFKC, lower case, every run of spaces one space."""
    normal = pc.utf8_lower(pc.utf8_normalize(texts, "NFKC"))
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(normal, r"[\s\x{00A0}\x{3000}]+", " "))


def trigrams(texts: Sequence[str]) -> tuple[Codes, npt.NDArray[np.int64]]:
    """All character trigrams, each as an exact number of 63 bits, text after text.

    Returns:
        The numbers, and n + 1 offsets: text i owns codes[offsets[i]:offsets[i + 1]]; none below three characters.
    """
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    counts = np.maximum(lengths - (SHINGLE - 1), 0)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    points = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32).astype(np.uint64)
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    at = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
    codes = points[at] if len(at) else np.empty(0, np.uint64)
    for step in range(1, SHINGLE):
        codes = (codes << np.uint64(21)) | points[at + step]
    return codes, offsets


def jaccards_among(texts: Sequence[str], one: Places, other: Places) -> npt.NDArray[np.float64]:
    """Jaccard similarity of the trigram sets of pairs of views, named by their places; 0 where neither has a trigram.

    Trigrams are told apart by 44 mixed bits: two of a text of 500 characters meet with probability 1e-8.
    """
    members = _sets(texts)
    sizes = np.bincount((members >> np.uint64(44)).astype(np.int64), minlength=len(texts))
    starts, codes = np.cumsum(sizes) - sizes, members & np.uint64((1 << 44) - 1)
    both = np.sort(np.concatenate([_gathered(codes, starts[side], sizes[side]) for side in (one, other)]))
    shared = both[1:][both[1:] == both[:-1]] >> np.uint64(44)
    common = np.bincount(shared.astype(np.int64), minlength=len(one))
    total = sizes[one] + sizes[other] - common
    similarities: npt.NDArray[np.float64] = common / np.maximum(total, 1)
    return similarities


def _gathered(codes: Codes, starts: Places, sizes: Places) -> Codes:
    """The codes of one side of each pair, with the number of the pair above them."""
    firsts = np.cumsum(sizes) - sizes
    at = np.arange(int(sizes.sum())) + np.repeat(starts - firsts, sizes)
    gathered: Codes = (np.repeat(np.arange(len(sizes), dtype=np.uint64), sizes) << np.uint64(44)) | codes[at]
    return gathered


def _sets(texts: Sequence[str]) -> Codes:
    codes, offsets = trigrams(texts)
    owners = np.repeat(np.arange(len(texts), dtype=np.uint64), np.diff(offsets))
    members = np.sort((owners << np.uint64(44)) | (_mixed(codes) >> np.uint64(20)))
    fresh: Codes = members[np.diff(members, prepend=members[:1] ^ np.uint64(1)) != 0]
    return fresh


def _mixed(values: Codes) -> Codes:
    """The finaliser of SplitMix64: every input bit moves every output bit."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def hashed(texts: Sequence[str], salts: Codes) -> tuple[Codes, Codes]:
    """Band hashes of shape (n, 20) and sketches of shape (n, 2) of views of at least three characters.

    Args:
        texts: the views.
        salts: shape (n,); texts under different salts never meet in a band.
    """
    from rensa import RMinHash  # type: ignore[import-untyped]

    codes, offsets = trigrams(texts)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(_mixed(codes), offsets, num_perm=PERMUTATIONS, seed=SEED)
    signatures = np.array(matrix.to_rows(), np.uint64)
    bands = np.broadcast_to(salts[:, None], (len(texts), BANDS)).copy()
    for row in range(PERMUTATIONS // BANDS):
        bands = _mixed(bands ^ signatures[:, row :: PERMUTATIONS // BANDS])
    bits = np.zeros((len(texts), 128), np.uint8)
    bits[:, :PERMUTATIONS] = signatures & np.uint64(1)
    return bands, np.packbits(bits, axis=1).view(np.uint64)


def bits_in_common(jaccard: float) -> int:
    """Least agreement of two sketches, of 128 bits: 2.5 standard deviations below what such a pair is expected to."""
    equal = (1 + jaccard) / 2
    spread = float(np.sqrt(PERMUTATIONS * equal * (1 - equal)))
    return 128 - PERMUTATIONS + int(PERMUTATIONS * equal - 2.5 * spread)


def settle(texts: Path, rules: Duplicates, *, scratch: Path) -> Settled:
    """Decide which rows repeat another product's text.

    Of equal or near texts in one locale and of different product groups the lowest item id stays. A row goes only
    when it is near to one that stays; rows of one group that say the same words stand and fall together. The
    answer depends on no order of rows. Memory: 256 MiB for the database, about as much for what is sorted and
    verified together, and 41 bytes a distinct text.

    Args:
        texts: Parquet with position (int64, unique), item_id, product_group, locale, text, signature (see D-1).
        rules: what to do, and from which similarity.
        scratch: empty folder for what is spilled; at least three times the size of the texts.
    """
    release_memory()
    with spilling_database(scratch) as database:
        # Left alone it may join the classes with themselves first, on their inequalities: a quadratic join.
        database.execute("SET disabled_optimizers = 'join_order'")
        _rank(database, texts)
        similar = 0
        if rules.near != "off":
            similar = _find_near(database, texts, rules, scratch)
        else:
            database.execute("CREATE TABLE marks(class BIGINT, keeper BIGINT, jaccard DOUBLE, near BOOLEAN)")
        marks = scratch / "marks.parquet"
        _write_marks(database, marks, rules)
        return Settled(
            marks=marks,
            variants_sharing_text=_number(database, _VARIANTS),
            similar_pairs=similar,
        )


_RANK = """
    CREATE TABLE ranked AS
    SELECT position, item_id, product_group, signature,
           row_number() OVER (ORDER BY locale, item_id, signature, position) - 1 AS place
    FROM read_parquet($texts)
"""
_FIRST = """
    CREATE TABLE firsts AS
    SELECT signature, min(place) AS keeper, arg_min(product_group, place) AS product_group,
           arg_min(item_id, place) AS item_id
    FROM ranked GROUP BY signature
"""
_EXACT = """
    CREATE TABLE repeats AS
    SELECT position, firsts.item_id AS keeper
    FROM ranked JOIN firsts USING (signature)
    WHERE ranked.product_group <> firsts.product_group AND ranked.item_id <> firsts.item_id
"""
# A class is what the rows of one group say in the same words; it is compared once, in the name of its lowest id.
_CLASSES = """
    CREATE TABLE classes AS
    SELECT row_number() OVER (ORDER BY place) - 1 AS class, position, item_id, product_group, signature
    FROM (SELECT min(place) AS place, arg_min(position, place) AS position, arg_min(item_id, place) AS item_id,
                 product_group, signature
          FROM ranked WHERE NOT $drop OR position NOT IN (SELECT position FROM repeats)
          GROUP BY product_group, signature)
"""
_OWNERS = "SELECT class, hash(product_group) AS a, hash(item_id) AS b, hash(signature) AS c FROM classes"
_MARKS = """
    SELECT position, 'D-1' AS "check", $exact AS refused, keeper, 1.0 AS jaccard FROM repeats
    UNION ALL
    SELECT ranked.position, 'D-2', near AND $near, first.item_id, jaccard
    FROM marks
    JOIN classes AS own USING (class)
    JOIN classes AS first ON first.class = marks.keeper
    JOIN ranked ON ranked.signature = own.signature AND ranked.product_group = own.product_group
    WHERE NOT $exact OR ranked.position NOT IN (SELECT position FROM repeats)
    ORDER BY position, "check"
"""
_VARIANTS = """
    SELECT coalesce(sum(rows - 1), 0) FROM (
        SELECT count(*) AS rows FROM ranked WHERE position NOT IN (SELECT position FROM refused)
        GROUP BY product_group, signature)
"""


def _rank(database: Any, texts: Path) -> None:  # noqa: ANN401 -- a DuckDB connection, imported where it is made
    database.execute(_RANK, {"texts": str(texts)})
    database.execute(_FIRST)
    database.execute(_EXACT)


def _find_near(database: Any, texts: Path, rules: Duplicates, scratch: Path) -> int:  # noqa: ANN401
    """Fill the table of marks; how many pairs are similar and both stay."""
    database.execute(_CLASSES, {"drop": rules.exact == "quarantine"})
    rows, least = _number(database, "SELECT count(*) FROM classes"), min(rules.flag_at, rules.near_at)
    index = BandIndex(scratch / "bands", rows=rows, bands=BANDS)
    chosen = "SELECT class, text, locale FROM read_parquet($texts) JOIN classes USING (position)"
    gone = np.zeros(rows, np.bool_)
    with closing(TextFile(scratch / "views.utf8", rows=rows)) as held:
        for batch in _batches(database, chosen, {"texts": str(texts)}):
            _keep_view(index, held, batch)
        finder = _Finder(held, index, _owners(database, rows))
        spill = PairSpill(scratch / "pairs", rows=rows)
        for earlier, later in index.pairs(agree=bits_in_common(least)):
            spill.add(*finder.strangers(earlier, later))
        alike, found = ParquetSink(scratch / "similar.parquet", SIMILAR), ParquetSink(scratch / "found.parquet", MARK)
        with alike, found:
            for earlier, later in spill.spans():
                similar = finder.similar(earlier, later, least)
                alike.write(pa.table(list(similar), schema=SIMILAR))
                found.write(_decided(similar, rules.near_at if rules.near == "quarantine" else 2.0, gone))
    database.execute(f"CREATE TABLE marks AS FROM read_parquet('{_quoted(found.path)}')")
    return _staying(alike.path, gone)


def _staying(similar: Path, gone: npt.NDArray[np.bool_]) -> int:
    """Similar pairs of which both rows stay."""
    return sum(
        int(np.count_nonzero(~gone[batch.column("earlier").to_numpy()] & ~gone[batch.column("later").to_numpy()]))
        for batch in read_batches(similar)
    )


def _keep_view(index: BandIndex, held: TextFile, batch: pa.RecordBatch) -> None:
    normal = views(batch.column("text"))
    long_enough = pc.greater_equal(pc.utf8_length(normal), SHINGLE)
    kept = batch.append_column("view", normal).filter(long_enough)
    if kept.num_rows:
        locales = {locale: int(fingerprint(locale, length=16), 16) for locale in set(kept["locale"].to_pylist())}
        salts = np.array([locales[locale] for locale in kept["locale"].to_pylist()], np.uint64)
        texts, places = kept["view"].to_pylist(), kept["class"].to_numpy(zero_copy_only=False)
        index.add(places, *hashed(texts, salts))
        held.add(places, texts)


def _owners(database: Any, rows: int) -> npt.NDArray[np.uint32]:  # noqa: ANN401
    """Of each class: its group, item and words as hashes of 32 bits; shape (rows, 3)."""
    owners = np.zeros((rows, 3), np.uint32)
    for batch in _batches(database, _OWNERS, {}):
        places = batch.column("class").to_numpy()
        for at, name in enumerate("abc"):
            owners[places, at] = batch.column(name).to_numpy() & np.uint64(0xFFFFFFFF)
    return owners


@dataclass(frozen=True, slots=True)
class _Finder:
    """Tells which candidates are similar."""

    held: TextFile
    index: BandIndex
    owners: npt.NDArray[np.uint32]

    def strangers(self, earlier: Places, later: Places) -> tuple[Places, Places]:
        """The pairs that differ in group, item and words."""
        apart = (self.owners[earlier] != self.owners[later]).all(axis=1)
        return earlier[apart], later[apart]

    def similar(self, earlier: Places, later: Places, least: float) -> Similar:
        """Of candidates by later, then by earlier row: the similar ones, in that order."""
        earlier, later = _chosen(earlier, later, self.index)
        found = [np.empty(0, np.float64)]
        for start in range(0, len(later), VERIFIED):
            one, other = earlier[start : start + VERIFIED], later[start : start + VERIFIED]
            named, places = np.unique(np.concatenate([one, other]), return_inverse=True)
            found.append(jaccards_among(self.held.read(named), places[: len(one)], places[len(one) :]))
        jaccard = np.concatenate(found)
        alike = jaccard >= least
        return earlier[alike], later[alike], jaccard[alike]


def _chosen(earlier: Places, later: Places, index: BandIndex) -> tuple[Places, Places]:
    """Of each later row's candidates the lowest and the likest."""
    order = np.lexsort((earlier, -index.agreement(earlier, later), later))
    chosen = _within(later) < LOWEST
    chosen[order[_within(later) < LIKEST]] = True
    return earlier[chosen], later[chosen]


def _within(ordered: Places) -> Places:
    """The place of each value among those equal to it."""
    within: Places = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    return within


def _decided(similar: Similar, near_at: float, gone: npt.NDArray[np.bool_]) -> pa.Table:
    """Walk the later rows in order of precedence: whether an earlier one stays is known by then."""
    best: dict[int, tuple[int, float]] = {}
    for earlier, later, jaccard in zip(*(values.tolist() for values in similar), strict=True):
        if gone[earlier]:
            continue
        if jaccard >= near_at:
            gone[later] = True
        if later not in best or jaccard > best[later][1]:
            best[later] = (earlier, jaccard)
    return _marked(best, gone)


def _marked(best: Mapping[int, tuple[int, float]], gone: npt.NDArray[np.bool_]) -> pa.Table:
    keepers = [keeper for keeper, _ in best.values()]
    return pa.table(
        [list(best), keepers, [jaccard for _, jaccard in best.values()], [bool(gone[later]) for later in best]],
        schema=MARK,
    )


def _write_marks(database: Any, path: Path, rules: Duplicates) -> None:  # noqa: ANN401
    if rules.near == "off":
        database.execute(_CLASSES, {"drop": rules.exact == "quarantine"})
    if rules.exact == "off":
        database.execute("DELETE FROM repeats")
    values = {"exact": rules.exact == "quarantine", "near": rules.near == "quarantine"}
    database.execute("CREATE TABLE found AS " + _MARKS, values)
    database.execute("CREATE TABLE refused AS SELECT position FROM found WHERE refused")
    database.execute(f"COPY (FROM found ORDER BY position, \"check\") TO '{_quoted(path)}' (FORMAT parquet)")


def _batches(database: Any, query: str, values: Mapping[str, object]) -> Iterator[pa.RecordBatch]:  # noqa: ANN401
    """A result in batches of up to 2,000 rows, read while the database is used for nothing else."""
    with database.cursor() as cursor:
        reader = cursor.sql(query, params=dict(values) or None).to_arrow_reader(FETCHED)
        yield from (batch for batch in reader if batch.num_rows)


def _number(database: Any, query: str) -> int:  # noqa: ANN401
    return int(database.execute(query).fetchone()[0])


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
