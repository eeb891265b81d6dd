"""Every way a call begins and ends, event by event (the tables of the ARI notes), over raw HTTP and websocket."""

from collections.abc import Awaitable, Callable

import pytest

from app.sim.asterisk import (
    Answer,
    Busy,
    CalleeScript,
    Congestion,
    DeadPeer,
    EarlyMedia,
    HangUp,
    NoAnswer,
    NotFound,
    Press,
    Reject,
    Ring,
    Say,
    SimAsterisk,
)
from tests.unit.sim.test_asterisk_rig import APP, NUMBER, B, C, Engine, M, Rig

pytestmark = pytest.mark.anyio

RINGS = ["Dial", {"State Ringing", "Dial RINGING"}]
UP = ["State Up", "Dial ANSWER", "StasisStart"]
QUICK = Ring(0.01), Answer(0.01)


def sim_with(*steps: object, seed: int = 1) -> SimAsterisk:
    return SimAsterisk(callees={NUMBER: CalleeScript(steps)}, seed=seed)  # type: ignore[arg-type]


def assert_order(lines: list[str], expected: list[str | set[str]]) -> None:
    """Compare with an order in which a set means "these in any order"."""
    rest = list(lines)
    for item in expected:
        group = item if isinstance(item, set) else {item}
        assert set(rest[: len(group)]) == group, (lines, item)
        rest = rest[len(group) :]
    assert rest == []


async def test_prepare_and_answer() -> None:
    with Engine() as engine:
        async with Rig(sim_with(*QUICK)) as rig:
            media = await rig.open_media(engine)
            assert media["state"] == "Down"
            assert media["channelvars"]["UNICASTRTP_LOCAL_ADDRESS"] == "127.0.0.1"
            assert await rig.stream.wait_for(M, "EnteredBridge") == ["Dial", *UP, "EnteredBridge"]
            assert rig.stream.find("StasisStart", M)["args"] == ["media", "x"]
            reply = await rig.originate(callerId='"Open Deep" <+4930123>')
            assert (reply["state"], reply["connected"]) == ("Down", {"name": "Open Deep", "number": "+4930123"})
            await rig.stream.wait_for(C, "StasisStart")
            await rig.ok("POST", f"/bridges/{B}/addChannel", {"channel": C})
            assert_order(await rig.stream.wait_for(C, "EnteredBridge"), [*RINGS, *UP, "EnteredBridge"])
            bridge = await rig.ok("GET", f"/bridges/{B}")
            assert (bridge["channels"], bridge["technology"]) == ([M, C], "simple_bridge")
            assert rig.sim.oddities == []


async def test_only_the_reply_says_where_the_media_leg_listens() -> None:
    """As on a real 22.10.1 without a `channelvars` line (see tests/real): no event and no GET repeats it."""
    variables = {"TIMEOUT(absolute)": "60", "PLAIN": "p", "SHOWN": {"value": "s", "report_events": True}}
    with Engine() as engine:
        async with Rig(sim_with(*QUICK)) as rig:
            media = await rig.open_media(engine, variables=variables)
            assert set(media["channelvars"]) == {
                "PLAIN",
                "SHOWN",
                "UNICASTRTP_LOCAL_ADDRESS",
                "UNICASTRTP_LOCAL_PORT",
            }
            assert (await rig.ok("GET", f"/channels/{M}"))["channelvars"] == {"SHOWN": "s"}
            assert rig.stream.find("StasisStart", M)["channel"]["channelvars"] == {"SHOWN": "s"}


async def test_event_shape_is_asterisks() -> None:
    async with Rig(sim_with(*QUICK)) as rig:
        await rig.originate(variables={"OD_TASK": {"value": "t1", "report_events": True}, "PLAIN": "p"})
        await rig.stream.wait_for(C, "StasisStart")
        start = rig.stream.find("StasisStart", C)
        channel = start["channel"]
        assert set(start) == {"type", "timestamp", "asterisk_id", "application", "args", "channel"}
        assert start["timestamp"].endswith("+0000")
        assert (start["application"], start["args"]) == (APP, ["callee", C])
        assert channel["dialplan"] == {
            "context": "opendeep-inbound",
            "exten": "s",
            "priority": 1,
            "app_name": "Stasis",
            "app_data": f"{APP},callee,{C}",
        }
        assert channel["channelvars"] == {"OD_TASK": "t1"}
        assert {"id", "name", "state", "protocol_id", "caller", "connected", "accountcode", "creationtime"} <= set(
            channel
        )
        first_dial = rig.stream.find("Dial", C)
        assert (first_dial["dialstatus"], first_dial["dialstring"]) == ("", f"{NUMBER}@opendeep-trunk")
        assert not any(event["type"] == "ChannelCreated" for event in rig.stream.events)


