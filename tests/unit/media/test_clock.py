"""The send clock: nothing lost, nothing doubled, never a burst, no drift."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.clock import MAX_OVERDUE, Slot, TickClock
from media.errors import MediaUsageError
from media.rtp import RtpSender


def test_each_phase_comes_once_per_period() -> None:
    clock = TickClock(100.0)
    assert clock.due(99.999) == []
    slots = [slot for step in range(8) for slot in clock.due(100.0 + step * 0.005 + 0.0001)]
    assert [(slot.phase, slot.index) for slot in slots] == [(p, i) for i in (0, 1) for p in range(4)]
    assert clock.next_deadline == pytest.approx(100.040)


def test_one_overdue_frame_is_sent_late() -> None:
    clock = TickClock(0.0, phases=1)
    assert [s.index for s in clock.due(0.0)] == [0]
    assert [(s.index, s.skipped) for s in clock.due(0.059)] == [(1, 0), (2, 0)]
    assert clock.slots_skipped == 0


def test_a_long_stall_skips_and_sends_one() -> None:
    clock = TickClock(0.0, phases=1)
    clock.due(0.0)
    assert [(s.index, s.skipped) for s in clock.due(0.205)] == [(10, 9)]
    assert clock.slots_skipped == 9
    assert [(s.index, s.skipped) for s in clock.due(0.221)] == [(11, 0)]


def test_phases_are_judged_one_by_one_at_the_edge() -> None:
    clock = TickClock(0.0)
    slots = clock.due(0.0401)  # steps 0..8: phase 0 has three overdue slots, the others two
    assert [(s.phase, s.index, s.skipped) for s in slots] == [
        (1, 0, 0),
        (2, 0, 0),
        (3, 0, 0),
        (1, 1, 0),
        (2, 1, 0),
        (3, 1, 0),
        (0, 2, 2),
    ]


def test_an_impossible_clock_is_our_mistake() -> None:
    with pytest.raises(MediaUsageError):
        TickClock(0.0, period_s=0)
    with pytest.raises(MediaUsageError):
        TickClock(0.0, phases=0)


@given(
    start=st.floats(0, 1e6),
    phases=st.integers(1, 8),
    steps=st.lists(st.floats(0, 0.5), min_size=1, max_size=60),
)
def test_every_slot_is_served_or_skipped_once_and_never_early(
    start: float, phases: int, steps: list[float]
) -> None:
    clock, now = TickClock(start, phases=phases), start
    accounted = [0] * phases
    for step in steps:
        now += step
        slots = clock.due(now)
        for phase in range(phases):
            mine = [slot for slot in slots if slot.phase == phase]
            assert len(mine) <= MAX_OVERDUE
            for slot in mine:
                assert slot.deadline <= now
                assert slot.index == accounted[phase] + slot.skipped
                accounted[phase] = slot.index + 1
        assert clock.next_deadline > now
        assert slots == sorted(slots, key=lambda slot: slot.deadline)


def test_no_drift_over_a_minute_of_random_lateness(seed: int) -> None:
    """Timestamps go by wall time to the slot, whatever the wake-ups do: naps, 50 ms blocks, a 300 ms stall."""
    rng, clock, now = random.Random(seed), TickClock(1000.0), 1000.0
    senders = [RtpSender(ssrc=0, payload_type=0) for _ in range(clock.phases)]
    last: list[Slot | None] = [None] * clock.phases
    while now < 1060.0:
        now = max(now, clock.next_deadline) + rng.choice([0, 0.0002, 0.002, 0.002, 0.011, 0.05, 0.3])
        for slot in clock.due(now):
            senders[slot.phase].skip_slots(slot.skipped)
            assert senders[slot.phase].timestamp == slot.index * 160
            senders[slot.phase].packet(b"")
            last[slot.phase] = slot
    assert clock.slots_skipped > 0
    sent = sum(sender.packets_sent for sender in senders)
    assert sent + clock.slots_skipped == sum(slot.index + 1 for slot in last if slot)
    for slot in last:
        assert slot is not None
        assert slot.deadline == pytest.approx(1000.0 + slot.index * 0.020 + slot.phase * 0.005, abs=1e-9)
        assert now - slot.deadline < 0.0201
