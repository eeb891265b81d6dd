"""Who is not heard stays so when a media worker or a control process is replaced."""

import pytest

from app.calls.closing import Closed, Inherited
from app.calls.conversation import Conversation
from app.calls.orders import carry_out
from app.calls.talk_model import TalkEffect, TalkLimits, TalkState, ToMedia
from app.domain import command as cmd
from app.domain.command import Command, CommandState
from app.domain.line import LineState, line_after
from media import protocol as media
from stasis.outcome import EndedBy
from tests.unit.app.test_hand_over import CLOSED, OPEN, aside

MUTED = media.Mute(call_id="c1", agent=True, callee=False)


def lines(effects: list[TalkEffect]) -> list[media.Mute]:
    return [e.command for e in effects if isinstance(e, ToMedia) and isinstance(e.command, media.Mute)]


def replaced(talk: Conversation) -> list[media.Mute]:
    talk.media_gone()
    return lines(talk.media_back(110.0))


@pytest.mark.parametrize(("order", "command"), [(cmd.Hold(), CLOSED), (cmd.Mute(), MUTED)], ids=["hold", "mute"])
def test_another_media_worker_closes_the_line_as_the_order_did(order: cmd.Payload, command: media.Mute) -> None:
    talk = Conversation("c1", TalkLimits())
    talk.answered(100.0)
    assert lines(list(carry_out(talk, order, 101.0).effects)) == [command]
    assert replaced(talk) == [command]
    assert replaced(talk) == [command], "however often"
    carry_out(talk, cmd.Unhold(), 120.0)
    assert replaced(talk) == []
    carry_out(talk, cmd.Hold(), 121.0)
    carry_out(talk, cmd.TakeOver(mic="mic-of-a-page"), 122.0)
    assert replaced(talk) == [], "a person speaks: the hold is over"


def test_a_callee_who_waits_for_somebody_else_is_not_heard_by_the_next_session_either() -> None:
    assert replaced(aside()) == [CLOSED]


@pytest.mark.parametrize(("left", "command"), [("held", CLOSED), ("muted", MUTED), ("open", OPEN)])
def test_another_control_process_closes_the_line_as_it_was_left(left: LineState, command: media.Mute) -> None:
    talk = Conversation("c1", TalkLimits())
    assert lines(talk.resumed(100.0, Inherited(line=left))) == [command]
    assert talk.muted == (left != "open")
    assert talk.state is TalkState.TALKING
    if left != "open":
        assert talk.tick(300.0) == [], "nobody is asked whether they are still there"
        assert lines(list(carry_out(talk, cmd.Unhold(), 301.0).effects)) == [OPEN]


def test_a_farewell_that_was_under_way_is_heard() -> None:
    talk = Conversation("c1", TalkLimits())
    closed = Closed(ended_by=EndedBy.AGENT, reason="done")
    assert lines(talk.resumed(100.0, Inherited(line="held", closed=closed))) == [OPEN]


def ordered(kind: str, state: CommandState = CommandState.DONE) -> Command:
    return Command(
        id="i",
        tenant_id="t",
        call_id="c1",
        seq=1,
        kind=kind,
        payload="{}",
        issued_by="x",
        state=state,
        result="",
        created_ms=0,
        expires_ms=1,
        taken_ms=None,
        done_ms=None,
    )


@pytest.mark.parametrize(
    ("orders", "left"),
    [
        ([], "open"),
        ([ordered("hold")], "held"),
        ([ordered("hold"), ordered("say"), ordered("unhold", CommandState.REFUSED)], "held"),
        ([ordered("mute"), ordered("unmute")], "open"),
        ([ordered("mute"), ordered("hold", CommandState.EXPIRED)], "muted"),
        ([ordered("hold"), ordered("take_over"), ordered("hand_back")], "open"),
        ([ordered("hold"), ordered("transfer")], "open"),
    ],
)
def test_the_last_order_that_was_carried_out_says_how_the_line_was_left(
    orders: list[Command], left: LineState
) -> None:
    assert line_after(orders) == left
