"""The other time that a callee asked for, where no text model is asked: kept, or a person decides."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from app.calls.tools import Reschedule
from app.calls.wished_time import KIND, wished
from app.domain.analysis.when import Reach
from app.domain.policy.windows import CallingWindow, ZoneHours
from app.domain.policy.zones import Zones, zones_of
from app.domain.retry import Attempt
from app.domain.task import TaskEvent
from app.store.events import CallEvent
from stasis.outcome import EndedBy, Outcome

HOURS = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), ((540, 1200),))
NOW_MS = round(datetime(2027, 1, 15, 10, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("number", "zone", "words", "utc_hour"),
    [
        ("+34612345678", "", "tomorrow at four", None),
        ("+34612345678", "", "tomorrow at four, Madrid time", 15),
        ("+34612345678", "", "tomorrow at four, here in Canary", 16),
        ("+34612345678", "Europe/Madrid", "tomorrow at four", 15),
        ("+34912345678", "", "tomorrow at four", 15),
    ],
)
def test_an_hour_is_kept_only_where_one_clock_can_be_meant(
    number: str, zone: str, words: str, utc_hour: int | None
) -> None:
    zones = zones_of(number, zone)
    assert isinstance(zones, Zones)
    window = CallingWindow([ZoneHours(ZoneInfo(key), HOURS) for key in zones.keys])  # type: ignore[arg-type]
    reach = Reach(now_ms=NOW_MS, zones=zones, window=window, hold_s=40)
    noted = Reschedule(wished_words=words, wished_local="2027-01-16T16:00")
    event = CallEvent(seq=1, kind=KIND, at_ms=NOW_MS, data={"detail": msgspec.json.encode(noted).decode()})
    attempt = Attempt(
        outcome=Outcome.COMPLETED,
        ended_by=EndedBy.AGENT,
        dialed=True,
        answered=True,
        attempts=1,
        max_attempts=3,
        not_dialed_count=0,
    )
    found = wished(event, attempt, reach)
    assert found is not None
    if utc_hour is None:
        assert found.event is TaskEvent.ASK_USER
        assert "Canary or Madrid" in found.reason
    else:
        assert found.event is TaskEvent.RETRY
        assert found.retry_at_ms == round(datetime(2027, 1, 16, utc_hour, tzinfo=UTC).timestamp() * 1000)
