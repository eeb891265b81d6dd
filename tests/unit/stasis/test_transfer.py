"""The second phone of a call: told event by event, and under any sequence of what Asterisk may do."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis import call_model as m
from stasis import events as e
from stasis.call import CallMachine
from stasis.call_model import CallState
from stasis.errors import AriError, AriTimeout, BadRequest, NotFound, NotSent, ServerError
from stasis.model import Channel, DialplanCEP
from stasis.outcome import EndedBy, Outcome
from stasis.pair import CallPair
from stasis.requests import Originate
from stasis.transfer import CONSULT_S, TARGET_GONE
from stasis.transfer_model import (
    TRANSITIONS,
    BeginTransfer,
    EarlierTransfer,
    EndTransfer,
    HoldCallee,
    RetrieveCallee,
    TransferChanged,
    TransferOutcome,
    TransferPlan,
    TransferState,
)
from tests.unit.stasis.story import GONE, IDS, MEDIA, PLAN, Story, callee, destroyed, hangup_request

T = IDS.target_of(1)
COLD = TransferPlan(seq=1, endpoint="PJSIP/+15550111@trunk", app=PLAN.app, ring_timeout_s=20, max_duration_s=600)
WARM = TransferPlan(
    seq=1, endpoint="PJSIP/+15550111@trunk", app=PLAN.app, ring_timeout_s=20, max_duration_s=600, warm=True
)
HOLD = HoldCallee(bridge_id=IDS.bridge, channel_id=IDS.callee)
RETRIEVE = RetrieveCallee(bridge_id=IDS.bridge, channel_id=IDS.callee)
HANG_UP = m.HangUpChannel(channel_id=T)
ADD = m.AddToBridge(bridge_id=IDS.bridge, channel_id=T)


def target(state: str = "Up", *, in_stasis: bool = False) -> Channel:
    dialplan = DialplanCEP(app_name="Stasis" if in_stasis else "AppDial2")
    return Channel(id=T, state=state, dialplan=dialplan)


RINGS = (e.ChannelStateChange(channel=target("Ringing")), e.Dial(peer=target("Ringing"), dialstatus="RINGING"))
ANSWERS = (
    e.ChannelStateChange(channel=target()),
    e.Dial(peer=target(), dialstatus="ANSWER"),
    e.StasisStart(channel=target(in_stasis=True), args=("target", "0190")),
)


def ends(cause: int, tech_cause: int | None = None) -> e.ChannelDestroyed:
    return e.ChannelDestroyed(channel=target(), cause=cause, cause_txt=f"cause {cause}", tech_cause=tech_cause)


def key(digit: str) -> e.ChannelDtmfReceived:
    return e.ChannelDtmfReceived(channel=target(), digit=digit)


class PairStory(Story):
    """A call that is transferred."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = CallPair(CallMachine(PLAN))  # type: ignore[assignment] - drives like one

    def begun(self, plan: TransferPlan = COLD) -> "PairStory":
        """The target is being dialed, and the callee is out of the bridge."""
        self.talking()
        self.feed(BeginTransfer(plan=plan))
        self.complete(HoldCallee)
        return self

    def dialing_target(self) -> "PairStory":
        self.complete(Originate, target("Down"))
        return self

    def joined(self) -> "PairStory":
        self.begun().dialing_target().feed(*RINGS, *ANSWERS)
        self.complete(m.HangUpChannel)  # the media channel
        self.complete(m.AddToBridge)
        self.complete(RetrieveCallee)
        return self

    @property
    def transfers(self) -> list[tuple[TransferState, TransferOutcome | None]]:
        return [(one.state, one.outcome) for one in self.asked(TransferChanged)]


