"""How late the tick runs: a histogram of fixed buckets, because the admission of new calls looks at its p99.

Pure; filled by `media.engine` 200 times a second.
"""

from bisect import bisect_left

BUCKETS_MS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 20.0, 40.0, 100.0, 1000.0)
"""Upper bounds; a quantile is told as the bound of its bucket (never too small)."""


class LatenessHistogram:
    """Counts per bucket since the last `clear`."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_MS) + 1)
        self.max_ms = 0.0

    def add(self, late_s: float) -> None:
        """One tick that ran `late_s` after its deadline."""
        late_ms = late_s * 1000
        self.counts[bisect_left(BUCKETS_MS, late_ms)] += 1
        self.max_ms = max(self.max_ms, late_ms)

    def quantile_ms(self, quantile: float) -> float:
        """Upper bound of the lateness of this part of all ticks; 0 without any."""
        wanted = quantile * sum(self.counts)
        if not wanted:
            return 0.0
        seen = 0
        for bound, count in zip(BUCKETS_MS, self.counts, strict=False):
            seen += count
            if seen >= wanted:
                return min(bound, self.max_ms)
        return self.max_ms

    def clear(self) -> None:
        """Begin a new period."""
        self.counts = [0] * len(self.counts)
        self.max_ms = 0.0
