"""Which unit and flow tests take long: `tests/long.txt`, made from the durations that pytest prints.

usage: python -m scripts.lib.long_tests < LOG > tests/long.txt
example:
  .venv/bin/pytest tests/unit tests/flow -m "not postgres and not redis" --durations=0 > LOG

A test function is listed with the time of its longest case, set-up and clearing away included.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable

LONG_S = {"tests/unit": 0.1, "tests/flow": 2.5}
"""From here on a test is long. Of the unit tests that is about one in twelve, and most of their time."""
_LINE = re.compile(r"^(?P<seconds>\d+\.\d+)s (?:call|setup|teardown) +(?P<test>tests/\S+\.py::\S+)")
_HEAD = """\
# Tests that wait for real time or compute a while: `scripts/test --fast` leaves them out, and `scripts/test` runs
# them in a part of their own. Made by scripts/lib/long_tests.py, which says how.
"""


def long_tests(lines: Iterable[str]) -> list[str]:
    """Names of test functions with a long case, sorted; all cases of a function go together."""
    cases: Counter[str] = Counter()
    for line in lines:
        if found := _LINE.match(line):
            cases[found["test"]] += round(float(found["seconds"]) * 1000)
    return sorted({case.partition("[")[0] for case, ms in cases.items() if ms >= least_s(case) * 1000})


def least_s(test: str) -> float:
    """What is long where this test lies."""
    return next((seconds for folder, seconds in LONG_S.items() if test.startswith(folder)), float("inf"))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    print(_HEAD, *long_tests(sys.stdin), sep="\n")
