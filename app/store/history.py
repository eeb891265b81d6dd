"""What happened on earlier calls, as admission asks it: calls to a number, answered and silent calls of a
campaign.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from app.domain.admission_facts import PastAttempt
from app.domain.erasure import number_hash
from app.domain.policy.pack import Rules
from app.store.db import Reader, SqlValue, Tx, Writer

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
ABANDONMENT_DAYS = 30
MIN_ANSWERED = 100
"""Of fewer answered calls a share says nothing: one silent call must not hold a campaign of ten."""
MOST_ATTEMPTS = 1_000
Result = Literal["unanswered", "answered", "refused", "silent"]

_TO_NUMBER = """
    SELECT dialing_ms, outcome, answered_ms, silent FROM calls
    WHERE number_dialed = :number AND dialed = 1 AND dialing_ms > :since_ms
    UNION ALL SELECT dialing_ms, outcome, answered_ms, silent FROM attempts_kept
    WHERE number_hash = :hash AND dialing_ms > :since_ms ORDER BY dialing_ms DESC LIMIT :limit
"""
_YOUNG = """
    SELECT number_dialed, dialing_ms, outcome, answered_ms, silent FROM calls WHERE tenant_id = :tenant_id
        AND id IN (SELECT value FROM json_each(:ids)) AND dialed = 1 AND dialing_ms > :since_ms
"""
_KEEP = """
    INSERT INTO attempts_kept (number_hash, dialing_ms, outcome, answered_ms, silent)
    VALUES (:hash, :dialing_ms, :outcome, :answered_ms, :silent)
"""
_RULES = "SELECT DISTINCT rules FROM tenants WHERE rules IS NOT NULL"
_NOTE = """
    INSERT INTO campaign_days (campaign_id, day, answered, silent) VALUES (:campaign_id, :day, 1, :silent)
    ON CONFLICT (campaign_id, day) DO UPDATE SET answered = campaign_days.answered + 1,
        silent = campaign_days.silent + excluded.silent
"""
_SUM = """
    SELECT coalesce(sum(answered), 0), coalesce(sum(silent), 0) FROM campaign_days
    WHERE campaign_id = :campaign_id AND day > :since_day
"""


async def attempts_to(sql: Reader, number: str, since_ms: int) -> tuple[PastAttempt, ...]:
    """Calls of anybody here that may have rung `number` (E.164, as dialed), newest first."""
    params = {"number": number, "hash": number_hash(number), "since_ms": since_ms, "limit": MOST_ATTEMPTS}
    return tuple(
        PastAttempt(at_ms=at_ms, result=_result(outcome, answered_ms, silent))
        for at_ms, outcome, answered_ms, silent in await sql.fetch(_TO_NUMBER, params)
    )


def looks_back_ms(every: Iterable[Rules]) -> int:
    """How far back rules about earlier calls look, a day at least."""
    hours = [24]
    for rules in every:
        hours += [limit.period_h for limit in rules.max_attempts]
        hours += rules.cool_off_h.values()
    return max(hours) * HOUR_MS


async def rules_of_tenants(sql: Reader) -> list[Rules]:
    """The rules tenants set for themselves, of all tenants. Raises msgspec errors for a damaged row."""
    return [msgspec.json.decode(row[0], type=Rules) for row in await sql.fetch(_RULES)]


async def keep_attempts(tx: Tx, tenant_id: str, call_ids: Iterable[str], since_ms: int) -> None:
    """Before the numbers of these calls go: remember the attempts since then without them."""
    params = {"tenant_id": tenant_id, "since_ms": since_ms, "ids": msgspec.json.encode(list(call_ids)).decode()}
    young: list[Mapping[str, SqlValue]] = [
        {
            "hash": number_hash(number),
            "dialing_ms": at,
            "outcome": outcome,
            "answered_ms": answered,
            "silent": silent,
        }
        for number, at, outcome, answered, silent in await tx.fetch(_YOUNG, params)
    ]
    if young:
        await tx.many(_KEEP, young)


async def forget_attempts(sql: Writer, before_ms: int) -> int:
    """No rule looks back so far any more."""
    return await sql.execute("DELETE FROM attempts_kept WHERE dialing_ms <= :before_ms", {"before_ms": before_ms})


def _result(outcome: str | None, answered_ms: int | None, silent: int) -> Result:
    if silent:
        return "silent"
    if outcome == "rejected":
        return "refused"
    return "unanswered" if answered_ms is None else "answered"


async def note_answered(tx: Tx, campaign_id: str, at_ms: int, *, silent: bool) -> None:
    """Count a call of a campaign that ended and that a person may have answered."""
    await tx.execute(_NOTE, {"campaign_id": campaign_id, "day": at_ms // DAY_MS, "silent": int(silent)})


async def abandoned_percent(sql: Reader, campaign_id: str, now_ms: int) -> float:
    """Of the calls that people answered in 30 days (taken as MIN_ANSWERED at least), how many heard no agent."""
    params = {"campaign_id": campaign_id, "since_day": now_ms // DAY_MS - ABANDONMENT_DAYS}
    row = await sql.one(_SUM, params)
    answered, silent = row if row is not None else (0, 0)
    return 100.0 * silent / (answered if answered > MIN_ANSWERED else MIN_ANSWERED)
