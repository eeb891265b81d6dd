"""What leaves by other ways than an answer: live frames, logs, what models are sent."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from litestar.exceptions import WebSocketDisconnect

from app.domain.agent import Agent
from app.domain.messages import (
    CallAudio,
    CallChanged,
    CallWords,
    FeedbackChanged,
    Message,
    TaskChanged,
    Topic,
    audio_topic,
)
from app.domain.people import GRANTS, Permission, Role
from app.domain.recipient import Recipient
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from app.sim.realtime.brain import Step
from app.store import agents, recipients
from scripts.promises.tenancy.examples import Ids
from scripts.promises.tenancy.house import ORIGIN, WEBSOCKET, House, Route
from scripts.promises.tenancy.matrix import UNKNOWN, Findings, ids, own
from scripts.promises.tenancy.rows import NUMBER, mark, row_id
from scripts.promises.tenancy.world import BOTH_WAYS, PARAMETERS, TENANTS, dump
from tests.flow.rig import BYE, Rig, rig

FRAMES = 3
HEARD = {"/calls/{call_id}/audio"}
"""Websockets about one row that tell what happens to it."""
_TALK = CalleeScript((Ring(0.05), Answer(0.05), WaitForAgent(), Say("yes"), WaitForAgent()))


def live(house: House, found: Findings, routes: list[Route]) -> None:
    """Every websocket, by everybody, while rows of both tenants change and both tenants' calls are heard."""
    sockets = [one for one in routes if one.method == WEBSOCKET]
    for route in sockets:  # first, since the end of an allowed visit is written down a moment later
        for name in route.rows:
            for between in BOTH_WAYS:
                _foreign(house, found, route, name, between)
    for route in sockets:
        for tenant, victim in BOTH_WAYS:
            for role in Role:
                found.pairs += 1
                heard = _listen(house, route, tenant, role, victim)
                allowed = route.allowed(GRANTS[role])
                found.check((heard is not None) == allowed, f"{route.name} lets {role} in: {heard is not None}")
                found.check(
                    mark(victim) not in (heard or ""), f"{route.name} tells {role} words of another tenant"
                )
                if heard and not GRANTS[role] >= {Permission.SEE_NUMBERS}:
                    found.check(NUMBER not in heard, f"{route.name} tells {role} a number in full")
                if heard is not None and (not route.rows or route.path in HEARD):
                    found.check(mark(tenant) in heard, f"{route.name} tells {role} nothing: no witness")
        found.pairs += 1
        heard, _ = _open(house, route, None, TENANTS[0], own(TENANTS[0]))
        found.check(heard is None, f"{route.name} lets nobody in")


def _foreign(house: House, found: Findings, route: Route, name: str, between: tuple[str, str]) -> None:
    """A row of another tenant in the address: closed like an unknown one, and nothing of theirs changes."""
    tenant, victim = between
    before = dump(house.path, victim)
    for role in Role:
        found.pairs += 1
        who = (tenant, role, "cookie")
        theirs = ids(tenant, name, row_id(victim, PARAMETERS[name]))
        heard, code = _open(house, route, who, victim, theirs)
        found.check(heard is None, f"{route.name} opens a foreign {name} to {role}: {heard}")
        _, unknown = _open(house, route, who, victim, ids(tenant, name, UNKNOWN))
        found.check(
            code == unknown, f"{route.name} closes a foreign {name} by {code}, an unknown one by {unknown}"
        )
    for table, rows in dump(house.path, victim).items():
        found.check(rows == before[table], f"{route.name}: somebody of {tenant} changed {table} of {victim}")


def _listen(house: House, route: Route, tenant: str, role: Role, victim: str) -> str | None:
    """What a browser hears; None when it is not let in. Without a query: what that names may be one person's."""
    return _open(house, route, (tenant, role, "cookie"), victim, own(tenant), query=False)[0]


