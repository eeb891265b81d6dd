"""The jitter buffer against a simulated peer and network: the model gets the callee's time line, to the frame."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.jitter import JitterBuffer
from media.rtp import RtpPacket
from media.timeline import Frame, FrameKind

AUDIO, FILL, SILENCE = FrameKind.AUDIO, FrameKind.FILL, FrameKind.SILENCE


def packet(
    number: int,
    *,
    timestamp: int | None = None,
    ssrc: int = 1,
    payload_type: int = 0,
    samples: int = 160,
    marker: bool = False,
) -> RtpPacket:
    """Packet `number` of a stream; its payload tells its number, so that doubles are seen."""
    return RtpPacket(
        payload_type=payload_type,
        sequence_number=number & 0xFFFF,
        timestamp=(number * samples if timestamp is None else timestamp) & 0xFFFFFFFF,
        ssrc=ssrc,
        payload=(number.to_bytes(4) * samples)[:samples],
        marker=marker,
    )


def buffer() -> JitterBuffer:
    return JitterBuffer(payload_types={0})


def push_all(jitter: JitterBuffer, arrivals: Iterable[tuple[float, RtpPacket]]) -> list[Frame]:
    return [frame for now, item in arrivals for frame in jitter.push(item, now)]


def kinds(frames: Iterable[Frame]) -> list[tuple[FrameKind, int]]:
    return [(frame.kind, frame.duration_samples) for frame in frames]


def numbers(frames: Iterable[Frame]) -> list[int]:
    return [int.from_bytes((f.payload or b"")[:4]) for f in frames if f.kind is AUDIO]


def assert_seamless(frames: Iterable[Frame]) -> None:
    position = 0
    for frame in frames:
        assert frame.position_samples == position
        assert frame.duration_samples > 0
        position += frame.duration_samples


def test_packets_in_order_pass_at_once() -> None:
    jitter = buffer()
    frames = push_all(jitter, ((n * 0.02, packet(n)) for n in range(5)))
    assert numbers(frames) == [0, 1, 2, 3, 4]
    assert jitter.position_samples == 5 * 160


@pytest.mark.parametrize("samples", [80, 160, 240, 480, 7])
def test_any_payload_length_is_accepted(samples: int) -> None:
    jitter = buffer()
    frames = push_all(jitter, ((n * samples / 8000, packet(n, samples=samples)) for n in range(6) if n != 3))
    frames += jitter.poll(5 * samples / 8000 + 0.04)
    assert [f.kind for f in frames] == [AUDIO, AUDIO, AUDIO, FILL, AUDIO, AUDIO]
    assert jitter.position_samples == 6 * samples
    assert_seamless(frames)


@pytest.mark.parametrize("order", [[0, 2, 1, 3], [0, 2, 3, 1, 4], [1, 0, 2]])
def test_reorder_within_two_frames_is_repaired(order: list[int]) -> None:
    jitter = buffer()
    frames = push_all(jitter, ((slot * 0.02, packet(n)) for slot, n in enumerate(order)))
    if order[0] == 0:
        assert numbers(frames) == sorted(order)
        assert jitter.stats.packets_reordered == 1
        assert jitter.stats.packets_lost == 0
    else:  # before the stream's first packet nothing is known
        assert numbers(frames) == [1, 2]


def test_a_gap_is_given_up_after_40_ms_and_filled() -> None:
    jitter = buffer()
    frames = push_all(jitter, [(0, packet(0)), (0.04, packet(2)), (0.06, packet(3))])
    assert numbers(frames) == [0]
    assert jitter.poll(0.079) == []
    filled = jitter.poll(0.08)
    assert kinds(filled) == [(FILL, 160), (AUDIO, 160), (AUDIO, 160)]
    assert (filled[0].payload, filled[0].attenuation_steps) == (packet(0).payload, 1)
    assert jitter.push(packet(1), 0.081) == []
    assert (jitter.stats.packets_lost, jitter.stats.packets_late) == (1, 1)


def test_a_gap_is_also_given_up_by_a_later_packet() -> None:
    jitter = buffer()
    frames = push_all(jitter, [(0, packet(0)), (0.04, packet(2)), (0.06, packet(3)), (0.08, packet(4))])
    assert [f.kind for f in frames] == [AUDIO, FILL, AUDIO, AUDIO, AUDIO]


def test_long_losses_fade_over_three_frames_into_silence() -> None:
    jitter = buffer()
    frames = push_all(jitter, [(0, packet(0)), (0.2, packet(10))]) + jitter.poll(0.241)
    assert kinds(frames) == [(AUDIO, 160), (FILL, 160), (FILL, 160), (FILL, 160), (SILENCE, 960), (AUDIO, 160)]
    assert [f.attenuation_steps for f in frames[1:4]] == [1, 2, 3]
    assert jitter.stats.filled_samples == 480


def test_duplicates_are_dropped_and_counted() -> None:
    jitter = buffer()
    frames = push_all(
        jitter, [(0, packet(0)), (0, packet(0)), (0.04, packet(2)), (0.04, packet(2)), (0.05, packet(1))]
    )
    assert numbers(frames) == [0, 1, 2]
    assert (jitter.stats.packets_duplicate, jitter.stats.packets_late) == (2, 0)


def test_silence_is_fed_by_the_wall_clock_and_taken_back_by_timestamps() -> None:
    jitter = buffer()
    jitter.push(packet(0), 0.0)
    fed = [frame for step in range(1, 100) for frame in jitter.poll(step * 0.02)]
    assert {f.kind for f in fed} == {SILENCE}
    assert 1.92 <= jitter.position_samples / 8000 <= 1.98
    back = jitter.push(packet(1, timestamp=160 * 100, marker=True), 2.0)
    assert back[-1].kind is AUDIO
    assert back[-1].position_samples == 160 * 100
    assert jitter.stats.dropped_samples == 0


def test_a_loss_after_silence_is_filled_with_silence() -> None:
    jitter = buffer()
    jitter.push(packet(0), 0.0)
    for step in range(1, 11):
        jitter.poll(step * 0.02)
    jitter.push(packet(4, timestamp=160 * 12), 0.21)  # 1 to 3 were the start of the talk spurt
    assert [f.kind for f in jitter.poll(0.26)] == [SILENCE, AUDIO]
    assert jitter.stats.filled_samples == 0


def stalled(jitter: JitterBuffer, numbers_held_back: range) -> list[Frame]:
    """Packets 20 ms apart of which these come together, 1 ms after the last of them was due."""
    first, last = numbers_held_back.start, numbers_held_back.stop - 1
    frames = [frame for slot in range(first, last + 1) for frame in jitter.poll(slot * 0.02)]
    return frames + push_all(jitter, ((last * 0.02 + 0.001, packet(n)) for n in numbers_held_back))


def flowing(jitter: JitterBuffer, passing: range) -> list[Frame]:
    """Packets and slots, everything in time."""
    frames: list[Frame] = []
    for n in passing:
        frames += jitter.poll(n * 0.02) + jitter.push(packet(n), n * 0.02)
    return frames


def test_a_burst_after_a_stall_is_heard_whole() -> None:
    jitter = buffer()
    jitter.push(packet(0), 0.0)
    frames = stalled(jitter, range(1, 16))
    assert kinds(frames)[:13] == [(SILENCE, 160)] * 13
    assert numbers(frames) == [*range(1, 16)]
    assert jitter.position_samples == 160 * (16 + 13)


def test_the_second_stall_lives_on_what_the_first_one_cost() -> None:
    """Packets that always come five at a time: silence is fed once, and never again."""
    jitter = buffer()
    jitter.push(packet(0), 0.0)
    frames = [frame for first in range(1, 101, 5) for frame in stalled(jitter, range(first, first + 5))]
    assert numbers(frames) == [*range(1, 101)]
    assert kinds(frames)[:8] == [(SILENCE, 160)] * 3 + [(AUDIO, 160)] * 5
    assert jitter.stats.silence_samples == 3 * 160


def test_a_pause_makes_up_for_a_stall_and_loud_packets_never_do() -> None:
    loud = {*range(30), 60}
    jitter = JitterBuffer(payload_types={0}, is_quiet=lambda payload: int.from_bytes(payload[:4]) not in loud)
    jitter.push(packet(0), 0.0)
    frames = stalled(jitter, range(1, 16)) + flowing(jitter, range(16, 200))
    left_out = sorted(set(range(1, 200)) - set(numbers(frames)))
    assert left_out == [*range(111, 124)], "after a whole second without a word, no packet sooner, no packet more"
    assert jitter.position_samples == 160 * 200
    assert jitter.stats.dropped_samples == 160 * 13


def test_a_stall_of_more_than_a_second_is_made_up_for_as_well() -> None:
    quiet = JitterBuffer(payload_types={0}, is_quiet=lambda payload: int.from_bytes(payload[:4]) > 400)
    quiet.push(packet(0), 0.0)
    frames: list[Frame] = []
    for first in (1, 101, 201):
        frames += stalled(quiet, range(first, first + 75)) + flowing(quiet, range(first + 75, first + 100))
    frames += flowing(quiet, range(301, 800))
    heard = numbers(frames)
    assert heard[:400] == [*range(1, 401)]
    assert quiet.position_samples == 160 * 800


def test_a_clock_that_stood_still_in_a_long_pause_owes_nothing() -> None:
    jitter = JitterBuffer(payload_types={0}, is_quiet=lambda _: True)
    jitter.push(packet(0), 0.0)
    for slot in range(1, 76):
        jitter.poll(slot * 0.02)
    for n in range(1, 200):
        jitter.poll(1.5 + n * 0.02)
        jitter.push(packet(n), 1.5 + n * 0.02)
    assert jitter.stats.dropped_samples == 0
    assert jitter.stats.silence_samples >= 160 * 70


def test_silence_by_timestamps_makes_up_for_a_stall() -> None:
    jitter = buffer()
    jitter.push(packet(0), 0.0)
    stalled(jitter, range(1, 16))
    assert kinds(jitter.push(packet(16, timestamp=160 * 40), 0.801)) == [(SILENCE, 160 * (24 - 13)), (AUDIO, 160)]
    assert jitter.position_samples == 160 * 41


def test_a_talk_spurt_whose_clock_stood_still_is_not_taken_for_late() -> None:
    jitter = buffer()
    jitter.push(packet(0), 0.0)
    for step in range(1, 26):
        jitter.poll(step * 0.02)
    assert numbers(jitter.push(packet(1, marker=True), 0.5)) == [1]
    assert jitter.stats.dropped_samples == 0


def test_silence_runs_before_the_first_packet() -> None:
    jitter = buffer()
    frames = [f for step in range(51) for f in jitter.poll(step * 0.02)]
    assert sum(f.duration_samples for f in frames) == 8000 - 320
    jitter.push(packet(500), 1.02)
    assert abs(jitter.position_samples - 8160) <= 160


def test_events_and_comfort_noise_leave_no_gap() -> None:
    jitter = buffer()
    events = [packet(n, timestamp=160, payload_type=101) for n in (1, 2, 3)]
    frames = push_all(jitter, [(0, packet(0)), *((0.02, event) for event in events)])
    frames += push_all(jitter, [(0.05, packet(4, timestamp=400))])
    assert kinds(frames) == [(AUDIO, 160), (SILENCE, 240), (AUDIO, 160)]
    assert (jitter.stats.packets_lost, jitter.stats.packets_wrong_payload_type) == (0, 0)


def test_a_wrong_payload_type_never_begins_a_new_numbering() -> None:
    jitter = buffer()
    strays = [(0.001 * n, packet(30_000 + n, timestamp=0, payload_type=96)) for n in range(5)]
    frames = push_all(jitter, [(0, packet(0)), *strays, (0.02, packet(1))])
    assert kinds(frames) == [(AUDIO, 160), (AUDIO, 160)]
    assert numbers(frames) == [0, 1]
    assert (jitter.stats.resyncs, jitter.stats.packets_wrong_payload_type) == (0, 5)


def test_a_wrong_payload_type_is_counted_and_never_heard() -> None:
    jitter = buffer()
    assert jitter.push(packet(9, ssrc=5, payload_type=3), 0.0) == []
    frames = push_all(jitter, [(0, packet(0)), (0.02, packet(1, payload_type=8)), (0.04, packet(2))])
    assert kinds(frames) == [(AUDIO, 160), (SILENCE, 160), (AUDIO, 160)]
    assert jitter.stats.packets_wrong_payload_type == 2
    assert jitter.ssrc == 1


def test_a_new_source_takes_over_and_stragglers_of_the_old_are_late() -> None:
    jitter = buffer()
    frames = push_all(jitter, ((n * 0.02, packet(n)) for n in range(5)))
    frames += jitter.push(packet(900, ssrc=2), 0.12)  # packet 5 was lost in the change
    frames += jitter.push(packet(6), 0.121)
    frames += jitter.push(packet(901, ssrc=2), 0.14)
    assert numbers(frames) == [0, 1, 2, 3, 4, 900, 901]
    assert jitter.position_samples == 8 * 160
    assert (jitter.stats.ssrc_changes, jitter.stats.packets_late) == (1, 1)


def test_the_gap_before_a_new_source_does_not_hang_on_one_late_packet() -> None:
    jitter = buffer()
    push_all(jitter, [(0, packet(0)), (0.02, packet(1)), (0.04, packet(2)), (0.10, packet(3))])
    assert kinds(jitter.push(packet(900, ssrc=2), 0.10)) == [(SILENCE, 160), (AUDIO, 160)]


def test_a_new_source_that_begins_without_audio_is_silence_once() -> None:
    jitter = buffer()
    jitter.push(packet(0), 0.0)
    assert kinds(jitter.push(packet(7, ssrc=2, payload_type=13), 0.10)) == [(SILENCE, 640)]
    assert jitter.poll(0.12) == []
    assert kinds(jitter.poll(0.14)) == [(SILENCE, 160)]


def test_what_waited_behind_a_gap_comes_before_the_new_source() -> None:
    jitter = buffer()
    frames = push_all(jitter, [(0, packet(0)), (0.04, packet(2)), (0.06, packet(50, ssrc=2))])
    assert [f.kind for f in frames] == [AUDIO, FILL, AUDIO, AUDIO]


def test_a_timestamp_jump_of_more_than_a_second_is_a_new_time_line() -> None:
    jitter = buffer()
    far = 0x7000_0000
    frames = push_all(
        jitter, [(0, packet(0)), (0.02, packet(1, timestamp=far)), (0.04, packet(2, timestamp=far + 160))]
    )
    assert kinds(frames) == [(AUDIO, 160)] * 3
    assert jitter.stats.resyncs == 1
    frames = jitter.push(packet(3, timestamp=0), 0.06)
    assert kinds(frames) == [(AUDIO, 160)]


def test_a_new_numbering_is_believed_with_its_second_packet() -> None:
    jitter = buffer()
    push_all(jitter, ((n * 0.02, packet(n)) for n in range(3)))
    assert jitter.push(packet(30000), 0.06) == []
    assert numbers(jitter.push(packet(3), 0.06)) == [3]  # one stray packet changes nothing
    assert jitter.push(packet(30001, timestamp=640), 0.08) == []
    assert numbers(jitter.push(packet(30002, timestamp=800), 0.10)) == [30002]
    assert numbers(jitter.push(packet(30003, timestamp=960), 0.12)) == [30003]


def test_a_numbering_that_starts_a_little_lower_is_told_by_its_timestamps() -> None:
    jitter = buffer()
    push_all(jitter, ((n * 0.02, packet(n)) for n in range(50)))
    heard = push_all(jitter, ((n * 0.02, packet(n - 40, timestamp=n * 160)) for n in range(50, 56)))
    assert numbers(heard) == [11, 12, 13, 14, 15]


def test_sequence_and_timestamp_wrap() -> None:
    jitter = buffer()
    start = 0xFFFF_FFFF // 160 - 3  # the timestamp wraps three packets on
    frames = [f for n in range(10) for f in jitter.push(packet(65530 + n, timestamp=(start + n) * 160), n * 0.02)]
    assert kinds(frames) == [(AUDIO, 160)] * 10
    assert (jitter.stats.packets_lost, jitter.stats.resyncs) == (0, 0)


def test_many_pending_packets_do_not_pile_up() -> None:
    jitter = buffer()
    jitter.push(packet(0), 0.0)
    frames = push_all(jitter, ((0.001, packet(n)) for n in range(2, 200)))
    assert len(numbers(frames)) == 198


class Network:
    """A seeded peer of 20 ms packets with all that goes wrong at once; `peer_samples` is the peer's own time."""

    def __init__(self, seed: int, seconds: float, *, ppm: float = 0.0, jitter_ms: float = 8.0) -> None:
        self.rng = random.Random(seed)
        self.arrivals: list[tuple[float, RtpPacket]] = []
        slots = int(seconds * 50)
        ssrc, number, timestamp, quiet = 1, 65000, 0xFFFF_0000, range(slots // 3, slots // 3 + 100)
        period = 0.02 / (1 + ppm * 1e-6)
        for slot in range(slots):
            if slot == slots // 2:
                ssrc, number, timestamp = 2, 17, 5
            if slot not in quiet:
                self.send(slot * period, packet(number, timestamp=timestamp, ssrc=ssrc), jitter_ms)
                number += 1
            timestamp += 160
        self.arrivals.sort(key=lambda arrival: arrival[0])
        self.peer_samples = slots * 160
        self.end = slots * period

    def send(self, now: float, item: RtpPacket, jitter_ms: float) -> None:
        chance = self.rng.random()
        if chance < 0.05:
            return
        delay = 0.005 + self.rng.random() * jitter_ms / 1000
        if chance < 0.10:
            delay += self.rng.choice([0.02, 0.04]) - jitter_ms / 2000
        self.arrivals.append((now + delay, item))
        if chance > 0.98:
            self.arrivals.append((now + delay + self.rng.random() * 0.05, item))


def receive(network: Network, jitter: JitterBuffer, slot_s: float = 0.02) -> list[Frame]:
    """Run the leg's loop: push on arrival, poll every slot."""
    frames: list[Frame] = []
    arrivals = iter([*network.arrivals, (network.end + 0.065, None)])
    slot = 0
    for now, item in arrivals:
        while slot * slot_s <= now:
            frames += jitter.poll(slot * slot_s)
            slot += 1
        if item is not None:
            frames += jitter.push(item, now)
    return frames


@pytest.mark.parametrize("offset", range(8))
def test_loss_reorder_duplicates_ssrc_change_and_dtx_keep_the_time_line(seed: int, offset: int) -> None:
    network, jitter = Network(seed + offset, 20.0), buffer()
    frames = receive(network, jitter)
    assert_seamless(frames)
    assert abs(jitter.position_samples - network.peer_samples) <= 320  # 40 ms
    heard = [(frame.payload or b"")[:160] for frame in frames if frame.kind is AUDIO]
    assert len(heard) == len(set(heard))
    stats = jitter.stats
    assert stats.ssrc_changes == 1
    assert stats.packets_lost > 20
    assert stats.packets_reordered > 5
    assert stats.packets_duplicate > 5
    assert stats.dropped_samples <= 480


@pytest.mark.parametrize("ppm", [-200, 200])
def test_an_hour_of_clock_drift_stays_bounded(ppm: int) -> None:
    """At 60 ms per packet for speed; two of every twelve seconds are silence, so that both clocks are in use."""
    jitter, slot, number = buffer(), 0, 0
    period = 0.06 / (1 + ppm * 1e-6)
    for n in range(60_000):
        now = n * period
        while slot * 0.06 <= now:
            jitter.poll(slot * 0.06)
            slot += 1
        if n % 200 >= 34:
            jitter.push(packet(number, timestamp=n * 480, samples=480), now)
            number += 1
        if n % 200 == 199:
            assert abs(jitter.position_samples - (n + 1) * 480) <= 480
    stats = jitter.stats
    assert (stats.packets_lost, stats.resyncs) == (0, 0)
    assert stats.dropped_samples <= 480


orders = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 60)), max_size=120)


