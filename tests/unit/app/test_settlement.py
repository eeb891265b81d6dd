"""The rule for calls nobody runs, as the table it is, and what must hold for every line of it."""

from itertools import product

import pytest

from app.domain.settlement import Action, RowSays, Shown, action

R, S, A = RowSays, Shown, Action
TABLE: list[tuple[RowSays, Shown, bool, bool, Action]] = [
    # row, channel, leg lives, outlived
    (R.NOT_DIALED, S.HERE, True, False, A.CLOSE),
    (R.NOT_DIALED, S.HERE, False, False, A.CLOSE),
    (R.NOT_DIALED, S.NEVER, False, False, A.RETRY),
    (R.NOT_DIALED, S.UNCLEAR, True, False, A.RETRY),
    (R.NOT_DIALED, S.UNCLEAR, False, True, A.RETRY),
    (R.NOT_DIALED, S.PASSED, False, False, A.ANALYZE),
    (R.DIALED, S.HERE, True, False, A.ADOPT),
    (R.DIALED, S.HERE, False, False, A.CLOSE),
    (R.DIALED, S.UNCLEAR, True, False, A.ADOPT),
    (R.DIALED, S.UNCLEAR, False, False, A.WAIT),
    (R.DIALED, S.UNCLEAR, False, True, A.ANALYZE),
    (R.DIALED, S.NEVER, True, False, A.RETRY),
    (R.DIALED, S.NEVER, False, False, A.RETRY),
    (R.DIALED, S.PASSED, True, False, A.ANALYZE),
    (R.DIALED, S.PASSED, False, False, A.ANALYZE),
    (R.TALKING, S.HERE, True, False, A.ADOPT),
    (R.TALKING, S.HERE, False, False, A.ADOPT),
    (R.TALKING, S.UNCLEAR, True, False, A.ADOPT),
    (R.TALKING, S.UNCLEAR, False, False, A.WAIT),
    (R.TALKING, S.UNCLEAR, False, True, A.ANALYZE),
    (R.TALKING, S.NEVER, False, False, A.ANALYZE),
    (R.TALKING, S.PASSED, False, False, A.ANALYZE),
    (R.ENDING, S.HERE, True, False, A.CLOSE),
    (R.ENDING, S.UNCLEAR, False, False, A.WAIT),
    (R.ENDING, S.UNCLEAR, True, False, A.ANALYZE),
    (R.ENDING, S.UNCLEAR, False, True, A.ANALYZE),
    (R.ENDING, S.NEVER, False, False, A.ANALYZE),
    (R.ENDING, S.PASSED, False, False, A.ANALYZE),
]


@pytest.mark.parametrize(("row", "shown", "leg", "outlived", "expected"), TABLE)
def test_the_table(row: RowSays, shown: Shown, leg: bool, outlived: bool, expected: Action) -> None:
    assert action(row, shown, leg_lives=leg, outlived=outlived) is expected


@pytest.mark.parametrize(
    ("row", "shown", "leg", "outlived"), list(product(RowSays, Shown, (False, True), (False, True)))
)
def test_what_holds_everywhere(row: RowSays, shown: Shown, leg: bool, outlived: bool) -> None:
    todo = action(row, shown, leg_lives=leg, outlived=outlived)
    if todo is Action.RETRY:  # nobody can have been rung
        assert row is RowSays.NOT_DIALED or (row is RowSays.DIALED and shown is Shown.NEVER)
        assert shown not in {Shown.HERE, Shown.PASSED}
    if shown is Shown.HERE:  # somebody may be on the line: never left alone
        assert todo in {Action.ADOPT, Action.CLOSE}
    if todo is Action.ADOPT:  # somebody is heard, or will be at once
        assert leg or (row is RowSays.TALKING and shown is Shown.HERE)
    if outlived:
        assert todo is not Action.WAIT
