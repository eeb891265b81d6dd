"""A small round of the promise `erasure`, and its mutants."""

import pytest

from scripts.promises import erasure
from scripts.promises.erasure import called


def test_what_is_deleted_is_gone() -> None:
    tally = erasure.whole()
    assert tally.wrong == []
    assert (tally.columns >= 85, tally.rows > 30, tally.waited) == (True, True, True)


async def test_an_engine_forgets_whom_it_called() -> None:
    assert await called.wrong() == []


@pytest.mark.parametrize("mutant", erasure.MUTANTS)
def test_a_product_that_forgets_one_table_is_noticed(mutant: str) -> None:
    assert erasure.whole(mutant).wrong
