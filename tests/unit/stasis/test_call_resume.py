"""A call taken over from a process that died: what that process knew stays true whatever comes first here."""

import pytest

from stasis import call_model as m
from stasis.outcome import EndedBy, Outcome
from tests.unit.stasis.story import Story, destroyed


@pytest.mark.parametrize("by", [EndedBy.AGENT, EndedBy.SYSTEM_TIMEOUT, EndedBy.OPERATOR])
def test_a_talk_that_ends_before_its_channel_was_looked_up_was_a_talk(by: EndedBy) -> None:
    """Reports kept by the media worker come at once: the farewell may be over before Asterisk has answered."""
    story = Story()
    story._keep(story.machine.resume(story.now, conversing=True))
    story.feed(m.HangUp(by=by, reason="done"), destroyed(16))
    story.tear_down()
    assert (story.result.outcome, story.result.ended_by, story.result.dialed) == (Outcome.COMPLETED, by, True)
