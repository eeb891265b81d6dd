"""The call machine on the ordinary roads: preparation, answer, and every ending that Asterisk was seen to make."""

import itertools

import pytest

from stasis import call_model as m
from stasis import events as e
from stasis.call import CallMachine
from stasis.call_model import CallState
from stasis.outcome import EndedBy, Outcome
from stasis.requests import CreateExternalMedia, Originate
from tests.unit.stasis.story import (
    ANSWER,
    BRIDGE,
    GONE,
    IDS,
    JOINED,
    LEFT,
    MEDIA,
    MEDIA_JOINED,
    MEDIA_OPENED,
    MEDIA_START,
    PLAN,
    RINGING,
    Story,
    callee,
    destroyed,
    dial,
    hangup_request,
    state,
)


def test_what_is_asked_for_from_start_to_end() -> None:
    story = Story()
    assert story.start() == [m.CreateBridge(bridge_id=IDS.bridge)]
    assert story.feed(MEDIA_OPENED) == [PLAN.external_media("127.0.0.1:41000")]
    assert story.complete(CreateExternalMedia, MEDIA) == [m.ConnectMediaPeer(host="127.0.0.1", port=17002)]
    assert story.feed(m.MediaReady(), MEDIA_START) == []
    assert story.complete(m.CreateBridge) == [m.AddToBridge(bridge_id=IDS.bridge, channel_id=IDS.media)]
    assert story.complete(m.AddToBridge) == [m.Progress(state=CallState.DIALING), PLAN.originate()]
    assert story.complete(Originate, callee("Down")) == []
    assert story.feed(*RINGING) == [m.Progress(state=CallState.RINGING)]
    assert story.feed(*ANSWER) == [
        m.Progress(state=CallState.ANSWERED),
        m.AddToBridge(bridge_id=IDS.bridge, channel_id=IDS.callee),
    ]
    assert story.complete(m.AddToBridge) == [m.Progress(state=CallState.BRIDGED), m.StartConversation()]
    assert story.feed(JOINED, e.ChannelDtmfReceived(channel=callee(), digit="5")) == [m.DtmfReceived(digit="5")]
    assert story.feed(hangup_request(16), *LEFT) == []
    assert story.feed(destroyed(16)) == [
        m.Progress(state=CallState.ENDING),
        m.HangUpChannel(channel_id=IDS.media),
        m.DestroyBridge(bridge_id=IDS.bridge),
    ]
    story.tear_down()
    assert story.effects[-1] == m.Ended(result=story.result)


def test_the_requests_carry_the_dead_man_switch_and_the_ids() -> None:
    dialed = PLAN.originate()
    limit = {"TIMEOUT(absolute)": str(30 + 600 + 30)}
    assert dialed.variables == {"OD_TASK": "t1", "GLOBAL(OD_CALL_0190)": "1", **limit}
    assert (dialed.channel_id, dialed.timeout_s, dialed.app_args) == (IDS.callee, 30, "callee,0190")
    assert int(PLAN.external_media("x").variables["TIMEOUT(absolute)"]) > PLAN.absolute_timeout_s


def test_a_plan_cannot_switch_the_dead_man_switch_off() -> None:
    plan = m.CallPlan(
        ids=IDS,
        endpoint="x",
        app="a",
        format="ulaw",
        ring_timeout_s=1,
        max_duration_s=1,
        variables={"TIMEOUT(absolute)": "0"},
    )
    assert plan.originate().variables["TIMEOUT(absolute)"] == "32"


@pytest.mark.parametrize(("ring", "talk"), [(0, 60), (30, 0), (-1, 60)])
def test_endless_plans_are_refused(ring: int, talk: int) -> None:
    with pytest.raises(ValueError, match="at least 1 s"):
        m.CallPlan(ids=IDS, endpoint="x", app="a", format="ulaw", ring_timeout_s=ring, max_duration_s=talk)


PREPARATION = ("ready", "bridge", "media", "media_start", "joined")


