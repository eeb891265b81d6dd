"""Pure: a leg that goes on with a conversation counts from its own beginning; the call's time line began earlier.

Used by `media.leg_session`.
"""

from collections.abc import Mapping
from typing import Any

from media.commands import Continuation
from media.realtime.notifications import Turn

_POSITIONS = ("audio_ms", "start_audio_ms", "end_audio_ms")
"""Fields that count from the beginning of this leg, and are told as positions of the call."""


def on_call_time(fields: Mapping[str, Any], continued: Continuation) -> dict[str, Any]:
    """The fields of a report with positions of the leg turned into positions of the call."""
    return {name: value + continued.audio_ms if name in _POSITIONS else value for name, value in fields.items()}


def past_turns(continued: Continuation) -> tuple[Turn, ...]:
    """The turns so far, on the time line of the new leg: they lie before its beginning."""
    return tuple(
        Turn(
            speaker=turn.speaker,
            item_id="",
            text=turn.text,
            start_audio_ms=turn.start_audio_ms - continued.audio_ms,
            end_audio_ms=turn.start_audio_ms - continued.audio_ms,
            interrupted=turn.interrupted,
            heard_ms=turn.heard_ms,
            generated_ms=turn.generated_ms,
        )
        for turn in continued.turns
    )
