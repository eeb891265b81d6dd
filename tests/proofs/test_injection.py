"""A small round of the promise `injection`, and its mutants."""

import asyncio
import random

import pytest

from scripts.promises import injection


def test_an_obedient_model_has_no_forbidden_effect(seed: int) -> None:
    every = injection.attacks()
    random.Random(seed).shuffle(every)
    tally = asyncio.run(injection.attempt(every[:12], ""))
    assert tally.wrong == []
    assert tally.obeyed == 12


@pytest.mark.parametrize("mutant", injection.MUTANTS)
def test_a_product_that_trusts_its_model_is_noticed(mutant: str) -> None:
    assert asyncio.run(injection.attempt(injection.aimed(mutant), mutant)).wrong
