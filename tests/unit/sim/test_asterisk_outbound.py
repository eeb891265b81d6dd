"""The simulated Asterisk as the one who dials: the same order, timestamps and stubbornness as a real 22.10.1."""

import asyncio
import json
import time
from contextlib import suppress
from datetime import datetime
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from app.sim.asterisk import Answer, CalleeScript, HangUp, OutboundWebsocket, Ring, SimAsterisk
from tests.unit.sim.test_asterisk_rig import APP, NUMBER, QUICKLY_UP, B, C, Engine, Rig
from tests.unit.stasis.ari_server import free_port

pytestmark = pytest.mark.anyio
SOON = CalleeScript((Ring(0.02), Answer(0.15)))


class Listener:
    """A client's side: keeps connections and what each was told."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sockets: list[ServerConnection] = []
        self.told: list[list[dict[str, Any]]] = []
        self.authorization: list[str] = []
        self.refuse = False

    def listen(self) -> Server:
        return serve(
            self._keep,
            "127.0.0.1",
            self.port,
            subprotocols=[Subprotocol("ari")],
            compression=None,
            process_request=self._judge,
        )

    def _judge(self, socket: ServerConnection, request: Request) -> Response | None:
        self.authorization.append(request.headers.get("Authorization", ""))
        return socket.respond(401, "no\n") if self.refuse else None

    async def _keep(self, socket: ServerConnection) -> None:
        events: list[dict[str, Any]] = []
        self.sockets.append(socket)
        self.told.append(events)
        with suppress(ConnectionClosed):
            async for message in socket:
                events.append(json.loads(message))

    def kinds(self, connection: int = -1) -> list[str]:
        if not self.told:
            return []
        told = self.told[connection]
        return [
            f"Dial {one['dialstatus']}".strip() if one["type"] == "Dial" else one["type"]
            for one in told
            if one["type"] != "ChannelDialplan"
        ]


async def until(sim: SimAsterisk, listener: Listener, last: str, connections: int = 1) -> None:
    await sim.wait_until(lambda: len(listener.told) >= connections and last in listener.kinds())


async def world(interval_s: float = 0.02) -> tuple[SimAsterisk, Listener]:
    listener = Listener(await free_port())
    dials = OutboundWebsocket(
        uri=f"ws://127.0.0.1:{listener.port}/ari",
        app=APP,
        username="asterisk",
        password="pw",
        reconnect_interval_s=interval_s,
    )
    leaves = CalleeScript((Ring(0.0), Answer(0.03), HangUp(0.03)))
    return SimAsterisk(callees={NUMBER: SOON, "+2": leaves, "+3": QUICKLY_UP}, dials=dials), listener


async def test_the_first_connection_is_told_of_the_registration_first() -> None:
    sim, listener = await world()
    async with Rig(sim, connect=False) as rig:
        assert sim.exchange.app_is_active(APP), "whoever answers enters Stasis although nobody listens"
        await rig.originate("+3")
        await sim.wait_until(lambda: any(event["type"] == "StasisStart" for event, _ in sim.events))
        async with listener.listen():
            await until(sim, listener, "StasisStart")
            assert listener.kinds()[0] == "ApplicationRegistered"
            assert listener.kinds().count("ApplicationRegistered") == 1
            assert listener.authorization == ["Basic YXN0ZXJpc2s6cHc="]
            assert (sim.websockets, listener.sockets[0].subprotocol) == (1, "ari")
            await rig.ok("DELETE", f"/channels/{C}")


async def test_an_outage_is_told_in_order_with_its_old_timestamps() -> None:
    sim, listener = await world()
    async with Rig(sim, connect=False) as rig:
        async with listener.listen():
            await until(sim, listener, "ApplicationRegistered")
            await rig.originate()
            await rig.originate("+2", "leaves")
            await until(sim, listener, "Dial RINGING")
        await sim.wait_until(lambda: sim.websockets == 0)
        away_since = time.time()
        await sim.wait_until(lambda: sim.callees[0].answered_s and sim.callees[1].over)
        assert (await rig.ok("GET", f"/channels/{C}"))["dialplan"]["app_name"] == "Stasis"
        before = time.time()
        async with listener.listen():
            await until(sim, listener, "ApplicationRegistered", 2)
            told = listener.told[-1]
            stamps = [datetime.fromisoformat(event["timestamp"]).timestamp() for event in told]
            assert stamps == sorted(stamps)
            assert away_since - 0.05 < stamps[0] < stamps[-2] < before < stamps[-1] + 0.002
            assert listener.kinds()[-1] == "ApplicationRegistered"
            assert {"StasisStart", "ChannelHangupRequest", "StasisEnd", "ChannelDestroyed"} < set(listener.kinds())
            assert [one["application"] for one in told] == [APP] * len(told)
            await rig.ok("DELETE", f"/channels/{C}")
            await until(sim, listener, "ChannelDestroyed", 2)


async def test_it_tries_for_ever_whether_nobody_listens_or_it_is_refused() -> None:
    sim, listener = await world()
    async with Rig(sim, connect=False):
        await sim.wait_until(lambda: sim.dial_tries > 3)
        listener.refuse = True
        async with listener.listen():
            await sim.wait_until(lambda: len(listener.authorization) > 3)
            assert sim.websockets == 0
            listener.refuse = False
            await until(sim, listener, "ApplicationRegistered")


async def test_a_broken_connection_is_dialed_again_at_once_and_keeps_its_filter() -> None:
    sim, listener = await world(interval_s=30.0)
    async with listener.listen(), Rig(sim, connect=False) as rig:
        await until(sim, listener, "ApplicationRegistered")
        await rig.ok("PUT", f"/applications/{APP}/eventFilter", {"disallowed": [{"type": "Dial"}]})
        for connections in (2, 3):
            listener.sockets[-1].transport.abort()
            await until(sim, listener, "ApplicationRegistered", connections)
        sim.drop_websocket()
        await until(sim, listener, "ApplicationRegistered", 4)
        shown = await rig.ok("GET", f"/applications/{APP}")
        assert shown["events_disallowed"] == [{"type": "Dial"}]


async def test_a_thief_makes_it_deaf_for_good_though_it_is_called_registered() -> None:
    sim, listener = await world()
    async with listener.listen(), Rig(sim, connect=False) as rig:
        await until(sim, listener, "ApplicationRegistered")
        await rig.ok("POST", "/events/user/mine", {"application": APP})
        await until(sim, listener, "ChannelUserevent")
        thief = await rig.open_stream()
        await until(sim, listener, "ApplicationReplaced")
        listener.sockets[-1].transport.abort()
        await until(sim, listener, "ApplicationRegistered", 2)
        await rig.ok("POST", "/events/user/theirs", {"application": APP})
        await thief.wait(lambda: any(one["type"] == "ChannelUserevent" for one in thief.events))
        assert listener.kinds() == ["ApplicationRegistered"]
        await thief.web_socket.close()
        await sim.wait_until(lambda: APP not in sim.exchange.apps)
        assert (await rig.ask("POST", "/events/user/any", {"application": APP}))[0] == 404


async def test_a_restart_of_asterisk_forgets_what_it_kept() -> None:
    sim, listener = await world()
    async with Rig(sim, connect=False) as rig:
        await rig.originate("+3")
        await sim.wait_until(lambda: any(event["type"] == "StasisStart" for event, _ in sim.events))
        await sim.restart(down_s=0.02)
        async with listener.listen():
            await until(sim, listener, "ApplicationRegistered")
            await rig.ok("POST", "/events/user/mine", {"application": APP})
            await until(sim, listener, "ChannelUserevent")
            assert listener.kinds() == ["ApplicationRegistered", "ChannelUserevent"]


async def test_leaving_it_leaves_nothing() -> None:
    tasks = len(asyncio.all_tasks())
    sim, listener = await world()
    with Engine() as engine:
        async with listener.listen(), Rig(sim, connect=False) as rig:
            await until(sim, listener, "ApplicationRegistered")
            assert (await rig.ask("GET", f"/bridges/{B}"))[0] == 404
            assert engine.address
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == tasks
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(sim.base_url)
