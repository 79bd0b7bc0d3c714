"""Places where a test strikes: a process dies or a step fails at the n-th time it comes by.

Nothing is armed unless the workspace says so, from `AIGC_FAILPOINT=name:nth:kill` or `name:nth:raise`.
"""

import os
import signal
from collections import Counter

from aigc_core.errors import UserError

POINTS = ("claim.take", "journal.write", "part.write", "part.note")
_ACTIONS = ("kill", "raise")
_armed: dict[str, tuple[int, str]] = {}
_reached = Counter[str]()
_told = {"spec": ""}


def arm(spec: str) -> None:
    """Arm one point; an empty text disarms all. Told the same again, it goes on counting.

    Raises:
        UserError: not `name:nth:action` with a point and an action there are.
    """
    if spec == _told["spec"]:
        return
    _told["spec"] = spec
    _armed.clear()
    _reached.clear()
    if not spec:
        return
    name, _, rest = spec.partition(":")
    nth, _, action = rest.partition(":")
    if name not in POINTS or not nth.isdigit() or action not in _ACTIONS:
        raise UserError(
            f"AIGC_FAILPOINT is {spec!r}.",
            f"It is name:nth:action with a name of {', '.join(POINTS)} and an action of {', '.join(_ACTIONS)}.",
        )
    _armed[name] = (int(nth), action)


def reach(name: str) -> None:
    """Come by a point: nothing happens unless it is armed and this is the n-th time."""
    if name not in _armed:
        return
    _reached[name] += 1
    nth, action = _armed[name]
    if _reached[name] == nth:
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError(f"Fail point {name} was reached.")