@pytest.mark.parametrize("order", list(itertools.permutations(PREPARATION)))
def test_preparation_in_any_order_dials_once_and_only_when_all_is_there(order: tuple[str, ...]) -> None:
    """A channel that entered our bridge proves bridge and Stasis; the media address comes only with the reply."""
    story = Story()
    story.start()
    story.feed(MEDIA_OPENED)
    for done, step in enumerate(order):
        assert bool(story.asked(Originate)) is {"ready", "media", "joined"}.issubset(order[:done])
        match step:
            case "ready":
                story.feed(m.MediaReady())
            case "bridge":
                story.complete(m.CreateBridge)
            case "media":
                story.complete(CreateExternalMedia, MEDIA)
            case "joined":
                story.feed(MEDIA_JOINED)
            case _:
                story.feed(MEDIA_START)
    if story.asked(m.AddToBridge):
        story.complete(m.AddToBridge)
    assert len(story.asked(Originate)) == 1


def test_a_channel_is_added_to_the_bridge_only_in_stasis() -> None:
    """Before its own StasisStart addChannel answers 422."""
    story = Story()
    story.start()
    story.feed(MEDIA_OPENED, m.MediaReady())
    story.complete(m.CreateBridge)
    story.complete(CreateExternalMedia, MEDIA)
    assert not story.asked(m.AddToBridge)
    story.feed(MEDIA_START)
    story.complete(m.AddToBridge)
    story.complete(Originate, callee("Down"))
    assert story.feed(*RINGING, *ANSWER[:2]) == [
        m.Progress(state=CallState.RINGING),
        m.Progress(state=CallState.ANSWERED),
    ]
    assert story.feed(ANSWER[2]) == [m.AddToBridge(bridge_id=IDS.bridge, channel_id=IDS.callee)]


@pytest.mark.parametrize("early", [(), ("opened",), ("opened", "ready")])
def test_the_media_side_may_be_ready_before_the_start(early: tuple[str, ...]) -> None:
    story = Story()
    inputs = {"opened": MEDIA_OPENED, "ready": m.MediaReady()}
    assert story.feed(*(inputs[name] for name in early)) == []
    story.start()
    assert len(story.asked(CreateExternalMedia)) == ("opened" in early)


@pytest.mark.parametrize("order", [*itertools.permutations((*RINGING, *ANSWER))][::7])
def test_progress_events_in_any_order(order: tuple[e.Event, ...]) -> None:
    story = Story().dialed()
    story.feed(*order)
    assert story.state is CallState.ANSWERED
    assert len(story.asked(m.AddToBridge)) == 2
    story.complete(m.AddToBridge)
    assert len(story.asked(m.StartConversation)) == 1


def test_everything_may_come_before_the_originate_reply() -> None:
    story = Story().prepare()
    story.feed(*RINGING, *ANSWER, JOINED)
    assert story.state is CallState.BRIDGED
    story.complete(Originate, callee("Up"))
    story.complete(m.AddToBridge)
    assert len(story.asked(m.StartConversation)) == 1
    story.feed(hangup_request(16), destroyed(16))
    assert story.tear_down().result.sip_call_id == "sip-1"


def test_early_media_starts_no_conversation() -> None:
    story = Story().dialed()
    story.feed(dial("PROGRESS"), dial("PROGRESS"), e.ChannelDtmfReceived(channel=callee(), digit="1"))
    assert story.state is CallState.DIALING
    assert not story.asked(m.StartConversation)
    assert not story.asked(m.DtmfReceived)


def test_a_carrier_that_only_sends_183_still_rang() -> None:
    story = Story().dialed()
    story.feed(dial("PROGRESS"), destroyed(19, 480))
    assert story.tear_down().result.outcome is Outcome.NO_ANSWER


def test_digits_count_from_the_answer_to_the_end() -> None:
    story = Story().dialed()
    key = e.ChannelDtmfReceived(channel=callee(), digit="9")
    story.feed(*RINGING, key, *ANSWER, key)
    story.feed(m.HangUp(by=EndedBy.AGENT, reason="done"), key)
    assert len(story.asked(m.DtmfReceived)) == 1


