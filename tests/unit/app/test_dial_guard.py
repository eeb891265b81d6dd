"""The wall in front of Asterisk, and why an engine holds dialing."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.calls.dial_guard import DialGuard
from app.clock import ManualClock
from app.domain.call import Call, CallState
from app.domain.transfer import CallTransfer
from app.store.sqlite import SqliteDatabase
from media.report_types import WorkerLoad
from stasis.errors import NotSent
from stasis.requests import Originate
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.call_world import switchboard
from tests.unit.app.store_world import NOW, NUMBER, SITE, add_agent, begun_call, claimed_task

pytestmark = pytest.mark.anyio
ENDPOINT = "PJSIP/{number}@trunk"
REDIRECT = "+15551009999"


async def committed(folder: Path) -> Call:
    async with SqliteDatabase(fresh_sqlite(folder / "test.db")) as db:
        await add_agent(db)
        return await begun_call(db, await claimed_task(db))


def asked(endpoint: str = f"PJSIP/{NUMBER}@trunk", channel_id: str = "od-1") -> Originate:
    return Originate(endpoint=endpoint, app="a", channel_id=channel_id, timeout_s=5)


async def test_a_committed_number_passes_once_and_nothing_else(tmp_path: Path) -> None:
    guard, call = DialGuard(SITE, ENDPOINT), await committed(tmp_path)
    with pytest.raises(NotSent, match="no intent"):
        guard.check(asked())
    guard.permit("od-1", call)
    guard.check(asked())
    with pytest.raises(NotSent, match="no intent"):
        guard.check(asked())  # used up: dialing is at most once
    wrong = ("PJSIP/+15550000000@trunk", f"PJSIP/{NUMBER}@other", f"PJSIP/{NUMBER}&PJSIP/+15550000000@trunk")
    for endpoint in wrong:
        guard.permit("od-1", call)
        with pytest.raises(NotSent, match="another number"):
            guard.check(asked(endpoint))
    guard.permit("od-1", call)
    with pytest.raises(NotSent, match="no intent"):
        guard.check(asked(channel_id="od-2"))


async def test_test_mode_lets_the_redirect_number_through_alone(tmp_path: Path) -> None:
    call = await committed(tmp_path)
    guard = DialGuard(msgspec.structs.replace(SITE, test_mode=True, redirect=REDIRECT), ENDPOINT)
    with pytest.raises(NotSent, match="test mode"):
        guard.permit("od-1", call)
    guard.permit("od-1", msgspec.structs.replace(call, number_dialed=REDIRECT))
    guard.check(asked(f"PJSIP/{REDIRECT}@trunk"))
    nowhere = DialGuard(msgspec.structs.replace(SITE, test_mode=True, redirect=""), ENDPOINT)
    with pytest.raises(NotSent, match="test mode"):
        nowhere.permit("od-1", msgspec.structs.replace(call, number_dialed=""))


@pytest.mark.parametrize("change", [{"state": CallState.PREPARE}, {"state": CallState.ENDED}, {"dialed": False}])
async def test_only_a_committed_row_is_a_permit(tmp_path: Path, change: dict[str, Any]) -> None:
    call = msgspec.structs.replace(await committed(tmp_path), **change)
    with pytest.raises(NotSent, match="no intent"):
        DialGuard(SITE, ENDPOINT).permit("od-1", call)


def transfer(**changes: Any) -> CallTransfer:
    fields: dict[str, Any] = {
        "call_id": "c",
        "seq": 1,
        "tenant_id": "default",
        "target": "billing",
        "mode": "cold",
    }
    fields |= {"number": NUMBER, "number_dialed": NUMBER, "reason": "", "wanted_by": "agent", "state": "dialing"}
    return CallTransfer(**{**fields, "outcome": None, "detail": "", "dialing_ms": NOW, **changes})


def test_a_transfer_passes_once_by_its_committed_row() -> None:
    guard = DialGuard(SITE, ENDPOINT)
    guard.permit_transfer("od-1", transfer())
    guard.check(asked())
    with pytest.raises(NotSent, match="no intent"):
        guard.check(asked())
    with pytest.raises(NotSent, match="no intent"):
        guard.permit_transfer("od-1", transfer(state="over"))
    mode = DialGuard(msgspec.structs.replace(SITE, test_mode=True, redirect=REDIRECT), ENDPOINT)
    with pytest.raises(NotSent, match="test mode"):
        mode.permit_transfer("od-1", transfer())
    mode.permit_transfer("od-1", transfer(number_dialed=REDIRECT))
    mode.check(asked(f"PJSIP/{REDIRECT}@trunk"))


async def test_a_late_media_worker_and_a_clock_set_back_hold_dialing(tmp_path: Path) -> None:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "test.db")) as db:
        board = switchboard(db)
        clock = board.clock
        assert isinstance(clock, ManualClock)
        assert board.readiness.hold() is None
        late = WorkerLoad(
            seq=0,
            call_id="",
            at_unix_ms=NOW,
            legs=30,
            tick_late_p99_ms=40.0,
            tick_late_max_ms=90.0,
            slots_skipped=0,
            unknown_source_packets=0,
            send_errors=0,
        )
        board.media.load = late
        held = board.readiness.hold()
        assert held is not None
        assert "40 ms late with 30 calls" in held.reason
        clock.advance(16)  # an old report says nothing about now
        assert board.readiness.hold() is None
        clock.jump_wall(-3_600)
        held = board.readiness.hold()
        assert held is not None
        assert "set back" in held.reason
        clock.advance(61)
        assert board.readiness.hold() is None
