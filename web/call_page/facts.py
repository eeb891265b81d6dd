"""Everything the store knows of one call, read at once for its page, its raw file and its analysis."""

from collections.abc import Mapping

import msgspec

from app.domain.agent import Agent
from app.domain.call import Call, Turn
from app.domain.command import Command
from app.domain.feedback import FeedbackRequest
from app.domain.fields import Collected
from app.domain.task import CallTask
from app.domain.transfer import CallTransfer
from app.errors import NotFoundError
from app.ids import is_id
from app.store import (
    agents,
    analyses,
    calls,
    campaigns,
    collected,
    commands,
    decisions,
    events,
    feedback,
    recordings,
    tasks,
    transcripts,
    transfers,
    usage,
    users,
)
from app.store.analyses import Analysis
from app.store.campaigns import Campaign
from app.store.db import Reader
from app.store.decisions import StoredDecision
from app.store.events import CallEvent
from app.store.recordings import Recording
from app.store.usage import Spent

MOST_TURNS = 2_000
MOST_EVENTS = 2_000
MOST_SPENT = 4_000


class CallFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One call. `agent` is the version that spoke, `agent_version` the newest one; `names` says who an id is."""

    call: Call
    task: CallTask
    agent: Agent
    agent_version: int
    campaign: Campaign | None
    turns: list[Turn]
    events: list[CallEvent]
    commands: list[Command]
    questions: list[FeedbackRequest]
    transfers: list[CallTransfer]
    collected: list[Collected]
    analysis: Analysis | None
    spent: list[Spent]
    recordings: list[Recording]
    attempts: list[Call]
    allowed: StoredDecision | None
    names: Mapping[str, str]


async def read_call(sql: Reader, tenant_id: str, call_id: str) -> Call:
    """The row. Raises NotFoundError, for a call of another tenant and for what is no id too."""
    if not is_id(call_id):
        raise NotFoundError("There is no such call.")
    return await calls.get(sql, tenant_id, call_id)


async def read_facts(sql: Reader, tenant_id: str, call_id: str) -> CallFacts:
    """Raises NotFoundError as `read_call` does."""
    call = await read_call(sql, tenant_id, call_id)
    task = await tasks.get(sql, tenant_id, call.task_id)
    ordered = await commands.list_of_call(sql, tenant_id, call_id)
    asked = await feedback.of_call(sql, tenant_id, call_id)
    return CallFacts(
        call=call,
        task=task,
        agent=await agents.get_version(sql, tenant_id, call.agent_id, call.agent_version),
        agent_version=(await agents.get(sql, tenant_id, call.agent_id)).version,
        campaign=await campaigns.get(sql, tenant_id, task.campaign_id) if task.campaign_id else None,
        turns=await transcripts.list_turns(sql, tenant_id, call_id, MOST_TURNS),
        events=await events.list_events(sql, tenant_id, call_id, MOST_EVENTS),
        commands=ordered,
        questions=asked,
        transfers=await transfers.of_call(sql, tenant_id, call_id),
        collected=await collected.of_call(sql, tenant_id, call_id),
        analysis=await analyses.get(sql, tenant_id, call_id),
        spent=await usage.of_call(sql, tenant_id, call_id, MOST_SPENT),
        recordings=await recordings.list_recordings(sql, tenant_id, call_id),
        attempts=await calls.of_task(sql, tenant_id, call.task_id),
        allowed=await decisions.of_call(sql, tenant_id, call.task_id, call_id),
        names=await _names(sql, tenant_id) if ordered or asked else {},
    )


async def _names(sql: Reader, tenant_id: str) -> dict[str, str]:
    """By id, as questions name people, and by `user:` with the id, as orders do."""
    found = await users.list_users(sql, tenant_id)
    return {key: user.name for user in found for key in (user.id, f"user:{user.id}")}
