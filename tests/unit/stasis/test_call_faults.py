"""The call machine when something breaks: preparation, a lost originate answer, a lost stream, a restart."""

import pytest

from stasis import call_model as m
from stasis import events as e
from stasis.call_model import CallState
from stasis.errors import (
    AriError,
    AriTimeout,
    AriUnreachable,
    BadRequest,
    Conflict,
    InvalidState,
    MalformedReply,
    NotFound,
    NotSent,
    ServerError,
    Unprocessable,
)
from stasis.model import Channel
from stasis.outcome import EndedBy, Outcome
from stasis.requests import CreateExternalMedia, Originate
from tests.unit.stasis.story import (
    ANSWER,
    BRIDGE,
    GONE,
    IDS,
    MEDIA,
    MEDIA_OPENED,
    MEDIA_START,
    RINGING,
    Story,
    callee,
    destroyed,
    dial,
    hangup_request,
)

TIMEOUT = AriTimeout("no answer in time", "POST", "/channels")
REFUSED_CONNECTION = AriUnreachable("cannot connect", "POST", "/channels", sent=False)
ALLOCATION_FAILED = ServerError(500, "Allocation failed", "POST", "/channels")


# --- preparation ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [m.CreateBridge, CreateExternalMedia, m.AddToBridge])
@pytest.mark.parametrize(
    "error", [REFUSED_CONNECTION, TIMEOUT, ServerError(500, "internal"), Unprocessable(422, "no")]
)
def test_a_failed_preparation_dials_nobody_and_says_why(kind: type[m.RestEffect], error: AriError) -> None:
    story = Story()
    story.start()
    story.feed(MEDIA_OPENED, m.MediaReady())
    if kind is not m.CreateBridge:
        story.complete(m.CreateBridge)
    if kind is m.AddToBridge:
        story.complete(CreateExternalMedia, MEDIA)
        story.feed(MEDIA_START)
    story.fail(kind, error)
    if kind is m.CreateBridge:
        story.complete(CreateExternalMedia, MEDIA)
    result = story.tear_down().result
    assert not story.asked(Originate)
    assert (result.outcome, result.ended_by, result.dialed) == (Outcome.FAILED, EndedBy.SYSTEM_FAILURE, False)
    assert "could not" in result.detail
    assert error.message in result.detail


def test_a_media_channel_whose_post_is_under_way_is_removed_after_its_answer() -> None:
    story = Story()
    story.start()
    story.feed(MEDIA_OPENED)
    story.complete(m.CreateBridge)
    assert story.feed(m.MediaLost(reason="invalid_api_key"))[-1:] == [m.DestroyBridge(bridge_id=IDS.bridge)]
    assert story.complete(CreateExternalMedia, MEDIA) == [m.HangUpChannel(channel_id=IDS.media)]
    assert "invalid_api_key" in story.tear_down().result.detail


@pytest.mark.parametrize(
    "channelvars", [{}, {"UNICASTRTP_LOCAL_ADDRESS": "127.0.0.1"}, {"UNICASTRTP_LOCAL_PORT": "17002"}]
)
def test_a_media_channel_without_an_address_is_of_no_use(channelvars: dict[str, str]) -> None:
    story = Story()
    story.start()
    story.feed(MEDIA_OPENED)
    story.complete(m.CreateBridge)
    story.complete(CreateExternalMedia, Channel(id=IDS.media, channelvars=channelvars))
    assert "did not say" in story.tear_down().result.detail


@pytest.mark.parametrize(
    "fault",
    [
        m.StreamLost(),
        m.MediaLost(reason="worker died"),
        e.ChannelDestroyed(channel=MEDIA),
        e.BridgeDestroyed(bridge=BRIDGE),
        m.Reconciled(channel=None, asterisk_restarted=True),
    ],
)
def test_what_breaks_while_preparing_costs_nobody_anything(fault: m.Input) -> None:
    story = Story()
    story.start()
    story.feed(MEDIA_OPENED)
    story.complete(m.CreateBridge)
    story.complete(CreateExternalMedia, MEDIA)
    story.feed(MEDIA_START, fault, m.MediaReady())
    if any(isinstance(effect, m.AddToBridge) for effect in story.waiting):
        story.complete(m.AddToBridge)
    assert not story.tear_down().result.dialed
    assert not story.asked(Originate)


