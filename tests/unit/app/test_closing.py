"""A talk that is ending, and a new control process: it ends as it was meant, and nobody is asked over music."""

import msgspec
import pytest

from app.calls.closing import CLOSING, DOUBT_S, Closed, Inherited
from app.calls.conversation import Conversation
from app.calls.talk_model import APOLOGY_S, ASK_IF_PRESENT, Note, TalkEffect, TalkLimits, ToMedia, WantHangUp
from app.calls.voicemail import LEFT
from media import protocol as media
from stasis.outcome import EndedBy
from tests.unit.app.heard_out import heard_out
from tests.unit.app.test_conversation import WHO, calls, drained, said, speaks, talking


def closed(effects: list[TalkEffect]) -> Closed:
    """What is stored for another process when a talk begins to end."""
    (noted,) = [one.detail for one in effects if isinstance(one, Note) and one.kind == CLOSING]
    return msgspec.json.decode(noted, type=Closed)


def treated(action: str) -> media.AnswerTreatment:
    return media.AnswerTreatment(**WHO, action=action, reason="", mark_number=None, audio_ms=1)


@pytest.mark.parametrize("agent_speaking", [True, False])
def test_a_talk_that_was_ending_ends_in_the_next_process_as_it_was_meant(agent_speaking: bool) -> None:
    former = talking()
    former.handle(speaks(), 101.0)
    told = closed(former.handle(calls("end_call", '{"reason":"done"}'), 102.0))
    talk = Conversation("c1", TalkLimits(no_input_s=6))
    effects = talk.resumed(200.0, Inherited(agent_speaking=agent_speaking, closed=told))
    assert said(effects) == []
    if agent_speaking:
        assert talk.tick(200.0 + DOUBT_S) == []
        assert heard_out(talk, drained(), 204.0) == [WantHangUp(EndedBy.AGENT, "done")]
    else:  # heard already, or not begun
        assert talk.next_deadline == 200.0 + DOUBT_S
        assert talk.tick(200.0 + DOUBT_S) == [WantHangUp(EndedBy.AGENT, "done")]


def test_last_words_that_begin_in_the_next_process_are_heard_to_their_end() -> None:
    told = closed(talking().close(EndedBy.OPERATOR, "enough", 101.0))
    talk = Conversation("c1", TalkLimits())
    talk.resumed(200.0, Inherited(closed=told))
    talk.handle(speaks(), 202.0)
    assert talk.tick(200.0 + DOUBT_S) == []
    assert heard_out(talk, drained(), 205.0) == [WantHangUp(EndedBy.OPERATOR, "enough")]


def test_a_message_goes_on_in_the_next_process_and_is_called_left() -> None:
    told = closed(talking().handle(treated("leave_message"), 104.0))
    talk = Conversation("c1", TalkLimits())
    talk.resumed(200.0, Inherited(agent_speaking=True, closed=told))
    assert heard_out(talk, drained(), 215.0) == [LEFT]


def test_a_goodbye_to_somebody_who_had_been_muted_is_heard_by_another_worker() -> None:
    talk = talking()
    talk.mute(101.0, agent=True)
    talk.media_gone()
    talk.close(EndedBy.OPERATOR, "enough", 102.0)
    back = [one.command for one in talk.media_back(103.0) if isinstance(one, ToMedia)]
    assert not [one for one in back if isinstance(one, media.Mute) and one.agent]


def test_nobody_is_asked_over_music_that_a_former_process_waited_in() -> None:
    talk = Conversation("c1", TalkLimits(no_input_s=6))
    talk.resumed(100.0, Inherited(asleep=True))
    assert talk.tick(150.0) == []
    talk.handle(treated("wake"), 151.0)
    assert said(talk.tick(157.0)) == [ASK_IF_PRESENT]


LOST = media.LegFailed(**WHO, code="gone", message="x", fatal=False, queued_ms=1_000)


def test_a_talk_whose_goodbye_is_out_ends_as_it_was_meant_when_the_model_is_lost() -> None:
    talk = talking()
    talk.handle(speaks(), 101.0)
    talk.handle(calls("end_call", '{"reason":"done"}'), 102.0)
    told = closed(talk.handle(LOST, 103.0))
    assert (told.ended_by, told.reason, told.revocable) == (EndedBy.AGENT, "done", False)
    assert talk.next_deadline == 103.0 + APOLOGY_S
    assert talk.tick(103.0 + APOLOGY_S) == [WantHangUp(EndedBy.AGENT, "done")]


def test_a_goodbye_that_the_model_never_said_is_a_failure() -> None:
    talk = talking()
    talk.close(EndedBy.OPERATOR, "enough", 101.0)
    talk.handle(LOST, 102.0)
    assert talk.tick(102.0 + APOLOGY_S) == [WantHangUp(EndedBy.SYSTEM_FAILURE, "gone: x")]