async def test_ringing_comes_in_both_orders() -> None:
    orders: set[str] = set()
    for seed in range(8):
        async with Rig(sim_with(Ring(0.0), NoAnswer(), seed=seed)) as rig:
            await rig.originate()
            await rig.stream.wait(lambda rig=rig: len(rig.stream.of(C)) == 3)
            orders.add(rig.stream.of(C)[1])
    assert orders == {"State Ringing", "Dial RINGING"}


async def bridged(rig: Rig, engine: Engine) -> None:
    await rig.talk(engine)
    await rig.stream.wait_for(C, "EnteredBridge")


Act = Callable[[Rig], Awaitable[object]]


async def end_of(steps: tuple[object, ...], act: Act | None = None, **originate: object) -> list[str]:
    """Events of the callee's channel after it entered the bridge."""
    with Engine() as engine:
        async with Rig(sim_with(*steps)) as rig:
            await rig.open_media(engine)
            await rig.originate(**originate)
            await rig.stream.wait_for(C, "StasisStart")
            await rig.ok("POST", f"/bridges/{B}/addChannel", {"channel": C})
            if act is not None:
                await act(rig)
            lines = await rig.stream.wait_for(C, "Destroyed")
            assert set(rig.sim.exchange.channels) == {M}, "the media leg and the bridge outlive the callee"
            assert (await rig.ok("GET", f"/bridges/{B}"))["channels"] == [M]
            return lines[lines.index("EnteredBridge") + 1 :]


async def test_callee_hangs_up() -> None:
    lines = await end_of((*QUICK, HangUp(0.1)))
    assert lines == ["HangupRequest 16", "LeftBridge", "StasisEnd", "Destroyed 16"]


async def test_bye_without_a_reason() -> None:
    lines = await end_of((*QUICK, HangUp(0.1, None)))
    assert lines == ["HangupRequest None", "LeftBridge", "StasisEnd", "Destroyed 0"]


async def test_we_delete() -> None:
    lines = await end_of(QUICK, lambda rig: rig.ok("DELETE", f"/channels/{C}", reason="normal"))
    assert lines == ["HangupRequest 32 soft", "LeftBridge", "StasisEnd", "Destroyed 16"]


async def test_absolute_timeout_in_the_body() -> None:
    lines = await end_of(QUICK, variables={"TIMEOUT(absolute)": "0.3"})
    assert lines == ["LeftBridge", "StasisEnd", "Destroyed 16"]


async def test_absolute_timeout_set_later() -> None:
    async def set_it(rig: Rig) -> None:
        await rig.ok("POST", f"/channels/{C}/variable", {"variable": "TIMEOUT(absolute)", "value": "0.1"})

    lines = await end_of(QUICK, set_it)
    assert lines == ["LeftBridge", "StasisEnd", "Destroyed 16"]


async def test_snoop_channel_never_destroyed() -> None:
    async with Rig(sim_with(*QUICK)) as rig:
        await rig.originate()
        await rig.stream.wait_for(C, "StasisStart")
        await rig.ok("POST", f"/channels/{C}/snoop", {"spy": "in", "app": APP, "snoopId": "od-n1-call1-s"})
        await rig.stream.wait_for("od-n1-call1-s", "StasisStart")
        await rig.ok("DELETE", f"/channels/{C}")
        await rig.stream.wait_for(C, "Destroyed")
        assert rig.stream.of("od-n1-call1-s") == ["StasisStart", "StasisEnd"]
        assert rig.sim.leftovers() == []


