"""Error breaker, token bucket, clock watch and the sharing of places: tables, and what must hold for any input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.breaker import LIMIT, OPEN_MAX_MS, OPEN_MS, PROBE_LOOK_MS, Breaker, BreakerState, begun, ended
from app.domain.clock_watch import ClockWatch
from app.domain.lanes import Head, share_out
from app.domain.pacing import TOKEN_MICRO, Bucket, filled, next_token_ms, taken

T = 1_800_000_000_000


def broken(now_ms: int = T) -> Breaker:
    breaker = Breaker()
    for n in range(LIMIT):
        breaker = ended(breaker, f"c{n}", "network", now_ms)
    return breaker


def test_failures_in_a_row_open_it_and_say_why() -> None:
    almost = Breaker()
    for n in range(LIMIT - 1):
        almost = ended(almost, f"c{n}", "trunk_fault", T)
    assert almost.holds_until(T) is None
    assert ended(almost, "c", "busy", T) == Breaker()  # the way is fine
    assert ended(almost, "c", "canceled", T) == almost
    opened = ended(almost, "c", "failed", T)
    assert (opened.state(T), opened.holds_until(T)) == (BreakerState.OPEN, T + OPEN_MS)
    assert opened.reason == "5 calls in a row failed, the last with failed"


def test_one_call_tries_and_decides() -> None:
    later = T + OPEN_MS
    half = broken()
    assert half.state(later) is BreakerState.HALF_OPEN
    assert half.holds_until(later) is None
    trying = begun(half, "probe", later)
    assert trying.holds_until(later) == later + PROBE_LOOK_MS
    assert ended(trying, "old", "completed", later) == trying  # from before it opened
    assert ended(trying, "probe", "no_answer", later) == Breaker()
    again = ended(trying, "probe", "network", later)
    assert again.holds_until(later) == later + 2 * OPEN_MS
    assert ended(trying, "probe", "lost", later).probe_id is None


def test_it_never_opens_for_longer_than_its_maximum() -> None:
    breaker, now_ms = broken(), T
    for _ in range(20):
        now_ms = breaker.until_ms or 0
        breaker = ended(begun(breaker, "p", now_ms), "p", "network", now_ms)
    assert breaker.until_ms == now_ms + OPEN_MAX_MS


@given(st.lists(st.integers(0, 400), min_size=1, max_size=200), st.sampled_from([0.5, 1, 3, 7, 20]))
def test_no_second_sees_more_calls_than_the_rate(steps: list[int], rate: float) -> None:
    bucket, now_ms, begins = Bucket(at_ms=T), T, []
    for step in steps:
        now_ms += step
        bucket = filled(bucket, rate, now_ms)
        if bucket.tokens_micro >= TOKEN_MICRO:
            bucket = taken(bucket)
            begins.append(now_ms)
        else:
            due_ms = next_token_ms(bucket, rate)
            assert filled(bucket, rate, due_ms).tokens_micro >= TOKEN_MICRO
            assert filled(bucket, rate, due_ms - 1).tokens_micro < TOKEN_MICRO
    most = max(1, int(rate))
    window_ms = 1_000 if rate >= 1 else int(1_000 / rate)
    for one, other in zip(begins, begins[most:], strict=False):
        assert other - one >= window_ms - 1


def test_a_bucket_of_another_clock() -> None:
    ahead = Bucket(tokens_micro=0, at_ms=T + 2_000)
    assert filled(ahead, 1, T) == ahead  # another host's clock is a little ahead: wait for it
    set_back = filled(Bucket(at_ms=T + 3_600_000), 1, T)
    assert set_back == Bucket(tokens_micro=0, at_ms=T)
    with pytest.raises(ValueError, match="no token"):
        taken(set_back)


def test_those_who_wait_come_after_another() -> None:
    bucket = Bucket(tokens_micro=0, at_ms=T)
    assert [next_token_ms(bucket, 2, waiting) - T for waiting in range(3)] == [500, 1_000, 1_500]


@pytest.mark.parametrize(
    ("jump_ms", "held_s"), [(-3_600_000, 60), (-8_000, 8), (-4_000, 0), (3_600_000, 0), (0, 0)]
)
def test_a_clock_set_back_holds(jump_ms: int, held_s: int) -> None:
    watch = ClockWatch()

    def look(elapsed_s: float) -> bool:
        return watch.look(T + round(elapsed_s * 1_000) + (jump_ms if elapsed_s else 0), 100.0 + elapsed_s)

    assert not look(0)
    assert look(1) is (held_s > 0)
    if held_s:
        assert look(0.9 + held_s)
    assert not look(1.1 + held_s)


def head(lane: str, priority: int = 50, due_ms: int = 0, count: int = 99, tenant: str = "t") -> Head:
    return Head(lane=lane, tenant_id=tenant, priority=priority, due_ms=due_ms, count=count)


def shares(*args: object) -> dict[str, int]:
    return {share.head.lane: share.count for share in share_out(*args)}  # type: ignore[arg-type]


def test_lanes_take_turns_and_a_full_one_blocks_nobody() -> None:
    heads = [head("a", due_ms=1), head("b", due_ms=2), head("c", due_ms=3)]
    assert shares(heads, 7, {}, {}) == {"a": 3, "b": 2, "c": 2}
    assert shares(heads, 7, {"a": 0, "b": 1}, {}) == {"b": 1, "c": 6}
    assert shares(heads, 7, {}, {"t": 4}) == {"a": 2, "b": 1, "c": 1}
    assert shares([head("a", 90, count=1), head("b", 50)], 3, {}, {}) == {"a": 1, "b": 2}
    assert shares(heads, 0, {}, {}) == {}


@given(
    st.lists(
        st.builds(
            Head,
            lane=st.sampled_from("abcd"),
            tenant_id=st.sampled_from("xy"),
            priority=st.integers(0, 3),
            due_ms=st.integers(0, 9),
            count=st.integers(1, 5),
        ),
        max_size=12,
        unique_by=lambda one: (one.lane, one.priority),
    ),
    st.integers(0, 20),
    st.dictionaries(st.sampled_from("abcd"), st.integers(-2, 5)),
    st.dictionaries(st.sampled_from("xy"), st.integers(-2, 5)),
)
def test_no_share_goes_over_a_room(
    heads: list[Head], free: int, lanes: dict[str, int], tenants: dict[str, int]
) -> None:
    found = share_out(heads, free, lanes, tenants)
    assert sum(share.count for share in found) <= free
    for lane, room in lanes.items():
        assert sum(share.count for share in found if share.head.lane == lane) <= max(room, 0)
    for tenant, room in tenants.items():
        assert sum(share.count for share in found if share.head.tenant_id == tenant) <= max(room, 0)
    assert all(0 < share.count <= share.head.count for share in found)
    if not lanes and not tenants:
        assert sum(share.count for share in found) == min(free, sum(one.count for one in heads))