def _open(
    house: House,
    route: Route,
    who: tuple[str, Role, str] | None,
    victim: str,
    ids: Ids,
    *,
    query: bool = True,
) -> tuple[str | None, int]:
    """What was heard and 0; or None and the code it was closed with."""
    address, more = route.request(ids)
    params = more.get("params") if query else None
    try:
        with house.client.websocket_connect(address, params=params, headers=ORIGIN | house.shown(who)) as socket:
            heard = [_received(socket)]
            for tenant in (victim, who[0] if who else victim):
                for topic, message in _news(tenant):
                    house.client.blocking_portal.call(house.bus.publish, topic, message)
            while len(heard) <= FRAMES and (text := _received(socket)):
                heard.append(text)
            return " ".join(heard), 0
    except WebSocketDisconnect as closed:
        return None, closed.code


def _received(socket: Any) -> str:
    try:
        message = socket.receive(timeout=0.4)
    except Exception as silent:
        if isinstance(silent, WebSocketDisconnect):
            raise
        return ""
    return str(message.get("text") or message.get("bytes") or "")


def _news(tenant: str) -> list[tuple[Topic, Message]]:
    call, word = row_id(tenant, "call"), mark(tenant)
    said = CallWords(
        tenant_id=tenant, call_id=call, item_id="i", speaker="callee", text=f"spoken {word}", final=False
    )
    spoken = CallAudio(call_id=call, codec="ulaw", callee=word.encode(), agent=b"")
    return [
        (audio_topic(call), spoken),
        ("calls", CallChanged(tenant_id=tenant, call_id=call)),
        ("calls", said),
        ("feedback", FeedbackChanged(tenant_id=tenant, request_id=row_id(tenant, "question"))),
        ("tasks", TaskChanged(tenant_id=tenant, task_id=row_id(tenant, "task"))),
    ]


def models_read(house: House, found: Findings, victim: str) -> None:
    """What the text model was sent since this was asked last."""
    found.pairs += 1
    sent = msgspec.json.encode([entry.body for entry in house.sim.journal]).decode()
    house.models_asked += len(house.sim.journal)
    house.sim.journal.clear()
    found.check(mark(victim) not in sent, f"the text model was sent words of {victim} by another tenant")


def logs_hold_nothing(house: House, found: Findings) -> None:
    """No word of anybody stands in a log."""
    found.pairs += 1
    text = house.log.getvalue()
    for tenant in TENANTS:
        line = next((one for one in text.splitlines() if mark(tenant) in one), "")
        found.check(not line, f"a log line holds words of {tenant}: {line[:300]}")


def a_call_is_told_its_own(found: Findings) -> None:
    """A whole call with both models, to a number that both tenants know and remember something of."""
    found.pairs += 1
    asyncio.run(_call(found))


async def _call(found: Findings) -> None:
    with tempfile.TemporaryDirectory(prefix="od-tenancy-") as folder:
        async with rig(Path(folder), callees={NUMBER: _TALK}, analysis="model") as house:
            await _remember(house)
            house.think("ask", Step(say="are you in?"), msgspec.structs.replace(BYE, say="fine, bye"))
            await house.settled(await house.add(NUMBER, f"ask {mark(TENANTS[0])}"))
            told = " ".join(one.instructions for one in house.realtime.sessions)
            read = msgspec.json.encode([entry.body for entry in house.text.journal]).decode()
            for name, text in (("voice", told), ("text", read)):
                found.check(mark(TENANTS[0]) in text, f"the {name} model was told nothing: no witness")
                found.check(mark(TENANTS[1]) not in text, f"the {name} model was told words of another tenant")


async def _remember(house: Rig) -> None:
    """Both tenants know this number; the other one has the newer row."""
    await house.db.execute(
        "INSERT INTO tenants (id, name, created_ms) VALUES (:id, :name, 0)",
        {"id": TENANTS[1], "name": mark(TENANTS[1])},
    )
    for at, tenant in enumerate(TENANTS):
        word = mark(tenant)
        agent = Agent(id=f"{at + 900:032x}", tenant_id=tenant, name="greet_first " + word, prompt=word)
        await agents.create(house.db, agent, 1)
        known = Recipient(
            tenant_id=tenant, number=NUMBER, name=word, language="en", preferences=word, updated_ms=at
        )
        await recipients.put(house.db, known)
