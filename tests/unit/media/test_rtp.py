"""RTP packets against RFC 3550 5.1: round trips, every optional part, every kind of damage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import MalformedRtp, MediaUsageError
from media.rtp import RtpPacket, RtpSender, SequenceUnwrapper, parse, serialize

HEADER = bytes.fromhex("8008ffff00000010deadbeef")

packets = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence_number=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    marker=st.booleans(),
    payload=st.binary(max_size=400),
    csrc=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple),
)


@given(packets)
def test_what_is_serialized_is_parsed(packet: RtpPacket) -> None:
    assert parse(serialize(packet)) == packet


@given(st.binary(max_size=80))
def test_parse_answers_any_bytes_with_a_packet_or_malformed(data: bytes) -> None:
    try:
        packet = parse(data)
    except MalformedRtp:
        return
    assert len(packet.payload) <= len(data) - 12


def test_fields_of_a_known_packet() -> None:
    packet = parse(HEADER + b"audio")
    assert packet == RtpPacket(
        payload_type=8, sequence_number=0xFFFF, timestamp=16, ssrc=0xDEADBEEF, payload=b"audio"
    )
    assert parse(b"\x80\x88" + HEADER[2:]).marker


def test_csrc_extension_and_padding_are_taken_off() -> None:
    csrc = b"\x00\x00\x00\x01\x00\x00\x00\x02"
    extension = b"\xbe\xde\x00\x01\xaa\xbb\xcc\xdd"
    packet = parse(b"\xb2" + HEADER[1:] + csrc + extension + b"audio" + b"\x00\x00\x03")
    assert packet.csrc == (1, 2)
    assert packet.payload == b"audio"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (HEADER[:11], "less than an RTP header"),
        (b"\x40" + HEADER[1:], "version 1"),
        (b"\x81" + HEADER[1:] + b"\x00\x00\x00", "CSRC"),
        (b"\x90" + HEADER[1:] + b"\x00\x00", "extension is cut"),
        (b"\x90" + HEADER[1:] + b"\x00\x00\x00\x02\x00\x00\x00\x00", "longer than the packet"),
        (b"\xa0" + HEADER[1:] + b"x\x00", "padding of length 0"),
        (b"\xa0" + HEADER[1:] + b"x\x03", "longer than the packet"),
    ],
)
def test_damage_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedRtp, match=reason):
        parse(data)


def test_sixteen_csrcs_are_our_mistake() -> None:
    with pytest.raises(MediaUsageError):
        serialize(RtpPacket(payload_type=0, sequence_number=0, timestamp=0, ssrc=0, payload=b"", csrc=(0,) * 16))


def test_unwrapper_follows_wraps_and_reordering() -> None:
    unwrapper = SequenceUnwrapper()
    assert [unwrapper.unwrap(n) for n in (65534, 65535, 1, 0, 2)] == [65534, 65535, 65537, 65536, 65538]
    assert unwrapper.highest == 65538
    assert [SequenceUnwrapper().unwrap(n) for n in (0, 65535)] == [0, 65535]
    timestamps = SequenceUnwrapper(bits=32)
    assert [timestamps.unwrap(n) for n in (0xFFFFFFF0, 0x90)] == [0xFFFFFFF0, 0x100000090]


@given(st.integers(0, 0xFFFF), st.lists(st.integers(-30000, 30000), max_size=50))
def test_unwrapper_is_exact_for_steps_below_half_the_range(start: int, steps: list[int]) -> None:
    unwrapper = SequenceUnwrapper()
    unwrapper.unwrap(start)
    highest = start
    for step in steps:
        true = highest + step
        assert unwrapper.unwrap(true & 0xFFFF) == true
        highest = max(highest, true)


def test_sender_wraps_numbers_and_skips_time_not_sequence() -> None:
    sender = RtpSender(ssrc=7, payload_type=0, sequence_number=65535, timestamp=0xFFFFFFFF)
    first = parse(sender.packet(b"a", marker=True))
    sender.skip_slots(3)
    second = parse(sender.packet(b"b", marker=False))
    assert (first.sequence_number, first.timestamp, first.marker) == (65535, 0xFFFFFFFF, True)
    assert (second.sequence_number, second.timestamp, second.marker) == (0, 4 * 160 - 1, False)
    assert {first.ssrc, second.ssrc} == {7}
    assert sender.packets_sent == 2
