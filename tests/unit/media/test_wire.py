"""Framing of the control socket."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.protocol import (
    MAX_FRAME_BYTES,
    Acknowledge,
    CallAudio,
    CloseLeg,
    Command,
    Fault,
    Hello,
    Listen,
    Say,
    WorkerLoad,
)
from media.wire import FrameSplitter, FrameTooLong, MalformedMessage, decode_command, decode_message, frame

COMMANDS: list[Command] = [
    Hello(protocol_version=1, control_id="c", acknowledged_seq=7),
    CloseLeg(call_id="a" * 32, drain_timeout_ms=10),
    Say(call_id="x", instructions="Schöne Grüße"),
    Listen(call_id="x", for_ms=6_000),
    Acknowledge(seq=1 << 52),
]


@given(cuts=st.lists(st.integers(min_value=0, max_value=200), max_size=12))
def test_any_cutting_of_the_stream_gives_the_same_commands(cuts: list[int]) -> None:
    stream = b"".join(frame(command) for command in COMMANDS)
    splitter = FrameSplitter()
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    bodies = [body for start, end in itertools.pairwise(bounds) for body in splitter.feed(stream[start:end])]
    assert [decode_command(body) for body in bodies] == COMMANDS


def test_reports_survive_the_wire() -> None:
    for report in (
        CallAudio(call_id="c", codec="alaw", callee=bytes(range(256)), agent=b""),
        Fault(seq=3, call_id="c", at_unix_ms=5, code="x", message="y"),
        WorkerLoad(
            seq=4,
            call_id="",
            at_unix_ms=5,
            legs=2,
            tick_late_p99_ms=0.5,
            tick_late_max_ms=1.0,
            slots_skipped=0,
            unknown_source_packets=1,
            send_errors=0,
        ),
    ):
        (body,) = FrameSplitter().feed(frame(report))
        assert decode_message(body) == report


def test_a_frame_that_is_too_long_ends_the_stream_before_its_body_is_kept() -> None:
    with pytest.raises(FrameTooLong):
        FrameSplitter().feed(struct.pack(">I", MAX_FRAME_BYTES + 1))


@given(body=st.binary(max_size=64))
def test_garbage_bodies_are_malformed_and_nothing_else(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_command(body + b"\xc1")
    with pytest.raises(MalformedMessage):
        decode_message(body + b"\xc1")
