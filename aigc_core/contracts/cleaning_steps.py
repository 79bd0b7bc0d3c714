"""The steps a recipe may list under `cleaning`, as a person writes them.

A step is a mapping with one key that names it, and may say `only: corpus` or `only: catalogue`. Steps run in the order
they stand, on the source's columns, before `columns` maps those to the contract's.

An order that suits texts: `mojibake`, `controls`, `html_to_text`, `unicode`, `whitespace`; each may uncover work for
the next. `fold` goes before them, so that each product is cleaned once; `pairs` before steps on `all` columns, so that
what separates pairs is still there.
"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from aigc_core.contracts.strict import Strict

DoorName = Literal["corpus", "catalogue"]
Name = Annotated[str, Field(min_length=1)]
Constant = str | int | float | bool
FIELD = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
"""A column's name in braces; braces written twice stand for themselves."""


def _names(value: object) -> object:
    if value == "all":
        return ()
    if value in ([], ()):
        raise ValueError("names no column; write `all` for every column")
    return [value] if isinstance(value, str) else value


Columns = Annotated[tuple[Name, ...], BeforeValidator(_names)]
"""A column, a list of columns, or `all`; empty here means all."""


class OnColumns(Strict):
    """A step on the texts of some columns or of all; written short as the list itself."""

    columns: Columns

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return value if isinstance(value, dict | BaseModel) else {"columns": value}


class _OnText(Strict):
    """A step with a key `on`, which YAML 1.1 reads as a truth value."""

    on: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_word(cls, value: object) -> object:
        return {"on" if key is True else key: one for key, one in value.items()} if isinstance(value, dict) else value


class Fold(Strict):
    """Consecutive lines of one product become one row; a line without a key stays a row of its own."""

    by: Name
    """Column that is equal on all lines of a product."""
    collect: dict[Name, Name] = Field(default_factory=dict)
    """New column -> the column whose distinct values it gathers, in the order of the lines."""
    joined: str = Field(", ", alias="with")
    """Between gathered values."""
    count: Name | None = None
    """New column for the number of lines."""
    keep: Literal["first", "last"] = "first"
    """Which of its filled cells a column keeps."""
    same: tuple[Name, ...] = ()
    """Columns whose filled cells must agree; otherwise the product is quarantined."""
    within: int = Field(1, ge=1, le=10_000)
    """Products kept open at a time: above 1, lines of one product need not be neighbours."""
    at_most: int = Field(5_000, ge=2, le=100_000)
    """Lines of one product; the product that has more is quarantined, in pieces of so many lines."""


class Compose(Strict):
    """A column made of others."""

    into: Name
    columns: tuple[Name, ...] = Field((), alias="from")
    """Their filled cells, joined; empty ones are left out."""
    joined: str = Field(" ", alias="with")
    pattern: str | None = None
    """`{brand} - {name}` instead of `from`; empty where one of its columns is."""

    @model_validator(mode="after")
    def _one_way(self) -> "Compose":
        if bool(self.columns) == (self.pattern is not None):
            raise ValueError("compose takes either `from` or `pattern`")
        if self.pattern is not None and not self.named:
            raise ValueError(f"the pattern {self.pattern!r} names no column in braces")
        if self.pattern is not None and any(found[0] in ("{", "}", "{}") for found in FIELD.finditer(self.pattern)):
            raise ValueError(f"the pattern {self.pattern!r} has a brace alone; write it twice to mean itself")
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """The columns it reads."""
        if self.pattern is None:
            return self.columns
        return tuple(dict.fromkeys(found[1] for found in FIELD.finditer(self.pattern) if found[1]))


class Key(Strict):
    """A key for rows that have none: the same values give the same key in every run and file."""

    into: Name
    columns: tuple[Name, ...] = Field(alias="from", min_length=1)
    """What makes a row the row it is; a row in which all are empty gets no key."""


class Split(_OnText):
    """A column taken apart at the text `on`; it stays as it is."""

    column: Name
    into: tuple[Name, ...] = Field(min_length=2)
    """The last takes what is left; where there are too few parts the later ones are empty. Outer space is dropped."""


class Pairs(Strict):
    """Attributes written into one cell, as a JSON list of [name, value]; repeated names keep every value.

    With `between` and `within` the cell is text such as `type#skirt*pattern#stripes`. Without them it is JSON or a
    Python literal: a list of pairs, a mapping, or a list of {name, value}.
    """

    column: Name
    into: Name | None = None
    """New column for the list; may be `column` itself."""
    between: str | None = Field(None, min_length=1)
    within: str | None = Field(None, min_length=1)
    """Between a name and its value."""
    names: dict[Name, Name] = Field(default_factory=dict)
    """Name as it is written -> what it is called from here on, where spellings differ."""
    columns: dict[Name, Name] = Field(default_factory=dict)
    """New column -> the name whose values it holds."""
    joined: str = Field(", ", alias="with")
    """Between the values of a repeated name, in `columns`."""

    @model_validator(mode="after")
    def _whole(self) -> "Pairs":
        if (self.between is None) != (self.within is None):
            raise ValueError("pairs takes both `between` and `within`, or neither for JSON and Python lists")
        if self.into is None and not self.columns:
            raise ValueError("pairs needs `into` or `columns` to put what it finds")
        return self


