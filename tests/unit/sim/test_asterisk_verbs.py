"""Statuses and error bodies of the verbs, parameter rules, and what counts as an oddity."""

import asyncio
from contextlib import suppress

import aiohttp
import pytest

from app.sim.asterisk import (
    Answer,
    CalleeScript,
    ExchangeSettings,
    NoAnswer,
    Ring,
    Say,
    SimAsterisk,
    WaitForAgent,
    WaitForLine,
)
from app.sim.asterisk.personas import polite
from tests.unit.sim.test_asterisk_rig import APP, NUMBER, QUICKLY_UP, B, C, Engine, M, Rig

pytestmark = pytest.mark.anyio

QUIET = {NUMBER: QUICKLY_UP}
ENDPOINT = f"PJSIP/{NUMBER}@opendeep-trunk"
MEDIA = {"channelId": M, "app": APP, "external_host": "127.0.0.1:41000", "format": "ulaw"}


async def up(rig: Rig) -> None:
    await rig.originate()
    await rig.stream.wait_for(C, "StasisStart")


async def test_authentication() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig, aiohttp.ClientSession() as session:
        url = f"{rig.sim.base_url}/asterisk/ping"
        async with session.get(url) as response:
            assert response.status == 401
            assert await response.json() == {"message": "Authentication required"}
            assert response.headers["WWW-Authenticate"].startswith("Basic realm=")
        wrong = {"Authorization": aiohttp.encode_basic_auth("opendeep", "no")}
        async with session.get(url, headers=wrong) as response:
            assert response.status == 401
        async with session.get(url, params={"api_key": "opendeep:secret"}) as response:
            assert (await response.json())["ping"] == "pong"
        assert "api_key" in rig.sim.oddities[0].what


VARIABLE_RULE = "Each value in 'variables' must be a string or an object with 'value' and optional 'report_events'"
ORIGINATE_ERRORS = [
    ({"app": APP}, 400, {"message": "Endpoint must be specified"}),
    ({"endpoint": "PJSIP", "app": APP}, 400, {"message": "Invalid endpoint specified"}),
    ({"endpoint": "PJSIP/", "app": APP}, 400, {"message": "Invalid endpoint specified"}),
    ({"endpoint": ENDPOINT}, 400, {"message": "Application or extension must be specified"}),
    (
        {"endpoint": ENDPOINT, "app": APP, "formats": "xyz"},
        400,
        {"message": "Provided format (xyz) was not found"},
    ),
    (
        {"endpoint": ENDPOINT, "app": APP, "channelId": "x" * 150},
        400,
        {"message": "Uniqueid length exceeds maximum of 149"},
    ),
    ({"endpoint": "PJSIP/+1@elsewhere", "app": APP}, 500, {"error": "Allocation failed"}),
    ({"endpoint": "DAHDI/g1/1", "app": APP}, 500, {"error": "Allocation failed"}),
    (
        {"endpoint": ENDPOINT, "app": APP, "variables": {"A": 1}},
        400,
        {"message": VARIABLE_RULE},
    ),
]


async def test_originate_refusals_leave_nothing_behind() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        for body, status, answer in ORIGINATE_ERRORS:
            assert await rig.ask("POST", "/channels", body) == (status, answer)
        assert (rig.sim.invites, rig.sim.leftovers(), rig.stream.events) == ([], [], [])


async def test_trunk_without_a_contact_is_500() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        rig.sim.trunk.registered = False
        assert (await rig.ask("POST", "/channels", {"endpoint": ENDPOINT, "app": APP}))[0] == 500
        assert rig.sim.invites == []


async def test_channel_id_in_use_and_parameters_in_the_query() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        await rig.ok("POST", "/channels", None, endpoint=ENDPOINT, app=APP, channelId=C, callerId="+49")
        status, answer = await rig.ask("POST", "/channels", {"endpoint": ENDPOINT, "app": APP, "channelId": C})
        assert (status, answer) == (409, {"message": "Channel with given unique ID already exists"})
        assert [(invite.number, invite.channel_id) for invite in rig.sim.invites] == [(NUMBER, C)]
        assert rig.sim.callees[0].caller_id == "+49"


async def test_variables_in_the_query_vanish_and_are_noted() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        await rig.ok("POST", "/channels", None, endpoint=ENDPOINT, app=APP, channelId=C, variables="a")
        assert rig.sim.callees[0].variables == {}
        assert "query string vanish" in rig.sim.oddities[0].what


