"""The call machine under any sequence of inputs: never raises, dials at most once, ends once, leaves nothing."""

from hypothesis import given
from hypothesis import strategies as st

from stasis import call_model as m
from stasis import events as e
from stasis.call_model import CallState
from stasis.errors import AriError, AriTimeout, AriUnreachable, BadRequest, Conflict, NotFound, ServerError
from stasis.model import Channel
from stasis.outcome import EndedBy
from stasis.repair import REPAIRS_LIMIT
from stasis.requests import CreateExternalMedia, Originate
from tests.unit.stasis.story import (
    ANSWER,
    BRIDGE,
    IDS,
    JOINED,
    LEFT,
    MEDIA,
    MEDIA_JOINED,
    MEDIA_OPENED,
    MEDIA_START,
    RINGING,
    Story,
    callee,
    destroyed,
    dial,
    hangup_request,
)

ERRORS: list[AriError] = [
    AriTimeout("no answer"),
    AriUnreachable("broke"),
    AriUnreachable("refused", sent=False),
    NotFound(404, "gone"),
    Conflict(409, "in use"),
    BadRequest(400, "bad"),
    ServerError(500, "Allocation failed"),
    ServerError(503, "busy"),
]
ABOUT_CALLEE: list[e.Event] = [
    *RINGING,
    *ANSWER,
    *LEFT,
    JOINED,
    dial(""),
    dial("PROGRESS"),
    dial("NOANSWER"),
    hangup_request(16),
    hangup_request(17, 486),
    hangup_request(32, soft=True),
    destroyed(16),
    destroyed(17, 486),
    e.ChannelDtmfReceived(channel=callee(), digit="1"),
]
HELPFUL: list[m.Input] = [MEDIA_START, MEDIA_JOINED, MEDIA_OPENED, m.MediaReady()]
ABOUT_THE_REST: list[m.Input] = [
    *HELPFUL,
    e.ChannelDestroyed(channel=MEDIA),
    e.StasisEnd(channel=MEDIA),
    e.BridgeDestroyed(bridge=BRIDGE),
    e.UnknownEvent(type="x"),
    m.MediaLost(reason="worker"),
    m.MediaLost(reason="listing", listed=True),
    *[m.WorkerGone(reason="killed")] * 3,
    m.StreamLost(),
    m.Reconciled(channel=None),
    m.Reconciled(channel=callee("Ringing")),
    m.Reconciled(channel=callee("Up", in_stasis=True)),
    m.Reconciled(channel=None, asterisk_restarted=True),
    *[m.HangUp(by=by, reason="why") for by in EndedBy],
]
REPLIES: dict[type, Channel] = {CreateExternalMedia: MEDIA, Originate: callee("Down"), m.LookUp: callee("Ringing")}


class Steps:
    """One random life. Inputs about the callee come only once it was dialed, answers only to what was asked."""

    def __init__(self, data: st.DataObject, *, helpful: bool) -> None:
        self.data = data
        self.helpful = helpful
        self.story = Story()
        self.story.start()

    def step(self) -> None:
        story = self.story
        kinds = ["rest", "time", *(["answer"] * 4 if story.waiting else [])]
        kinds += ["callee"] * 3 if story.asked(Originate) else []
        match self.data.draw(st.sampled_from(kinds)):
            case "answer":
                effect = self.data.draw(st.sampled_from(story.waiting))
                self.answer(effect, self.data.draw(st.sampled_from([None, None, None, *ERRORS])))
            case "callee":
                story.feed(self.data.draw(st.sampled_from(ABOUT_CALLEE)))
            case "time":
                story.now += self.data.draw(st.sampled_from([0.0, 0.5, 2.0, 7.0, 40.0, 700.0]))
                story.feed(m.Tick())
            case _:
                choices = HELPFUL if self.helpful else ABOUT_THE_REST
                story.feed(self.data.draw(st.sampled_from(choices)))

    def answer(self, effect: m.RestEffect, error: AriError | None) -> None:
        self.story.answered.append(effect)
        if error is None:
            self.story.feed(m.Completed(effect=effect, channel=REPLIES.get(type(effect))))
        else:
            self.story.feed(m.Failed(effect=effect, error=error))

    def settle(self, *, callee_ends: bool) -> int:
        """Asterisk behaves from now on. Returns the number of deadlines it took."""
        if callee_ends and self.story.asked(Originate):
            self.story.feed(destroyed(16))
        ticks = 0
        while self.story.state is not CallState.ENDED:
            while self.story.waiting:
                effect = self.story.waiting[0]
                self.answer(effect, NotFound(404, "gone") if isinstance(effect, m.LookUp) else None)
            if self.story.state is not CallState.ENDED:
                self.story.tick()
                ticks += 1
            assert ticks < 60
        return ticks


