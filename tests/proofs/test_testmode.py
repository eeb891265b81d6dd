"""A small round of the promise `testmode`, and its mutants."""

import asyncio

import pytest

from scripts.promises import testmode


def test_only_the_redirect_phone_rings(seed: int) -> None:
    tally = asyncio.run(testmode._whole(seed, "", 4))
    assert tally.wrong == []
    assert tally.calls >= 4
    assert tally.forged > 5


@pytest.mark.parametrize("mutant", testmode.MUTANTS)
def test_a_wall_with_a_hole_is_noticed(mutant: str, seed: int) -> None:
    assert asyncio.run(testmode._whole(seed, mutant, 4)).wrong
