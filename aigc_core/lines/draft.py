"""A content line drafted from a profiled source: a folder that is read at once and says what a person must decide."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aigc_core.contracts.content_line import RECIPE, read_content_line
from aigc_core.contracts.profile import Profile
from aigc_core.contracts.reading import Reading
from aigc_core.errors import AigcError, LakeUnusable, RecipeInvalid, UserError
from aigc_core.lines.cleaning_draft import pairs_column, steps_of
from aigc_core.lines.decisions import Decision, decisions_of, open_decisions
from aigc_core.lines.properties import key_property, longest_id, pairs_property, property_of
from aigc_core.lines.roles import Chosen, Roles, roles_of
from aigc_core.lines.sizes import Sizes, sizes_of
from aigc_core.lines.writing import LINE_NAME, fill, templates_for

FILES = ("catalogue.odcs.yaml", "corpus.odcs.yaml", "description.odcs.yaml", RECIPE)
LABELS = {"en": "(AI-generated content)", "zh": "（本内容由人工智能生成）"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a person said of the line beforehand."""

    title: str = ""
    licence: str = ""
    key: str = ""
    text: str = ""
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What was written, found and left open."""

    line: str
    folder: str
    files: tuple[str, ...]
    roles: Roles
    decisions: tuple[Decision, ...]
    """Required ones first."""


def require_new(name: str, folder: Path) -> None:
    """Refuse a name that cannot be a line's, or that is taken.

    Raises:
        UserError: says what a name looks like, or which folder is there.
    """
    if not LINE_NAME.fullmatch(name):
        raise UserError(
            f"{name!r} cannot be the name of a line.",
            "A name has 2 to 48 small letters, digits and underscores, and begins with a letter: mug_descriptions.",
        )
    if (folder / name).exists():
        raise UserError(
            f"{folder / name} is there already.",
            "A draft never overwrites a line.",
            "Choose another name, or remove the folder first.",
        )


def draft_line(profile: Profile, name: str, folder: Path, *, wishes: Wishes = Wishes()) -> Draft:
    """Write a line's folder; it appears whole, or not at all.

    Args:
        profile: what the source holds.
        name: of the line and its folder.
        folder: where lines live.
        wishes: what is not to be guessed.

    Raises:
        UserError: a bad or taken name.
        SourceInvalid: the source cannot make a line: it has nothing to show the model.
        LakeUnusable: the folder cannot be written.
    """
    require_new(name, folder)
    wishes = wishes or Wishes()
    roles = roles_of(profile, key=wishes.key, text=wishes.text)
    sizes = sizes_of(profile, roles)
    decisions = decisions_of(profile, roles, sizes, licence=wishes.licence)
    view = _view(profile, roles, sizes) | _named(profile, name, wishes) | {"decisions": decisions}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".drafting-", dir=folder) as aside:
            made = Path(aside) / name
            made.mkdir()
            for file in FILES:
                (made / file).write_text(fill(f"{file}.j2", view), "utf-8")
            _require_readable(made)
            shutil.move(made, folder / name)
    except OSError as error:
        raise LakeUnusable(
            f"{folder / name} cannot be written: {error.strerror or error}.",
            "Lines live in AIGC_LINES, else ./data_contracts.",
        ) from error
    return Draft(line=name, folder=str(folder / name), files=FILES, roles=roles, decisions=open_decisions(decisions))


def _require_readable(made: Path) -> None:
    try:
        read_content_line(made)
    except AigcError as error:
        raise RecipeInvalid(
            f"The line drafted from this source does not hold: {error}",
            remedy="Please report this with the file's header; nothing was written.",
        ) from error


def _named(profile: Profile, name: str, wishes: Wishes) -> dict[str, object]:
    reading = wishes.reading.model_dump(mode="json", exclude_defaults=True)
    return {
        "line": name,
        "title": wishes.title or f"{name.replace('_', ' ').capitalize()}",
        "source": _absolute(profile.source),
        "licence": wishes.licence or None,
        "reading": reading,
    }


def _absolute(source: str) -> str:
    return source if "://" in source else str(Path(source).absolute())


def _view(profile: Profile, roles: Roles, sizes: Sizes) -> dict[str, object]:
    locales = list(roles.texts) or ["en"]
    labels = {locale: LABELS.get(locale, LABELS["en"]) for locale in locales}
    others = [chosen for chosen in roles.columns if chosen is not roles.key]
    properties = [property_of(profile, chosen) for chosen in others]
    return {
        "locales": locales,
        "opening": "{{ locale }} | " if len(locales) > 1 else "",
        "texts": {locale: column.name for locale, column in roles.texts.items()},
        "steps": steps_of(profile, roles),
        "mapping": {chosen.name: chosen.source for chosen in roles.columns if chosen.name != chosen.source}
        or {"item_id": roles.key.source},
        "pairs": pairs_column(roles),
        "key": key_property(profile, roles),
        "properties": [*properties, *([pairs_property(roles.pairs, roles.written)] if roles.pairs else [])],
        "attributes": [{"name": one.name, "entry": _entry(one, roles)} for one in roles.attributes],
        "group": "product_group" if roles.group else "item_id",
        "variants": bool(roles.group and not roles.group.made_of),
        "category": roles.category.name if roles.category else None,
        "seller": roles.seller.name if roles.seller else None,
        "engine": sizes.engine,
        "templates": templates_for(locales, roles),
        "labels": labels,
        "marks": _marks(labels),
        **_sized(sizes, roles),
    }


def _sized(sizes: Sizes, roles: Roles) -> dict[str, object]:
    return {
        "least_items": sizes.least_items,
        "least_pairs": sizes.least_pairs,
        "corpus_lengths": dict(sizes.corpus),
        "output_lengths": dict(sizes.output),
        "limits": {locale: dict(bounds) for locale, bounds in sizes.limits.items()},
        "new_tokens": sizes.new_tokens,
        "starter": dict(sizes.starter),
        "training": dict(sizes.training),
        "longest_id": longest_id(roles.key),
    }


def _entry(one: Chosen, roles: Roles) -> Mapping[str, object]:
    entry: dict[str, object] = {"column": one.name}
    locales = list(roles.texts) or ["en"]
    if one.label != one.name:
        entry["label"] = dict.fromkeys(locales, one.label)
    if one is roles.title:
        entry["required"] = True
    return entry


def _marks(labels: Mapping[str, str]) -> str:
    escaped = [mark.replace("(", r"\(").replace(")", r"\)") for mark in dict.fromkeys(labels.values())]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
