"""The list of tests that take long: how it is made, and that everything it names is there."""

import re
from pathlib import Path

from scripts.lib.long_tests import long_tests
from tests.conftest import LONG

ROOT = Path(__file__).resolve().parents[2]
DURATIONS = """\
1.20s call     tests/unit/app/test_a.py::test_waits
0.10s setup    tests/unit/app/test_a.py::test_sums_up
0.05s call     tests/unit/app/test_a.py::test_sums_up
0.09s call     tests/unit/app/test_a.py::test_is_quick
0.02s call     tests/unit/app/test_b.py::test_cases[one of them]
0.30s call     tests/unit/app/test_b.py::test_cases[another one]
0.90s call     tests/unit/app/test_c.py::TestKept::test_in_a_class
2.40s call     tests/flow/test_d.py::test_a_short_call
9.00s call     tests/flow/test_d.py::test_many_calls
(3 durations < 0.005s hidden.)
1 passed in 3.00s
"""


def test_a_function_is_long_when_one_of_its_cases_is() -> None:
    assert long_tests(DURATIONS.splitlines()) == [
        "tests/flow/test_d.py::test_many_calls",
        "tests/unit/app/test_a.py::test_sums_up",
        "tests/unit/app/test_a.py::test_waits",
        "tests/unit/app/test_b.py::test_cases",
        "tests/unit/app/test_c.py::TestKept::test_in_a_class",
    ]


def test_what_is_listed_exists() -> None:
    assert LONG, "the list is read"
    gone = [name for name in LONG if not exists(*name.split("::"))]
    assert gone == [], "renamed or removed: change tests/long.txt too"


def exists(path: str, name: str, *_within: str) -> bool:
    """`name` may be a state machine's test case, which is assigned."""
    file = ROOT / path
    return file.exists() and re.search(rf"^(async def |def |class |){name}\b", file.read_text(), re.M) is not None