async def test_unknown_parameters_and_wrong_types_are_ignored_but_noted() -> None:
    async with Rig(SimAsterisk(callees={NUMBER: CalleeScript((Ring(0.0), NoAnswer()))})) as rig:
        await rig.originate(priorty=1, timeout="1")
        noted = [oddity.what for oddity in rig.sim.oddities]
        assert noted == ["unknown parameter priorty is ignored", "timeout is not an integer"]


async def test_before_stasis_start() -> None:
    settings = ExchangeSettings(media_start_delay_s=1.0)
    async with Rig(SimAsterisk(callees={NUMBER: CalleeScript((Ring(0.0), NoAnswer()))}, settings=settings)) as rig:
        await rig.ok("POST", "/bridges", {"bridgeId": B, "type": "mixing"})
        await rig.ok("POST", "/channels/externalMedia", MEDIA)
        await rig.originate()
        not_yet = {"message": "Channel not in Stasis application"}
        for channel_id in (C, M):
            answer = await rig.ask("POST", f"/bridges/{B}/addChannel", {"channel": channel_id})
            assert answer == (422, not_yet)
            assert await rig.ask("POST", f"/channels/{channel_id}/dtmf", {"dtmf": "1"}) == (409, not_yet)
            assert await rig.ask("POST", f"/channels/{channel_id}/continue") == (409, not_yet)
            variable = {"variable": "A", "value": "1"}
            assert await rig.ask("POST", f"/channels/{channel_id}/variable", variable) == (409, not_yet)
        await rig.stream.wait_for(M, "StasisStart")
        await rig.ok("POST", f"/bridges/{B}/addChannel", None, channel=M)


async def test_state_that_cannot_be_controlled_is_412() -> None:
    async with Rig(SimAsterisk(callees={NUMBER: CalleeScript((Ring(0.0), NoAnswer()))})) as rig:
        await rig.originate()
        await rig.stream.wait_for(C, "State Ringing")
        rig.sim.exchange.channels[C].in_stasis = True  # as after create + dial, which is not simulated
        assert await rig.ask("POST", f"/channels/{C}/hold") == (412, {"message": "Channel in invalid state"})


async def test_bridge_verbs() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        await up(rig)
        bridge = await rig.ok("POST", "/bridges", {"bridgeId": B, "type": "mixing", "name": "n"})
        assert (bridge["id"], bridge["bridge_type"], bridge["channels"]) == (B, "mixing", [])
        assert (await rig.ask("POST", "/bridges", {"bridgeId": B}))[0] == 409
        assert await rig.ask("POST", "/bridges/none/addChannel", {"channel": C}) == (
            404,
            {"message": "Bridge not found"},
        )
        path = f"/bridges/{B}"
        assert await rig.ask("POST", f"{path}/addChannel") == (400, {"message": "Missing parameter channel"})
        assert await rig.ask("POST", f"{path}/addChannel", {"channel": "x"}) == (
            400,
            {"message": "Channel not found"},
        )
        wrong = {"message": "Channel not in this bridge"}
        assert await rig.ask("POST", f"{path}/removeChannel", {"channel": C}) == (422, wrong)
        await rig.ok("POST", f"{path}/addChannel", {"channel": [C]})
        assert (await rig.ok("POST", f"{path}/record", {"name": "r", "format": "wav"}))["state"] == "queued"
        assert (await rig.ok("GET", path))["technology"] == "softmix"
        await rig.ok("POST", f"{path}/removeChannel", {"channel": C})
        await rig.stream.wait_for(C, "LeftBridge")
        assert [bridge["channels"] for bridge in await rig.ok("GET", "/bridges")] == [[]]
        await rig.ok("DELETE", path)
        assert (await rig.ask("DELETE", path))[0] == 404


async def test_hangup_verb() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        assert await rig.ask("DELETE", "/channels/none") == (404, {"message": "Channel not found"})
        await rig.originate()
        assert (await rig.ask("DELETE", f"/channels/{C}", None, reason="bored"))[0] == 400
        assert (await rig.ask("DELETE", f"/channels/{C}", None, reason="busy", reason_code="17"))[0] == 400
        await rig.ok("DELETE", f"/channels/{C}", None, reason="busy")
        assert (await rig.stream.wait_for(C, "Destroyed"))[-1] == "Destroyed 17"
        assert (await rig.ask("GET", f"/channels/{C}"))[0] == 404


