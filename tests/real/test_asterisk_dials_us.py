"""The event websocket that a real Asterisk opens to us: reconnects, replay, lost applications, and whole calls.

An Asterisk of this file's own, started by `scripts/asterisk up --events asterisk_dials`. Figures are printed.
"""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from app.sim import tonevoice
from app.sim.realtime.brain import Step
from scripts.lib.faults.tcp import tcp_relay
from stasis import call_model as m
from stasis import dialed_stream
from stasis.call import CallMachine
from stasis.client import AriClient
from stasis.dialed_stream import PROBE, DialedByAsteriskStream
from stasis.events import (
    ApplicationRegistered,
    ApplicationReplaced,
    AriEvent,
    ChannelStateChange,
    ChannelUserevent,
    Dial,
    Event,
)
from stasis.ids import CallIds
from stasis.reconcile import Reconciler
from stasis.requests import Originate
from stasis.router import Mailbox, Router
from stasis.runner import run_effect
from stasis.stream import StreamState
from tests.real.conftest import SCRIPT, RealAsterisk, StartPhones, missing
from tests.real.listening import record
from tests.real.phones import Callee
from tests.real.rig import NUMBER, model, number, office, script, settings_for
from tests.unit.stasis.ari_server import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]
APP = "opendeep-main"
CONNECTED, LOST = StreamState.CONNECTED, StreamState.LOST


@dataclass(frozen=True)
class DialingAsterisk(RealAsterisk):
    """One that dials 127.0.0.1:events_port."""

    events_port: int
    events_username: str
    events_password: str


@pytest.fixture(scope="module")
def asterisk() -> Iterator[DialingAsterisk]:
    """In this file's tests and fixtures it takes the place of the session's."""
    reason = missing()
    if reason is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the real-Asterisk lane cannot run: {reason}")
        pytest.skip(reason)
    name = f"dials-{os.getpid()}"
    command = [SCRIPT, "up", "--name", name, "--events", "asterisk_dials"]
    up = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    try:
        assert up.returncode == 0, up.stderr
        yield DialingAsterisk(**json.loads(up.stdout))
    finally:
        subprocess.run([SCRIPT, "down", "--name", name], check=True, timeout=30)


@dataclass
class Line:
    """A running stream and everything it said, with the time it said it."""

    client: AriClient
    stream: DialedByAsteriskStream
    router: Router
    since: float
    told: list[tuple[float, Event]]
    states: list[tuple[float, StreamState]]
    arrived: asyncio.Condition

    async def until(self, kind: type[Event], times: int = 1, timeout_s: float = 10.0) -> list[Event]:
        """All events so far, once there are so many of a kind."""
        async with asyncio.timeout(timeout_s), self.arrived:
            await self.arrived.wait_for(lambda: len(self.of(kind)) >= times)
        return [event for _, event in self.told]

    async def connected(self, timeout_s: float = 5.0) -> float:
        """Waits for the gate; seconds from listening to the connection."""
        async with asyncio.timeout(timeout_s):
            await self.stream.gate.wait_open()
        return next(at for at, state in self.states if state is CONNECTED) - self.since

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for _, event in self.told if isinstance(event, kind)]


@asynccontextmanager
async def line(asterisk: DialingAsterisk, password: str | None = None) -> AsyncGenerator[Line]:
    """Listen where this Asterisk dials; left, it is as if we had crashed."""
    async with AriClient(f"{asterisk.url}/ari", asterisk.username, asterisk.password, APP) as client:
        stream = DialedByAsteriskStream(
            client,
            host="127.0.0.1",
            port=asterisk.events_port,
            username=asterisk.events_username,
            password=password or asterisk.events_password,
        )
        router = Router("main")
        here = Line(client, stream, router, time.time(), [], [], asyncio.Condition())
        queue: asyncio.Queue[tuple[float, Event]] = asyncio.Queue()

        def on_event(event: Event) -> None:
            router.dispatch(event)
            queue.put_nowait((time.time(), event))

        async def keep() -> None:
            while True:
                item = await queue.get()
                async with here.arrived:
                    here.told.append(item)
                    here.arrived.notify_all()

        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(keep()),
                group.create_task(
                    stream.run(
                        on_event=on_event,
                        on_state=lambda state: here.states.append((time.time(), state)),
                        reconcile=Reconciler(client, router, "main"),
                    )
                ),
            ]
            yield here
            for task in tasks:
                task.cancel()


async def originate(client: AriClient, ids: CallIds) -> None:
    await client.channels.originate(
        Originate(
            endpoint=f"PJSIP/+{NUMBER}@opendeep-trunk",
            app=APP,
            channel_id=ids.callee,
            timeout_s=20,
            app_args=f"callee,{ids.call_id}",
        )
    )


