"""Short form of `scripts/prove tenancy`, and proof that it would notice a product that mixes tenants."""

import pytest

from scripts.promises import tenancy


def test_nobody_learns_of_another_tenant(seed: int) -> None:
    done = tenancy.run(seed, short=True)
    assert done.violations == 0, done
    assert done.n > 300, done
    assert done.figures["model_requests"], "a model was asked, or nothing was shown about it"


@pytest.mark.parametrize("mutant", tenancy.MUTANTS)
def test_a_wrong_product_is_noticed(mutant: str, seed: int) -> None:
    done = tenancy.run(seed, mutant)
    assert done.violations > 0, done
