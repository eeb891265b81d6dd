"""Calls whose events come by the websocket that Asterisk opens to us: outages, restarts, and who steals it."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.domain.task import CallTask
from app.engine import Engine
from app.sim.asterisk import Answer, Busy, CalleeScript, HangUp, Ring, Say, StaySilent, WaitForAgent
from stasis.client import AriClient
from stasis.dialed_stream import PROBE
from tests.flow.rig import Rig, gate_open, rig, together, world
from tests.flow.single import COMPLETED, NUMBER, Ended, one_call, shorten_patience
from tests.unit.stasis.ari_server import free_port

pytestmark = pytest.mark.anyio

STALE_S = 0.7
SHORT_S, LONG_S = 0.6, 1.7
PATIENT = CalleeScript((Ring(0.05), Answer(0.35), Say("hey"), WaitForAgent()))
IMPATIENT = CalleeScript((Ring(0.05), Answer(0.35), StaySilent(0.5), HangUp()))
LONG = "this takes quite a while to say"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_patience(monkeypatch)
    monkeypatch.setattr("stasis.replay.REPLAY_STALE_S", STALE_S)
    monkeypatch.setattr("stasis.dialed_stream.ECHO_S", 0.3)
    monkeypatch.setattr("stasis.dialed_stream.PROBE_AGAIN_S", 0.1)


async def dialed() -> dict[str, Any]:
    return {
        "ari_events": "asterisk_dials",
        "ari_listen_port": await free_port(),
        "ari_listen_password": SecretStr("flow"),
    }


async def ringing(house: Rig, task: CallTask) -> None:
    del task
    await house.asterisk.wait_until(
        lambda: any(event.get("dialstatus") == "RINGING" for event, _ in house.asterisk.events), 10.0
    )


async def talking(house: Rig, task: CallTask) -> None:
    await house.talking(task)
    await house.until(lambda: stored(house, task, "bridged"))


async def stored(house: Rig, task: CallTask, state: str) -> bool:
    return (await house.call(task)).state == state


async def outage(
    when: Callable[[Rig, CallTask], Awaitable[None]], away_s: float, house: Rig, task: CallTask
) -> None:
    await when(house, task)
    house.asterisk.drop_websocket(away_s)


async def restart(house: Rig, task: CallTask) -> None:
    await talking(house, task)
    await house.asterisk.restart(0.1)


async def test_outages(tmp_path: Path) -> None:
    def away(
        name: str, when: Callable[..., Awaitable[None]], away_s: float, **more: Any
    ) -> Callable[[], Awaitable[Ended]]:
        async def run() -> Ended:
            meddle = partial(outage, when, away_s)
            return await one_call(tmp_path / name, meddle=meddle, **await dialed(), **more)

        return run

    async def restarted() -> Ended:
        return await one_call(tmp_path / "restart", say=LONG, meddle=restart, **await dialed())

    cases = {
        "none": away("a", ringing, 0.0, script=PATIENT),
        "answered just now": away("b", ringing, SHORT_S, script=PATIENT),
        "answered long ago": away("c", ringing, LONG_S, script=PATIENT),
        "answered and left": away("d", ringing, LONG_S, script=IMPATIENT),
        "refused meanwhile": away("e", ringing, LONG_S, script=CalleeScript((Ring(0.05), Ring(0.3), Busy()))),
        "talking": away("f", talking, LONG_S, say=LONG),
        "Asterisk restarts": restarted,
    }
    done: dict[str, Ended] = await together(cases)
    assert {name: ended.story for name, ended in done.items()} == {
        "none": COMPLETED,
        "answered just now": COMPLETED,
        "answered long ago": ("pending", "canceled", "system_failure"),
        "answered and left": ("pending", "canceled", "system_failure"),
        "refused meanwhile": ("pending", "busy", "callee"),
        "talking": COMPLETED,
        "Asterisk restarts": ("failed", "lost", "network"),
    }
    assert {ended.invites for ended in done.values()} == {1}
    assert done["answered just now"].heard == ["hi there"]
    assert done["talking"].heard == [LONG]
    for name in ("answered long ago", "answered and left"):
        ended = done[name]
        assert (ended.heard, ended.turns) == ([], []), name
        assert ended.call.detail == "answered during outage"
        assert ended.call.answered_ms is not None
        assert "while we were away" in ended.task.overall_conclusion
        assert ended.task.current_attempt_count == 1


async def test_answers_of_calls_nobody_runs_are_hung_up(tmp_path: Path) -> None:
    """A stray of ours that entered Stasis while we were away is removed, and its callee not kept waiting."""
    async with rig(tmp_path, callees={NUMBER: PATIENT}, **await dialed()) as house:
        house.asterisk.drop_websocket(0.5)
        settings = house.settings
        async with client_of(house) as other:
            body = {
                "endpoint": f"PJSIP/{NUMBER}@opendeep-trunk",
                "app": settings.ari_app,
                "channelId": "od-main-x-c",
            }
            async with other._session.post(f"{house.asterisk.base_url}/channels", json=body) as answer:
                assert answer.status == 200
        await house.asterisk.wait_until(lambda: house.asterisk.callee(NUMBER).over)
        await house.until(gate_open(house.engine))
        assert house.asterisk.leftovers() == []


async def test_nothing_is_dialed_into_a_deaf_connection(tmp_path: Path) -> None:
    """Somebody took the application; an operator restarts us, and Asterisk says that it is registered."""
    probe = ("POST", f"/events/user/{PROBE}")
    given = {"callees": {NUMBER: PATIENT}, **await dialed()}
    async with world(tmp_path, **given) as house, client_of(house) as other:
        async with house.engine.running():
            await house.until(gate_open(house.engine))
            socket = await other.open_events(5.0)
            await house.until(lambda: closed(house.engine))
        task = await house.add(NUMBER)
        again = Engine(house.settings, house.db, house.bus, house.clock)
        probes = house.asterisk.requests.count(probe)
        async with again.running():
            await house.asterisk.wait_until(lambda: house.asterisk.requests.count(probe) >= probes + 3, 10.0)
            assert await closed(again)
            assert await house.calls(task) == []
        await socket.close()


async def closed(engine: Engine) -> bool:
    return not engine.board.ari.gate.is_open


def client_of(house: Rig) -> AriClient:
    asterisk = house.asterisk
    return AriClient(asterisk.base_url, asterisk.username, asterisk.password, house.settings.ari_app)
