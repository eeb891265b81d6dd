"""Ids sort by time, carry it, and fit where ids must fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ids import is_id, new_id, unix_ms_of
from stasis.ids import CallIds, parse


@given(st.integers(0, (1 << 48) - 1))
def test_an_id_carries_its_time_and_the_version_bits(unix_ms: int) -> None:
    made = new_id(unix_ms)
    assert is_id(made)
    assert unix_ms_of(made) == unix_ms
    assert made[12] == "7"
    assert made[16] in "89ab"


def test_later_ids_sort_later_and_none_repeats() -> None:
    made = [new_id(1_700_000_000_000 + n) for n in range(1000)]
    assert made == sorted(made)
    assert len({new_id(5) for _ in range(10_000)}) == 10_000


def test_a_call_id_survives_the_ids_of_asterisk() -> None:
    call_id = new_id(1_700_000_000_000)
    parsed = parse(CallIds(node="main", call_id=call_id).callee)
    assert parsed is not None
    assert parsed.call_id == call_id


@pytest.mark.parametrize("text", ["", "x" * 32, "../../etc/passwd", "A" * 32, "0" * 31, "0" * 33, "0" * 32 + "\n"])
def test_anything_else_is_no_id(text: str) -> None:
    assert not is_id(text)
    with pytest.raises(ValueError, match="not an id"):
        unix_ms_of(text)


@pytest.mark.parametrize("unix_ms", [-1, 1 << 48])
def test_a_time_that_does_not_fit_is_refused(unix_ms: int) -> None:
    with pytest.raises(ValueError, match="fit"):
        new_id(unix_ms)
