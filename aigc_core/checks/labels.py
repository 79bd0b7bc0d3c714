"""The AI-content label of published rows and files, and the gates that hold without it."""

import json

import pyarrow as pa
import pyarrow.compute as pc

from aigc_core.checks.views import language_of
from aigc_core.contracts.recipe import Label
from aigc_core.errors import RecipeInvalid
from aigc_core.ids import content_number, text_sha256

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
GENERATED = "1"
"""`Label` of GB 45438-2025: the content is AI-generated; `2` may be, `3` is suspected."""

LABEL_SCHEMA = pa.schema(
    [
        pa.field(name, pa.string(), nullable=False)
        for name in (
            "explicit_label",
            "text_labelled",
            "aigc_label",
            "aigc_producer",
            "aigc_produce_id",
            "aigc_propagator",
            "aigc_propagate_id",
            "digital_source_type",
        )
    ]
)
"""The columns `label_columns` makes, in order."""

VALUE = r"^[\x21\x23-\x5B\x5D-\x7E]+$"
EXPLICIT = r"(人工智能|AI)[^。.\n]{0,12}(生成|合成|generated)"
REACH = 64
"""The explicit mark stands within so many characters of either end."""


def explicit_mark(label: Label, locale: str) -> str:
    """The mark readers see, of the locale or its language.

    Raises:
        RecipeInvalid: the recipe names no mark for the locale.
    """
    mark = label.explicit.get(locale) or label.explicit.get(language_of(locale))
    if not mark:
        raise RecipeInvalid(
            f"label.explicit names no mark for locale {locale!r}.",
            f"It names {', '.join(sorted(label.explicit)) or 'none'}.",
            "Add a mark that names AI and generation, e.g. `(AI-generated content)`.",
        )
    return mark


def with_mark(text: str, mark: str) -> str:
    """The text with its mark at the end; full-width marks follow without a space."""
    return f"{text}{mark}" if mark[:1] == "（" else f"{text} {mark}"


def label_columns(rows: pa.RecordBatch | pa.Table, *, label: Label, run_key: str) -> pa.Table:
    """The label columns (`LABEL_SCHEMA`) for rows with item_id, locale and text, in the same order.

    The content number depends on run key, item, locale and text alone, so a repeated run writes the same one.
    At the first writing producer and propagator are the same (GB 45438-2025 Annex E, note 1).
    """
    columns = [rows.column(name).to_pylist() for name in ("item_id", "locale", "text")]
    marks = {locale: explicit_mark(label, locale) for locale in sorted(set(columns[1]))}
    numbers = [
        content_number(run_key, item_id, locale, text_sha256(text))
        for item_id, locale, text in zip(*columns, strict=True)
    ]
    count = len(numbers)
    return pa.table(
        [
            [marks[locale] for locale in columns[1]],
            [with_mark(text, marks[locale]) for _, locale, text in zip(*columns, strict=True)],
            pa.repeat(GENERATED, count),
            pa.repeat(label.producer, count),
            numbers,
            pa.repeat(label.producer, count),
            numbers,
            pa.repeat(DIGITAL_SOURCE_TYPE, count),
        ],
        schema=LABEL_SCHEMA,
    )


def aigc_json(*, producer: str, produce_id: str) -> str:
    """The implicit label as written under a key already called `AIGC`: seven string keys, compact JSON."""
    keys = {
        "Label": GENERATED,
        "ContentProducer": producer,
        "ProduceID": produce_id,
        "ReservedCode1": "",
        "ContentPropagator": producer,
        "PropagateID": produce_id,
        "ReservedCode2": "",
    }
    return json.dumps(keys, separators=(",", ":"))


def file_label(label: Label, *, run_key: str, name: str, rows_sha256: str) -> dict[str, str]:
    """Metadata of one file (Parquet footer, sidecar): the implicit label and the digital source type."""
    number = content_number(run_key, name, rows_sha256)
    return {
        "AIGC": aigc_json(producer=label.producer, produce_id=number),
        "iptc.digitalSourceType": DIGITAL_SOURCE_TYPE,
    }


def field_metadata(label: Label, *, line: str, column: str) -> dict[str, str]:
    """Metadata of a text field of the published table; it must outlive every run, so it depends on none."""
    number = content_number(line, column)
    return {
        "AIGC": aigc_json(producer=label.producer, produce_id=number),
        "digitalSourceType": DIGITAL_SOURCE_TYPE,
    }


def _broken(*holds: pa.Array | pa.ChunkedArray) -> list[int]:
    """Rows for which not every condition holds; an unknown one does not."""
    together = pa.repeat(True, len(holds[0]))  # noqa: FBT003 -- the value of a column, not a switch
    for condition in holds:
        together = pc.and_(together, pc.fill_null(condition, fill_value=False))
    rows: list[int] = pc.indices_nonzero(pc.invert(together)).to_pylist()
    return rows


def gate_l1(rows: pa.RecordBatch | pa.Table) -> list[int]:
    """L-1: rows whose implicit label is incomplete, malformed or names another first propagator."""
    names = ("aigc_producer", "aigc_produce_id", "aigc_propagator", "aigc_propagate_id")
    producer, number, propagator, propagation = (rows.column(name) for name in names)
    return _broken(
        *(pc.match_substring_regex(column, VALUE) for column in (producer, number, propagator, propagation)),
        pc.is_in(rows.column("aigc_label"), pa.array(["1", "2", "3"])),
        pc.equal(producer, propagator),
        pc.equal(number, propagation),
        pc.match_substring(rows.column("digital_source_type"), "digitalsourcetype/"),
    )


def gate_l2(rows: pa.RecordBatch | pa.Table) -> list[int]:
    """L-2: rows whose labelled text lacks the mark or the text itself, or whose text already has the mark."""
    text, labelled = rows.column("text"), rows.column("text_labelled")
    at_start = pc.match_substring_regex(pc.utf8_slice_codeunits(labelled, 0, REACH), EXPLICIT)
    at_end = pc.match_substring_regex(pc.utf8_slice_codeunits(labelled, -REACH), EXPLICIT)
    return _broken(
        pc.or_(at_start, at_end),
        pc.invert(pc.match_substring_regex(text, EXPLICIT)),
        _holds_text(labelled, text),
    )


def _holds_text(labelled: pa.Array | pa.ChunkedArray, text: pa.Array | pa.ChunkedArray) -> pa.Array:
    pairs = zip(labelled.to_pylist(), text.to_pylist(), strict=True)
    return pa.array([None not in (whole, part) and part in whole for whole, part in pairs], pa.bool_())
