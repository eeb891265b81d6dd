"""How the benchmark of the console counts: an event is delivered by itself or by a later one, or it is missed."""

import numpy as np

from scripts.benchmarks.console import delivered
from scripts.benchmarks.console_server import EVENTS_PER_S

MS = 1_000_000


def test_coalesced_events_count_from_their_own_publishing_and_missing_ones_are_missed() -> None:
    told = np.array([[n * 100 * MS for n in range(EVENTS_PER_S)]])
    seen = np.array([[0, 0, 4, 450 * MS], [0, 0, 3, 450 * MS], [0, 0, 9, 1_000 * MS]])
    late_ms, missed = delivered(told, ["c"], seen, ["c"], viewers=1)
    assert late_ms == [250, 150, 50, 500, 400, 300, 200, 100], "events 2 to 4, then 5 to 9; 0 and 1 are no words"
    assert missed == 2, "10 and 11 never came"


def test_a_browser_that_saw_nothing_missed_everything() -> None:
    told = np.zeros((1, EVENTS_PER_S), dtype=np.int64)
    assert delivered(told, ["c"], np.empty((0, 4), dtype=np.int64), [], viewers=2) == ([], 2 * (EVENTS_PER_S - 2))