def test_a_preparation_that_takes_too_long_says_what_is_missing() -> None:
    story = Story()
    story.start()
    story.feed(MEDIA_OPENED)
    story.complete(m.CreateBridge)
    story.complete(CreateExternalMedia, MEDIA)
    story.tick()
    assert story.tear_down().result.detail.endswith("missing: media channel, model session")


@pytest.mark.parametrize("by", EndedBy)
def test_a_hangup_before_dialing_is_never_called_unreachable(by: EndedBy) -> None:
    story = Story()
    story.start()
    story.complete(m.CreateBridge)
    story.feed(m.HangUp(by=by, reason="why"))
    result = story.tear_down().result
    assert result.outcome is (Outcome.FAILED if by is EndedBy.SYSTEM_FAILURE else Outcome.CANCELED)
    assert (result.ended_by, result.detail, result.dialed) == (by, "why", False)


# --- originate --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "achieved"),
    [
        (ALLOCATION_FAILED, Outcome.TRUNK_FAULT),
        (BadRequest(400, "Invalid endpoint"), Outcome.FAILED),
        (REFUSED_CONNECTION, Outcome.FAILED),
        (NotSent("the dial deadline has passed"), Outcome.FAILED),
    ],
)
def test_a_refused_originate_called_nobody(error: AriError, achieved: Outcome) -> None:
    story = Story().prepare()
    story.fail(Originate, error)
    assert bool(story.asked(m.HangUpChannel)[0] == m.HangUpChannel(channel_id=IDS.callee)) is (
        error is ALLOCATION_FAILED
    )  # one DELETE makes sure after a 500
    result = story.tear_down(GONE).result
    assert (result.outcome, result.ended_by, result.dialed) == (achieved, EndedBy.SYSTEM_FAILURE, False)
    assert error.message in result.detail


def test_a_500_that_dialed_all_the_same_counts_as_dialed() -> None:
    story = Story().prepare()
    story.fail(Originate, ALLOCATION_FAILED)
    story.tear_down()
    assert story.state is CallState.ENDING
    story.feed(destroyed(16))
    assert story.result.dialed


def test_409_is_our_own_channel() -> None:
    story = Story().prepare()
    assert story.fail(Originate, Conflict(409, "exists")) == [m.LookUp(channel_id=IDS.callee)]
    story.complete(m.LookUp, callee("Ringing"))
    assert story.state is CallState.RINGING
    story.feed(*ANSWER)
    story.complete(m.AddToBridge)
    assert story.state is CallState.BRIDGED
    assert len(story.asked(Originate)) == 1


LOST_ANSWERS = [TIMEOUT, AriUnreachable("connection broke"), ServerError(504, ""), MalformedReply(200, "not JSON")]


@pytest.mark.parametrize("error", LOST_ANSWERS)
@pytest.mark.parametrize("word", ["Down", "Ringing", "Up"])
def test_a_lost_answer_is_looked_up_and_the_call_goes_on(error: AriError, word: str) -> None:
    story = Story().prepare()
    assert story.fail(Originate, error) == []
    assert story.tick() == [m.LookUp(channel_id=IDS.callee)]
    assert story.now < 1003
    story.complete(m.LookUp, callee(word, in_stasis=word == "Up"))
    story.feed(*ANSWER)
    story.complete(m.AddToBridge)
    assert story.state is CallState.BRIDGED
    story.feed(hangup_request(16), destroyed(16))
    assert story.tear_down().result.outcome is Outcome.COMPLETED
    assert len(story.asked(Originate)) == 1


def test_an_event_saves_the_look_up() -> None:
    story = Story().prepare()
    story.fail(Originate, TIMEOUT)
    story.feed(dial(""))
    story.tick()
    assert not story.asked(m.LookUp)


