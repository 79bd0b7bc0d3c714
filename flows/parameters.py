"""What a person may fill in: one meaning, one text and one limit for every form."""

import inspect
from collections.abc import Callable
from typing import Annotated, TypeVar, get_type_hints

from pydantic import Field

from aigc_core.records import EngineName

Made = TypeVar("Made", bound=Callable[..., object])

Line = Annotated[str, Field(description="Content line: a folder in data_contracts/, e.g. product_description.")]
Source = Annotated[
    str | None,
    Field(description="Catalogue: a CSV, JSON or Parquet file, folder, pattern or address; the line's own when empty."),
]
Corpus = Annotated[
    str | None,
    Field(description="Training pairs: a CSV, JSON or Parquet file, folder or address; the line's own when empty."),
]
Lake = Annotated[str | None, Field(description="Folder for everything made; AIGC_LAKE or ./lake when empty.")]
RunId = Annotated[
    str, Field(description="A run under way, as `aigc runs` names it.", pattern=r"^[\w.-]+$", max_length=200)
]
Date = Annotated[
    str | None,
    Field(description="Logical date, YYYY-MM-DD; today in UTC when empty.", pattern=r"^\d{4}-\d{2}-\d{2}$"),
]
Limit = Annotated[
    int | None, Field(description="At most so many items, held-out product groups first.", ge=1, le=5_000_000)
]
Engine = Annotated[
    EngineName | None,
    Field(description="What writes: hf, ct2, vllm run a model here, endpoint asks a server, template needs none."),
]
Model = Annotated[
    str | None, Field(description="Local folder or hub id to write with instead of the line's own model.")
]
Retrain = Annotated[bool, Field(description="Fine-tune even though a champion serves.")]
ConfirmDrop = Annotated[
    bool, Field(description="Go on though more than a tenth of the catalogue's items are gone since last time.")
]
ConfirmCost = Annotated[bool, Field(description="Go on though the plan passes a cap of the recipe.")]
RetryRejected = Annotated[bool, Field(description="Write again what was rejected before under the same rules.")]


def documented(function: Made) -> Made:
    """Add an `Args` section from the parameters' own descriptions: Prefect's form shows it beside each field."""
    hints = get_type_hints(function, include_extras=True)
    described = [
        f"    {name}: {field.description}"
        for name, hint in hints.items()
        for field in getattr(hint, "__metadata__", ())
    ]
    function.__doc__ = "\n".join([inspect.getdoc(function) or "", "", "Args:", *described])
    return function
