"""Recordings on a page: parts of files over HTTP, waveforms; files that are missing, cut short or foreign."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.call import Call, Turn
from app.domain.people import Role
from app.ids import new_id
from app.store import events, recordings
from app.store.recording_files import find, peaks
from media.wav import WavHeader, encode_header, interleave
from tests.unit.app.store_world import NOW, TENANT
from tests.unit.web.call_world import OTHER, CallHouse, call_house
from web.call_page.ranges import Span, read_range

RATE = 8_000


@pytest.fixture
def house(tmp_path: Path) -> Iterator[CallHouse]:
    with call_house(tmp_path) as made:
        yield made


def wav(seconds: float, *, loud_at_s: float = 0.5, cut_bytes: int = 0) -> bytes:
    """Silence, with a loud callee for 100 ms."""
    left, right = np.zeros(int(RATE * seconds), np.int16), np.zeros(int(RATE * seconds), np.int16)
    at = int(loud_at_s * RATE)
    left[at : at + RATE // 10] = -20_000
    right[:] = 200
    data = interleave(left, right)
    header = encode_header(WavHeader(channels=2, rate_hz=RATE, data_bytes=len(data)))
    return header + data[: len(data) - cut_bytes]


def recorded_call(house: CallHouse, content: bytes | None, *, stored: bool = True, ms: int = 2_000) -> Call:
    call = house.begin()
    house.answer(call)
    house.end(call)
    folder = house.settings.recordings_dir
    folder.mkdir(parents=True, exist_ok=True)
    if content is not None:
        (folder / f"{call.id}.wav").write_bytes(content)
    if stored:
        keep(house, call, f"/elsewhere/{call.id}.wav", ms, NOW + ms)
    return call


def keep(house: CallHouse, call: Call, path: str, ms: int, now_ms: int) -> None:
    async def store() -> None:
        async with house.db.tx() as tx:
            await recordings.add(tx, TENANT, call.id, path, ms, now_ms=now_ms)

    house.do(store)


@pytest.mark.parametrize(
    ("header", "size", "found"),
    [
        (None, 10, None),
        ("bytes=0-3", 10, Span(0, 3)),
        ("bytes=4-", 10, Span(4, 9)),
        ("bytes=-3", 10, Span(7, 9)),
        ("bytes=-99", 10, Span(0, 9)),
        ("bytes=0-99", 10, Span(0, 9)),
        ("BYTES = 2 - 2", 10, Span(2, 2)),
        ("bytes=10-", 10, False),
        ("bytes=-0", 10, False),
        ("bytes=0-", 0, False),
        ("bytes=5-2", 10, None),
        ("bytes=", 10, None),
        ("bytes=-", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("bytes=٣-٤", 10, None),
        ("bytes=1e3-", 10, None),
        ("items=0-1", 10, None),
        ("bytes=" + "9" * 5000 + "-", 10, None),
    ],
)
def test_what_a_range_asks_for(header: str | None, size: int, found: Span | bool | None) -> None:
    assert read_range(header, size) == found


@given(st.text(alphabet="bytes=-0123456789, ", max_size=30), st.integers(0, 1_000))
def test_no_header_reads_outside_the_file(header: str, size: int) -> None:
    span = read_range(header, size)
    if isinstance(span, Span):
        assert 0 <= span.first <= span.last < size


def test_the_recording_whole_and_in_parts(house: CallHouse) -> None:
    content = wav(2.0)
    call = recorded_call(house, content)
    path = f"/calls/{call.id}/audio/1"
    whole = house.ask(path)
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["content-type"] == "audio/wav"
    assert whole.headers["accept-ranges"] == "bytes"
    seed = random.randrange(1 << 30)
    choose = random.Random(seed)
    for _ in range(5):
        first = choose.randrange(len(content))
        last = choose.randrange(first, len(content))
        part = house.ask(path, headers={"range": f"bytes={first}-{last}"})
        assert (part.status_code, part.content) == (206, content[first : last + 1]), seed
        assert part.headers["content-range"] == f"bytes {first}-{last}/{len(content)}"
        assert part.headers["content-length"] == str(last - first + 1)
    beyond = house.ask(path, headers={"range": f"bytes={len(content)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(content)}")
    tag = whole.headers["etag"]
    assert house.ask(path, headers={"range": "bytes=0-1", "if-range": tag}).status_code == 206
    assert house.ask(path, headers={"range": "bytes=0-1", "if-range": '"older"'}).status_code == 200


def test_a_long_recording_is_sent_in_pieces(house: CallHouse) -> None:
    content = wav(60.0)
    call = recorded_call(house, content, ms=60_000)
    assert len(content) > 1_900_000
    assert house.ask(f"/calls/{call.id}/audio/1").content == content


def test_the_waveform_shows_who_was_loud_and_when(house: CallHouse) -> None:
    call = recorded_call(house, wav(2.0))
    (made,) = house.ask(f"/calls/{call.id}/peaks").json()
    assert made["part"] == {"number": 1, "offset_ms": 0, "duration_ms": 2_000}
    shape = made["peaks"]
    assert (shape["bucket_ms"], len(shape["callee"]), len(shape["agent"])) == (20, 100, 100)
    assert [n for n, value in enumerate(shape["callee"]) if value > 100] == [25, 26, 27, 28, 29]
    assert set(shape["agent"]) == {1}


def test_a_long_waveform_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "long.wav").write_bytes(wav(200.0, loud_at_s=199.8))
    shape = peaks(find(tmp_path, "long.wav"), 50)
    assert (shape.bucket_ms, len(shape.callee), len(shape.agent)) == (4_000, 50, 50)
    assert [n for n, value in enumerate(shape.callee) if value > 100] == [49]


def test_a_recording_that_was_cut_short_plays_up_to_its_end(house: CallHouse) -> None:
    call = recorded_call(house, wav(2.0, cut_bytes=RATE * 4 + 3))
    page = house.ask(f"/calls/{call.id}").text
    assert "The recording is cut short: 0:00 of 0:02 are there." in page
    (made,) = house.ask(f"/calls/{call.id}/peaks").json()
    assert made["part"]["duration_ms"] == 999
    assert house.ask(f"/calls/{call.id}/audio/1").status_code == 200


def test_a_file_nobody_reported_is_found_by_its_name(house: CallHouse) -> None:
    call = recorded_call(house, wav(1.0), stored=False)
    assert "the media worker died" in house.ask(f"/calls/{call.id}").text
    assert house.ask(f"/calls/{call.id}/audio/1").status_code == 200


def test_a_second_file_has_its_place_on_the_time_line(house: CallHouse) -> None:
    call = recorded_call(house, wav(2.0))
    (house.settings.recordings_dir / f"{call.id}.2.wav").write_bytes(wav(1.0))
    keep(house, call, f"/elsewhere/{call.id}.2.wav", 1_000, NOW + 6_000)
    made = house.ask(f"/calls/{call.id}/peaks").json()
    assert [(one["part"]["number"], one["part"]["offset_ms"]) for one in made] == [(1, 0), (2, 5_000)]


@pytest.mark.parametrize("content", [None, b"", b"RIFF", b"x" * 100, wav(0.1)[:20], b"\x00" * 44])
def test_a_missing_or_broken_file_is_told_and_never_a_fault(house: CallHouse, content: bytes | None) -> None:
    call = recorded_call(house, content)
    page = house.ask(f"/calls/{call.id}")
    assert page.status_code == 200
    assert re.search("The file of this recording (is not on this machine|cannot be read)", page.text)
    assert house.ask(f"/calls/{call.id}/peaks").json() == []
    assert house.ask(f"/calls/{call.id}/audio/1").status_code == 404


def test_a_recording_without_a_sample(house: CallHouse) -> None:
    call = recorded_call(house, wav(0.0), ms=0)
    (made,) = house.ask(f"/calls/{call.id}/peaks").json()
    assert made["peaks"]["callee"] == []


def test_no_path_leads_out_of_the_folder(house: CallHouse, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(wav(1.0))
    call = recorded_call(house, None, stored=False)
    keep(house, call, str(secret), 1_000, NOW)
    (house.settings.recordings_dir / f"{call.id}.wav").symlink_to(secret)
    keep(house, call, f"../{secret.name}", 1_000, NOW)
    assert house.ask(f"/calls/{call.id}/peaks").json() == []
    for part in ("1", "2", "0", "-1", "..%2f..%2fsecret.wav", secret.name):
        assert house.ask(f"/calls/{call.id}/audio/{part}").status_code == 404


def test_another_tenant_hears_nothing(house: CallHouse) -> None:
    call = recorded_call(house, wav(1.0))
    for suffix in ("peaks", "audio/1"):
        assert house.ask(f"/calls/{call.id}/{suffix}", Role.VIEWER).status_code == 200
        foreign = house.ask(f"/calls/{call.id}/{suffix}", tenant=OTHER)
        unknown = house.ask(f"/calls/{new_id(1)}/{suffix}")
        assert (foreign.status_code, foreign.text) == (404, unknown.text)


def test_a_living_call_is_not_played_yet(house: CallHouse) -> None:
    call = house.begin()
    assert house.ask(f"/calls/{call.id}/peaks").json() == []
    assert house.ask(f"/calls/{call.id}/audio/1").status_code == 404
    assert "can be heard when it has ended" in house.ask(f"/calls/{call.id}").text


def test_why_there_is_nothing_to_hear(house: CallHouse) -> None:
    silent = house.begin("+12025550124")
    house.end(silent, "no_answer")
    assert "Nobody answered, so there is nothing to hear." in house.ask(f"/calls/{silent.id}").text
    off = house.begin("+12025550125")
    house.answer(off)
    told = {"detail": "The calling rules say about recording: never."}
    house.do(lambda: events.add(house.db, TENANT, off.id, "recording_off", told, at_ms=NOW))
    house.end(off)
    assert "not recorded. The calling rules say about recording: never." in house.ask(f"/calls/{off.id}").text


def test_the_raw_file_names_no_path(house: CallHouse) -> None:
    call = recorded_call(house, wav(1.0))
    house.say(call, Turn(speaker="callee", item_id="i", text="x"))
    raw = house.ask(f"/calls/{call.id}/raw").text
    assert "/elsewhere" not in raw
    assert json.loads(raw)["recordings"] == [{"part": 1, "duration_ms": 2_000, "created_ms": NOW + 2_000}]
