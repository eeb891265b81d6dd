"""A media worker dies in the middle of a talk: another media channel into the same bridge, or a polite end."""

import pytest

from stasis import call_model as m
from stasis import events as e
from stasis.call_model import CallState
from stasis.deadlines import REPAIR_S
from stasis.errors import AriTimeout, ServerError
from stasis.model import Channel
from stasis.outcome import EndedBy, Outcome
from stasis.repair import LISTING_AGE_S, REPAIRS_LIMIT
from stasis.requests import CreateExternalMedia, Originate
from tests.unit.stasis.story import BRIDGE, GONE, IDS, MEDIA, RINGING, Story, callee, destroyed, hangup_request

GONE_WORKER = m.WorkerGone(reason="the worker died")
OPENED = m.MediaOpened(rtp_host="127.0.0.1", rtp_port=42000)


def media(generation: int) -> Channel:
    said = {"UNICASTRTP_LOCAL_ADDRESS": "127.0.0.1", "UNICASTRTP_LOCAL_PORT": str(17000 + generation)}
    return Channel(id=IDS.media_of(generation), state="Up", channelvars=said)


def repaired(story: Story, generation: int) -> Story:
    """From the loss to the talk that goes on."""
    story.feed(GONE_WORKER, OPENED)
    story.complete(CreateExternalMedia, media(generation))
    story.feed(e.StasisStart(channel=media(generation)))
    story.complete(m.AddToBridge)
    assert story.state is CallState.BRIDGED
    return story


def test_the_talk_goes_on_in_the_same_bridge() -> None:
    story = Story().talking()
    assert story.feed(GONE_WORKER) == [
        m.Progress(state=CallState.REPAIRING),
        m.ReopenMedia(),
        m.HangUpChannel(channel_id=IDS.media),
    ]
    (made,) = story.feed(OPENED)
    assert isinstance(made, CreateExternalMedia)
    assert (made.channel_id, made.external_host) == (IDS.media_of(2), "127.0.0.1:42000")
    assert story.complete(CreateExternalMedia, media(2)) == [m.ConnectMediaPeer(host="127.0.0.1", port=17002)]
    joining = m.AddToBridge(bridge_id=IDS.bridge, channel_id=IDS.media_of(2))
    assert story.feed(e.StasisStart(channel=media(2))) == [joining]
    assert story.complete(m.AddToBridge) == [m.Progress(state=CallState.BRIDGED), m.MediaRestored()]
    story.complete(m.HangUpChannel)
    story.feed(e.ChannelDestroyed(channel=MEDIA), hangup_request(16), destroyed(16))
    result = story.tear_down().result
    assert (result.outcome, result.ended_by) == (Outcome.COMPLETED, EndedBy.CALLEE)
    assert len(story.asked(m.StartConversation)) == len(story.asked(Originate)) == 1
    assert m.HangUpChannel(channel_id=IDS.media_of(2)) in story.effects


def test_the_model_may_follow_later_and_its_failure_ends_the_talk() -> None:
    story = repaired(Story().talking(), 2)
    assert m.HangUpChannel(channel_id=IDS.callee) in story.feed(m.MediaLost(reason="no model"))


def test_an_old_media_channel_that_will_not_go_is_asked_again_and_never_spins() -> None:
    story = Story().talking()
    story.feed(GONE_WORKER, OPENED)
    story.fail(m.HangUpChannel, ServerError(500, "not now"))  # type: ignore[arg-type]
    story.complete(CreateExternalMedia, media(2))
    story.feed(e.StasisStart(channel=media(2)))
    story.complete(m.AddToBridge)
    assert story.state is CallState.BRIDGED
    assert m.HangUpChannel(channel_id=IDS.media) in story.tick()
    assert story.machine.next_deadline is None or story.machine.next_deadline > story.now


def test_a_repair_that_takes_too_long_ends_the_call() -> None:
    story = Story().talking()
    story.feed(GONE_WORKER)
    story.now += REPAIR_S
    assert m.HangUpChannel(channel_id=IDS.callee) in story.feed(m.Tick())
    story.feed(destroyed(16))
    result = story.tear_down().result
    assert (result.outcome, result.ended_by) == (Outcome.COMPLETED, EndedBy.SYSTEM_FAILURE)
    assert "no media again" in result.detail


