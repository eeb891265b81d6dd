"""Short form of `scripts/prove session`, and proof that it would notice a product that breaks the promise.

All mutants: `scripts/prove session --mutant NAME`. Forty cuts do not notice `unprimed` and `asked_twice`: what
they break is not guarded by this proof.
"""

from scripts.promises import session


def test_calls_outlive_their_model() -> None:
    done = session.run(seed=20261126, cuts=12)
    assert done.violations == 0, done
    assert done.n >= 10, done


def test_a_wrong_product_is_noticed() -> None:
    assert session.run(seed=20261126, mutant="forgetful", cuts=40).violations > 0