def test_a_call_nobody_ever_heard_of_is_lost_after_the_ring_time_and_not_dialed_again() -> None:
    story = Story().prepare()
    story.fail(Originate, TIMEOUT)
    while story.state is CallState.DIALING:
        story.tick()
        if any(isinstance(effect, m.LookUp) for effect in story.waiting):
            story.fail(m.LookUp, GONE)
    assert story.now == 1000 + 30 + 5
    assert len(story.asked(m.LookUp)) > 3
    result = story.tear_down(GONE).result
    assert (result.outcome, result.ended_by, result.dialed) == (Outcome.LOST, EndedBy.NETWORK, True)
    assert len(story.asked(Originate)) == 1


def test_a_late_answer_after_a_404_goes_on() -> None:
    """Asterisk was frozen with our request in its socket."""
    story = Story().prepare()
    story.fail(Originate, TIMEOUT)
    story.tick()
    story.fail(m.LookUp, GONE)
    story.now += 10
    story.feed(dial(""), *RINGING, *ANSWER)
    story.complete(m.AddToBridge)
    assert story.state is CallState.BRIDGED
    story.feed(hangup_request(16), destroyed(16))
    assert story.tear_down().result.sip_call_id == "sip-1"


def test_a_look_up_that_fails_is_tried_again() -> None:
    story = Story().prepare()
    story.fail(Originate, TIMEOUT)
    story.tick()
    story.fail(m.LookUp, TIMEOUT)
    assert story.tick() == [m.LookUp(channel_id=IDS.callee)]


def test_a_cancel_while_the_originate_is_under_way_does_not_overtake_it() -> None:
    story = Story().prepare()
    story.feed(m.HangUp(by=EndedBy.OPERATOR, reason="stop"))
    story.tear_down()
    assert m.HangUpChannel(channel_id=IDS.callee) not in story.effects
    assert story.complete(Originate, callee("Down")) == [m.HangUpChannel(channel_id=IDS.callee)]
    story.tear_down()
    story.feed(destroyed(16))
    assert (story.result.outcome, story.result.dialed) == (Outcome.CANCELED, True)


def test_a_cancel_after_a_lost_answer_keeps_removing_until_it_is_sure() -> None:
    story = Story().prepare()
    story.fail(Originate, TIMEOUT)
    story.feed(m.HangUp(by=EndedBy.OPERATOR, reason="stop"))
    story.tear_down(GONE)
    assert story.state is CallState.ENDING
    story.tick()
    story.tear_down()  # now it was there
    story.feed(destroyed(16))
    assert story.result.outcome is Outcome.CANCELED


def test_a_channel_that_turns_up_after_the_end_is_hung_up() -> None:
    story = Story().prepare()
    story.fail(Originate, TIMEOUT)
    story.feed(m.HangUp(by=EndedBy.OPERATOR, reason="stop"))
    while story.state is not CallState.ENDED:
        story.tear_down(GONE)
        if story.state is not CallState.ENDED:
            story.tick()
    assert story.feed(*ANSWER) == [m.HangUpChannel(channel_id=IDS.callee)]
    story.complete(m.HangUpChannel)
    assert story.result.outcome is Outcome.CANCELED


# --- a running call ---------------------------------------------------------------------------------------------
def test_media_lost_while_ringing_takes_the_call_back() -> None:
    story = Story().dialed()
    story.feed(*RINGING, m.MediaLost(reason="worker died"))
    assert m.HangUpChannel(channel_id=IDS.callee) in story.effects
    story.feed(destroyed(16))
    assert story.tear_down().result.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    "fault", [m.MediaLost(reason="x"), e.ChannelDestroyed(channel=MEDIA), e.BridgeDestroyed(bridge=BRIDGE)]
)
def test_nobody_is_left_listening_to_nothing(fault: m.Input) -> None:
    story = Story().talking()
    assert m.HangUpChannel(channel_id=IDS.callee) in story.feed(fault)
    story.feed(destroyed(16))
    result = story.tear_down().result
    assert (result.outcome, result.ended_by) == (Outcome.COMPLETED, EndedBy.SYSTEM_FAILURE)


