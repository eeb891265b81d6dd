"""What one test call is given: its agent, its limits, its orders to the media worker. And no Asterisk.

Loaded by `app.calls.tryout_desk` before the talk, as `app.calls.context` does for a call.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from app.bus import Bus
from app.calls.board import CallOrder
from app.calls.instructions import CallContext, Document
from app.calls.media_link import MediaLink
from app.calls.plan import open_leg, talk_limits
from app.calls.talk_model import TalkLimits
from app.calls.tools import NAMES
from app.clock import Clock
from app.config import Settings
from app.documents.library import Library
from app.domain.agent import Agent
from app.domain.call import NewCall
from app.domain.local_time import told
from app.domain.tryout import LONGEST_S, MOST_COST_MICRO_USD, Tryout
from app.outside_tools import Toolbox
from app.store.db import Database
from media import protocol as media

DOCUMENTS_S = 5.0
AFTER_THE_TALK_S = 90
"""How much longer than the talk its leg may live without anybody who looks after it."""


@dataclass(frozen=True)
class Bench:
    """What test calls work with. There is no ARI among it: nothing here can make a phone ring."""

    settings: Settings
    clock: Clock
    db: Database
    bus: Bus
    media: MediaLink
    library: Library
    toolbox: Callable[[str], Toolbox]


@dataclass(frozen=True)
class TryoutOrder:
    """One test call. `order` says what the model session is made of; nothing of it is dialed."""

    tryout: Tryout
    order: CallOrder
    limits: TalkLimits
    missing: tuple[str, ...] = ()
    """Sentences about documents and functions that could not be had."""


async def ordered(bench: Bench, one: Tryout, room_micro_usd: int | None) -> TryoutOrder:
    """Everything a test call needs. `room_micro_usd`: what is left of the tenant's month. Raises
    msgspec.ValidationError for an agent that cannot be read.
    """
    agent = msgspec.json.decode(one.body, type=Agent)
    loaded = await bench.library.load(one.tenant_id, agent.s3_file_paths, DOCUMENTS_S)
    offered = await bench.toolbox(one.tenant_id).resolve(agent.http_tools, agent.mcp, NAMES)
    order = CallOrder(
        new=NewCall(id=one.id, task_id="", node="", number_dialed="", agent_version=one.agent_version),
        tenant_id=one.tenant_id,
        lease_token=0,
        objective=one.objective,
        callee_name="",
        agent=agent,
        outside=offered.offered,
        context=CallContext(
            documents=tuple(Document(name=text.name, text=text.text) for text in loaded.texts),
            now=told(bench.clock.unix_ms(), ()),
            may_record=False,
        ),
    )
    limits = talk_limits(bench.settings, order)
    costs = (limits.max_cost_micro_usd, MOST_COST_MICRO_USD, room_micro_usd)
    limits = msgspec.structs.replace(
        limits,
        max_talk_s=min(limits.max_talk_s, LONGEST_S),
        max_cost_micro_usd=min(cost for cost in costs if cost is not None),
    )
    left_out = (f"Function {each.name} is not offered: {each.why}" for each in offered.left_out)
    return TryoutOrder(one, order, limits, (*loaded.missing, *left_out))


def leg_of(bench: Bench, plan: TryoutOrder) -> media.OpenLeg:
    """As for a call, but nothing is recorded and nobody asks whether a machine answered: a person is there."""
    leg = open_leg(bench.settings, plan.order)
    limit_ms = (LONGEST_S + AFTER_THE_TALK_S) * 1000
    return msgspec.structs.replace(leg, recording_path=None, answer=None, max_duration_ms=limit_ms)
