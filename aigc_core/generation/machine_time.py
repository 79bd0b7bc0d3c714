"""How long machines worked: shards that were written side by side on one machine took its time once."""

from bisect import bisect_left
from collections.abc import Iterable

from aigc_core.records import Part


class MachineTime:
    """Adds up spans of time, machine by machine, without counting any second of a machine twice."""

    def __init__(self) -> None:
        self._spans: dict[str, list[tuple[float, float]]] = {}
        self._unplaced = 0.0

    @property
    def seconds(self) -> float:
        """Of all machines together."""
        return self._unplaced + sum(end - start for spans in self._spans.values() for start, end in spans)

    def add(self, part: Part) -> None:
        """Count the writing of a part; of one that does not say where and when it was written all seconds count."""
        if not part.host or not part.ended:
            self._unplaced += part.seconds
            return
        spans = self._spans.setdefault(part.host, [])
        start, end = part.ended - part.seconds, part.ended
        first = bisect_left(spans, start, key=lambda span: span[1])
        last = first
        while last < len(spans) and spans[last][0] <= end:
            start, end = min(start, spans[last][0]), max(end, spans[last][1])
            last += 1
        spans[first:last] = [(start, end)]


def machine_seconds(parts: Iterable[Part]) -> float:
    """Seconds of machine time that parts took to write."""
    time = MachineTime()
    for part in parts:
        time.add(part)
    return round(time.seconds, 3)
