"""`aigc examples`: pairs of the corpus to show a model, drawn by category and diversity."""

from collections.abc import Sequence

from aigc_core.corpus.examples import Wanted, draw_examples
from aigc_core.corpus.pairs import current_corpus
from aigc_core.errors import UserError
from aigc_core.records import Example
from aigc_core.workspace import open_workspace


def drawn(line: str, lake: str | None, *, locale: str | None, category: str | None, count: int) -> Sequence[Example]:
    """The same examples every time for one corpus version; the line's first locale when none is named.

    Raises:
        UserError: unknown line or locale, or no corpus yet.
    """
    workspace = open_workspace(lake)
    served = workspace.line(line).recipe.locales
    if locale is not None and locale not in served:
        raise UserError(f"{line} does not write {locale!r}.", f"It writes {', '.join(served)}.")
    pairs = workspace.corpus_table(line)
    wanted = Wanted(locale=locale or served[0], count=count, category=category)
    return draw_examples(pairs, current_corpus(line, pairs), wanted)


def rows_of(examples: Sequence[Example]) -> tuple[Sequence[str], list[Sequence[object]]]:
    """Columns and rows as a table shows them."""
    shown = [
        (one.item_id, one.category or "", "; ".join(f"{name}: {value}" for name, value in one.attributes), one.text)
        for one in examples
    ]
    return ("item_id", "category", "attributes", "text"), [*shown]