def test_talk_hold_and_tone_events_change_nothing() -> None:
    story = Story().talking()
    assert (
        story.feed(
            e.ChannelHold(channel=callee()),
            e.ChannelUnhold(channel=callee()),
            e.ChannelTalkingStarted(channel=callee()),
            e.ChannelTalkingFinished(channel=callee()),
            e.ChannelToneDetected(channel=callee()),
            e.UnknownEvent(type="X"),
            e.MalformedEvent(type=None, reason="x"),
            e.ApplicationRegistered(),
            e.ChannelLeftBridge(channel=MEDIA, bridge=BRIDGE),
            e.ChannelDestroyed(channel=m.Channel(id="od-n1-other-c")),
        )
        == []
    )


HANGUP = m.HangUp(by=EndedBy.AGENT, reason="farewell said")
TALKING_ENDS: list[tuple[str, tuple[m.Input, ...], EndedBy, int]] = [
    ("callee hangs up", (hangup_request(16), *LEFT, destroyed(16)), EndedBy.CALLEE, 16),
    ("BYE without a reason", (hangup_request(), *LEFT, destroyed(0)), EndedBy.CALLEE, 0),
    ("we DELETE", (HANGUP, hangup_request(32, soft=True), *LEFT, destroyed(16)), EndedBy.AGENT, 16),
    ("TIMEOUT(absolute)", (*LEFT, destroyed(16)), EndedBy.SYSTEM_TIMEOUT, 16),
    ("no RTP, the trunk gives up", (*LEFT, destroyed(44)), EndedBy.NETWORK, 44),
    ("callee first, then we", (hangup_request(16), HANGUP, destroyed(16)), EndedBy.CALLEE, 16),
    ("we first, then callee", (HANGUP, hangup_request(16), destroyed(16)), EndedBy.AGENT, 16),
    (
        "somebody at the PBX, or its restart",
        (hangup_request(32, soft=True), *LEFT, destroyed(16)),
        EndedBy.NETWORK,
        16,
    ),
    ("destroyed only", (destroyed(16),), EndedBy.SYSTEM_TIMEOUT, 16),
    ("destroyed without StasisEnd", (hangup_request(16), destroyed(16)), EndedBy.CALLEE, 16),
    ("destroyed twice", (hangup_request(16), destroyed(16), destroyed(0)), EndedBy.CALLEE, 16),
    ("destroyed before the rest", (destroyed(16), hangup_request(16), *LEFT), EndedBy.CALLEE, 16),
]


@pytest.mark.parametrize(
    ("events", "by", "cause"), [row[1:] for row in TALKING_ENDS], ids=[r[0] for r in TALKING_ENDS]
)
def test_how_a_conversation_ends(events: tuple[m.Input, ...], by: EndedBy, cause: int) -> None:
    story = Story().talking()
    story.now += 60
    story.feed(*events)
    result = story.tear_down().result
    assert (result.outcome, result.ended_by, result.hangup_cause) == (Outcome.COMPLETED, by, cause)
    assert (result.ringing_at, result.answered_at, result.ended_at) == (1000.0, 1000.0, 1060.0)
    assert (result.dialed, result.sip_call_id) == (True, "sip-1")


