"""A refused account holds its tenant's dialing until somebody lifts it; a turn's latency; sounds of our own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.calls.filler import FALLING_HZ, RISING_HZ, sound
from app.cli.follow import describe_delays
from app.domain.call import Turn
from app.errors import ConfigError
from app.store import holds, reports, transcripts
from app.store.sqlite import SqliteDatabase
from media import protocol as media
from media.realtime.notifications import TurnLatency
from media.wav import WavHeader, encode_header
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.store_world import NOW, TENANT, add_agent, begun_call, claimed_task

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "test.db")) as opened:
        await add_agent(opened)
        yield opened


def failed(seq: int, call_id: str, *, fatal: bool) -> media.LegFailed:
    return media.LegFailed(
        seq=seq, call_id=call_id, at_unix_ms=NOW, code="insufficient_quota", message="Pay first.", fatal=fatal
    )


async def test_a_refused_account_holds_its_tenant_once(db: SqliteDatabase) -> None:
    call = await begun_call(db, await claimed_task(db))
    await reports.store(db, "w", failed(1, call.id, fatal=False))
    assert await holds.active(db, TENANT) is None
    for seq in (2, 3):
        await reports.store(db, "w", failed(seq, call.id, fatal=True))
    hold = await holds.active(db, TENANT)
    assert hold is not None
    assert (hold.code, hold.message, hold.call_id) == ("insufficient_quota", "Pay first.", call.id)
    assert await holds.active(db, "somebody else") is None
    assert await holds.lift(db, TENANT) == 1
    assert await holds.active(db, TENANT) is None


async def test_latency_is_stored_with_the_turn(db: SqliteDatabase) -> None:
    call = await begun_call(db, await claimed_task(db))
    latency = TurnLatency(
        response_id="resp_1", stop_to_response_ms=40, response_to_delta_ms=310, delta_to_rtp_ms=12
    )
    spoken = media.TurnSpoken(
        seq=1, call_id=call.id, at_unix_ms=NOW, speaker="agent", item_id="i", text="hi", start_audio_ms=1,
        end_audio_ms=2, latency=latency,
    )  # fmt: skip
    await reports.store(db, "w", spoken)
    (turn,) = await transcripts.list_turns(db, TENANT, call.id)
    assert (turn.response_id, turn.delay_ms) == ("resp_1", 362)


def test_delays_in_words() -> None:
    def turn(ms: int | None) -> Turn:
        return Turn(
            speaker="agent", item_id=str(ms), text="x", stop_to_response_ms=ms, response_to_delta_ms=300,
            delta_to_rtp_ms=10,
        )  # fmt: skip

    assert describe_delays([turn(None), Turn(speaker="callee", item_id="c", text="y")]) == ""
    said = describe_delays([turn(ms) for ms in (*range(0, 100, 5), None)])
    assert said.startswith("after 360 ms (p50), 405 ms (p95) of silence, 20 answers; of that the model's")


def wav(path: Path, *, rate_hz: int = 16000, channels: int = 1, ms: int = 500) -> str:
    data = bytes(2 * channels * rate_hz * ms // 1000)
    header = WavHeader(channels=channels, rate_hz=rate_hz, data_bytes=len(data))
    path.write_bytes(encode_header(header) + data)
    return str(path)


def test_sounds_without_a_model(tmp_path: Path) -> None:
    assert len(sound("", RISING_HZ, "audio/pcmu")) == 440 * 8
    assert len(sound("", RISING_HZ, "audio/pcm")) == 440 * 48
    assert sound("", RISING_HZ, "audio/pcmu") != sound("", FALLING_HZ, "audio/pcmu")
    assert len(sound(wav(tmp_path / "a.wav"), RISING_HZ, "audio/pcma")) == 500 * 8
    for bad in (wav(tmp_path / "b.wav", channels=2), wav(tmp_path / "c.wav", ms=6000), str(tmp_path / "none.wav")):
        with pytest.raises(ConfigError, match=r"clip .*(b|c|none)\.wav"):
            sound(bad, RISING_HZ, "audio/pcmu")
