"""What a person must decide of a drafted line: the alternatives, what is in force until then, and why."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aigc_core.contracts.profile import Profile, Services
from aigc_core.lines.cleaning_draft import services_of
from aigc_core.lines.roles import Roles
from aigc_core.lines.services import REASON
from aigc_core.lines.sizes import Sizes
from aigc_core.lines.statistics import shortened
from aigc_core.storage.sources import public_name

WIDTH = 116
RECIPE, CATALOGUE, CORPUS, DESCRIPTION = (
    "recipe.yaml",
    "catalogue.odcs.yaml",
    "corpus.odcs.yaml",
    "description.odcs.yaml",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One thing a file of the line leaves to a person."""

    topic: str
    file: str
    chosen: str
    """What is in force."""
    why: str
    instead: str
    """The alternatives."""
    required: bool = False
    """Whether the line stands still until it is decided."""

    def lines(self, indent: int = 0) -> list[str]:
        """The decision as comment lines that begin with `# DECIDE:`."""
        text = f"{self.topic}: {self.chosen}, because {self.why}. Otherwise: {self.instead}."
        plain = "".join(char if char.isprintable() else " " for char in text)
        return textwrap.wrap(
            plain, WIDTH - indent, initial_indent="# DECIDE: ", subsequent_indent="#   ", break_on_hyphens=False
        )


def decisions_of(profile: Profile, roles: Roles, sizes: Sizes, *, licence: str) -> dict[str, Decision]:
    """Every decision, by the name the templates know it under."""
    return {
        **_about_columns(profile, roles),
        **_about_rows(profile, roles, sizes),
        "licence": _licence(licence, has_texts=bool(roles.texts)),
        "model": _model(sizes),
        "publish": Decision(
            topic="rejected share",
            file=RECIPE,
            chosen="a night is held back when more than 40 % of its texts fail",
            why="a small model made from your corpus fails often at first",
            instead="0.05 once the model is a good one",
        ),
        "label": Decision(
            topic="mark of generated texts",
            file=RECIPE,
            chosen="the usual words in the line's languages",
            why="readers must be told (EU AI Act Art. 50, GB 45438-2025)",
            instead="your own words, which must name AI and generation; `producer:` with your provider code",
        ),
        "prices": Decision(
            topic="prices",
            file=RECIPE,
            chosen="0.10 an hour of the machine, 5.00 a text by a person, in USD",
            why="the report compares the two",
            instead="what you pay",
        ),
        "schedule": Decision(
            topic="schedule",
            file=RECIPE,
            chosen="every night at 2:00 UTC",
            why="most exports are ready by then",
            instead="another cron line and time zone, e.g. Asia/Shanghai",
        ),
    }


def _about_columns(profile: Profile, roles: Roles) -> dict[str, Decision]:
    structure = profile.structure
    made = {"key": _key(profile, roles)}
    if roles.group and not roles.group.made_of:
        made["group"] = Decision(
            topic="items that share a text",
            file=RECIPE,
            chosen=f"those equal in {roles.group.source!r}",
            why=f"each of its values comes with one text, and {structure.repeated_texts:,} items repeat a text",
            instead="another column, or remove `product_group` here and in the contracts when every item has its own",
        )
    if roles.texts:
        told = ", ".join(f"{column.name!r} ({locale})" for locale, column in roles.texts.items())
        made["text"] = Decision(
            topic="text to learn from",
            file=RECIPE,
            chosen=told,
            why="it holds the longest prose of the columns named like a description",
            instead="another column with sentences a person wrote",
        )
    if roles.attributes:
        out = ", ".join(name for name, why in roles.left_out.items() if why in ("others say more", "a text"))
        made["attributes"] = Decision(
            topic="what the model is shown",
            file=RECIPE,
            chosen=", ".join(one.name for one in roles.attributes),
            why="these are filled, differ between items and are about the product",
            instead=f"remove some, or add columns to both contracts and here{': ' + out if out else ''}",
        )
    return made


def _key(profile: Profile, roles: Roles) -> Decision:
    if roles.key.made_of:
        return _made_key(roles)
    repeats = roles.key.profile.values - roles.key.profile.distinct
    if not roles.sure_key:
        why = f"it is named like one, though {repeats:,} rows repeat a value; those that differ are quarantined"
    elif profile.structure.fold_by:
        why = "the lines of one product share it"
    elif repeats:
        why = f"its name says so; {repeats:,} rows repeat a value and are counted or quarantined"
    else:
        why = "every row has its own"
    return Decision(
        topic="id of an item",
        file=RECIPE,
        chosen=repr(roles.key.source),
        why=why,
        instead="another column that never changes for an item",
        required=not roles.sure_key,
    )


def _made_key(roles: Roles) -> Decision:
    of = ", ".join(map(repr, roles.key.made_of))
    several = " (a training pair's of its text too, so that several texts of one item stay)" if roles.texts else ""
    return Decision(
        topic="id of an item",
        file=RECIPE,
        chosen=f"made of {of}{several}",
        why="no column names one; an item that changes gets a new id, and equal rows count as repeated",
        instead="bring a real id when you can, name it as `item_id` under `columns`, and remove the `key` steps",
        required=True,
    )


