"""`aigc line new` and `aigc contract check`: from a strange file to a line, and a contract in words."""

from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from aigc_core.lines.contract_file import ContractDescription, check_contract
from aigc_core.lines.draft import Draft, Wishes, draft_line, require_new
from aigc_core.lines.profile import Profile, declared, profile_source
from aigc_core.lines.roles import Roles
from aigc_core.workspace import REPOSITORY, open_workspace
from flows.console.profiles import table_of
from flows.console.progress import shown_progress
from flows.console.tables import visible

_PAIRS = {
    "pairs": "lists of name and value",
    "triples": "facts of three parts, made lists of name and value",
    "marked pairs": "name#value*name#value, made lists of name and value",
}


def new_line(console: Console, name: str, source: str, **wishes: str | None) -> tuple[Profile, Draft]:
    """Profile a source and draft a line from it.

    Args:
        console: where progress goes.
        name: of the line.
        source: a file, a glob, a folder or an address.
        wishes: `title`, `licence`, `key`, `text`, `encoding`, `delimiter`; None where nothing was said.

    Raises:
        UserError: a bad or taken name, a source that cannot be read or cannot make a line.
    """
    folder = lines_folder()
    require_new(name, folder)
    given = {wish: value for wish, value in wishes.items() if value}
    reading = declared(encoding=given.pop("encoding", None), delimiter=given.pop("delimiter", None))
    with shown_progress(console):
        profile = profile_source(source, reading=reading)
    return profile, draft_line(profile, name, folder, wishes=Wishes(reading=reading, **given))


def show_draft(console: Console, profile: Profile, draft: Draft) -> None:
    """What was found, what to decide, what to run next."""
    console.print(f"[bold green]drafted[/] {escape(visible(draft.folder))} in {profile.seconds} s", highlight=False)
    console.print()
    console.print(table_of(("found", "", "because"), _found(profile, draft)))
    console.print()
    rows = [("now" if one.required else "", one.topic, one.chosen, one.file) for one in draft.decisions]
    console.print(table_of(("decide", "about", "in force until then", "in the line's file"), rows))
    console.print()
    for command in _next(draft):
        console.print(f"  {escape(command)}", soft_wrap=True, highlight=False)


def lines_folder() -> Path:
    """Where a new line goes: never among the shipped ones, unless one stands there."""
    folder = open_workspace().lines_folder
    elsewhere = folder == REPOSITORY / "data_contracts" and Path.cwd() != REPOSITORY
    return Path("data_contracts").absolute() if elsewhere else folder


def draft_as_json(draft: Draft) -> dict[str, object]:
    """The draft for machines."""
    roles = draft.roles
    return {
        "line": draft.line,
        "folder": draft.folder,
        "files": draft.files,
        "key": roles.key.source,
        "key_made_of": roles.key.made_of,
        "product_group": roles.group.source if roles.group else None,
        "texts": {locale: column.name for locale, column in roles.texts.items()},
        "attributes": {one.name: one.profile.name for one in roles.attributes},
        "attribute_pairs": roles.pairs.name if roles.pairs else None,
        "left_out": dict(roles.left_out),
        "decisions": [asdict(one) for one in draft.decisions],
    }


def describe(path: Path) -> ContractDescription:
    """A contract file in words.

    Raises:
        ContractInvalid: the file does not hold; names the line.
    """
    return check_contract(path)


def show_contract(console: Console, found: ContractDescription) -> None:
    """Every column and every rule, in words."""
    console.print(f"[bold green]holds[/] {escape(visible(found.id))} {escape(visible(found.version))}", highlight=False)
    for described in found.objects:
        console.print()
        console.print(f"[bold]{escape(visible(described.name))}[/]", highlight=False)
        columns = [
            (one.name, one.words, ", ".join(word for word in ("required", "key", "unique") if getattr(one, word)))
            for one in described.columns
        ]
        console.print(table_of(("column", "holds", ""), columns))
        console.print()
        rules = [(one.about, one.words, one.level, one.judges, one.engine) for one in described.rules]
        console.print(table_of(("about", "rule", "broken, it", "judges each", "engine"), rules))
    if found.not_enforced:
        console.print()
        console.print(table_of(("not enforced",), [(one,) for one in found.not_enforced]))


def _found(profile: Profile, draft: Draft) -> list[tuple[str, str, str]]:
    roles, structure = draft.roles, profile.structure
    rows = [_key_found(profile, roles)]
    if roles.group and not roles.group.made_of:
        rows.append(("variants", repr(roles.group.source), f"{structure.repeated_texts:,} items repeat a text"))
    for locale, column in roles.texts.items():
        rows.append((f"text, {locale}", repr(column.name), f"{column.values:,} texts"))
    for one in roles.attributes:
        top = ", ".join(value.value[:24] for value in one.profile.top[:2])
        rows.append(
            ("attribute", repr(one.profile.name), f"{one.filled:.0%} filled, {one.profile.distinct:,} values: {top}")
        )
    if roles.pairs:
        rows.append(("attributes", repr(roles.pairs.name), _PAIRS[roles.written]))
    rows.append(("left out", f"{len(roles.left_out)} columns", _reasons(draft)))
    return rows


def _key_found(profile: Profile, roles: Roles) -> tuple[str, str, str]:
    if roles.key.made_of:
        return "an item", "rows equal in " + ", ".join(map(repr, roles.key.made_of)), "no column names an item"
    return "an item", repr(roles.key.source), f"{profile.structure.products:,} items in {profile.rows:,} rows"


def _reasons(draft: Draft) -> str:
    counts: dict[str, int] = {}
    for why in draft.roles.left_out.values():
        counts[why.split(" in ")[0]] = counts.get(why.split(" in ")[0], 0) + 1
    return ", ".join(f"{count} {why}" for why, count in sorted(counts.items(), key=lambda item: -item[1]))


def _next(draft: Draft) -> list[str]:
    required = [one for one in draft.decisions if one.required]
    decide = f"grep -n DECIDE {draft.folder}/*.yaml{f'    # {len(required)} must be decided now' if required else ''}"
    return [
        decide,
        f"aigc contract check {draft.folder}/catalogue.odcs.yaml",
        f"aigc ingest {draft.line}",
        f"aigc nightly {draft.line} --engine template --limit 50",
        f"aigc nightly {draft.line}",
    ]