FAILURES = {
    "busy 486": ((Ring(0.0), Busy()), [*RINGS, "HangupRequest 17 tech=486", "Dial BUSY", "Destroyed 17 tech=486"]),
    "reject 403": (
        (Ring(0.0), Reject(403)),
        [*RINGS, "HangupRequest 21 tech=403", "Dial NOANSWER", "Destroyed 21 tech=403"],
    ),
    "reject 603": (
        (Ring(0.0), Reject(603)),
        [*RINGS, "HangupRequest 21 tech=603", "Dial NOANSWER", "Destroyed 21 tech=603"],
    ),
    "unknown 404": ((NotFound(),), ["Dial", "HangupRequest 1 tech=404", "Dial NOANSWER", "Destroyed 1 tech=404"]),
    "carrier 503": (
        (Congestion(),),
        ["Dial", "HangupRequest 34 tech=503", "Dial CONGESTION", "Destroyed 34 tech=503"],
    ),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_failures(name: str) -> None:
    steps, expected = FAILURES[name]
    async with Rig(sim_with(*steps)) as rig:
        await rig.originate()
        assert_order(await rig.stream.wait_for(C, "Destroyed"), expected)
        assert len(rig.sim.invites) == 1
        assert rig.sim.leftovers() == []


async def test_ring_timeouts_have_no_final_dial_and_no_hangup_request() -> None:
    callees = {"+1": CalleeScript((Ring(0.0), NoAnswer())), "+2": CalleeScript((DeadPeer(),))}
    async with Rig(SimAsterisk(callees=callees)) as rig:
        await rig.originate("+1", "rang-out", timeout=1)
        await rig.originate("+2", "dead", timeout=1)
        assert_order(await rig.stream.wait_for("rang-out", "Destroyed"), [*RINGS, "Destroyed 19 tech=480"])
        assert_order(await rig.stream.wait_for("dead", "Destroyed"), ["Dial", "Destroyed 19 tech=480"])


async def test_we_cancel_while_ringing() -> None:
    async with Rig(sim_with(Ring(0.0), NoAnswer())) as rig:
        await rig.originate()
        await rig.stream.wait_for(C, "State Ringing")
        await rig.ok("DELETE", f"/channels/{C}")
        expected = [*RINGS, "HangupRequest 32 soft", "Dial NOANSWER", "Destroyed 16"]
        assert_order(await rig.stream.wait_for(C, "Destroyed"), expected)
        assert rig.sim.callees[0].over


async def test_early_media_leaves_the_channel_down() -> None:
    async with Rig(sim_with(EarlyMedia("hm"), *QUICK[1:])) as rig:
        await rig.originate()
        lines = await rig.stream.wait_for(C, "StasisStart")
        assert lines == ["Dial", "Dial PROGRESS", *UP]


async def test_app_not_connected_when_answered() -> None:
    """A silent call: the callee hears the line answered and dropped, the client hears nothing."""
    async with Rig(sim_with(Ring(0.0), Answer(0.0)), connect=False) as rig:
        await rig.originate()
        await rig.sim.wait_until(lambda: rig.sim.callees[0].over)
        callee = rig.sim.callees[0]
        assert callee.answered_s is not None
        assert not any(delivered for _, delivered in rig.sim.events)
        assert rig.sim.leftovers() == []


async def test_keys_arrive_on_the_callees_channel_only() -> None:
    with Engine() as engine:
        async with Rig(sim_with(*QUICK, Press("1#"))) as rig:
            await bridged(rig, engine)
            await rig.stream.wait(lambda: rig.stream.of(C).count("DtmfReceived") == 2)
            pressed = [event for event in rig.stream.events if event["type"] == "ChannelDtmfReceived"]
            assert [(event["digit"], event["duration_ms"]) for event in pressed] == [("1", 100), ("#", 100)]
            assert "DtmfReceived" not in rig.stream.of(M)


async def test_continue_into_amd_and_back() -> None:
    async with Rig(sim_with(*QUICK, Say("hi"))) as rig:
        await rig.originate()
        await rig.stream.wait_for(C, "StasisStart")
        await rig.ok("POST", f"/channels/{C}/continue", {"context": "opendeep-amd", "extension": "s"})
        await rig.stream.wait(lambda: rig.stream.of(C).count("StasisStart") == 2)
        assert rig.stream.of(C)[-2:] == ["StasisEnd", "StasisStart"]
        assert rig.stream.events[-1]["args"][0] == "amd"
        await rig.ok("POST", f"/channels/{C}/continue", {"context": "nowhere"})
        assert (await rig.stream.wait_for(C, "Destroyed"))[-2:] == ["StasisEnd", "Destroyed 16"]


async def test_deleting_the_bridge_leaves_channels_in_stasis() -> None:
    with Engine() as engine:
        async with Rig(sim_with(*QUICK)) as rig:
            await bridged(rig, engine)
            await rig.ok("DELETE", f"/bridges/{B}")
            await rig.stream.wait(lambda: rig.stream.events[-1]["type"] == "BridgeDestroyed")
            assert [event["type"] for event in rig.stream.events[-3:-1]] == ["ChannelLeftBridge"] * 2
            assert (await rig.ask("GET", f"/bridges/{B}"))[0] == 404
            assert {channel["id"] for channel in await rig.ok("GET", "/channels")} == {C, M}
