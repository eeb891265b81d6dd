"""A browser listens in: who may, what it gets, what it loses, and what is written down about it."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.call import Call
from app.domain.messages import CallAudio, ListenWanted, OperatorVoice, Voice, audio_topic, voice_topic
from app.domain.people import Role
from app.domain.voice import LISTEN_FOR_MS, VoiceCheck, signed
from app.ids import new_id
from app.store import attempts, audit
from app.store.sqlite import SqliteDatabase
from media.g711 import ALAW, ULAW
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import NOW, TENANT, add_agent, begun_call, claimed_task, ended
from web.app import create_app
from web.steer.listening import CODECS, QUEUE, Outlet, packed
from web.steer.sockets import NO_CALL, NOT_ALIVE

HOST = "http://127.0.0.1:8000"
KEY = b"k" * 40
ALL = bytes(range(256))
FRAME = CallAudio(call_id="c", codec="ulaw", callee=ALL[:160], agent=ALL[:3])


class Console:
    def __init__(self, client: Any, db: SqliteDatabase, bus: MemoryBus) -> None:
        self.client, self.db, self.bus = client, db, bus
        self.call: Call = client.blocking_portal.call(self._call)
        self._written = 0

    async def _call(self) -> Call:
        return await begun_call(self.db, await claimed_task(self.db))

    def do(self, function: Any, *arguments: object) -> Any:
        return self.client.blocking_portal.call(function, *arguments)

    def sign_in(self, role: Role) -> None:
        self.client.cookies.set("opendeep", self.do(session, self.db, role))
        self._written = len(self.do(audit.newest, self.db, TENANT))

    def listen(self, call_id: str | None = None) -> Any:
        path = f"/calls/{call_id or self.call.id}/audio"
        return self.client.websocket_connect(path, headers={"origin": HOST})

    def deeds(self) -> list[tuple[str, dict[str, Any]]]:
        rows = self.do(audit.newest, self.db, TENANT)
        told = [row for row in reversed(rows) if row.action.startswith("listening")]
        assert all(row.object == f"call:{self.call.id}" for row in told)
        return [(row.action, msgspec.json.decode(row.detail)) for row in told]

    def until(self, *actions: str) -> list[dict[str, Any]]:
        """Details of these entries, once they are there; the websocket's end is served after the browser left."""

        async def there() -> None:
            async with asyncio.timeout(5):
                while len(await audit.newest(self.db, TENANT)) < self._written + len(actions):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

        self.do(there)
        found = self.deeds()
        assert tuple(action for action, _ in found) == actions
        return [detail for _, detail in found]


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    db, bus = SqliteDatabase(fresh_sqlite(tmp_path / "test.db")), MemoryBus()
    settings = Settings.model_validate({"simulate": True, "ari_app": "x", "command_key": KEY.decode()})

    async def prepare() -> None:
        await db.open()
        await add_agent(db)

    asyncio.run(prepare())
    try:
        with TestClient(create_app(settings, db, bus, SystemClock(), QUICK), base_url=HOST) as client:
            console = Console(client, db, bus)
            console.sign_in(Role.OPERATOR)
            yield console
    finally:
        asyncio.run(db.close())


def test_a_browser_gets_both_lanes_and_the_log_says_so(console: Console) -> None:
    call = console.call

    async def first_wish() -> ListenWanted:
        with console.bus.subscribe(voice_topic(call.id)) as messages:
            message = await anext(messages)
        assert isinstance(message, ListenWanted)
        return message

    with console.listen() as socket:
        wish = console.do(first_wish)
        assert VoiceCheck(KEY, TENANT, call.id).accepts(wish, SystemClock().unix_ms(), "")
        audio = msgspec.structs.replace(FRAME, call_id=call.id)
        for _ in range(3):
            console.do(console.bus.publish, audio_topic(call.id), audio)
        frames = [socket.receive_bytes(timeout=5) for _ in range(3)]
        assert frames == [packed(audio, seq) for seq in (1, 2, 3)]
        assert console.deeds() == [("listening_began", {})]
    _, detail = console.until("listening_began", "listening_ended")
    assert (detail["frames"], detail["lost"]) == (3, 0)


@pytest.mark.parametrize(("role", "may"), [(role, role not in {Role.VIEWER, Role.AUDITOR}) for role in Role])
def test_only_those_who_may_steer_may_listen(console: Console, role: Role, may: bool) -> None:
    console.sign_in(role)
    if may:
        with console.listen():
            console.until("listening_began")
    else:
        with pytest.raises(WebSocketDisconnect), console.listen() as socket:
            socket.receive_bytes(timeout=5)
        assert console.deeds() == []