@given(orders)
def test_the_time_line_is_seamless_and_nothing_is_heard_twice(delays: list[tuple[int, int]]) -> None:
    """Any subset of a stream, delayed by up to 60 ms each, some twice; all of it quiet enough to be left out."""
    jitter, position = JitterBuffer(payload_types={0}, is_quiet=lambda _: True), 0
    arrivals = sorted(((n * 0.02 + delay / 1000, n) for n, delay in delays), key=lambda arrival: arrival[0])
    heard: list[int] = []
    now = 0.0
    for at, number in arrivals:
        while now <= at:
            position = check(jitter.poll(now), position, heard)
            now += 0.02
        position = check(jitter.push(packet(number), at), position, heard)
    position = check(jitter.poll(now + 1.0), position, heard)
    assert position == jitter.position_samples
    assert len(heard) == len(set(heard))
    stats = jitter.stats
    assert stats.audio_samples + stats.filled_samples + stats.silence_samples == position
    assert stats.dropped_samples <= stats.silence_samples


def check(frames: list[Frame], position: int, heard: list[int]) -> int:
    for frame in frames:
        assert frame.position_samples == position
        assert frame.duration_samples > 0
        position += frame.duration_samples
    heard += numbers(frames)
    return position


wild_packets = st.builds(
    RtpPacket,
    payload_type=st.sampled_from([0, 0, 0, 13, 101, 8]),
    sequence_number=st.integers(0, 0xFFFF) | st.integers(0, 40),
    timestamp=st.integers(0, 0xFFFFFFFF) | st.integers(0, 6400),
    ssrc=st.sampled_from([1, 1, 1, 2]),
    payload=st.binary(max_size=200),
    marker=st.booleans(),
)


@given(st.lists(st.tuples(st.floats(0, 0.2), wild_packets), max_size=80))
def test_nothing_a_peer_sends_raises_or_breaks_the_time_line(steps: list[tuple[float, RtpPacket]]) -> None:
    jitter, now, position = buffer(), 0.0, 0
    for step, item in steps:
        now += step
        position = check(jitter.push(item, now), position, [])
        position = check(jitter.poll(now), position, [])
    assert position == jitter.position_samples
    assert position <= (now + 1.0) * 8000 + 160 * len(steps) + 8000 * len(steps)
    assert jitter.stats.packets_received == len(steps)
