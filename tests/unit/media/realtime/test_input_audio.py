"""The clock of the callee's audio across sessions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.realtime.input_audio import KEPT_MS, InputAudio


def test_positions_count_from_the_answer() -> None:
    audio = InputAudio("audio/pcmu")
    audio.open()
    assert audio.append(b"x" * 160) is None
    audio.answered = True
    for _ in range(10):
        assert audio.append(b"x" * 160)
    assert audio.position_ms == 200
    assert audio.call_ms(150) == 150
    assert audio.call_ms(-40) == 0
    assert audio.call_ms(900) == 200


def test_pcm_has_48_bytes_a_millisecond() -> None:
    audio = InputAudio("audio/pcm")
    audio.answered = True
    audio.append(b"x" * 960)
    assert audio.position_ms == 20


def test_lost_frames_move_the_servers_clock() -> None:
    audio = InputAudio("audio/pcmu")
    audio.answered = True
    audio.open()
    audio.append(b"x" * 1600)
    audio.lose(800)
    assert audio.call_ms(50) == 150
    assert audio.dropped_ms == 100


@pytest.mark.parametrize("frame_ms", [20, 60, 130])
@given(before=st.integers(0, 30), outage=st.integers(0, 200))
def test_kept_audio_is_bounded_and_the_new_base_is_exact(frame_ms: int, before: int, outage: int) -> None:
    audio = InputAudio("audio/pcmu")
    audio.answered = True
    audio.open()
    for _ in range(before):
        audio.append(b"x" * 8 * frame_ms)
    audio.shut()
    for _ in range(outage):
        assert audio.append(b"x" * 8 * frame_ms) is None
    kept_ms = sum(map(len, audio.open())) // 8
    assert kept_ms <= KEPT_MS
    assert kept_ms == min(outage, KEPT_MS // frame_ms) * frame_ms
    assert audio.call_ms(kept_ms) == audio.position_ms == (before + outage) * frame_ms
    assert audio.dropped_ms == outage * frame_ms - kept_ms
