"""Answers we hear of late: what is stale, and that nobody is talked to who has been listening to silence."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from stasis import call_model as m
from stasis import events as e
from stasis.call_model import CallState
from stasis.outcome import EndedBy, Outcome
from stasis.replay import REPLAY_STALE_S, judged
from tests.unit.stasis.story import (
    ANSWER,
    GONE,
    IDS,
    JOINED,
    RINGING,
    Story,
    callee,
    destroyed,
    dial,
    hangup_request,
    state,
)

NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
CANCELED, COMPLETED, LOST = Outcome.CANCELED, Outcome.COMPLETED, Outcome.LOST
LATE = (state("Up"), dial("ANSWER"), e.LateStasisStart(channel=callee(in_stasis=True), args=("callee", "0190")))
MISSED = (CANCELED, EndedBy.SYSTEM_FAILURE)


def start(age_s: float | None) -> e.StasisStart:
    at = None if age_s is None else NOW - timedelta(seconds=age_s)
    return e.StasisStart(channel=callee(in_stasis=True), args=("callee", "0190"), timestamp=at)


@pytest.mark.parametrize(
    ("age_s", "kind"),
    [
        (0.0, e.StasisStart),
        (REPLAY_STALE_S, e.StasisStart),
        (REPLAY_STALE_S + 0.001, e.LateStasisStart),
        (3600.0, e.LateStasisStart),
        (-3600.0, e.StasisStart),
        (None, e.StasisStart),
    ],
)
def test_how_old_an_answer_may_be(age_s: float | None, kind: type[e.Event]) -> None:
    event = judged(start(age_s), NOW.timestamp())
    assert type(event) is kind
    assert isinstance(event, e.StasisStart)
    assert (event.channel, event.args, event.timestamp) == (
        callee(in_stasis=True),
        ("callee", "0190"),
        start(age_s).timestamp,
    )


@pytest.mark.parametrize(
    "event",
    [*RINGING, state("Up"), dial("ANSWER"), hangup_request(16), destroyed(16), JOINED, e.UnknownEvent(type="X")],
)
def test_every_other_event_is_a_fact_however_old(event: e.Event) -> None:
    assert judged(event, NOW.timestamp() + 1e6) is event


def test_a_late_event_is_never_decoded() -> None:
    assert isinstance(e.decode('{"type":"LateStasisStart","channel":{"id":"x"}}'), e.UnknownEvent)


# --- on the event stream of a call that this process dialed ------------------------------------------------------
def ringing(away_s: float) -> Story:
    story = Story().dialed()
    story.feed(*RINGING, m.StreamLost())
    story.now += away_s
    return story


REPLAYED: dict[str, tuple[tuple[m.Input, ...], tuple[Outcome, EndedBy] | None]] = {
    # what is told after an outage of 10 s -> how it ends, None: a conversation
    "a late answer": (LATE, MISSED),
    "a late answer, and the callee has left": ((*LATE, hangup_request(16), destroyed(16)), MISSED),
    "only StasisStart is left": (LATE[2:], MISSED),
    "a late answer, then the listing": ((*LATE, m.Reconciled(channel=callee(in_stasis=True))), MISSED),
    "an answer just now": (ANSWER, None),
    "an answer just now, then the listing": ((*ANSWER, m.Reconciled(channel=callee(in_stasis=True))), None),
    "the listing alone: its StasisStart was lost": ((m.Reconciled(channel=callee(in_stasis=True)),), MISSED),
    "up, but not in Stasis yet": ((m.Reconciled(channel=callee()), *ANSWER), None),
    "still ringing, then answered": ((m.Reconciled(channel=callee("Ringing")), *ANSWER), None),
    "still ringing, then found up": (
        (m.Reconciled(channel=callee("Ringing")), m.Reconciled(channel=callee(in_stasis=True))),
        None,
    ),
}


@pytest.mark.parametrize("name", REPLAYED)
def test_what_is_told_after_an_outage(name: str) -> None:
    told, ending = REPLAYED[name]
    story = ringing(10.0)
    story.feed(*told)
    if ending is None:
        story.complete(m.AddToBridge)
        assert story.state is CallState.BRIDGED
        assert len(story.asked(m.StartConversation)) == 1
        return
    assert not story.asked(m.StartConversation)
    assert [one.channel_id for one in story.asked(m.AddToBridge)] == [IDS.media]
    if not isinstance(told[-1], e.ChannelDestroyed):
        assert m.HangUpChannel(channel_id=IDS.callee) in story.waiting
        story.feed(destroyed(16))
    result = story.tear_down().result
    assert (result.outcome, result.ended_by) == ending
    assert result.detail == "answered during outage"
    assert result.answered_at == story.now
    assert result.dialed


@pytest.mark.parametrize(
    ("away_s", "talks"), [(0.0, True), (REPLAY_STALE_S, True), (REPLAY_STALE_S + 0.01, False)]
)
def test_a_short_outage_harms_nobody(away_s: float, talks: bool) -> None:
    story = ringing(away_s)
    story.feed(m.Reconciled(channel=callee(in_stasis=True)))
    assert (story.state is CallState.ANSWERED) is talks
    assert (m.HangUpChannel(channel_id=IDS.callee) in story.waiting) is not talks


def test_a_call_in_the_bridge_goes_on() -> None:
    story = Story().talking()
    story.feed(m.StreamLost())
    story.now += 60
    assert story.feed(*LATE, m.Reconciled(channel=callee(in_stasis=True))) == []
    assert story.state is CallState.BRIDGED


def test_a_look_up_within_the_outage_decides_nothing() -> None:
    story = ringing(10.0)
    story.feed(m.Completed(effect=m.LookUp(channel_id=IDS.callee), channel=callee(in_stasis=True)))
    assert story.state is CallState.RINGING
    assert len(story.feed(*ANSWER)) > 0
    assert story.state is CallState.ANSWERED


# --- on a call taken over from an earlier process ---------------------------------------------------------------
def taken_over(*, conversing: bool) -> Story:
    story = Story()
    story._keep(story.machine.resume(story.now, conversing=conversing))
    return story


def look_up(story: Story) -> None:
    story.complete(m.LookUp, callee(in_stasis=True))


def reconcile(story: Story) -> None:
    story.feed(m.Reconciled(channel=callee(in_stasis=True)))


def fresh(story: Story) -> None:
    story.feed(*ANSWER)


def late(story: Story) -> None:
    story.feed(*LATE)


TAKEN_OVER: dict[str, tuple[tuple[Callable[[Story], None], ...], bool]] = {
    # what happens in this order -> whether a conversation begins
    "answered just before we came": ((look_up, fresh, reconcile), True),
    "told first": ((fresh, look_up, reconcile), True),
    "answered long before we came": ((look_up, late, reconcile), False),
    "told late first": ((late, look_up, reconcile), False),
    "answered while the old process still listened": ((look_up, reconcile), False),
}


@pytest.mark.parametrize("name", TAKEN_OVER)
def test_a_ringing_call_is_taken_over(name: str) -> None:
    steps, talks = TAKEN_OVER[name]
    story = taken_over(conversing=False)
    for step in steps:
        step(story)
    assert bool(story.asked(m.AddToBridge)) is talks
    assert (story.state is CallState.ANSWERED) is talks
    if not talks:
        story.feed(destroyed(16))
        assert story.tear_down().result.detail == "answered during outage"


def lone_start(story: Story) -> None:
    story.feed(LATE[2])


TALKED = [(look_up, late, reconcile), (late, look_up), (reconcile,), (late,), (lone_start, reconcile)]


@pytest.mark.parametrize("steps", TALKED)
def test_a_talk_that_was_under_way_goes_on(steps: tuple[Callable[[Story], None], ...]) -> None:
    story = taken_over(conversing=True)
    story.feed(m.StreamLost())
    story.now += 20
    for step in steps:
        step(story)
    assert story.state is CallState.BRIDGED
    assert not story.asked(m.StartConversation)
    assert not story.asked(m.HangUpChannel)


def test_a_call_nobody_finds_any_more_is_lost() -> None:
    story = taken_over(conversing=False)
    story.feed(m.Reconciled(channel=None))
    while story.state not in m.OVER:
        if any(isinstance(effect, m.LookUp) for effect in story.waiting):
            story.fail(m.LookUp, GONE)
        else:
            story.tick()
    assert story.tear_down(GONE).result.outcome is LOST
