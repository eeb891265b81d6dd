"""Receiver statistics against RFC 3550 A.1, A.3 and A.8."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtp import RtpPacket
from media.stats import ReceiverStatistics


def packet(number: int, *, timestamp: int | None = None, ssrc: int = 1, payload_type: int = 0) -> RtpPacket:
    return RtpPacket(
        payload_type=payload_type,
        sequence_number=number & 0xFFFF,
        timestamp=(number * 160 if timestamp is None else timestamp) & 0xFFFFFFFF,
        ssrc=ssrc,
        payload=b"",
    )


def statistics() -> ReceiverStatistics:
    return ReceiverStatistics(payload_types={0})


def test_nothing_received_is_no_report() -> None:
    assert statistics().report() is None
    assert statistics().packets_lost == 0


def test_losses_per_interval_and_in_all() -> None:
    stats = statistics()
    for number in range(65530, 65530 + 20):
        if number % 4:
            stats.receive(packet(number), number * 0.02)
    first = stats.report()
    assert first is not None
    assert (first.cumulative_lost, first.fraction_lost) == (5, 5 * 256 // 20)
    assert first.extended_highest_sequence_number == 0x10000 + 13
    for number in range(65550, 65560):
        stats.receive(packet(number), number * 0.02)
    second = stats.report()
    assert second is not None
    assert (second.cumulative_lost, second.fraction_lost) == (5, 0)
    third = stats.report()
    assert third is not None
    assert third.fraction_lost == 0


def test_duplicates_make_losses_negative_and_never_a_negative_fraction() -> None:
    stats = statistics()
    for number in (1, 2, 2, 2, 3):
        stats.receive(packet(number), 0.0)
    report = stats.report()
    assert report is not None
    assert (stats.packets_lost, report.cumulative_lost, report.fraction_lost) == (-2, -2, 0)


def test_reordered_packets_are_no_loss() -> None:
    stats = statistics()
    for number in (1, 3, 2, 5, 4):
        stats.receive(packet(number), 0.0)
    assert stats.packets_lost == 0
    assert stats.packets_received == 5


def test_jitter_is_the_recursion_of_a_8() -> None:
    stats, expected, previous = statistics(), 0.0, None
    for number, late in enumerate([0, 3, 0, 5, 5, 1, 0, 9]):
        stats.receive(packet(number), number * 0.02 + late / 1000)
        if previous is not None:
            expected += (abs(late - previous) - expected) / 16
        previous = late
    assert stats.jitter_ms == pytest.approx(expected)
    assert stats.max_jitter_ms == pytest.approx(expected)
    report = stats.report()
    assert report is not None
    assert report.interarrival_jitter == int(expected * 8)


def test_jitter_survives_silence_wraps_and_events() -> None:
    stats = statistics()
    stats.receive(packet(0, timestamp=0xFFFFFF60), 0.0)
    stats.receive(packet(1, timestamp=0), 0.02)
    stats.receive(packet(2, timestamp=0, payload_type=101), 0.5)
    stats.receive(packet(3, timestamp=8000), 1.02)
    assert stats.jitter_ms == pytest.approx(0.0, abs=1e-6)
    assert stats.packets_lost == 0


def test_a_new_source_adds_to_the_losses_of_the_call() -> None:
    stats = statistics()
    for item in (packet(1), packet(4), packet(40000, ssrc=2), packet(40002, ssrc=2)):
        stats.receive(item, 0.0)
    report = stats.report()
    assert report is not None
    assert (stats.packets_lost, report.ssrc) == (3, 2)


def test_one_wild_number_is_ignored_two_in_a_row_are_a_restart() -> None:
    stats = statistics()
    for number in (100, 101, 30000, 102, 103):
        stats.receive(packet(number), 0.0)
    assert stats.packets_lost == 0
    for number in (40000, 40001, 40002):
        stats.receive(packet(number), 0.0)
    report = stats.report()
    assert report is not None
    assert (stats.packets_lost, report.extended_highest_sequence_number) == (0, 40002)


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.sampled_from(["sent", "lost", "doubled"]), min_size=2, max_size=200),
)
def test_lost_is_expected_minus_received(start: int, fates: list[str]) -> None:
    fates[0] = fates[-1] = "sent"
    stats = statistics()
    for number, fate in enumerate(fates, start):
        for _ in range({"sent": 1, "lost": 0, "doubled": 2}[fate]):
            stats.receive(packet(number), number * 0.02)
    assert stats.packets_lost == fates.count("lost") - fates.count("doubled")
    report = stats.report()
    assert report is not None
    assert report.extended_highest_sequence_number == start + len(fates) - 1
    assert 0 <= report.fraction_lost <= 255
