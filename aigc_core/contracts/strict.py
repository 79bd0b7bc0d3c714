"""What every model of outside text has in common: unknown fields are refused, values do not change."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Locale = Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z][A-Za-z]+)?$")]
Share = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    """Unknown fields are refused; values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
