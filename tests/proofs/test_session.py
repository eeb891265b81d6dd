"""Short form of `scripts/prove session`, and proof that it would notice a product that breaks the promise."""

import pytest

from scripts.promises import session


def test_calls_outlive_their_model(seed: int) -> None:
    done = session.run(seed=seed, cuts=12)
    assert done.violations == 0, done
    assert done.n >= 10, done


@pytest.mark.parametrize("mutant", session.MUTANTS)
def test_a_wrong_product_is_noticed(mutant: str, seed: int) -> None:
    done = session.run(seed=seed, mutant=mutant)
    assert done.violations > 0, done
