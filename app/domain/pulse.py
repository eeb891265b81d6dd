"""Which engines are dead: those whose beat stood still for too long by our own monotonic clock. Pure.

Silence counts only while we looked. Behind a database that was away nobody can beat, so all begin anew then.
"""

from collections.abc import Mapping


class PulseWatch:
    """Shown the beats again and again; one that changes begins anew, so clocks of others do not matter."""

    def __init__(self, dead_s: float) -> None:
        self._dead_s = dead_s
        self._seen: dict[str, tuple[tuple[str, int], float]] = {}
        self._looked_s = 0.0

    def look(self, beats: Mapping[str, tuple[str, int]], now_s: float) -> set[str]:
        """`beats`: instance and beat of each engine; answers the names of the dead ones.
        Look at least twice in `dead_s`.
        """
        if now_s - self._looked_s > self._dead_s / 2:
            self._seen = {}
        self._looked_s = now_s
        kept = {name: seen for name, seen in self._seen.items() if beats.get(name) == seen[0]}
        self._seen = {name: kept.get(name, (beat, now_s)) for name, beat in beats.items()}
        return {name for name, (_, since_s) in self._seen.items() if now_s - since_s >= self._dead_s}
