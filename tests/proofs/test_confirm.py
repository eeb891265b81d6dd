"""Short form of `scripts/prove confirm`, and proof that it would notice a product that breaks the promise."""

import pytest

from app.crash_points import CONFIRM_POINTS
from scripts.promises import confirm


@pytest.fixture(scope="module", autouse=True)
def processes() -> None:
    confirm.fork_server()  # lives as long as this process: nothing that a test left


def test_a_confirmed_plan_is_one_campaign(seed: int) -> None:
    done = confirm.run(seed=seed, kills=6)
    assert done.violations == 0, done
    assert done.figures["points"] == len(CONFIRM_POINTS), done


@pytest.mark.parametrize("mutant", confirm.MUTANTS)
def test_a_wrong_product_is_noticed(mutant: str, seed: int) -> None:
    done = confirm.run(seed=seed, mutant=mutant, kills=6)
    assert done.violations > 0, done