def test_a_cold_transfer_event_by_event() -> None:
    story = PairStory()
    story.talking()
    hold, dial, told = story.feed(BeginTransfer(plan=COLD))
    assert (hold, told) == (HOLD, TransferChanged(seq=1, state=TransferState.DIALING))
    assert isinstance(dial, Originate)
    assert (dial.channel_id, dial.timeout_s, dial.app_args) == (T, 20, "target,0190")
    assert dial.variables["TIMEOUT(absolute)"] == "650"
    assert "GLOBAL(OD_CALL_0190)" not in dial.variables, "the ledger is about the callee"
    story.complete(HoldCallee)
    story.dialing_target()
    assert story.feed(*RINGS) == [TransferChanged(seq=1, state=TransferState.RINGING)]
    assert story.feed(*ANSWERS) == [
        TransferChanged(seq=1, state=TransferState.ANSWERED),
        TransferChanged(seq=1, state=TransferState.JOINING),
        ADD,
        RETRIEVE,
        m.Progress(state=CallState.HANDED_OVER),
        m.HangUpChannel(channel_id=IDS.media),
    ]
    story.complete(RetrieveCallee)
    assert story.complete(m.AddToBridge) == [TransferChanged(seq=1, state=TransferState.JOINED)]
    story.complete(m.HangUpChannel)
    assert story.feed(e.ChannelDestroyed(channel=MEDIA), m.MediaLost(reason="the media leg closed")) == []
    assert story.state is CallState.HANDED_OVER
    story.feed(hangup_request(16), destroyed(16))
    assert HANG_UP in story.effects
    assert not story.asked(m.Ended), "the target is still there"
    story.tear_down()
    story.feed(ends(16))
    assert (story.result.outcome, story.result.ended_by) == (Outcome.COMPLETED, EndedBy.CALLEE)
    assert story.transfers[-1] == (TransferState.OVER, TransferOutcome.CONNECTED)


def test_a_warm_transfer_asks_first() -> None:
    story = PairStory().begun(WARM).dialing_target()
    assert story.feed(*ANSWERS) == [TransferChanged(seq=1, state=TransferState.ANSWERED), ADD]
    assert story.complete(m.AddToBridge) == [TransferChanged(seq=1, state=TransferState.CONSULTING)]
    assert RETRIEVE not in story.effects
    assert story.state is CallState.BRIDGED
    new = story.feed(key("1"))
    assert [effect for effect in new if isinstance(effect, m.RestEffect)] == [
        RETRIEVE,
        m.HangUpChannel(channel_id=IDS.media),
    ]
    assert story.complete(RetrieveCallee) == [TransferChanged(seq=1, state=TransferState.JOINED)]


@pytest.mark.parametrize(
    ("given_last", "outcome"),
    [
        (key("2"), TransferOutcome.DECLINED),
        (ends(16), TransferOutcome.DECLINED),
        (m.WorkerGone(reason="killed"), TransferOutcome.CANCELED),
        (m.StreamLost(), TransferOutcome.CANCELED),
    ],
)
def test_a_warm_transfer_that_is_not_taken(given_last: m.Input, outcome: TransferOutcome) -> None:
    story = PairStory().begun(WARM).dialing_target()
    story.feed(*ANSWERS)
    story.complete(m.AddToBridge)
    assert RETRIEVE in story.feed(given_last)
    assert story.transfers[-1] == (TransferState.RETURNING, None)
    story.complete(RetrieveCallee)
    assert story.transfers[-1] == (TransferState.OVER, outcome)
    assert story.state in m.HEARD
    assert (HANG_UP in story.effects) == (not isinstance(given_last, e.ChannelDestroyed))


def test_nobody_presses_a_key() -> None:
    story = PairStory().begun(WARM).dialing_target()
    story.feed(*ANSWERS)
    story.complete(m.AddToBridge)
    story.now += CONSULT_S
    assert {RETRIEVE, HANG_UP} <= set(story.feed(m.Tick()))


@pytest.mark.parametrize(
    ("before", "end", "outcome"),
    [
        (RINGS, ends(17, 486), TransferOutcome.BUSY),
        (RINGS, ends(19, 480), TransferOutcome.NO_ANSWER),
        ((), ends(19, 480), TransferOutcome.UNREACHABLE),
        ((), ends(21, 603), TransferOutcome.REJECTED),
        ((), ends(1, 404), TransferOutcome.BAD_NUMBER),
        ((), ends(34, 503), TransferOutcome.NETWORK),
    ],
)
def test_a_target_that_does_not_answer(
    before: tuple[e.Event, ...], end: e.Event, outcome: TransferOutcome
) -> None:
    story = PairStory().begun().dialing_target()
    story.feed(*before)
    assert RETRIEVE in story.feed(end)
    story.complete(RetrieveCallee)
    assert story.transfers[-1] == (TransferState.OVER, outcome)
    assert (story.state, HANG_UP in story.effects) == (CallState.BRIDGED, False)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NotSent("the wall"), TransferOutcome.FAILED),
        (ServerError(500, "Allocation failed"), TransferOutcome.TRUNK_FAULT),
        (BadRequest(400, "Invalid endpoint"), TransferOutcome.FAILED),
    ],
)
def test_a_refused_originate_rings_nobody(error: AriError, outcome: TransferOutcome) -> None:
    story = PairStory().begun()
    assert RETRIEVE in story.fail(Originate, error)
    story.complete(RetrieveCallee)
    assert story.transfers[-1] == (TransferState.OVER, outcome)