class Triples(_OnText):
    """Facts such as `Aarhus | country | Denmark`, alone or in a JSON list, as a JSON list of [name, value]."""

    column: Name
    into: Name
    on: str = Field("|", min_length=1)
    """Between subject, predicate and object."""
    name: str = "{subject} {predicate}"
    value: str = "{object}"
    spaces: str = "_"
    """Characters that stand for a space; empty for none."""

    @model_validator(mode="after")
    def _known_parts(self) -> "Triples":
        for pattern in (self.name, self.value):
            unknown = {found[1] or found[0] for found in FIELD.finditer(pattern)} - {"subject", "predicate", "object"}
            if unknown:
                raise ValueError(f"{pattern!r} may name {{subject}}, {{predicate}} and {{object}} only")
        return self


class HtmlToText(OnColumns):
    """HTML as the text a reader sees."""

    item: str = ""
    """Put before each list item, e.g. `- `."""


class Mojibake(OnColumns):
    """Text read in a wrong encoding once, mended where it looks broken."""

    full: bool = False
    """Also ftfy's other repairs: straight quotes, no ligatures, plain character widths."""


class Unicode(OnColumns):
    """A normal form of Unicode; written short as the form alone."""

    columns: Columns = ()
    form: Literal["NFC", "NFKC"] = "NFC"

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"form": value} if isinstance(value, str) else value


class Whitespace(OnColumns):
    """Runs of white space as one space, none at the ends."""

    lines: Literal["join", "keep"] = "join"


class TitleCase(OnColumns):
    """Texts all in capitals written as other texts are."""

    style: Literal["title", "sentence"] = "title"
    keep: tuple[Name, ...] = ()
    """Words that stay capitals, e.g. `USB`."""


class Placeholders(OnColumns):
    """What stands where a value is missing."""

    values: tuple[Name, ...] = Field(min_length=1)
    do: Literal["blank", "remove", "quarantine"] = "blank"
    match: Literal["cell", "anywhere"] | None = None
    """`cell` compares whole cells without case and outer space, `anywhere` looks for exactly this text. Usual: `cell`
    for `blank`, else `anywhere`."""
    reason: str = ""
    """Why such a row is quarantined; usual: `holds the placeholder ...`."""

    @property
    def anywhere(self) -> bool:
        """Whether a part of a cell may match."""
        return self.do != "blank" if self.match is None else self.match == "anywhere"


class Replace(OnColumns):
    """Values written otherwise, e.g. codes as words."""

    values: dict[Name, str] = Field(min_length=1)
    """What a whole cell is -> what it becomes."""


class Step(Strict):
    """One step of `cleaning`: exactly one of these, and `only` for a step at one door."""

    fold: Fold | None = None
    rename: dict[Name, Name] | None = Field(None, min_length=1)
    """Column -> its new name."""
    compose: Compose | None = None
    key: Key | None = None
    split: Split | None = None
    constants: dict[Name, Constant] | None = Field(None, min_length=1)
    """Column -> its value in every row."""
    defaults: dict[Name, Constant] | None = Field(None, min_length=1)
    """Column -> its value where the cell is empty."""
    pairs: Pairs | None = None
    triples: Triples | None = None
    html_to_text: HtmlToText | None = None
    entities: OnColumns | None = None
    mojibake: Mojibake | None = None
    unicode: Unicode | None = None
    controls: OnColumns | None = None
    whitespace: Whitespace | None = None
    title_case: TitleCase | None = None
    replace: Replace | None = None
    placeholders: Placeholders | None = None
    only: DoorName | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_known_step(cls, value: object) -> object:
        if isinstance(value, Step):
            return value
        known = [name for name in cls.model_fields if name != "only"]
        if not isinstance(value, dict) or not (named := [key for key in value if key != "only"]):
            raise ValueError(f"a step is a mapping that names one of: {', '.join(known)}")
        if unknown := [str(key) for key in named if key not in known]:
            raise ValueError(f"{unknown[0]} is no cleaning step; there are: {', '.join(known)}")
        if len(named) > 1:
            raise ValueError(f"{' and '.join(named)} are two steps; write each as a list entry of its own")
        if value[named[0]] is None:
            raise ValueError(f"{named[0]} says nothing; write what it works on, e.g. `all` or a list of columns")
        return value

    @property
    def name(self) -> str:
        """Which step it is."""
        return next(name for name in type(self).model_fields if name != "only" and getattr(self, name) is not None)

    @property
    def label(self) -> str:
        """What counts call it, e.g. `html_to_text: body`."""
        about = _about(getattr(self, self.name))
        shown = ", ".join(about[:3]) + (f" and {len(about) - 3} more" if len(about) > 3 else "")
        return f"{self.name}: {shown or 'all'}"


def _about(what: object) -> list[str]:
    match what:
        case Fold():
            return [what.by]
        case Compose() | Key():
            return [what.into]
        case Split() | Pairs() | Triples():
            return [what.column]
        case OnColumns():
            return list(what.columns)
        case dict():
            return list(what)
        case _:
            return []
