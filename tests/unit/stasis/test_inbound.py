"""The machine of a call to us: answered once and only when it would be heard, torn down from any state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis import call_model as m
from stasis import events as ev
from stasis.call_model import CallPlan, CallState
from stasis.errors import NotFound, ServerError
from stasis.ids import CallIds
from stasis.inbound import Caller, InboundMachine, caller_of
from stasis.model import Bridge, Channel
from stasis.outcome import EndedBy, Evidence, Outcome, barred, ended_by, outcome
from stasis.requests import CreateExternalMedia, Originate

CALLER = "1795736029.1"
IDS = CallIds(node="n1", call_id="a", caller_channel=CALLER)
PEER = Channel(
    id=IDS.media, channelvars={"UNICASTRTP_LOCAL_ADDRESS": "127.0.0.1", "UNICASTRTP_LOCAL_PORT": "4000"}
)


def machine() -> InboundMachine:
    plan = CallPlan(ids=IDS, endpoint="", app="app", format="ulaw", ring_timeout_s=30, max_duration_s=60)
    return InboundMachine(plan)


class Story:
    """Feeds a machine and answers its requests as an Asterisk that works would."""

    def __init__(self) -> None:
        self.machine = machine()
        self.now = 0.0
        self.done: list[m.Effect] = []

    def start(self) -> "Story":
        self.done += self.machine.start(self.now)
        return self

    def take(self, *inputs: m.Input) -> "Story":
        for one in inputs:
            self.now += 0.01
            self.done += self.machine.handle(one, self.now)
        return self

    def prepared(self) -> "Story":
        media = next(one for one in [*self.done, *self.opened()] if isinstance(one, CreateExternalMedia))
        return self.take(
            m.Completed(effect=m.CreateBridge(bridge_id=IDS.bridge)),
            m.Completed(effect=media, channel=PEER),
            ev.StasisStart(channel=Channel(id=IDS.media)),
            m.Completed(effect=m.AddToBridge(bridge_id=IDS.bridge, channel_id=IDS.media)),
        )

    def opened(self) -> list[m.Effect]:
        self.take(m.MediaOpened(rtp_host="127.0.0.1", rtp_port=5000))
        return self.done

    def sent(self, kind: type) -> int:
        return sum(isinstance(one, kind) for one in self.done)

    @property
    def end(self) -> m.Ended:
        return next(one for one in self.done if isinstance(one, m.Ended))


def removed(story: Story) -> Story:
    return story.take(
        m.Completed(effect=m.HangUpChannel(channel_id=IDS.media)),
        m.Completed(effect=m.DestroyBridge(bridge_id=IDS.bridge)),
    )


UP = ev.ChannelStateChange(channel=Channel(id=CALLER, state="Up"))
GONE = ev.StasisEnd(channel=Channel(id=CALLER))


def test_it_is_answered_when_everything_is_ready_and_talks() -> None:
    story = Story().start().prepared()
    assert story.sent(m.AnswerCaller) == 0, "the model is not ready"
    story.take(m.MediaReady(), UP)
    assert story.sent(m.AnswerCaller) == 1
    assert story.done[-1] == m.AddToBridge(bridge_id=IDS.bridge, channel_id=CALLER)
    story.take(m.Completed(effect=m.AddToBridge(bridge_id=IDS.bridge, channel_id=CALLER)))
    assert story.machine.state is CallState.BRIDGED
    story.take(ev.ChannelHangupRequest(channel=Channel(id=CALLER), cause=16), GONE)
    removed(story)
    result = story.end.result
    assert (result.outcome, result.ended_by, result.dialed) == (Outcome.COMPLETED, EndedBy.CALLEE, False)
    assert story.sent(Originate) == 0


def test_who_hangs_up_while_it_rings_was_not_refused_and_not_answered() -> None:
    story = Story().start().prepared()
    story.take(
        ev.ChannelHangupRequest(channel=Channel(id=CALLER), cause=127, tech_cause=487), GONE, m.MediaReady()
    )
    removed(story)
    assert story.sent(m.AnswerCaller) == 0
    assert (story.end.result.outcome, story.end.result.ended_by) == (Outcome.CANCELED, EndedBy.CALLEE)


def test_a_failed_preparation_refuses_with_congestion_and_hangs_up_normally_once_answered() -> None:
    story = Story().start()
    story.take(m.MediaLost(reason="no model"))
    assert m.HangUpChannel(channel_id=CALLER, reason="congestion") in story.done
    answered = Story().start().prepared().take(m.MediaReady(), UP, m.HangUp(by=EndedBy.AGENT, reason="done"))
    assert m.HangUpChannel(channel_id=CALLER) in answered.done


@pytest.mark.parametrize("listed", [{"listed": True}, {"bridge": True}])
def test_a_caller_whom_a_dialplan_answered_is_not_hung_up_for_what_is_not_made_yet(
    listed: dict[str, bool],
) -> None:
    lost = m.MediaLost(reason="not in the listing", **listed)
    story = Story().start().take(lost).prepared().take(lost, m.MediaReady())
    assert story.sent(m.AnswerCaller) == 1
    ended = story.take(UP, m.MediaLost(reason="the bridge is gone", bridge=True))
    assert ended.machine.state is CallState.ENDING, "once it is made, its loss is one"


def test_who_left_before_our_mailbox_was_open_is_found_out() -> None:
    story = Story().start()
    assert m.LookUp(channel_id=CALLER) in story.done
    story.take(m.Failed(effect=m.LookUp(channel_id=CALLER), error=NotFound(404, "gone")))
    assert story.machine.state is CallState.ENDING


def test_a_caller_that_rings_too_long_is_let_go() -> None:
    story = Story().start()
    story.now = story.machine.next_deadline or 0.0
    story.take(m.Tick())
    assert story.machine.state is CallState.ENDING


def test_an_answer_that_fails_ends_it() -> None:
    story = Story().start().prepared().take(m.MediaReady())
    story.take(m.Failed(effect=m.AnswerCaller(channel_id=CALLER, limit_s=90), error=ServerError(500, "no")))
    assert story.machine.state is CallState.ENDING


INPUTS: list[m.Input] = [
    m.MediaOpened(rtp_host="127.0.0.1", rtp_port=5000),
    m.MediaReady(),
    m.MediaLost(reason="x"),
    m.StreamLost(),
    m.Tick(),
    UP,
    GONE,
    ev.StasisStart(channel=Channel(id=CALLER, state="Ring"), args=("inbound", "1", "2")),
    ev.ChannelHangupRequest(channel=Channel(id=CALLER), cause=16),
    ev.ChannelEnteredBridge(bridge=Bridge(id=IDS.bridge), channel=Channel(id=CALLER)),
    ev.StasisStart(channel=Channel(id=IDS.media)),
    m.Completed(effect=m.CreateBridge(bridge_id=IDS.bridge)),
    m.Completed(effect=m.AddToBridge(bridge_id=IDS.bridge, channel_id=IDS.media)),
    m.Completed(effect=m.LookUp(channel_id=CALLER), channel=Channel(id=CALLER, state="Ring")),
    m.Failed(effect=m.LookUp(channel_id=CALLER), error=NotFound(404, "")),
    m.HangUp(by=EndedBy.OPERATOR, reason="x"),
]


@given(st.lists(st.sampled_from(INPUTS), max_size=20))
def test_any_order_ends_answers_once_and_never_dials(inputs: list[m.Input]) -> None:
    story = Story().start().take(*inputs)
    for _ in range(60):  # nobody answers any more: every wait has an end
        if story.machine.next_deadline is None:
            break
        story.now = max(story.now, story.machine.next_deadline)
        story.take(m.Tick())
    assert story.machine.state is CallState.ENDED
    assert story.sent(m.AnswerCaller) <= 1
    assert story.sent(Originate) == 0
    assert story.sent(m.Ended) == 1
    assert story.end.result.dialed is False


def test_who_calls_is_read_from_the_arguments() -> None:
    rings = ev.StasisStart(
        channel=Channel(id=CALLER, state="Ring"), args=("inbound", "12025550100", "12025550199")
    )
    assert caller_of(rings) == Caller(channel_id=CALLER, number="12025550100", called="12025550199")
    withheld = ev.StasisStart(channel=Channel(id=CALLER), args=("inbound",))
    assert caller_of(withheld) == Caller(channel_id=CALLER, number="", called="")
    assert caller_of(ev.StasisStart(channel=Channel(id=CALLER), args=("callee", "a"))) is None
    assert caller_of(GONE) is None


def test_what_the_dialplan_barred_was_not_dialed() -> None:
    late = Evidence(cause=52)
    assert barred(late)
    assert (outcome(late), ended_by(late)) == (Outcome.FAILED, EndedBy.SYSTEM_FAILURE)
    assert not barred(Evidence(cause=52, ever_ringing=True))
    assert not barred(Evidence(cause=21))