async def eventually(true: Callable[[], bool]) -> None:
    """For what wakes nobody."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def story(events: list[Event]) -> list[str]:
    """Types of the callee's events, Dial with its status."""
    kinds = [
        f"Dial {event.dialstatus}".strip() if type(event).__name__ == "Dial" else type(event).__name__  # type: ignore[union-attr]
        for event in events
    ]
    return [kind for kind in kinds if kind not in {"UnknownEvent", "ChannelUserevent"}]


async def test_it_comes_by_itself_and_comes_back(nothing_left: None, asterisk: DialingAsterisk) -> None:
    took_s: list[float] = []
    for _ in range(4):
        async with line(asterisk) as here:
            took_s.append(await here.connected())
            (registered, probe) = await here.until(ChannelUserevent)
            assert isinstance(registered, ApplicationRegistered)
            assert isinstance(probe, ChannelUserevent)
            assert probe.eventname == PROBE
    print("from listening to connected:", [f"{one * 1000:.0f} ms" for one in took_s])
    assert max(took_s) < 1.0, "reconnect_interval is 500 ms"


async def test_a_broken_connection_is_replaced_at_once(nothing_left: None, asterisk: DialingAsterisk) -> None:
    async with line(asterisk) as here:
        await here.connected()
        for n in range(2, 5):
            assert here.stream._newest is not None
            here.stream._newest.transport.abort()
            await here.until(ChannelUserevent, n)
        lost = [at for at, state in here.states if state is LOST]
        back = [at for at, state in here.states if state is CONNECTED][1:]
    gaps_ms = [(after - before) * 1000 for before, after in zip(lost, back, strict=True)]
    print("from the break to the next connection:", [f"{one:.1f} ms" for one in gaps_ms])
    assert len(gaps_ms) == 3
    assert max(gaps_ms) < 450


async def test_a_wrong_password_is_refused_until_it_is_right(
    nothing_left: None, asterisk: DialingAsterisk, caplog: pytest.LogCaptureFixture
) -> None:
    async with line(asterisk, password="wrong") as here:
        await eventually(lambda: sum("turned away" in record.message for record in caplog.records) >= 4)
        tries = [record.created for record in caplog.records if "turned away" in record.message]
        assert [state for _, state in here.states] == [StreamState.CONNECTING]
        assert here.told == []
    print("tries with a wrong password after:", [f"{b - a:.3f} s" for a, b in pairwise(tries)])
    async with line(asterisk) as here:
        await here.connected()


async def test_an_outage_is_told_in_order(
    nothing_left: None, asterisk: DialingAsterisk, phones: StartPhones
) -> None:
    """The callee answers and leaves while we are away."""
    at = phones(Callee(NUMBER, ring_ms=800, hang_up_after_ms=500))
    ids = CallIds(node="main", call_id="outage")
    async with line(asterisk) as here:
        await here.connected()
        await originate(here.client, ids)
        await here.until(ChannelStateChange)
        before = story(await here.until(Dial, 2))
    await at.until("BYE-OUT")
    await asyncio.sleep(0.3)
    with_gap = time.time()
    async with line(asterisk) as here:
        took_s = await here.connected()
        await here.until(ApplicationRegistered)
    events = [(at, event) for at, event in here.told if isinstance(event, AriEvent) and event.timestamp]
    stamps = [event.timestamp for _, event in events if event.timestamp]
    ages = [told_at - event.timestamp.timestamp() for told_at, event in events if event.timestamp]
    told = story([event for _, event in events])
    print(f"replay {took_s * 1000:.0f} ms after listening, ages {[f'{age:.3f}' for age in ages]}: {told}")
    assert before[:2] == ["ApplicationRegistered", "Dial"]
    assert set(before[2:]) == {"ChannelStateChange", "Dial RINGING"}
    assert told == [
        "ChannelStateChange",
        "Dial ANSWER",
        "StasisStart",
        "ChannelHangupRequest",
        "StasisEnd",
        "ChannelDestroyed",
        "ApplicationRegistered",
    ]
    assert stamps == sorted(stamps)
    assert all(stamp.timestamp() < with_gap for stamp in stamps[: len(told) - 1])
    assert abs(ages[len(told) - 1]) < 0.5, "the registration is of now"


async def drive(here: Line, machine: CallMachine, mailbox: Mailbox, effects: list[m.Effect]) -> list[m.Effect]:
    """Carry out what a taken-over machine asks for until it ends; all its effects."""
    done: list[m.Effect] = []
    while True:
        for effect in effects:
            done.append(effect)
            if isinstance(effect, m.Ended):
                return done
            if isinstance(effect, m.RestEffect):
                mailbox.put_nowait(await run_effect(here.client, effect, here.stream.gate))
        async with asyncio.timeout(10):
            effects = machine.handle(await mailbox.get(), time.monotonic())