@pytest.mark.parametrize("error", [NotFound(404, ""), Conflict(409, ""), Unprocessable(422, "")])
def test_a_callee_who_left_before_the_bridge_just_ends(error: AriError) -> None:
    story = Story().dialed()
    story.feed(*RINGING, *ANSWER)
    assert story.fail(m.AddToBridge, error) == []
    story.feed(hangup_request(16), destroyed(16))
    assert story.tear_down().result.ended_by is EndedBy.CALLEE


@pytest.mark.parametrize("error", [TIMEOUT, ServerError(500, ""), InvalidState(412, "")])
def test_a_callee_who_cannot_be_bridged_is_hung_up(error: AriError) -> None:
    story = Story().dialed()
    story.feed(*RINGING, *ANSWER)
    assert m.HangUpChannel(channel_id=IDS.callee) in story.fail(m.AddToBridge, error)
    assert not story.asked(m.StartConversation)


@pytest.mark.parametrize(
    ("stage", "limit_s", "achieved", "by"),
    [
        ("dialing", 35, Outcome.UNREACHABLE, EndedBy.SYSTEM_TIMEOUT),
        ("ringing", 35, Outcome.NO_ANSWER, EndedBy.SYSTEM_TIMEOUT),
        ("answered", 5, Outcome.COMPLETED, EndedBy.SYSTEM_FAILURE),
        ("bridged", 600, Outcome.COMPLETED, EndedBy.SYSTEM_TIMEOUT),
    ],
)
def test_every_state_has_its_limit(stage: str, limit_s: float, achieved: Outcome, by: EndedBy) -> None:
    story = Story().dialed()
    if stage != "dialing":
        story.feed(*RINGING)
    if stage in {"answered", "bridged"}:
        story.feed(*ANSWER)
    if stage == "bridged":
        story.complete(m.AddToBridge)
    story.now += limit_s - 0.001
    assert story.feed(m.Tick()) == []
    story.tick()
    assert story.now == pytest.approx(1000 + limit_s)
    assert story.state is CallState.ENDING
    story.tear_down()
    story.feed(destroyed(16))
    assert (story.result.outcome, story.result.ended_by) == (achieved, by)


def test_a_hangup_without_the_end_is_checked() -> None:
    story = Story().talking()
    story.feed(hangup_request(16))
    story.tick()
    assert story.now == 1005
    assert m.HangUpChannel(channel_id=IDS.callee) in story.effects
    result = story.tear_down(GONE).result
    assert (result.outcome, result.ended_by, result.hangup_cause) == (Outcome.COMPLETED, EndedBy.CALLEE, 16)


def test_an_end_that_never_comes_is_asked_for_again_and_then_given_up() -> None:
    story = Story().talking()
    story.feed(m.HangUp(by=EndedBy.AGENT, reason="x"))
    while story.state is not CallState.ENDED:
        story.tear_down()
        story.tick()
    assert story.now == 1030
    assert story.asked(m.HangUpChannel).count(m.HangUpChannel(channel_id=IDS.callee)) == 6
    assert story.result.outcome is Outcome.COMPLETED


def test_failed_removals_are_repeated_a_bounded_number_of_times() -> None:
    story = Story().talking()
    story.feed(hangup_request(16), destroyed(16))
    while story.state is not CallState.ENDED:
        story.tear_down(TIMEOUT)
        if story.state is not CallState.ENDED:
            story.tick()
    assert story.asked(m.DestroyBridge) == [m.DestroyBridge(bridge_id=IDS.bridge)] * 4
    assert story.result.ended_by is EndedBy.CALLEE


# --- the stream -------------------------------------------------------------------------------------------------
def test_a_stream_drop_leaves_the_conversation_alone() -> None:
    story = Story().talking()
    assert story.feed(m.StreamLost(), m.Reconciled(channel=callee(in_stasis=True))) == []
    assert story.state is CallState.BRIDGED


