"""Who calls, how often, and what a call-back does to its task; what its agent is told."""

import pytest

from app.domain.callback import CallerLimits, caller_numbers


@pytest.mark.parametrize(
    ("digits", "region", "numbers"),
    [
        ("12025550100", "", ("+12025550100",)),
        ("0012025550100", "", ("+12025550100",)),
        ("2025550100", "US", ("+12025550100",)),
        ("2025550100", "", ("+2025550100",)),  # Egypt: without a region nobody can tell
        ("03012345678", "DE", ("+493012345678",)),
        ("", "US", ()),
        ("1", "US", ()),
        ("9" * 40, "US", ()),
        ("1202555٠100", "US", ()),
    ],
)
def test_a_caller_id_as_e164(digits: str, region: str, numbers: tuple[str, ...]) -> None:
    found = caller_numbers(digits, region)
    assert found[-1:] == numbers[-1:]
    assert all(number.startswith("+") for number in found)


def test_limits_hold_per_number_and_together_and_forget() -> None:
    limits = CallerLimits(per_number=2, together=3)
    assert [limits.admit("a", now) for now in (0.0, 1.0, 2.0)] == [True, True, False]
    assert [limits.admit("b", 3.0), limits.admit("c", 4.0)] == [True, False]
    assert limits.admit("a", 3601.0), "an hour later"
