"""The event websocket, faults, restart, and that leaving SimAsterisk leaves nothing open."""

import asyncio
import json
import os
import time

import aiohttp
import pytest

from app.sim.asterisk import Answer, CalleeScript, HangUp, NoAnswer, Ring, SimAsterisk
from app.sim.asterisk.personas import polite
from tests.unit.sim.test_asterisk_rig import APP, NUMBER, QUICKLY_UP, B, C, Engine, M, Rig

pytestmark = pytest.mark.anyio

QUIET = {NUMBER: QUICKLY_UP}
ENDPOINT = f"PJSIP/{NUMBER}@opendeep-trunk"
BODY = {"endpoint": ENDPOINT, "app": APP, "channelId": C}


async def test_second_websocket_replaces_the_first_which_stays_open_and_silent() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        second = await rig.open_stream()
        await rig.stream.wait(lambda: rig.stream.events != [])
        replaced = rig.stream.events[0]
        assert (replaced["type"], replaced["application"]) == ("ApplicationReplaced", APP)
        await rig.originate()
        await second.wait_for(C, "StasisStart")
        assert (len(rig.stream.events), rig.stream.closed, rig.sim.websockets) == (1, False, 2)
        await rig.stream.web_socket.close()
        await rig.sim.wait_until(lambda: rig.sim.websockets == 1)
        assert rig.sim.exchange.app_is_active(APP), "the old socket owns nothing any more"


async def test_gap_loses_events_and_hangs_up_a_call_answered_in_it() -> None:
    script = CalleeScript((Ring(0.02), Answer(0.1)))
    async with Rig(SimAsterisk(callees={NUMBER: script, "+2": QUICKLY_UP})) as rig:
        await rig.originate("+2", "talking")
        await rig.stream.wait_for("talking", "StasisStart")
        await rig.originate()
        await rig.stream.wait_for(C, "State Ringing")
        rig.sim.drop_websocket()
        await rig.sim.wait_until(lambda: not rig.sim.exchange.app_is_active(APP))
        await rig.sim.wait_until(lambda: rig.sim.callee(NUMBER).over)
        again = await rig.open_stream()
        assert [channel["id"] for channel in await rig.ok("GET", "/channels")] == ["talking"], "calls stay up"
        await rig.ok("DELETE", "/channels/talking")
        await again.wait_for("talking", "Destroyed")
        assert again.of(C) == [], "nothing of the gap is told later"


async def test_app_stays_known_in_the_gap_and_its_filter_must_be_set_again() -> None:
    callees = {NUMBER: QUICKLY_UP, "+017": CalleeScript((Ring(0.0), NoAnswer()))}
    async with Rig(SimAsterisk(callees=callees)) as rig:
        await rig.originate("+017", "keeps-the-app-known")
        body = {"disallowed": [{"type": "ChannelDialplan"}]}
        assert (await rig.ok("PUT", f"/applications/{APP}/eventFilter", body))["events_disallowed"] == [
            {"type": "ChannelDialplan"}
        ]
        rig.sim.drop_websocket()
        await rig.sim.wait_until(lambda: not rig.sim.exchange.app_is_active(APP))
        assert (await rig.ok("GET", f"/applications/{APP}"))["channel_ids"] == ["keeps-the-app-known"]
        again = await rig.open_stream()
        assert (await rig.ok("GET", f"/applications/{APP}"))["events_disallowed"] == []
        await rig.originate()
        await again.wait_for(C, "StasisStart")
        assert any(event["type"] == "ChannelDialplan" for event in again.events)


async def test_event_filter() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        path = f"/applications/{APP}/eventFilter"
        assert (await rig.ask("PUT", path, {"disallowed": "Dial"}))[0] == 400
        assert (await rig.ask("PUT", "/applications/none/eventFilter", {}))[0] == 404
        await rig.ok("PUT", path, {"disallowed": [{"type": "Dial"}, {"type": "ChannelDialplan"}]})
        await rig.originate()
        await rig.stream.wait_for(C, "StasisStart")
        assert {event["type"] for event in rig.stream.events} == {"ChannelStateChange", "StasisStart"}
        await rig.ok("PUT", path, {"allowed": [{"type": "ChannelDestroyed"}]})
        await rig.ok("DELETE", f"/channels/{C}")
        await rig.stream.wait_for(C, "Destroyed")
        assert rig.stream.of(C)[-2:] == ["StasisStart", "Destroyed 16"], "an allowed list swallows the rest"


async def test_websocket_needs_an_app_and_credentials() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        for headers, app, status in (({}, APP, 401), (rig.headers, "", 400)):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await rig.session.ws_connect(f"{rig.sim.base_url}/events", params={"app": app}, headers=headers)
            assert caught.value.status == status