def check(story: Story) -> None:
    effects = story.effects
    assert len(story.asked(Originate)) <= 1
    assert len(story.asked(m.StartConversation)) <= 1
    assert len(story.asked(m.CreateBridge)) == 1
    made = [effect.channel_id for effect in story.asked(CreateExternalMedia)]
    assert len(made) == len(set(made)) <= 1 + len(story.asked(m.ReopenMedia))
    assert len(story.asked(m.ReopenMedia)) <= REPAIRS_LIMIT
    assert len(story.asked(m.Ended)) == 1
    ended_at = next(index for index, effect in enumerate(effects) if isinstance(effect, m.Ended))
    late = effects[ended_at + 1 :]
    assert all(effect == m.HangUpChannel(channel_id=IDS.callee) for effect in late)
    states = [effect.state for effect in story.asked(m.Progress)]
    for before, after in zip([CallState.PREPARE, *states], states, strict=False):
        assert after in m.TRANSITIONS[before]
    assert story.asked(m.Ended)[0].result.dialed <= bool(story.asked(Originate))
    if story.asked(Originate):
        check_that_an_answer_would_have_been_heard(story)


def check_that_an_answer_would_have_been_heard(story: Story) -> None:
    known = story.known_when_dialing
    assert m.MediaReady() in known
    assert MEDIA_OPENED in known
    add = m.AddToBridge(bridge_id=IDS.bridge, channel_id=IDS.media)
    assert MEDIA_JOINED in known or m.Completed(effect=add) in known
    kinds = [type(effect) for effect in story.effects]
    assert kinds.index(m.ConnectMediaPeer) < kinds.index(Originate)


@given(st.data())
def test_any_sequence_of_inputs_ends_once(data: st.DataObject) -> None:
    steps = Steps(data, helpful=data.draw(st.booleans()))
    for _ in range(data.draw(st.integers(0, 40))):
        steps.step()
    steps.settle(callee_ends=data.draw(st.booleans()))
    for given_input in data.draw(st.lists(st.sampled_from([*ABOUT_CALLEE, *ABOUT_THE_REST]), max_size=5)):
        steps.story.feed(given_input)
    check(steps.story)


@given(st.data())
def test_whatever_was_made_is_removed(data: st.DataObject) -> None:
    """A tiny Asterisk that keeps what exists; POSTs may lose their answer, removals may fail, events come late."""
    story = Story()
    story.start()
    exists: set[str] = set()
    story.feed(MEDIA_OPENED, m.MediaReady())
    for _ in range(80):
        if story.state is CallState.ENDED:
            break
        if story.waiting and data.draw(st.integers(0, 3)):
            _answer_like_asterisk(story, data.draw(st.sampled_from(story.waiting)), exists, data)
        elif IDS.callee in exists and data.draw(st.booleans()):
            _event_like_asterisk(story, exists, data)
        elif data.draw(st.integers(0, 5)) == 0:
            stop, died = m.HangUp(by=EndedBy.OPERATOR, reason="stop"), m.WorkerGone(reason="killed")
            story.feed(*data.draw(st.sampled_from([(stop,), (died,), (died, MEDIA_OPENED)])))
    while story.state is not CallState.ENDED:
        while story.waiting:
            _answer_like_asterisk(story, story.waiting[0], exists, None)
        if story.state is not CallState.ENDED:
            story.tick()
    assert not exists
    check(story)


def _answer_like_asterisk(
    story: Story, effect: m.RestEffect, exists: set[str], data: st.DataObject | None
) -> None:
    """`data` None: nothing fails any more."""
    story.answered.append(effect)
    lost = data is not None and data.draw(st.integers(0, 5)) == 0
    target, channel = _target(effect)
    match effect:
        case m.HangUpChannel() | m.DestroyBridge() if lost:
            story.feed(m.Failed(effect=effect, error=ServerError(500, "not now")))
            return
        case m.HangUpChannel() | m.DestroyBridge() | m.LookUp() if target not in exists:
            story.feed(m.Failed(effect=effect, error=NotFound(404, "gone")))
            return
        case m.HangUpChannel() | m.DestroyBridge():
            exists.discard(target)
        case m.CreateBridge() | CreateExternalMedia() | Originate():
            exists.add(target)
        case _:
            pass
    if lost and not isinstance(effect, m.LookUp):
        story.feed(m.Failed(effect=effect, error=AriTimeout("no answer")))
    else:
        story.feed(m.Completed(effect=effect, channel=channel))
    if isinstance(effect, CreateExternalMedia):
        story.feed(MEDIA_START)
    if isinstance(effect, m.HangUpChannel) and target == IDS.callee:
        story.feed(destroyed(16))


def _target(effect: m.RestEffect) -> tuple[str, Channel | None]:
    match effect:
        case m.CreateBridge(bridge_id=target) | m.DestroyBridge(bridge_id=target):
            return target, None
        case m.AddToBridge(channel_id=target) | m.HangUpChannel(channel_id=target):
            return target, None
        case _:
            return effect.channel_id, REPLIES[type(effect)]


def _event_like_asterisk(story: Story, exists: set[str], data: st.DataObject) -> None:
    event = data.draw(st.sampled_from([*ABOUT_CALLEE[:8], destroyed(16)]))
    if isinstance(event, e.ChannelDestroyed):
        exists.discard(IDS.callee)
    story.feed(event)