def test_calls_that_are_unknown_of_others_or_over_have_no_sound(console: Console) -> None:
    async def over() -> None:
        async with console.db.tx() as tx:
            await attempts.finish_call(tx, TENANT, ended(console.call), NOW)

    with pytest.raises(WebSocketDisconnect) as refused, console.listen(new_id(1)) as socket:
        socket.receive_bytes(timeout=5)
    assert refused.value.code == NO_CALL
    console.do(over)
    with pytest.raises(WebSocketDisconnect) as refused, console.listen() as socket:
        socket.receive_bytes(timeout=5)
    assert refused.value.code == NOT_ALIVE
    assert console.deeds() == []


async def take_all(outlet: Outlet, count: int) -> list[bytes]:
    return [await outlet.next() for _ in range(count)]


@given(st.lists(st.integers(min_value=0, max_value=60), max_size=20))
def test_a_slow_browser_loses_the_oldest_and_sees_the_gap(bursts: list[int]) -> None:
    outlet, put = Outlet(), 0
    for burst in bursts:
        for _ in range(burst):
            outlet.put(FRAME)
        put += burst
        waiting = min(QUEUE, burst)
        got = asyncio.run(take_all(outlet, waiting))
        assert [int.from_bytes(one[4:8], "little") for one in got] == list(range(put - waiting + 1, put + 1))
    assert outlet.sent + outlet.lost == put


def test_the_page_decodes_what_the_server_packs(node: str) -> None:
    """All bytes of both laws and PCM, through the page's own script in Node."""
    pcm = np.array([0, 1, -1, 32767, -32768], np.int16)
    frames = [
        CallAudio(call_id="c", codec="ulaw", callee=ALL, agent=b""),
        CallAudio(call_id="c", codec="alaw", callee=b"", agent=ALL),
        CallAudio(call_id="c", codec="pcm16", callee=pcm.tobytes(), agent=pcm[::-1].tobytes()),
    ]
    told = json.dumps({"frames": [packed(one, 7 + at).hex() for at, one in enumerate(frames)]})
    script = Path(__file__).with_name("voice_decode.mjs")
    done = subprocess.run([node, script], input=told, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    for at, (one, found) in enumerate(zip(frames, json.loads(done.stdout), strict=True)):
        assert (found["codec"], found["seq"]) == (CODECS[one.codec], 7 + at)
        for data, samples in zip((one.callee, one.agent), found["lanes"], strict=True):
            law = {"ulaw": ULAW, "alaw": ALAW}.get(one.codec)
            wanted = np.frombuffer(data, np.int16) if law is None else law.decode_bytes(data)
            assert np.array_equal(np.array(samples) * 32768, wanted)


# --- signatures ----------------------------------------------------------------------------------------------
WISH = ListenWanted(tenant_id="t", call_id="c", until_ms=NOW + LISTEN_FOR_MS, mac="")
VOICE = OperatorVoice(tenant_id="t", call_id="c", mic_id="m", seq=1, audio=bytes(640), mac="")


def accepts(message: Voice, mic_id: str = "m") -> bool:
    return VoiceCheck(KEY, "t", "c").accepts(message, NOW, mic_id)


def test_what_is_ours_is_accepted_and_nothing_else() -> None:
    change = msgspec.structs.replace
    assert accepts(signed(WISH, KEY))
    assert accepts(signed(VOICE, KEY))
    for message in (WISH, VOICE):
        ours = signed(message, KEY)
        assert not accepts(message)
        assert not accepts(signed(message, b"x" * 40))
        for name in ("tenant_id", "call_id"):
            assert not accepts(change(ours, **{name: "other"})), "changed behind the signature"
            assert not accepts(signed(change(message, **{name: "other"}), KEY)), "signed, for another call"
    assert not accepts(change(signed(VOICE, KEY), audio=bytes(638) + b"\x01\x00"))
    assert not accepts(signed(VOICE, KEY), mic_id="")
    assert not accepts(signed(VOICE, KEY), mic_id="another")
    for size in (0, 639, 640 * 6):
        assert not accepts(signed(change(VOICE, audio=bytes(size)), KEY))
    for until_ms in (NOW, NOW - 1, NOW + 3 * LISTEN_FOR_MS):
        assert not accepts(signed(change(WISH, until_ms=until_ms), KEY))


@given(st.lists(st.tuples(st.sampled_from(["m", "n"]), st.integers(min_value=0, max_value=9)), max_size=30))
def test_no_frame_of_a_voice_is_let_in_twice_or_backwards(frames: list[tuple[str, int]]) -> None:
    check, newest = VoiceCheck(KEY, "t", "c"), 0
    for mic_id, seq in frames:
        voice = signed(msgspec.structs.replace(VOICE, mic_id=mic_id, seq=seq), KEY)
        let_in = check.accepts(voice, NOW, "m")
        assert let_in == (mic_id == "m" and seq > newest)
        newest = seq if let_in else newest