def test_a_lost_answer_is_never_sent_again() -> None:
    """Asterisk may still have it in its socket: the target is hung up as soon as it turns up, however late."""
    story = PairStory().begun()
    assert story.fail(Originate, AriTimeout("no answer")) == []
    story.tick()
    assert story.transfers[-1] == (TransferState.RETURNING, None)
    story.complete(RetrieveCallee)
    assert story.transfers[-1] == (TransferState.OVER, TransferOutcome.UNREACHABLE)
    story.fail(m.HangUpChannel, GONE)
    late = story.feed(*ANSWERS)
    assert HANG_UP in [*late, *story.waiting]
    assert len([one for one in story.asked(Originate) if one.channel_id == T]) == 1


def test_the_hold_is_answered_before_the_callee_is_moved_back() -> None:
    story = PairStory()
    story.talking()
    story.feed(BeginTransfer(plan=COLD))
    assert RETRIEVE not in story.fail(Originate, NotSent("the wall"))
    assert RETRIEVE in story.complete(HoldCallee)


def test_whoever_is_rung_is_let_go_when_nobody_wants_them_any_more() -> None:
    story = PairStory().begun().dialing_target()
    story.feed(*RINGS)
    effects = story.feed(EndTransfer(reason="enough"))
    assert HANG_UP in effects
    assert RETRIEVE in effects
    story.complete(RetrieveCallee)
    assert story.transfers[-1] == (TransferState.OVER, TransferOutcome.CANCELED)
    assert story.state is CallState.BRIDGED, "the agent has the callee back"
    assert story.feed(EndTransfer(reason="again")) == []


def test_two_who_talk_with_each_other_are_not_parted_by_it() -> None:
    story = PairStory().joined()
    assert story.feed(EndTransfer(reason="enough")) == []
    assert story.transfers[-1] == (TransferState.JOINED, None)


def test_a_callee_that_cannot_be_put_on_hold_stays_with_the_agent() -> None:
    story = PairStory()
    story.talking()
    story.feed(BeginTransfer(plan=COLD))
    assert RETRIEVE in story.fail(HoldCallee, ServerError(500, "no"))
    story.complete(Originate, target("Down"))
    assert HANG_UP in story.effects


def test_a_callee_that_cannot_be_moved_back_ends_the_call() -> None:
    story = PairStory().begun().dialing_target()
    story.feed(ends(17, 486))
    for _ in range(3):
        story.fail(RetrieveCallee, ServerError(500, "no"))
        story.tick()
    assert story.state is CallState.BRIDGED
    story.fail(RetrieveCallee, ServerError(500, "no"))
    assert story.state is CallState.ENDING


def test_the_target_hangs_up_and_the_call_ends() -> None:
    story = PairStory().joined()
    assert m.HangUpChannel(channel_id=IDS.callee) in story.feed(ends(16))
    story.tear_down()
    story.feed(destroyed(16))
    story.tear_down()
    result = story.result
    assert (result.outcome, result.ended_by, result.detail) == (
        Outcome.COMPLETED,
        EndedBy.SYSTEM_COMPLETE,
        TARGET_GONE,
    )


def test_a_target_that_nobody_saw_leave_is_looked_for() -> None:
    story = PairStory().joined()
    look = m.LookUp(channel_id=T)
    here = callee("Up", in_stasis=True)
    assert look not in story.feed(m.Reconciled(channel=here, targets=(T,)))
    assert look in story.feed(m.Reconciled(channel=here))
    assert m.HangUpChannel(channel_id=IDS.callee) in story.fail(m.LookUp, NotFound(404, "gone"))


