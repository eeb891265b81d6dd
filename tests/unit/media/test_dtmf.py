"""Telephone events: one press is one event, whatever is repeated, lost or split (RFC 4733)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.dtmf import DtmfPress, DtmfTracker, TelephoneEvent, parse_event
from media.errors import MalformedRtp
from media.rtp import RtpPacket


def event_packet(event: int, timestamp: int, duration: int, *, end: bool = False, ssrc: int = 1) -> RtpPacket:
    payload = bytes([event, 0x80 * end | 10]) + duration.to_bytes(2)
    return RtpPacket(payload_type=101, sequence_number=0, timestamp=timestamp, ssrc=ssrc, payload=payload)


def press(event: int, timestamp: int, *, packets: int = 5, ends: int = 3) -> list[RtpPacket]:
    """A press of `packets` x 20 ms as Asterisk and most phones send it."""
    updates = [event_packet(event, timestamp, 160 * n) for n in range(1, packets + 1)]
    return updates + [event_packet(event, timestamp, 160 * packets, end=True)] * ends


def receive(tracker: DtmfTracker, packets: list[RtpPacket], start: float = 0.0) -> list[DtmfPress]:
    return [done for n, item in enumerate(packets) for done in tracker.receive(item, start + n * 0.02)]


def test_a_payload_is_read_field_by_field() -> None:
    assert parse_event(b"\x0b\x8a\x03\x20") == TelephoneEvent(event=11, end=True, volume=10, duration=800)
    with pytest.raises(MalformedRtp):
        parse_event(b"\x0b\x8a\x03")


def test_one_press_with_its_retransmitted_ends_is_one_event() -> None:
    tracker = DtmfTracker()
    assert receive(tracker, press(5, 1000)) == [DtmfPress(digit="5", duration_ms=100)]
    assert tracker.poll(10.0) == []


def test_a_lost_end_is_noticed_by_time() -> None:
    tracker = DtmfTracker()
    assert receive(tracker, press(11, 1000, ends=0)) == []
    assert tracker.next_deadline == pytest.approx(0.28)
    assert tracker.poll(0.27) == []
    assert tracker.poll(0.29) == [DtmfPress(digit="#", duration_ms=100)]
    assert tracker.next_deadline is None
    assert receive(tracker, press(11, 1000)[3:], start=0.3) == []


def test_a_lost_end_is_noticed_by_the_next_press() -> None:
    tracker = DtmfTracker()
    presses = receive(tracker, press(1, 1000, ends=0) + press(1, 3000) + press(10, 5000))
    assert [p.digit for p in presses] == ["1", "1", "*"]


def test_only_ends_arrived() -> None:
    assert receive(DtmfTracker(), press(7, 0)[5:]) == [DtmfPress(digit="7", duration_ms=100)]


def test_a_long_press_in_segments_is_one_event() -> None:
    first = [event_packet(9, 500, duration) for duration in (160, 30000, 0xFFFF)]
    second = [event_packet(9, 500 + 0xFFFF, duration) for duration in (160, 8000)]
    late = [event_packet(9, 500, 30000)]
    end = [event_packet(9, 500 + 0xFFFF, 8160, end=True)] * 3
    presses = receive(DtmfTracker(), first + second + late + end)
    assert presses == [DtmfPress(digit="9", duration_ms=(0xFFFF + 8160) // 8)]


def test_a_segment_of_another_key_is_another_press() -> None:
    presses = receive(DtmfTracker(), [event_packet(9, 0, 0xFFFF), event_packet(8, 0xFFFF, 160, end=True)])
    assert [p.digit for p in presses] == ["9", "8"]


def test_what_is_no_digit_is_ignored_and_damage_counted() -> None:
    tracker = DtmfTracker()
    flash = event_packet(16, 0, 160, end=True)
    short = RtpPacket(payload_type=101, sequence_number=0, timestamp=0, ssrc=1, payload=b"\x01")
    assert receive(tracker, [flash, short]) == []
    assert tracker.packets_malformed == 1


def test_the_clock_rate_scales_durations() -> None:
    assert receive(DtmfTracker(clock_rate_hz=16000), press(0, 0))[0].duration_ms == 50


@given(st.lists(st.tuples(st.integers(0, 15), st.lists(st.booleans(), min_size=8, max_size=8)), max_size=8))
def test_each_press_of_which_anything_arrived_is_exactly_one_event(
    plan: list[tuple[int, list[bool]]],
) -> None:
    tracker, presses, expected = DtmfTracker(), list[DtmfPress](), ""
    for n, (event, arrives) in enumerate(plan):
        packets = press(event, n * 3200)
        kept = [item for item, here in zip(packets, arrives, strict=True) if here]
        presses += receive(tracker, kept, start=n * 0.4)
        if kept:
            expected += "0123456789*#ABCD"[event]
    presses += tracker.poll(len(plan) * 0.4 + 1)
    assert "".join(p.digit for p in presses) == expected


@given(st.lists(st.tuples(st.binary(max_size=6), st.integers(0, 0xFFFFFFFF)), max_size=40))
def test_nothing_a_peer_sends_raises(items: list[tuple[bytes, int]]) -> None:
    tracker = DtmfTracker()
    for n, (payload, timestamp) in enumerate(items):
        item = RtpPacket(payload_type=101, sequence_number=n, timestamp=timestamp, ssrc=1, payload=payload)
        assert len(tracker.receive(item, n * 0.02)) <= 2