async def test_variables_and_functions() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        await rig.originate(variables={"PJSIP_HEADER(add,X-Call)": "7", "TIMEOUT(absolute)": "60", "A": "1"})
        await rig.stream.wait_for(C, "StasisStart")
        path = f"/channels/{C}/variable"
        assert rig.sim.callees[0].variables["PJSIP_HEADER(add,X-Call)"] == "7"
        assert await rig.ok("GET", path, None, variable="A") == {"value": "1"}
        left = float((await rig.ok("GET", path, None, variable="TIMEOUT(absolute)"))["value"])
        assert 50 < left <= 60
        await rig.ok("POST", path, {"variable": "TIMEOUT(absolute)", "value": "0"})
        assert (await rig.ok("GET", path, None, variable="TIMEOUT(absolute)"))["value"] == "0.000"
        assert (await rig.ask("GET", path, None, variable="B"))[0] == 404
        assert (await rig.ask("GET", path))[0] == 400
        await rig.ok("POST", path, {"variable": "FILE(/tmp/x)", "value": "x"})
        status, answer = await rig.ask("GET", path, None, variable="FILE(/tmp/x)")
        assert (status, answer) == (500, {"message": "Unable to read provided function"})


async def test_dtmf_reaches_the_callee_and_mutes_the_voice_meanwhile() -> None:
    with Engine() as engine:
        async with Rig(SimAsterisk(callees=QUIET)) as rig:
            await rig.talk(engine)
            callee = rig.sim.callees[0]
            assert await rig.ask("POST", f"/channels/{C}/dtmf") == (400, {"message": "DTMF is required"})
            await rig.ok("POST", f"/channels/{C}/dtmf", {"dtmf": "12#", "duration": 60, "between": 20})
            while callee.digits_heard != "12#":
                engine.send(bytes(160))
                with suppress(TimeoutError):
                    await rig.sim.wait_until(lambda: callee.digits_heard == "12#", 0.02)
            assert callee.voice_dropped >= 3
            assert callee.arrivals, "between digits voice passes"


async def test_keys_take_the_time_asterisk_takes() -> None:
    """100 ms before the first, then duration and between for a key, 500 ms and no more for a `w`."""
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        await up(rig)
        callee, loop = rig.sim.callees[0], asyncio.get_running_loop()
        began = loop.time()
        await rig.ok("POST", f"/channels/{C}/dtmf", {"dtmf": "1w2", "duration": 40, "between": 20})
        await rig.sim.wait_until(lambda: callee.digits_heard == "1")
        first_s = loop.time() - began
        await rig.sim.wait_until(lambda: callee.digits_heard == "12")
        second_s = loop.time() - began - first_s
        assert 0.14 <= first_s < 0.30
        assert 0.56 <= second_s < 0.70


async def test_hold_music_and_statistics() -> None:
    with Engine() as engine:
        async with Rig(SimAsterisk(callees=QUIET)) as rig:
            await rig.talk(engine)
            for verb in ("hold", "moh"):
                await rig.ok("POST", f"/channels/{C}/{verb}")
                await rig.ok("DELETE", f"/channels/{C}/{verb}")
            engine.send(bytes(160))
            await rig.sim.wait_until(lambda: rig.sim.callees[0].arrivals != [])
            statistics = await rig.ok("GET", f"/channels/{C}/rtp_statistics")
            assert (statistics["txcount"], statistics["txoctetcount"], statistics["txmes"]) == (1, 160, 87)
            assert (await rig.ask("GET", f"/channels/{M}/rtp_statistics"))[0] == 404


MEDIA_ERRORS = [
    ({"app": ""}, 400, "app cannot be empty"),
    ({"format": ""}, 400, "format cannot be empty"),
    ({"format": "mp3"}, 400, "Provided format (mp3) was not found"),
    ({"external_host": ""}, 400, "external_host is required for all but websocket server connections"),
    (
        {"external_host": "127.0.0.1"},
        400,
        "external_host must be <host>:<port> for all transports other than websocket",
    ),
    ({"transport": "tcp"}, 400, "transport must be 'udp' for rtp encapsulation"),
    ({"direction": "up"}, 400, "Invalid direction specified"),
    ({"external_host": "localhost:4000"}, 500, "An internal error prevented this request from being handled"),
]