def _about_rows(profile: Profile, roles: Roles, sizes: Sizes) -> dict[str, Decision]:
    made_key = bool(roles.key.made_of)
    made = {
        "locales": _locales(roles),
        "source": Decision(
            topic="source",
            file=RECIPE,
            chosen=shortened(public_name(profile.source)),
            why="the line was drafted from it",
            instead="where each night's export lands: a file, a glob, a folder or an address; `--source` overrules it",
        ),
        "rows": Decision(
            topic="least rows",
            file=CATALOGUE,
            chosen=f"{sizes.least_items:,}, half of {'the items that surely differ' if made_key else 'what came'}",
            why="a cut-off export must not pass for a full one",
            instead="closer to what a full export has",
        ),
        "lengths": Decision(
            topic="length of texts to learn from",
            file=CORPUS,
            chosen=f"{sizes.corpus['minLength']} to {sizes.corpus['maxLength']} characters",
            why=sizes.basis,
            instead="bounds of your own; texts outside are quarantined",
        ),
        "output": Decision(
            topic="length of published texts",
            file=DESCRIPTION,
            chosen=f"{sizes.output['minLength']} to {sizes.output['maxLength']} characters",
            why="99 of 100 texts of the source are not longer",
            instead="what your shop has room for; the same bounds stand in `checks` of the recipe",
        ),
    }
    if profile.structure.fold_by:
        made["fold"] = _fold(profile)
    if services := services_of(profile, roles):
        made["services"] = _services(services)
    if marks := [mark.value for column in roles.texts.values() for mark in column.marks]:
        rows = sum(mark.rows for column in roles.texts.values() for mark in column.marks)
        made["marks"] = Decision(
            topic="placeholders inside texts",
            file=RECIPE,
            chosen=f"a pair whose text holds {' or '.join(marks)} is quarantined",
            why=f"a model learns to write them; found {rows:,} times",
            instead="`do: remove` takes them out and keeps the rest",
        )
    return made


def _locales(roles: Roles) -> Decision:
    shares = ", ".join(
        f"{column.name!r} is {one.language} in {one.share:.0%}"
        for column in roles.texts.values()
        for one in column.languages[:3]
    )
    return Decision(
        topic="languages",
        file=RECIPE,
        chosen=" and ".join(roles.texts) if roles.texts else "en",
        why=shares or "the source has no text that could tell",
        instead="other languages, each with a text column, a template and a mark",
    )


def _fold(profile: Profile) -> Decision:
    structure = profile.structure
    return Decision(
        topic="lines of one product",
        file=RECIPE,
        chosen=f"lines equal in {structure.fold_by!r} become one item, {structure.products:,} of {profile.rows:,}",
        why="only the first line of a product says what it is",
        instead="remove `fold` and take the variant's own id as `item_id`, when every variant wants a text",
    )


def _services(services: Sequence[Services]) -> Decision:
    told = [f"{value.value!r} in {one.column!r}" for one in services for value in one.values]
    more = f" and {len(told) - 5} more" if len(told) > 5 else ""
    rows = sum(value.rows for one in services for value in one.values)
    return Decision(
        topic="services among the products",
        file=RECIPE,
        chosen=f"rows with {', '.join(told[:5])}{more} are quarantined",
        why=f"{' and '.join(dict.fromkeys(one.basis for one in services))}, and nobody wants a text on it; "
        f"{rows:,} found",
        instead=f"remove the step with the reason `{REASON}`, or those of its values that are products of yours",
    )


def _licence(licence: str, *, has_texts: bool) -> Decision:
    return Decision(
        topic="licence of the texts",
        file=RECIPE,
        chosen=licence or "none declared, and a corpus without one is refused",
        why="you named it" if licence else "only you know under which terms they may train a model",
        instead="`internal` for your own texts, or the SPDX id, e.g. CC-BY-4.0; `column:` where each row says its own",
        required=has_texts and not licence,
    )


def _model(sizes: Sizes) -> Decision:
    if sizes.engine == "template":
        told = (
            f"{sizes.pairs:,} texts are too few to make a model from"
            if sizes.pairs
            else "there are no texts to learn from"
        )
        return Decision(
            topic="what writes",
            file=RECIPE,
            chosen="the template below",
            why=told,
            instead="`engine: hf` with more texts (`corpus:`), or with a base model of your own (`base:`)",
        )
    return Decision(
        topic="what writes",
        file=RECIPE,
        chosen="a small model made from your texts",
        why="it needs nothing else and trains on a CPU; its sentences are simple",
        instead="a local folder or a hub id of a base model; better texts, and a GPU to train",
    )


def open_decisions(decisions: Mapping[str, Decision]) -> tuple[Decision, ...]:
    """Required ones first."""
    return tuple(sorted(decisions.values(), key=lambda decision: not decision.required))