def test_a_call_that_ended_in_the_gap_is_lost_after_a_second_look() -> None:
    story = Story().talking()
    story.feed(m.StreamLost())
    assert story.feed(m.Reconciled(channel=None)) == [m.LookUp(channel_id=IDS.callee)]
    story.now += 9
    story.fail(m.LookUp, GONE)
    result = story.tear_down().result
    assert (result.outcome, result.ended_by, result.answered_at) == (Outcome.LOST, EndedBy.NETWORK, 1000.0)
    assert result.ended_at == 1009
    assert result.detail


def test_a_listing_older_than_the_originate_does_not_end_the_call() -> None:
    story = Story().dialed()
    story.feed(m.Reconciled(channel=None))
    story.complete(m.LookUp, callee("Ringing"))
    assert story.state is CallState.RINGING


def test_an_originate_under_way_is_not_judged_by_a_listing() -> None:
    story = Story().prepare()
    assert story.feed(m.StreamLost(), m.Reconciled(channel=None)) == []


def test_an_answer_missed_in_the_gap_is_made_up_for() -> None:
    story = Story().dialed()
    story.feed(*RINGING, m.StreamLost())
    assert story.feed(m.Reconciled(channel=callee("Up", in_stasis=True)))[-1] == m.AddToBridge(
        bridge_id=IDS.bridge, channel_id=IDS.callee
    )


@pytest.mark.parametrize("stage", ["dialed", "talking"])
def test_a_restart_of_asterisk_ends_the_call_at_once(stage: str) -> None:
    story = Story().talking() if stage == "talking" else Story().dialed()
    story.feed(m.StreamLost(), m.Reconciled(channel=None, asterisk_restarted=True))
    assert not story.asked(m.HangUpChannel)
    assert (story.result.outcome, story.result.ended_by) == (Outcome.LOST, EndedBy.NETWORK)
    assert story.result.dialed


def test_a_restart_while_the_originate_is_under_way_waits_for_its_answer() -> None:
    story = Story().prepare()
    story.feed(m.Reconciled(channel=None, asterisk_restarted=True))
    assert story.complete(Originate, callee("Down")) == [m.HangUpChannel(channel_id=IDS.callee)]
    story.tear_down()
    story.feed(destroyed(16))
    assert (story.result.outcome, story.result.dialed) == (Outcome.FAILED, True)


# --- taken over from an earlier process -------------------------------------------------------------------------
def test_a_running_conversation_is_taken_over_without_a_word() -> None:
    story = Story()
    story._keep(story.machine.resume(story.now, conversing=True))
    story.complete(m.LookUp, callee(in_stasis=True))
    assert story.state is CallState.BRIDGED
    assert not story.asked(m.StartConversation)
    assert not story.asked(Originate)
    assert not story.asked(m.AddToBridge)
    story.feed(hangup_request(16), destroyed(16))
    assert story.tear_down().result.outcome is Outcome.COMPLETED


def test_a_conversation_that_ended_meanwhile_is_lost() -> None:
    story = Story()
    story._keep(story.machine.resume(story.now, conversing=True))
    story.fail(m.LookUp, GONE)
    assert story.tear_down().result.outcome is Outcome.LOST


def test_a_ringing_call_is_taken_over_and_answered() -> None:
    story = Story()
    story._keep(story.machine.resume(story.now, conversing=False))
    story.complete(m.LookUp, callee("Ringing"))
    story.feed(*ANSWER)
    story.complete(m.AddToBridge)
    assert len(story.asked(m.StartConversation)) == 1
    assert not story.asked(Originate)


def test_an_intent_that_never_reached_asterisk_is_lost_not_dialed() -> None:
    story = Story()
    story._keep(story.machine.resume(story.now, conversing=False))
    while story.state not in m.OVER:
        if any(isinstance(effect, m.LookUp) for effect in story.waiting):
            story.fail(m.LookUp, GONE)
        else:
            story.tick()
    assert story.tear_down(GONE).result.outcome is Outcome.LOST
    assert not story.asked(Originate)
