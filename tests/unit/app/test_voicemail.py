"""The message on an answering machine: the beep that cuts it, the one that never was said, and what is stored."""

import pytest

from app.calls.conversation import Conversation
from app.calls.talk_model import (
    HEARD_OUT_S,
    SAY_VOICEMAIL,
    TalkEffect,
    TalkLimits,
    TalkState,
    ToMedia,
    WantHangUp,
)
from app.calls.voicemail import BEEP_S, CUT, LEFT, LIMIT_S, NOT_LEFT
from media import protocol as media
from stasis.outcome import EndedBy
from tests.unit.app.heard_out import heard_out

WHO = {"seq": 1, "call_id": "c1", "at_unix_ms": 0}
SPEAKS = media.AgentSpeaking(
    **WHO, item_id="i1", response_to_first_delta_ms=1, first_delta_to_rtp_ms=1, speech_stop_to_rtp_ms=None
)
DRAINED = media.PlayoutDrained(**WHO, item_id="i1")
BEEPS = media.SpeechStarted(**WHO, audio_ms=5000)


def leave(reason: str) -> media.AnswerTreatment:
    return media.AnswerTreatment(**WHO, action="leave_message", reason=reason, mark_number=None, audio_ms=1)


def begun(reason: str = "silence after the greeting") -> Conversation:
    talk = Conversation("c1", TalkLimits())
    talk.answered(100.0)
    assert said(talk.handle(leave(reason), 104.0)) == [(SAY_VOICEMAIL, False)]
    return talk


def said(effects: list[TalkEffect]) -> list[tuple[str, bool]]:
    """What the agent is made to say, and whether instead of what it says."""
    commands = [one.command for one in effects if isinstance(one, ToMedia)]
    return [(one.instructions, one.instead) for one in commands if isinstance(one, media.Say)]


def test_a_beep_that_cuts_the_message_has_it_said_again() -> None:
    talk = begun()
    talk.handle(SPEAKS, 104.2)
    talk.handle(BEEPS, 104.5)
    assert talk.handle(DRAINED, 104.6) == []
    assert said(talk.handle(leave("beep"), 105.4)) == [(SAY_VOICEMAIL, True)]
    talk.handle(SPEAKS, 105.6)
    assert heard_out(talk, DRAINED, 110.0) == [LEFT]


def test_a_message_cut_by_something_else_is_not_called_left() -> None:
    talk = begun()
    talk.handle(SPEAKS, 104.2)
    talk.handle(BEEPS, 104.5)
    assert talk.handle(DRAINED, 104.6) == []
    assert talk.tick(104.6 + BEEP_S) == []
    assert talk.tick(104.6 + BEEP_S + HEARD_OUT_S) == [CUT]


def test_what_drains_before_the_message_is_not_its_end() -> None:
    talk = begun("beep")
    assert talk.handle(DRAINED, 104.1) == []
    talk.handle(SPEAKS, 104.5)
    assert heard_out(talk, DRAINED, 109.0) == [LEFT]


def test_a_message_that_never_was_heard_is_not_called_left() -> None:
    talk = begun("beep")
    assert talk.tick(104.0 + LIMIT_S - 0.1) == []
    assert talk.tick(104.0 + LIMIT_S) == [NOT_LEFT]


def test_a_farewell_is_no_message() -> None:
    talk = Conversation("c1", TalkLimits())
    talk.answered(100.0)
    talk.close(EndedBy.OPERATOR, "enough", 101.0)
    assert talk.handle(leave("beep"), 101.5) == []
    assert talk.handle(DRAINED, 101.6) == [], "of what was said before"
    assert talk.tick(101.6 + HEARD_OUT_S) == []
    talk.handle(SPEAKS, 101.9)
    assert heard_out(talk, DRAINED, 102.0) == [WantHangUp(EndedBy.OPERATOR, "enough")]


@pytest.mark.parametrize("state", [TalkState.ASIDE, TalkState.TAKEN])
def test_a_beep_while_the_callee_is_put_aside_begins_no_message(state: TalkState) -> None:
    """Ringing tones of a transfer may sound like a machine; the end of the call is no message that was left."""
    talk = Conversation("c1", TalkLimits())
    talk.answered(100.0)
    talk.turn_to(state, 101.0)
    assert talk.handle(leave("beep"), 102.0) == []
    talk.turn_to(TalkState.TALKING, 103.0)
    talk.close(EndedBy.OPERATOR, "enough", 104.0)
    talk.handle(SPEAKS, 104.5)
    assert heard_out(talk, DRAINED, 106.0) == [WantHangUp(EndedBy.OPERATOR, "enough")]
