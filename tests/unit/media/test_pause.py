"""Pausing and ducking in the playout: silent within a frame, nothing lost, nothing counted that was not heard."""

from hypothesis import given
from hypothesis import strategies as st

from media.dsp import FORMATS, ducked_bytes
from media.g711 import ULAW
from media.playout import Playout

FRAMES = [bytes([number]) * 160 for number in range(1, 11)]


def filled() -> Playout:
    playout = Playout(held=False)
    playout.enqueue("i1", 0, b"".join(FRAMES))
    playout.finish_item("i1")
    return playout


def test_a_pause_fades_one_frame_and_goes_on_with_that_very_frame() -> None:
    playout = filled()
    assert [playout.next_frame(0.0).payload for _ in range(3)] == FRAMES[:3]
    playout.pause()
    faded = playout.next_frame(0.0)
    assert (faded.payload, faded.fade, faded.item_id) == (FRAMES[3], True, None)
    assert [playout.next_frame(0.0).payload for _ in range(5)] == [None] * 5
    playout.resume()
    assert [playout.next_frame(0.0).payload for _ in range(7)] == FRAMES[3:]


def test_a_pause_that_becomes_an_interruption_counts_what_was_heard_before_it() -> None:
    playout = filled()
    for _ in range(3):
        playout.next_frame(0.0)
    playout.pause()
    playout.next_frame(0.0)
    (heard,) = playout.flush(fade=True)
    assert (heard.heard_ms, heard.received_ms) == (60, 200)
    assert playout.next_frame(0.0).payload is None, "it is silent already: nothing to fade"
    playout.enqueue("i2", 0, FRAMES[0])
    assert playout.next_frame(0.0).payload == FRAMES[0]


def test_a_pause_in_silence_makes_no_sound() -> None:
    playout = Playout(held=False)
    playout.pause()
    assert playout.next_frame(0.0).payload is None
    playout.enqueue("i1", 0, FRAMES[0])
    assert playout.next_frame(0.0).payload is None
    playout.resume()
    assert playout.next_frame(0.0).payload == FRAMES[0]


def test_ducked_frames_are_marked_and_twelve_decibels_softer() -> None:
    playout = filled()
    playout.ducked = True
    assert playout.next_frame(0.0).ducked
    playout.flush()
    assert not playout.ducked
    loud = ULAW.decode_bytes(FRAMES[0]).astype(float)
    soft = ULAW.decode_bytes(ducked_bytes(FRAMES[0], FORMATS["audio/pcmu"])).astype(float)
    assert 3.7 < abs(loud[0] / soft[0]) < 4.3
    pcm = FORMATS["audio/pcm"]
    assert ducked_bytes(b"\x00\x10" * 480, pcm) == b"\x00\x04" * 480


@given(st.lists(st.sampled_from(["frame", "pause", "resume", "duck"]), max_size=60))
def test_whatever_is_paused_every_byte_is_heard_once_and_in_order(steps: list[str]) -> None:
    playout, heard = filled(), b""
    for step in steps:
        match step:
            case "pause":
                playout.pause()
            case "resume":
                playout.resume()
            case "duck":
                playout.ducked = not playout.ducked
            case _:
                frame = playout.next_frame(0.0)
                heard += frame.payload if frame.payload and not frame.fade else b""
    playout.resume()
    for _ in range(12):
        frame = playout.next_frame(0.0)
        heard += frame.payload if frame.payload and not frame.fade else b""
    assert heard == b"".join(FRAMES)
