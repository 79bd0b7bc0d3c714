"""What a person may fill in: one meaning, one text and one limit for every form and command."""

from typing import Annotated, Literal

from pydantic import Field

Line = Annotated[str, Field(title="Content line", description="Folder in data_contracts/, e.g. product_description.")]
Source = Annotated[
    str | None,
    Field(title="Catalogue", description="CSV, JSONL or Parquet file of items; the line's own when empty."),
]
Corpus = Annotated[
    str | None,
    Field(title="Training pairs", description="CSV, JSONL or Parquet file; the line's own when empty."),
]
Lake = Annotated[
    str | None, Field(title="Lake", description="Folder for everything made; AIGC_LAKE or ./lake when empty.")
]
Date = Annotated[
    str | None,
    Field(title="Logical date", description="YYYY-MM-DD; today in UTC when empty.", pattern=r"^\d{4}-\d{2}-\d{2}$"),
]
Limit = Annotated[
    int | None, Field(title="Limit", description="At most so many items; held-out groups first.", ge=1, le=5_000_000)
]
Engine = Annotated[
    Literal["hf", "template"] | None,
    Field(title="Engine", description="hf: a language model; template: no model. The recipe's when empty."),
]
Model = Annotated[
    str | None,
    Field(title="Model", description="Local folder or hub id to write with instead of the line's own model."),
]
Retrain = Annotated[bool, Field(title="Retrain", description="Fine-tune even though a champion serves.")]
RetryRejected = Annotated[
    bool, Field(title="Retry rejected", description="Write again what was rejected before under the same rules.")
]
