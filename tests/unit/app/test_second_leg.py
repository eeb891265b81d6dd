"""What is known of a sentence that a media worker died in the middle of."""

from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from app.calls.board import CallOrder, Switchboard
from app.calls.second_leg import SecondLeg
from app.clock import ManualClock
from media import protocol as media

START = datetime(2027, 1, 15, tzinfo=UTC)
OF: dict[str, Any] = {"call_id": "c", "seq": 1, "at_unix_ms": 0}


class Board(msgspec.Struct):
    """As much of a switchboard as a leg's memory asks for: the clock."""

    clock: ManualClock


def leg(clock: ManualClock) -> SecondLeg:
    return SecondLeg(cast("Switchboard", Board(clock)), cast("CallOrder", None))


def levels(audio_ms: int) -> media.Levels:
    return media.Levels(
        **OF, callee_dbov=-90.0, agent_dbov=-20.0, jitter_ms=0.0, packets_lost=0, audio_ms=audio_ms
    )


def speaking() -> media.AgentSpeaking:
    return media.AgentSpeaking(
        **OF,
        item_id="i",
        response_to_first_delta_ms=0,
        first_delta_to_rtp_ms=0,
        speech_stop_to_rtp_ms=None,
    )


@pytest.mark.parametrize(
    "said_since_ms", [5_500, 5_000, 4_200, None], ids=["in time", "standing still", "set back", "no report"]
)
def test_what_was_heard_is_told_by_the_clock_and_not_by_a_time_line_that_lags(
    said_since_ms: int | None,
) -> None:
    clock = ManualClock(START)
    memory = leg(clock)
    memory.observe(levels(5_000))
    memory.observe(speaking())
    memory.observe(media.TurnPartial(**OF, speaker="agent", item_id="i", text="part 4 of the story"))
    clock.advance(0.5)
    if said_since_ms is not None:
        memory.observe(levels(said_since_ms))
    clock.advance(0.5)
    (cut,) = memory.cut_off()
    assert (cut.start_audio_ms, cut.heard_ms, cut.end_audio_ms) == (5_000, 1_000, 6_000)
    assert (cut.interrupted, cut.generated_ms) == (True, len("part 4 of the story") * 65)
    assert memory.cut_off() == [], "answered once"


def test_a_sentence_that_nobody_heard_is_not_told() -> None:
    memory = leg(ManualClock(START))
    memory.observe(media.TurnPartial(**OF, speaker="agent", item_id="i", text="never begun"))
    assert memory.cut_off() == []