async def test_external_media_refusals() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        for change, status, message in MEDIA_ERRORS:
            assert await rig.ask("POST", "/channels/externalMedia", {**MEDIA, **change}) == (
                status,
                {"message": message},
            )
        assert rig.sim.leftovers() == []
        await rig.ok("POST", "/channels/externalMedia", MEDIA)
        assert (await rig.ask("POST", "/channels/externalMedia", MEDIA))[0] == 500


async def test_applications_info_and_ping() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        await up(rig)
        assert (await rig.ok("GET", f"/applications/{APP}"))["channel_ids"] == [C]
        assert [app["name"] for app in await rig.ok("GET", "/applications")] == [APP]
        assert (await rig.ask("GET", "/applications/none"))[0] == 404
        assert set(await rig.ok("GET", "/asterisk/info")) == {"build", "system", "config", "status"}
        status = await rig.ok("GET", "/asterisk/info", None, only="status")
        assert status["status"]["startup_time"].endswith("+0000")
        assert (await rig.ok("GET", "/asterisk/ping"))["ping"] == "pong"


async def test_unknown_verbs_and_bodies() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        assert await rig.ask("POST", "/channels/x/juggle") == (404, {"message": "Resource not found"})
        assert await rig.ask("GET", "/nothing") == (404, {"message": "Resource not found"})
        assert await rig.ask("PUT", "/channels") == (405, {"message": "Invalid method"})
        headers = {**rig.headers, "Content-Type": "application/json"}
        async with rig.session.post(f"{rig.sim.base_url}/channels", data=b"{", headers=headers) as response:
            assert (response.status, await response.json()) == (400, {"message": "Error parsing request body"})
        assert len(rig.sim.oddities) == 3


def test_scripts_are_checked_when_they_are_written() -> None:
    with pytest.raises(ValueError, match="Say comes before Answer"):
        CalleeScript((Ring(), Say("hello")))
    with pytest.raises(ValueError, match="Ring comes after Answer"):
        CalleeScript((*polite().steps, Ring()))


async def test_a_waiting_callee_hears_ringing_or_music_outside_bridges_only() -> None:
    async with Rig(SimAsterisk(callees=QUIET)) as rig:
        await up(rig)
        await rig.ok("POST", "/bridges", {"bridgeId": B})
        await rig.ok("POST", f"/bridges/{B}/addChannel", {"channel": C})
        channel, callee = rig.sim.exchange.channels[C], rig.sim.callees[0]
        await rig.ok("POST", f"/channels/{C}/moh", {"mohClass": "jazz"})
        assert (channel.hears, callee.tones) == ("", [])
        await rig.ok("POST", f"/bridges/{B}/removeChannel", {"channel": C})
        await rig.ok("POST", f"/channels/{C}/ring")
        await rig.ok("POST", f"/channels/{C}/moh", {"mohClass": "jazz"})
        await rig.ok("DELETE", f"/channels/{C}/ring")
        assert (channel.hears, callee.tones) == ("jazz", ["ring", "jazz"])
        assert rig.sim.oddities == []
        await rig.ok("POST", f"/bridges/{B}/addChannel", {"channel": C})
        assert "while it is played jazz" in rig.sim.oddities[0].what
        for verb in ("ring", "moh"):
            await rig.ok("DELETE", f"/channels/{C}/{verb}")


async def test_two_callees_in_one_bridge_hear_each_other() -> None:
    speaks = CalleeScript((Ring(0.0), Answer(0.0), WaitForLine(0.1), Say("good day"), WaitForAgent("and you")))
    answers = CalleeScript((Ring(0.0), Answer(0.0), WaitForAgent("good day"), Say("and you")))
    other = "od-n1-call1-t"
    async with Rig(SimAsterisk(callees={NUMBER: speaks, "+15551000002": answers})) as rig:
        await rig.ok("POST", "/bridges", {"bridgeId": B})
        for channel_id, number in ((C, NUMBER), (other, "+15551000002")):
            dial = {"endpoint": f"PJSIP/{number}@opendeep-trunk", "app": APP, "channelId": channel_id}
            await rig.ok("POST", "/channels", dial)
            await rig.stream.wait_for(channel_id, "StasisStart")
            await rig.ok("POST", f"/bridges/{B}/addChannel", {"channel": channel_id})
        first, second = rig.sim.callees
        await rig.sim.wait_until(lambda: first.heard_texts == ["and you"], 5.0)
        assert second.heard_texts == ["good day"]
        await rig.ok("POST", f"/bridges/{B}/removeChannel", {"channel": other})
        assert not first.joined
        assert not second.joined