CANCEL = m.HangUp(by=EndedBy.OPERATOR, reason="stop")
Is, By = Outcome, EndedBy
UNANSWERED: list[tuple[str, tuple[m.Input, ...], Outcome, EndedBy, int, int | None]] = [
    ("busy 486", (*RINGING, hangup_request(17, 486), dial("BUSY"), destroyed(17, 486)),
     Is.BUSY, By.CALLEE, 17, 486),
    ("reject 603", (*RINGING, hangup_request(21, 603), dial("NOANSWER"), destroyed(21, 603)),
     Is.REJECTED, By.CALLEE, 21, 603),
    ("reject 403", (*RINGING, hangup_request(21, 403), dial("NOANSWER"), destroyed(21, 403)),
     Is.REJECTED, By.CALLEE, 21, 403),
    ("forbidden 403", (hangup_request(21, 403), dial("NOANSWER"), destroyed(21, 403)),
     Is.TRUNK_FAULT, By.NETWORK, 21, 403),
    ("our password 401", (hangup_request(21, 401), destroyed(21, 401)), Is.TRUNK_FAULT, By.NETWORK, 21, 401),
    ("unknown number 404", (hangup_request(1, 404), dial("NOANSWER"), destroyed(1, 404)),
     Is.BAD_NUMBER, By.NETWORK, 1, 404),
    ("carrier 503", (hangup_request(34, 503), dial("CONGESTION"), destroyed(34, 503)),
     Is.NETWORK, By.NETWORK, 34, 503),
    ("rang out", (*RINGING, destroyed(19, 480)), Is.NO_ANSWER, By.SYSTEM_TIMEOUT, 19, 480),
    ("peer dead", (destroyed(19, 480),), Is.UNREACHABLE, By.NETWORK, 19, 480),
    ("we cancel", (*RINGING, CANCEL, hangup_request(32, soft=True), dial("NOANSWER"), destroyed(16)),
     Is.CANCELED, By.OPERATOR, 16, None),
    ("Local to Busy()", (dial("BUSY"), destroyed(0)), Is.BUSY, By.CALLEE, 0, None),
    ("Local to Dial()", (destroyed(17),), Is.BUSY, By.CALLEE, 17, None),
    ("Local to nothing", (destroyed(0),), Is.FAILED, By.NETWORK, 0, None),
    ("tech_cause only before", (hangup_request(17, 600), destroyed(17)), Is.BUSY, By.CALLEE, 17, 600),
    ("answered as we cancel", (*RINGING, CANCEL, *ANSWER, destroyed(16)), Is.CANCELED, By.OPERATOR, 16, None),
]  # fmt: skip


@pytest.mark.parametrize("row", UNANSWERED, ids=[row[0] for row in UNANSWERED])
def test_how_an_unanswered_call_ends(
    row: tuple[str, tuple[m.Input, ...], Outcome, EndedBy, int, int | None],
) -> None:
    _, events, achieved, by, cause, tech_cause = row
    story = Story().dialed()
    story.feed(*events)
    result = story.tear_down().result
    assert (result.outcome, result.ended_by) == (achieved, by)
    assert (result.hangup_cause, result.tech_cause) == (cause, tech_cause)
    assert result.dialed
    assert result.answered_at is None
    assert not story.asked(m.StartConversation)


@pytest.mark.parametrize("stage", ["start", "prepare", "dialed", "ringing", "answered", "talking"])
@pytest.mark.parametrize("gone", [False, True])
def test_a_hangup_from_any_state_removes_whatever_was_made(stage: str, gone: bool) -> None:
    story = Story()
    match stage:
        case "start":
            story.start()
            story.complete(m.CreateBridge)
        case "prepare":
            story.prepare().complete(Originate, callee("Down"))
        case "dialed":
            story.dialed()
        case "ringing":
            story.dialed().feed(*RINGING)
        case "answered":
            story.dialed().feed(*RINGING, *ANSWER)
        case _:
            story.talking()
    story.feed(CANCEL)
    assert story.state is CallState.ENDING
    removals = {effect.channel_id for effect in story.asked(m.HangUpChannel)}
    assert removals == (set() if stage == "start" else {IDS.callee, IDS.media})
    assert story.asked(m.DestroyBridge)
    story.tear_down(GONE if gone else None)
    if not gone and stage != "start":
        assert story.state is CallState.ENDING  # the callee's own end is its ChannelDestroyed
        story.feed(hangup_request(32, soft=True), destroyed(16))
    assert story.result.ended_by is EndedBy.OPERATOR
    assert story.result.dialed is (stage != "start")


def test_a_second_hangup_changes_nothing() -> None:
    story = Story().talking()
    story.feed(HANGUP)
    assert story.feed(CANCEL, m.MediaLost(reason="x")) == []
    story.feed(destroyed(16)), story.tear_down()
    assert (story.result.ended_by, story.result.detail) == (EndedBy.AGENT, "farewell said")


def test_the_machine_never_makes_a_transition_outside_its_table() -> None:
    machine = CallMachine(PLAN)
    reachable = {CallState.PREPARE}
    for source, targets in m.TRANSITIONS.items():
        assert source not in targets
        reachable |= targets
    assert reachable == set(CallState)
    assert machine.next_deadline is None


def test_a_state_change_to_a_word_we_do_not_know_is_ignored() -> None:
    assert Story().dialed().feed(state("Pre-ring"), dial("SOMETHING")) == []