async def test_injected_garbage_arrives_as_it_is() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        rig.sim.inject_event(b"{broken")
        rig.sim.inject_event(json.dumps({"type": "FromTheFuture"}).encode())
        await rig.stream.wait(lambda: len(rig.stream.raw) == 2)
        assert rig.stream.raw[0] == "{broken"


async def test_delayed_and_overtaken_events() -> None:
    async with Rig(SimAsterisk(callees={NUMBER: CalleeScript((Ring(0.0), Answer(0.0), HangUp(0.02)))})) as rig:
        rig.sim.hold_back_event("StasisStart", 0.1)
        await rig.originate()
        await rig.stream.wait_for(C, "StasisStart")
        assert rig.stream.of(C)[-2:] == ["Destroyed 16", "StasisStart"]
        rig.sim.delay_events(0.15)
        asked_at = time.monotonic()
        await rig.originate(channel_id="second")
        await rig.stream.wait_for("second", "Dial")
        assert time.monotonic() - asked_at >= 0.14


async def test_stasis_start_before_the_reply() -> None:
    with Engine() as engine:
        async with Rig(SimAsterisk(callees={NUMBER: CalleeScript((Ring(0.0), Answer(0.0)))})) as rig:
            rig.sim.stasis_start_before_reply = True
            body = {"channelId": M, "app": APP, "external_host": engine.address, "format": "ulaw"}
            await rig.ok("POST", "/channels/externalMedia", body)
            assert rig.stream.of(M)[-1] == "StasisStart"
            reply = await rig.originate()
            assert (reply["state"], rig.stream.of(C)[-1]) == ("Down", "StasisStart")


async def test_fail_next_status_and_timeout_do_nothing() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        fault = rig.sim.fail_next("POST", "/channels", 503)
        assert (await rig.ask("POST", "/channels", BODY))[0] == 503
        rig.sim.fail_next("POST", "/ch*", "timeout")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await rig.ask("POST", "/channels", BODY)
        assert (fault.hits, rig.sim.invites, rig.sim.leftovers()) == (1, [], [])
        await rig.originate()
        assert len(rig.sim.invites) == 1


async def test_lost_reply_has_been_done() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        rig.sim.fail_next("POST", "/channels", "lost_reply")
        with pytest.raises(aiohttp.ClientConnectionError):
            await rig.ask("POST", "/channels", BODY)
        assert [invite.channel_id for invite in rig.sim.invites] == [C]
        assert (await rig.ok("GET", f"/channels/{C}"))["id"] == C


async def test_frozen_http_answers_late() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        rig.sim.freeze_http(0.15)
        asked_at = time.monotonic()
        await rig.ok("GET", "/asterisk/ping")
        assert 0.14 <= time.monotonic() - asked_at < 1.0


async def test_restart_forgets_everything_without_an_event() -> None:
    with Engine() as engine:
        async with Rig(SimAsterisk(callees=QUIET)) as rig:
            await rig.talk(engine)
            before = (await rig.ok("GET", "/asterisk/info", None, only="status"))["status"]["startup_time"]
            told = len(rig.stream.events)
            await rig.sim.restart(down_s=0.02)
            await rig.stream.wait(lambda: rig.stream.closed)
            after = (await rig.ok("GET", "/asterisk/info", None, only="status"))["status"]["startup_time"]
            assert after != before
            assert (rig.sim.leftovers(), len(rig.stream.events)) == ([], told)
            assert rig.sim.callees[0].over
            assert (await rig.ask("GET", f"/bridges/{B}"))[0] == 404
            rig.stream = await rig.open_stream()
            await rig.originate()
            await rig.stream.wait_for(C, "StasisStart")


def descriptors() -> set[str]:
    """Open sockets of this process by inode; epoll and pipes of the loop are no sockets."""
    found: set[str] = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


async def test_leaving_closes_everything() -> None:
    before = descriptors()
    tasks_before = len(asyncio.all_tasks())
    with Engine() as engine:
        async with Rig(SimAsterisk(callees={NUMBER: polite()})) as rig:
            await rig.talk(engine)
            assert sorted(line.split()[0] for line in rig.sim.leftovers()) == [
                "bridge",
                "channel",
                "channel",
                "rtp",
            ]
            port = rig.sim.http_port
    await asyncio.sleep(0)
    assert rig.sim.leftovers() == []
    assert len(asyncio.all_tasks()) == tasks_before
    assert descriptors() == before
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_an_error_in_the_body_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with SimAsterisk():
            raise KeyError("mine")


async def test_thirty_calls_at_once() -> None:
    numbers = {f"+1555{index:04d}": QUICKLY_UP for index in range(30)}
    async with Rig(SimAsterisk(callees=numbers)) as rig, asyncio.TaskGroup() as group:
        for index, number in enumerate(numbers):
            group.create_task(rig.originate(number, f"call-{index}"))
        await rig.stream.wait(lambda: sum(event["type"] == "StasisStart" for event in rig.stream.events) == 30)
        assert len(rig.sim.invites) == 30
