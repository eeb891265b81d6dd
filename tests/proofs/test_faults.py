"""The proof `faults` in short: its rows hold, and products that are spoilt on purpose are caught."""

import pytest

from app.figures import Result
from scripts.promises import confirm, faults
from scripts.promises.faults import ground

QUICK = ("originate-409", "stream-lost", "rtp-clock-drift", "store-damaged")


@pytest.fixture(scope="module", autouse=True)
def server_of_processes() -> None:
    """It stays for the whole run: no leak of the test that starts it."""
    confirm.fork_server()


def lines(results: tuple[Result, ...]) -> str:
    return "\n".join(f"{one.name}: {one.violations} {one.figures.get('first')}" for one in results)


def test_quick_rows_hold(seed: int) -> None:
    results = faults.run(seed, only=QUICK)
    assert [one.name for one in results] == [f"faults {name}" for name in sorted(QUICK, key=order)]
    assert all(one.n and not one.violations for one in results), lines(results)


def order(name: str) -> int:
    return [row.name for row in faults.ROWS].index(name)


@pytest.mark.parametrize("mutant", faults.MUTANTS)
def test_a_spoilt_product_is_caught(mutant: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground, "CLEAN_S", 3.0)  # an orphan is one after 3 s as well
    results = faults.run(seed, mutant)
    assert sum(one.violations for one in results), f"{mutant} was not noticed"


def test_what_is_not_run_is_said(seed: int) -> None:
    [line] = faults.run(seed, only=["rtp-real-hour"])
    assert line.not_run
    assert line.n == 0


def test_a_row_that_does_not_exist(seed: int) -> None:
    with pytest.raises(ValueError, match="there is no row nonsense; rows: asterisk-killed"):
        faults.run(seed, only=["nonsense"])


def test_rows_are_named_once_and_say_what_they_are() -> None:
    names = [row.name for row in faults.ROWS]
    assert len({*names, *faults.NOT_RUN}) == len(names) + len(faults.NOT_RUN)
    assert all(row.fault for row in faults.ROWS)