def test_one_transfer_at_a_time_and_only_out_of_a_talk() -> None:
    story = PairStory().begun()
    second = TransferPlan(**{**{k: getattr(COLD, k) for k in COLD.__struct_fields__}, "seq": 2})
    (refused,) = story.feed(BeginTransfer(plan=second))
    assert (refused.seq, refused.outcome) == (2, TransferOutcome.CANCELED)  # type: ignore[union-attr]
    early = PairStory()
    early.start()
    (refused,) = early.feed(BeginTransfer(plan=COLD))
    assert refused.outcome is TransferOutcome.CANCELED  # type: ignore[union-attr]


def test_a_second_transfer_after_the_first_has_an_id_of_its_own() -> None:
    story = PairStory().begun().dialing_target()
    story.feed(ends(17, 486))
    story.complete(RetrieveCallee)
    second = TransferPlan(**{**{k: getattr(COLD, k) for k in COLD.__struct_fields__}, "seq": 2})
    _, dial, _ = story.feed(BeginTransfer(plan=second))
    assert isinstance(dial, Originate)
    assert dial.channel_id == IDS.target_of(2) == f"{T}2"


def test_the_limit_of_the_call_holds_for_the_two() -> None:
    story = PairStory().joined()
    story.now += PLAN.max_duration_s
    assert {m.HangUpChannel(channel_id=IDS.callee), HANG_UP} <= set(story.feed(m.Tick()))


def test_a_taken_over_pair_goes_on_and_a_taken_over_attempt_is_taken_back() -> None:
    story = PairStory()
    pair = story.machine
    assert isinstance(pair, CallPair)
    joined = EarlierTransfer(seq=1, joined=True)
    effects = story._keep(pair.resume(story.now, conversing=True, transfer=joined))
    assert {m.LookUp(channel_id=T), m.LookUp(channel_id=IDS.callee)} <= set(effects)
    story.feed(m.Reconciled(channel=callee("Up", in_stasis=True), targets=(T,)))
    assert story.state is CallState.HANDED_OVER
    assert not story.asked(Originate)

    story = PairStory()
    pair = story.machine
    assert isinstance(pair, CallPair)
    ringing = EarlierTransfer(seq=1, joined=False)
    effects = story._keep(pair.resume(story.now, conversing=True, transfer=ringing))
    assert {RETRIEVE, HANG_UP} <= set(effects)
    story.feed(m.Reconciled(channel=callee("Up", in_stasis=True)))
    story.complete(RetrieveCallee)
    assert story.state is CallState.BRIDGED
    assert story.transfers[-1] == (TransferState.OVER, TransferOutcome.CANCELED)
    assert not story.asked(Originate)


# --- any sequence -----------------------------------------------------------------------------------------------
class TinyAsterisk:
    """Keeps what exists and who is in the bridge; answers may be lost, removals may fail, events come anyhow."""

    def __init__(self, story: PairStory) -> None:
        self.story = story
        self.exists = {IDS.callee, IDS.media, IDS.bridge}
        self.bridged = {IDS.callee, IDS.media}
        self.moving = 0

    def answer(self, effect: m.RestEffect, data: st.DataObject | None) -> None:
        """`data` None: nothing fails any more."""
        lost = data is not None and data.draw(st.integers(0, 5)) == 0
        self.story.answered.append(effect)
        done = self._carry_out(effect, lost=lost)
        if isinstance(done, AriError):
            self.story.feed(m.Failed(effect=effect, error=done))
        else:
            self.story.feed(m.Completed(effect=effect, channel=done))
        if isinstance(effect, m.HangUpChannel) and done is None and effect.channel_id != IDS.media:
            gone = ends(16) if effect.channel_id == T else destroyed(16)
            self.story.feed(gone)

    def _carry_out(self, effect: m.RestEffect, *, lost: bool) -> Channel | AriError | None:
        match effect:
            case m.DestroyBridge():
                self.exists.discard(IDS.bridge)
                return None
            case HoldCallee() | RetrieveCallee() | m.AddToBridge() | m.LookUp() | m.HangUpChannel() if (
                effect.channel_id not in self.exists
            ):
                return NotFound(404, "gone")
            case _ if lost:
                if isinstance(effect, Originate):
                    self.exists.add(T)
                    return AriTimeout("no answer")
                return ServerError(500, "not now")
            case HoldCallee():
                self.bridged.discard(IDS.callee)
            case RetrieveCallee() | m.AddToBridge():
                self.bridged.add(effect.channel_id)
            case m.HangUpChannel():
                self.exists.discard(effect.channel_id)
                self.bridged.discard(effect.channel_id)
            case Originate():
                self.exists.add(T)
                return target("Down")
            case m.LookUp():
                return target() if effect.channel_id == T else callee("Up", in_stasis=True)
            case _:
                pass
        return None

    def leave(self, channel_id: str, end: e.Event) -> None:
        """A phone hangs up."""
        self.exists.discard(channel_id)
        self.bridged.discard(channel_id)
        self.story.feed(end)


