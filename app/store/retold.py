"""What somebody said on a call, told again elsewhere: quotes in reports of campaigns, why
something was held, and what webhooks tell of a campaign that called nobody else.

A report's words are walked through for number and names too (`app.store.free_text`); a quote that names nobody is
found by its call.
"""

from collections.abc import Mapping, Sequence

import msgspec

from app.domain.personal_data import ERASED, NO_WORDS
from app.domain.report_words import ReportWords
from app.store.db import SqlValue, Tx

Counts = Mapping[str, int]
"""Rows by table."""
_CAMPAIGNS = """
    SELECT DISTINCT t.campaign_id FROM tasks t WHERE t.tenant_id = :tenant_id AND t.campaign_id IS NOT NULL
        AND t.id IN (SELECT value FROM json_each(:tasks))
"""
_OF_NUMBER = "SELECT id FROM tasks WHERE tenant_id = :tenant_id AND number = :pseudonym"
_CALLS = """
    SELECT id FROM calls WHERE tenant_id = :tenant_id AND task_id IN (SELECT value FROM json_each(:tasks))
"""
_OTHERS = """
    SELECT 1 FROM tasks WHERE campaign_id = :campaign_id AND number <> :number AND number <> :pseudonym LIMIT 1
"""
_REPORTS = """
    SELECT id, words FROM campaign_reports WHERE tenant_id = :tenant_id AND campaign_id = :campaign_id
        AND state = 'done'
"""
_WORDS = """
    UPDATE campaign_reports SET words = :words, last_error = '' WHERE tenant_id = :tenant_id AND id = :id
"""
_DELIVERIES = """
    DELETE FROM webhook_deliveries WHERE coalesce(tenant_id, '') = :tenant_id
        AND event_id IN (SELECT e.id FROM webhook_events e WHERE e.subject = :campaign_id)
"""
_EVENTS = "DELETE FROM webhook_events WHERE coalesce(tenant_id, '') = :tenant_id AND subject = :campaign_id"

_HOLDS_OF_CALLS = f"""
    UPDATE legal_holds SET reason = '{ERASED}' WHERE tenant_id = :tenant_id AND lifted_ms IS NOT NULL
        AND kind = 'call' AND subject IN (SELECT value FROM json_each(:calls)) AND reason <> '{ERASED}'
"""  # noqa: S608 - a constant
_HOLDS = f"""
    UPDATE legal_holds SET reason = '{ERASED}' WHERE tenant_id = :tenant_id AND lifted_ms IS NOT NULL
        AND kind = 'campaign' AND subject = :campaign_id AND reason <> '{ERASED}'
"""  # noqa: S608 - a constant


async def forget_number(tx: Tx, tenant_id: str, number: str, stands: str) -> Counts:
    """As `forget`, for every task of a number that has its pseudonym already."""
    rows = await tx.fetch(_OF_NUMBER, {"tenant_id": tenant_id, "pseudonym": stands})
    return await forget(tx, tenant_id, [row[0] for row in rows], number, stands)


async def forget(tx: Tx, tenant_id: str, task_ids: Sequence[str], number: str, stands: str) -> Counts:
    """Drop quotes from reports that were said in calls of these tasks, all of one number. A campaign that called
    nobody else keeps no words at all, and webhooks keep nothing of it.
    """
    of: dict[str, SqlValue] = {"tenant_id": tenant_id, "tasks": msgspec.json.encode(task_ids).decode()}
    campaigns = [row[0] for row in await tx.fetch(_CAMPAIGNS, of)]
    calls = frozenset(row[0] for row in await tx.fetch(_CALLS, of))
    listed = msgspec.json.encode(sorted(calls)).decode()
    held = await tx.execute(_HOLDS_OF_CALLS, {"tenant_id": tenant_id, "calls": listed})
    done = {"legal_holds": held, "campaign_reports": 0, "webhook_deliveries": 0, "webhook_events": 0}
    for campaign_id in campaigns:
        this: dict[str, SqlValue] = {"tenant_id": tenant_id, "campaign_id": campaign_id}
        whose: dict[str, SqlValue] = {"campaign_id": campaign_id, "number": number, "pseudonym": stands}
        alone = await tx.one(_OTHERS, whose) is None
        for report_id, words in await tx.fetch(_REPORTS, this):
            left = NO_WORDS if alone else without_quotes(words, calls)
            if left != words:
                changed: dict[str, SqlValue] = {"tenant_id": tenant_id, "id": report_id, "words": left}
                done["campaign_reports"] += await tx.execute(_WORDS, changed)
        if alone:
            done["legal_holds"] += await tx.execute(_HOLDS, this)
            done["webhook_deliveries"] += await tx.execute(_DELIVERIES, this)
            done["webhook_events"] += await tx.execute(_EVENTS, this)
    return {name: rows for name, rows in done.items() if rows}


def without_quotes(words: str, calls: frozenset[str]) -> str:
    """The words of a report (JSON) without quotes out of these calls; the same text when there are none."""
    try:
        read = msgspec.json.decode(words, type=ReportWords)
    except msgspec.ValidationError:  # `{}`, or words a walk took something out of
        return words if not any(call_id in words for call_id in calls) else NO_WORDS
    quotes = tuple(one for one in read.quotes if one.call_id not in calls)
    if len(quotes) == len(read.quotes):
        return words
    return msgspec.json.encode(msgspec.structs.replace(read, quotes=quotes)).decode()