@pytest.mark.parametrize(("away_s", "talks"), [(0.0, True), (4.0, False)])
async def test_a_ringing_call_is_taken_over_by_the_next_process(
    nothing_left: None, asterisk: DialingAsterisk, phones: StartPhones, away_s: float, talks: bool
) -> None:
    """We die while it rings, it is answered, and the next process comes back soon or late."""
    at = phones(Callee(NUMBER, ring_ms=600))
    ids = CallIds(node="main", call_id=f"taken{away_s:.0f}")
    async with line(asterisk) as here:
        await here.connected()
        await here.client.bridges.create(ids.bridge)
        await originate(here.client, ids)
        await at.until("RINGING")
    await at.until("ACK")
    await asyncio.sleep(away_s)
    plan = m.CallPlan(ids=ids, endpoint="", app=APP, format="ulaw", ring_timeout_s=20, max_duration_s=60)
    async with line(asterisk) as here:
        with here.router.open(ids.call_id) as mailbox:
            machine = CallMachine(plan)
            begun = machine.resume(time.monotonic(), conversing=False)
            effects = await drive(here, machine, mailbox, begun)
    await at.until("BYE-IN")
    result = next(effect.result for effect in effects if isinstance(effect, m.Ended))
    print(f"away {away_s} s after the answer: {result.outcome}, {result.detail}")
    joined = m.AddToBridge(bridge_id=ids.bridge, channel_id=ids.callee) in effects
    assert joined is talks, "with a media leg, which this test has not, it would be a conversation"
    assert (result.detail == "answered during outage") is not talks
    assert at.invites == {NUMBER: 1}


async def test_a_thief_leaves_a_deaf_connection_behind(
    nothing_left: None, asterisk: DialingAsterisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dial-in websocket takes the application for good; only a restart of Asterisk gives it back. Runs last of
    the tests of the stream alone: afterwards this Asterisk is restarted.
    """
    monkeypatch.setattr(dialed_stream, "ECHO_S", 0.3)
    async with line(asterisk) as here:
        await here.connected()
        async with AriClient(f"{asterisk.url}/ari", asterisk.username, asterisk.password, APP) as thief:
            socket = await thief.open_events(5.0)
            await here.until(ApplicationReplaced)
            await eventually(lambda: here.stream.state is StreamState.REPLACED)
            async with line(asterisk) as again:
                await again.until(ApplicationRegistered)
                with pytest.raises(TimeoutError):
                    await again.connected(timeout_s=1.0)
            await socket.close()
        async with line(asterisk) as again:
            await again.until(ApplicationRegistered)
            with pytest.raises(TimeoutError):
                await again.connected(timeout_s=1.0)
    await asyncio.to_thread(asterisk.cli, "core restart now")
    async with line(asterisk) as here:
        await here.connected(timeout_s=20.0)


# --- the whole engine ------------------------------------------------------------------------------------------
async def test_calls_answered_in_an_outage(
    nothing_left: None, asterisk: DialingAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    """Three telephones ring when the line to the engine breaks for six seconds: one is answered long before it is
    back, one just before, one only afterwards.
    """
    early, late, after = (number(n) for n in range(3))
    at = phones(Callee(early, ring_ms=1200), Callee(late, ring_ms=5000), Callee(after, ring_ms=8000))
    port = await free_port()
    events = {
        "node_name": "main",
        "ari_events": "asterisk_dials",
        "ari_listen_port": port,
        "ari_listen_username": asterisk.events_username,
        "ari_listen_password": asterisk.events_password,
        "ring_timeout_s": 15,
        "no_input_s": 2,
        "no_input_prompts": 0,
    }
    async with (
        model(script(Step(say="hello"), Step(say="goodbye"))) as sim,
        tcp_relay(port, asterisk.events_port) as network,
    ):
        settings = settings_for(asterisk, tmp_path, sim.url, **events)
        async with office(settings) as here:
            ids = await here.dial(early, late, after)
            for task in ids:
                await here.reaches(task, "ringing")
            network.down = True
            network.cut()
            await at.until("ACK", late, timeout_s=15)
            await asyncio.sleep(1.0)
            network.down = False
            ended = {one: await here.ended(task) for one, task in zip((early, late, after), ids, strict=True)}
    silence_s = at.seen("BYE-IN", early)[0].time - at.seen("ACK", early)[0].time
    print(f"the early one heard nothing for {silence_s:.1f} s and was let go")
    assert {one: (str(end.call.outcome), str(end.call.ended_by)) for one, end in ended.items()} == {
        early: ("canceled", "system_failure"),
        late: ("completed", "system_timeout"),
        after: ("completed", "system_timeout"),
    }
    assert ended[early].call.detail == "answered during outage"
    assert str(ended[early].task.state) == "pending"
    assert at[early].audio() == [], "not a word to somebody who has listened to silence"
    for one in (late, after):
        assert [word.text for word in tonevoice.listen(record(at[one]).samples, 8000)] == ["hello", "goodbye"]
    assert at.invites == dict.fromkeys((early, late, after), 1)
