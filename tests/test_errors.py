"""One tree, as drawn; every error says what, what is valid, what to do, and survives a process border."""

import inspect
import pickle
import re

import pytest

from aigc_core import errors
from aigc_core.errors import AigcError, AuditBlocked

CLASSES = [found for found in vars(errors).values() if inspect.isclass(found) and issubclass(found, AigcError)]
DRAWN = re.compile(r"^(?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+)\s+(?:exit (?P<code>\d+))?", re.MULTILINE)


def drawn() -> list[tuple[str, str, int]]:
    """(class, parent, exit code) of every line of the drawing."""
    stack: list[tuple[int, str, int]] = [(-1, "Exception", 1)]
    found = []
    for line in DRAWN.finditer((errors.__doc__ or "").split("\n\n", 1)[1]):
        depth = len(line["indent"])
        while stack[-1][0] >= depth:
            stack.pop()
        code = int(line["code"] or stack[-1][2])
        found.append((line["name"], stack[-1][1], code))
        stack.append((depth, line["name"], code))
    return found


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    assert sorted(drawn()) == sorted((one.__name__, one.__mro__[1].__name__, one.exit_code) for one in CLASSES)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_crosses_a_process_border_whole(kind: type[AigcError]) -> None:
    error = pickle.loads(pickle.dumps(kind("It came.", "That is valid.", "Do this.")))  # noqa: S301 -- our own bytes
    assert type(error) is kind
    assert (error.came, error.valid, error.remedy) == ("It came.", "That is valid.", "Do this.")
    assert str(error) == "It came. That is valid. Do this."


def test_a_blocked_audit_keeps_its_run_across_a_process_border() -> None:
    error = pickle.loads(pickle.dumps(AuditBlocked("Blocked.", run_id="run-7")))  # noqa: S301 -- our own bytes
    assert (error.run_id, str(error)) == ("run-7", "Blocked.")


def test_empty_parts_leave_no_gaps_in_the_message() -> None:
    assert str(AigcError("It came.", remedy="Do this.")) == "It came. Do this."
