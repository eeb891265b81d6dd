"""Small rounds of the promises `dnc` and `caps`: nothing is violated, and each wrong product is found out."""

import asyncio

import pytest

from scripts.promises import caps, dnc


def test_nobody_is_dialed_after_an_opt_out(seed: int) -> None:
    ledger = asyncio.run(dnc._whole(seed, "", 60))
    assert ledger.violations() == []
    assert len(ledger.opted_out) == 60
    assert len(ledger.dials) > 30


@pytest.mark.parametrize("mutant", dnc.MUTANTS)
def test_a_list_that_is_not_asked_well_is_noticed(mutant: str, seed: int) -> None:
    assert asyncio.run(dnc._whole(seed, mutant, 60)).violations()


def test_caps_hold_in_a_race(seed: int) -> None:
    lines = caps.raced(seed, "", 4.0, 3)
    found, figures = caps.over(lines)
    assert found == []
    assert figures["most_trunk"] >= 3
    assert len(lines) > 20


def test_a_line_over_the_cap_is_seen() -> None:
    lines = [
        caps.Line(turn=n, at_ms=n * 1_000, begins=True, tenant="default", campaign="a", number=f"+{n}")
        for n in range(3)
    ]
    assert caps.over(lines)[0] == ["a: 3 calls"]
    fast = [
        caps.Line(turn=n, at_ms=0, begins=n % 2 == 0, tenant="default", campaign="", number=f"+{n}")
        for n in range(30)
    ]
    assert "11 calls within a second" in caps.over(fast)[0]
