"""How many calls a server bears at once: additive increase, multiplicative decrease."""

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Window:
    """Calls that may be in flight.

    As in TCP (RFC 5681 sections 3.1): it doubles a round until the first trouble, then grows by one a round of
    successes; trouble halves it, once for all the calls that were in flight together.
    """

    most: int
    limit: int = field(init=False)
    in_flight: int = field(init=False, default=0)
    _round: int = field(init=False, default=0)
    """Calls that ended well since the limit last changed."""
    _cuts: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.limit = min(4, self.most)

    @property
    def open(self) -> bool:
        """Whether another call may start."""
        return self.in_flight < self.limit

    def enter(self) -> int:
        """A call starts; hand what comes back to `leave`."""
        self.in_flight += 1
        return self._cuts

    def leave(self, entered: int, *, trouble: bool | None) -> None:
        """A call ended: well, in trouble, or (None) in a way that says nothing about the server's load."""
        self.in_flight -= 1
        if trouble is None:
            return
        if trouble:
            if entered == self._cuts:
                self.limit, self._round, self._cuts = max(1, self.limit // 2), 0, self._cuts + 1
            return
        self._round += 1
        if self._round >= self.limit:
            self.limit = min(self.most, self.limit + 1 if self._cuts else self.limit * 2)
            self._round = 0
