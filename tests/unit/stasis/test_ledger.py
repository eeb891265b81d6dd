"""Was anybody rung? What Asterisk's own memory says about a channel that is not there."""

import pytest

from stasis import call_model as m
from stasis import ledger
from stasis.errors import NeverMade, NotFound, Passed
from stasis.outcome import EndedBy, Outcome
from tests.unit.stasis.ari_server import ari_server
from tests.unit.stasis.story import IDS, Story, destroyed

pytestmark = pytest.mark.anyio
MISSING = NotFound(404, "Channel not found", "GET", f"/channels/{IDS.callee}")
STARTED_MS = 1_785_715_200_000  # 2026-08-03
STATUS = b'{"status":{"startup_time":"2026-08-03T00:00:00.000+0000"}}'
SET, UNSET, KEPT = b'{"value":"1"}', b'{"value":""}', b'{"value":"kept"}'


async def said(*variables: bytes, dialed_ms: int | None, channel: int = 404) -> NotFound:
    async with ari_server() as (server, client):
        server.answers("GET", "/asterisk/variable", *((200, body) for body in variables))
        server.answers("POST", "/asterisk/variable", (204, b""))
        server.answers(
            "GET", "/asterisk/info", (200, b'{"status":{"startup_time":"2026-08-03T00:00:00.000+0000"}}')
        )
        server.answers("GET", f"/channels/{IDS.callee}", (channel, b'{"message":"Channel not found"}'))
        return await ledger.testimony(client, IDS.callee, MISSING, dialed_ms)


async def test_the_three_answers() -> None:
    assert type(await said(SET, dialed_ms=STARTED_MS + 60_000)) is Passed
    assert type(await said(UNSET, KEPT, dialed_ms=STARTED_MS + 60_000)) is NeverMade
    assert type(await said(UNSET, UNSET, dialed_ms=STARTED_MS + 60_000)) is NotFound, "func_global is not there"


@pytest.mark.parametrize("dialed_ms", [None, STARTED_MS - 1, STARTED_MS + 4_000])
async def test_an_asterisk_that_may_have_been_restarted_proves_nothing(dialed_ms: int | None) -> None:
    assert type(await said(UNSET, KEPT, dialed_ms=dialed_ms)) is NotFound


def adopted() -> Story:
    story = Story()
    story._keep(story.machine.resume(story.now, conversing=False))
    return story


def test_never_made_is_believed_only_when_no_originate_can_be_under_way() -> None:
    story = adopted()
    never = NeverMade(404, "never", "GET", "/channels/x")
    story.fail(m.LookUp, never)
    assert story.state is m.CallState.DIALING
    while story.state is m.CallState.DIALING:
        story.tick()
        if any(isinstance(effect, m.LookUp) for effect in story.waiting):
            story.fail(m.LookUp, never)
    assert story.now == 1000 + 30 + 5
    result = story.tear_down(MISSING).result
    assert (result.outcome, result.dialed) == (Outcome.FAILED, False)
    assert "never reached" in result.detail


def test_what_passed_is_over_at_once_and_was_dialed() -> None:
    story = adopted()
    story.fail(m.LookUp, Passed(404, "gone", "GET", "/channels/x"))
    result = story.tear_down(MISSING).result
    assert (story.now, result.outcome, result.ended_by, result.dialed) == (
        1000,
        Outcome.LOST,
        EndedBy.NETWORK,
        True,
    )


def test_an_event_is_stronger_than_the_ledger() -> None:
    story = adopted()
    story.feed(destroyed(17))
    assert story.tear_down(MISSING).result.dialed