@pytest.mark.parametrize("error", [ServerError(500, "no"), AriTimeout("no answer")])
def test_a_media_channel_that_cannot_be_made_ends_the_call(error: Exception) -> None:
    story = Story().talking()
    story.feed(GONE_WORKER, OPENED)
    assert m.HangUpChannel(channel_id=IDS.callee) in story.fail(CreateExternalMedia, error)  # type: ignore[arg-type]
    story.feed(destroyed(16))
    assert story.tear_down(GONE).result.ended_by is EndedBy.SYSTEM_FAILURE


def test_a_callee_who_hangs_up_meanwhile_has_hung_up() -> None:
    story = Story().talking()
    story.feed(GONE_WORKER, OPENED, hangup_request(16), destroyed(16))
    story.complete(CreateExternalMedia, media(2))
    result = story.tear_down().result
    assert (result.outcome, result.ended_by) == (Outcome.COMPLETED, EndedBy.CALLEE)
    assert m.HangUpChannel(channel_id=IDS.media_of(2)) in story.effects


@pytest.mark.parametrize("stage", ["prepared", "ringing"])
def test_an_unanswered_call_is_taken_back(stage: str) -> None:
    story = Story()
    if stage == "ringing":
        story.dialed().feed(*RINGING)
    else:
        story.start()
        story.feed(OPENED)
    story.feed(GONE_WORKER)
    assert story.state is CallState.ENDING
    assert not story.asked(m.ReopenMedia)


def test_a_worker_that_dies_during_the_repair_is_replaced_as_well() -> None:
    story = Story().talking()
    story.feed(GONE_WORKER, OPENED)
    assert m.ReopenMedia() in story.feed(GONE_WORKER)
    story.complete(CreateExternalMedia, media(2))  # the first replacement turns up late: it is removed
    assert m.HangUpChannel(channel_id=IDS.media_of(2)) in story.effects
    story.feed(OPENED)
    story.complete(CreateExternalMedia, media(3))
    story.feed(e.StasisStart(channel=media(3)))
    story.complete(m.AddToBridge)
    assert story.state is CallState.BRIDGED


def test_workers_that_keep_dying_end_the_call() -> None:
    story = Story().talking()
    for n in range(REPAIRS_LIMIT):
        repaired(story, n + 2)
    story.feed(GONE_WORKER)
    assert story.state is CallState.ENDING


def test_repairs_do_not_make_a_talk_longer() -> None:
    story = Story().talking()
    began = story.now
    story.now += 500
    repaired(story, 2)
    story.now = began + story.machine.plan.max_duration_s
    story.feed(m.Tick())
    assert story.state is CallState.ENDING


def test_a_listing_older_than_the_repair_is_not_believed() -> None:
    story = Story().talking()
    listed = m.MediaLost(reason="the media channel is gone", listed=True)
    assert story.feed(GONE_WORKER)
    assert story.feed(listed) == []
    story.feed(OPENED)
    story.complete(CreateExternalMedia, media(2))
    story.feed(e.StasisStart(channel=media(2)))
    story.complete(m.AddToBridge)
    assert story.feed(listed) == []
    story.now += LISTING_AGE_S
    story.feed(listed)
    assert story.state is CallState.ENDING


def test_an_adopted_call_learns_which_media_channel_it_has() -> None:
    story = Story()
    story._keep(story.machine.resume(story.now, conversing=True))
    story.feed(m.Reconciled(channel=callee("Up", in_stasis=True), generation=3))
    assert story.state is CallState.BRIDGED
    story.feed(e.ChannelDestroyed(channel=media(1)))
    assert story.state is CallState.BRIDGED
    story.feed(GONE_WORKER, OPENED)
    (made,) = story.asked(CreateExternalMedia)
    assert made.channel_id == IDS.media_of(4)


def test_a_bridge_that_goes_during_the_repair_ends_the_call() -> None:
    story = Story().talking()
    story.feed(GONE_WORKER, e.BridgeDestroyed(bridge=BRIDGE))
    assert story.state is CallState.ENDING