TARGET_EVENTS = [
    *RINGS,
    *ANSWERS,
    *ANSWERS,
    key("1"),
    key("1"),
    key("5"),
    e.Dial(peer=target(), dialstatus="PROGRESS"),
]


def steps(asterisk: TinyAsterisk, data: st.DataObject) -> None:
    story = asterisk.story
    choices = [
        "time",
        "world",
        *(["answer"] * 4 if story.waiting else []),
        *(["target"] * 4 if T in asterisk.exists else []),
    ]
    match data.draw(st.sampled_from(choices)):
        case "answer":
            asterisk.answer(data.draw(st.sampled_from(story.waiting)), data)
        case "target":
            story.feed(data.draw(st.sampled_from(TARGET_EVENTS)))
        case "time":
            story.now += data.draw(st.sampled_from([0.0, 1.0, 6.0, 26.0]))
            story.feed(m.Tick())
        case _:
            here = callee("Up", in_stasis=True) if IDS.callee in asterisk.exists else None
            listed = m.Reconciled(channel=here, targets=(T,) if T in asterisk.exists else ())
            happens = data.draw(
                st.sampled_from(["listing", "listing", "target", "callee", "worker", "stream", "unwanted", "stop"])
            )
            match happens:
                case "target" if T in asterisk.exists:
                    asterisk.leave(T, ends(data.draw(st.sampled_from([16, 17, 19]))))
                case "callee" if IDS.callee in asterisk.exists:
                    asterisk.leave(IDS.callee, destroyed(16))
                case "worker":
                    story.feed(m.WorkerGone(reason="killed"))
                case "unwanted":
                    story.feed(EndTransfer(reason="enough"))
                case "stream":
                    story.feed(m.StreamLost(), listed)
                case "stop":
                    story.feed(m.HangUp(by=EndedBy.OPERATOR, reason="stop"))
                case _:
                    story.feed(listed)


def check(story: PairStory) -> None:
    dialed = [effect.channel_id for effect in story.asked(Originate)]
    assert dialed == [IDS.callee, T], "each phone is rung once"
    assert len(story.asked(m.Ended)) == 1
    states = [one.state for one in story.asked(TransferChanged)]
    for before, after in pairwise(states):
        assert after in TRANSITIONS[before]
    assert states[-1] is TransferState.OVER
    assert len(story.asked(HoldCallee)) == 1
    removed = [n for n, one in enumerate(story.effects) if one == m.HangUpChannel(channel_id=IDS.media)]
    ended = [n for n, one in enumerate(story.effects) if one == m.Progress(state=CallState.ENDING)]
    excused = TransferState.JOINING in states or story.asked(m.ReopenMedia)
    assert excused or not removed or removed[0] > ended[0], "the agent leaves only for somebody who has come"


@given(st.data())
def test_any_sequence_ends_once_and_leaves_nothing(data: st.DataObject) -> None:
    story = PairStory()
    story.talking()
    asterisk = TinyAsterisk(story)
    story.feed(BeginTransfer(plan=data.draw(st.sampled_from([COLD, WARM]))))
    for _ in range(data.draw(st.integers(0, 40))):
        if story.state in m.OVER:
            break
        steps(asterisk, data)
        over = story.transfers[-1][0] is TransferState.OVER
        if over and story.state is CallState.BRIDGED:
            assert IDS.callee in asterisk.bridged, "back with the agent, or the call ends"
    if story.state not in m.OVER:
        story.feed(m.HangUp(by=EndedBy.OPERATOR, reason="enough"))
    ticks = 0
    while story.state is not CallState.ENDED:
        while story.waiting:
            asterisk.answer(story.waiting[0], None)
        if story.state is not CallState.ENDED:
            story.tick()
            ticks += 1
        assert ticks < 60
    assert not asterisk.exists & {T, IDS.callee, IDS.bridge}
    check(story)
