"""An operator's microphone: who may open one, what goes to the call, how fast, and what is written down."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.exceptions import WebSocketDisconnect

from app.clock import SystemClock
from app.domain.messages import OperatorVoice, voice_topic
from app.domain.people import Role
from app.domain.voice import FRAME_BYTES, VoiceCheck
from app.errors import DatabaseBusy
from app.ids import new_id
from app.store import audit, calls, events
from tests.unit.app.store_world import NOW, TENANT
from tests.unit.web.test_listening import HOST, KEY, Console
from tests.unit.web.test_listening import console as console  # noqa: PLC0414 - the fixture
from web.guard import SPOKEN_AT
from web.steer.microphone import BYTES_PER_MS, LEAST_MS, MOST_AHEAD_MS, TOO_LONG, Pace
from web.steer.sockets import NO_CALL

PIECE = b"\x01\x02" * (FRAME_BYTES // 2)


def opened(console: Console, call_id: str | None = None) -> Any:
    path = f"/calls/{call_id or console.call.id}/microphone"
    return console.client.websocket_connect(path, headers={"origin": HOST})


def deeds(console: Console) -> list[str]:
    rows = console.do(audit.newest, console.db, TENANT)
    return [row.action for row in reversed(rows) if row.action.startswith("microphone")]


def test_a_voice_goes_to_the_call_in_order_and_signed(console: Console) -> None:
    call = console.call

    async def take(messages: Any, count: int) -> list[OperatorVoice]:
        return [await anext(messages) for _ in range(count)]

    with console.bus.subscribe(voice_topic(call.id)) as messages, opened(console) as socket:
        mic = json.loads(socket.receive_text(timeout=5))["mic"]
        for at in range(3):
            socket.send_bytes(bytes([at, 0]) * 320)
        voices = console.do(take, messages, 3)
    check = VoiceCheck(KEY, TENANT, call.id)
    assert [voice.audio[0] for voice in voices] == [0, 1, 2]
    assert all(check.accepts(voice, SystemClock().unix_ms(), mic) for voice in voices)
    assert deeds(console)[0] == "microphone_opened"


@pytest.mark.parametrize("piece", [b"\x00" * 641, PIECE * 6])
def test_what_is_no_piece_of_a_voice_ends_it(console: Console, piece: bytes) -> None:
    with opened(console) as socket:
        socket.receive_text(timeout=5)
        socket.send_bytes(piece)
        with pytest.raises(WebSocketDisconnect) as over:
            socket.receive_text(timeout=5)
    assert over.value.code == TOO_LONG


def test_a_short_trouble_of_the_store_cuts_no_voice_off(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    real = calls.get

    async def get(*arguments: Any) -> Any:
        looks.append("look")
        if len(looks) == 2:
            raise DatabaseBusy("busy")
        return await real(*arguments)

    async def looked(times: int) -> None:
        async with asyncio.timeout(5):
            while len(looks) < times:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.01)

    monkeypatch.setattr("web.steer.sockets.LOOK_S", 0.05)
    monkeypatch.setattr("web.steer.sockets.calls.get", get)
    with opened(console) as socket:
        socket.receive_text(timeout=5)
        console.do(looked, 4)
        assert deeds(console) == ["microphone_opened"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
def test_only_those_who_may_steer_may_speak(console: Console, role: Role) -> None:
    console.sign_in(role)
    with pytest.raises(WebSocketDisconnect), opened(console) as socket:
        socket.receive_text(timeout=5)
    assert deeds(console) == []


def test_there_is_no_microphone_into_an_unknown_call(console: Console) -> None:
    with pytest.raises(WebSocketDisconnect) as refused, opened(console, new_id(1)) as socket:
        socket.receive_text(timeout=5)
    assert refused.value.code == NO_CALL


def test_the_panel_says_who_has_the_call(console: Console) -> None:
    path = f"/calls/{console.call.id}/steering"
    lines = [console.client.get(path).json()["line"]]
    for kind in ("operator_joined", "operator_left", "operator_joined", "adopted"):

        async def happen(kind: str = kind) -> None:
            await events.add(console.db, TENANT, console.call.id, kind, {}, at_ms=NOW)

        console.do(happen)
        lines.append(console.client.get(path).json()["line"])
    assert lines == ["open", "taken", "open", "taken", "open"]


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(0, 500)), max_size=300))
def test_nobody_speaks_faster_than_time_passes(pieces: list[tuple[int, float]]) -> None:
    pace, now_ms, passed = Pace(0.0), 0.0, 0
    for frames, wait_ms in pieces:
        now_ms += wait_ms
        if pace.allows(frames * FRAME_BYTES, now_ms):
            passed += frames * FRAME_BYTES
        assert passed / BYTES_PER_MS <= now_ms + MOST_AHEAD_MS


@pytest.mark.parametrize("size", [2, 32, 318])
def test_tiny_pieces_do_not_flood_the_call(size: int) -> None:
    pace = Pace(0.0)
    assert sum(pace.allows(size, 0.0) for _ in range(10_000)) <= 2 * MOST_AHEAD_MS / LEAST_MS


def test_a_voice_in_lumps_is_whole() -> None:
    pace, now_ms = Pace(0.0), 0.0
    for _ in range(200):
        now_ms += 100.0
        assert all(pace.allows(FRAME_BYTES, now_ms) for _ in range(5))


@pytest.mark.parametrize(
    ("path", "may"),
    [("/", True), ("/calls/x", True), ("/agents/x/test", True), ("/people", False), ("/sign-in", False)],
)
def test_only_pages_that_need_it_may_ask_for_the_microphone(console: Console, path: str, may: bool) -> None:
    policy = console.client.get(path).headers["permissions-policy"]
    assert ("microphone=(self)" in policy) is may
    assert "camera=()" in policy
    assert bool(SPOKEN_AT.fullmatch(path)) is may


def played(node: str, script: str) -> Any:
    """What a script beside this file prints, in Node."""
    command = [node, Path(__file__).with_name(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_page_that_stopped_while_the_browser_asked_keeps_nothing_open(node: str) -> None:
    """Stopped before the permission, before the sound and before the server's first message."""
    found = played(node, "voice_stopped.mjs")
    assert [one["at"] for one in found] == ["permission", "sound", "hello", "listening"]
    assert all(one["threw"] and one["open"] == [] for one in found), found


def test_an_order_goes_to_the_call_that_was_shown_when_it_was_decided(node: str) -> None:
    found = played(node, "steer_calls.mjs")
    assert found["orders"] == [["B", "take_over"], ["B", "end_call"]], "nothing of the call that was left"
    assert found["over"] == [True, True]


def test_a_form_sends_one_order_at_a_time(node: str) -> None:
    """Enter twice must not press a key twice in the callee's menu."""
    found = played(node, "steer_calls.mjs")
    assert found["sent"] == ["whisper", "whisper", "send_dtmf", "send_dtmf"], "and none while one ran"
    assert found["locked"] == [True, False, True, False]


def test_the_scripts_have_no_sink() -> None:
    folder = Path(__file__).parents[3] / "web" / "static"
    for name in ("voice.js", "voice-worklet.js"):
        script = (folder / name).read_text()
        for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", ".srcdoc"):
            assert sink not in script
