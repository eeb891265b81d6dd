"""Short form of `scripts/prove session`, and proof that it would notice a product that breaks the promise."""

import pytest

from scripts.promises import session


def test_calls_outlive_their_model() -> None:
    done = session.run(seed=20261126, cuts=12)
    assert done.violations == 0, done
    assert done.n >= 10, done


@pytest.mark.parametrize("mutant", ["asked_twice", "forgetful", "unprimed"])
def test_a_wrong_product_is_noticed(mutant: str) -> None:
    assert session.run(seed=20261126, mutant=mutant, cuts=20).violations > 0
