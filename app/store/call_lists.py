"""Lists of calls, newest first, a page at a time.

Whatever is asked for, a page costs the same: it looks at the next LOOKED calls by an index and shows those of them
that fit. When few fit it says how far back it has looked, and the next page goes on there; nothing is counted.
"""

from typing import Literal

import msgspec

from app.domain.call import CallState
from app.store.db import Reader
from app.store.rows import to_struct

LOOKED = 4_000
LOOKED_TEXT = 1_000
"""Calls a page looks at when words are searched in their transcripts."""
NEVER_MS = 1 << 47


class Place(msgspec.Struct, frozen=True):
    """A position in the list: calls older than this one follow."""

    created_ms: int
    call_id: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed to; None or empty narrows nothing. Times are UTC epoch milliseconds.

    `text` is looked for in the callee's name and (`in_words`) in what was said; `number` is a LIKE pattern of
    digits that is as good as the text.
    """

    state: CallState | Literal["alive"] | None = None
    outcome: str | None = None
    ended_by: str | None = None
    campaign_id: str | None = None
    agent_id: str | None = None
    from_ms: int = 0
    until_ms: int = NEVER_MS
    text: str = ""
    number: str = ""
    in_words: bool = True

    @property
    def narrow(self) -> bool:
        """Whether not every call that is looked at has to fit."""
        both_lanes = self.agent_id and self.campaign_id
        return bool(self.state or self.outcome or self.ended_by or self.text or both_lanes)


class ListedCall(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a list."""

    id: str
    state: CallState
    direction: str
    outcome: str | None
    ended_by: str | None
    hangup_cause: int | None
    answered_by: str
    detail: str
    number_requested: str
    number_dialed: str
    attempt_number: int
    task_id: str
    campaign_id: str | None
    agent_id: str
    created_ms: int
    answered_ms: int | None
    ended_ms: int | None
    cost_micro_usd: int
    recorded: bool
    callee_name: str
    agent_name: str
    campaign_name: str | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The calls that fit, newest first. `older`: up to where was looked, to go on there; None at the end."""

    calls: list[ListedCall]
    older: Place | None


_PLACE = """
    created_ms >= :from_ms AND created_ms <= :before_ms AND (created_ms < :before_ms OR id < :before_id)
"""
_LOOKED = f"""
    SELECT id, created_ms FROM calls WHERE tenant_id = :tenant_id AND $lane {_PLACE}
    ORDER BY created_ms DESC, id DESC LIMIT :looked
"""  # noqa: S608 - constants
_LIVING = f"""
    SELECT id, created_ms FROM calls
    WHERE tenant_id = :tenant_id AND state <> 'ended' AND task_id IN (
        SELECT id FROM tasks WHERE campaign_id = :campaign_id AND state IN ('claimed', 'in_call')) AND {_PLACE}
    ORDER BY created_ms DESC, id DESC LIMIT :looked
"""  # noqa: S608 - constants
_PAGE = """
    SELECT c.id, c.state, c.direction, c.outcome, c.ended_by, c.hangup_cause, c.answered_by, c.detail,
        c.number_requested, c.number_dialed, c.attempt_number, c.task_id, t.campaign_id, c.agent_id, c.created_ms,
        c.answered_ms, c.ended_ms, c.cost_micro_usd,
        CASE WHEN c.recording_path IS NULL THEN 0 ELSE 1 END, t.callee_name, a.name,
        (SELECT g.name FROM campaigns g WHERE g.id = t.campaign_id)
    FROM ($looked) seen JOIN calls c ON c.id = seen.id JOIN tasks t ON t.id = c.task_id
        JOIN agents a ON a.id = c.agent_id
    WHERE (:state = '' OR c.state = :state OR (:state = 'alive' AND c.state <> 'ended'))
        AND (:outcome = '' OR c.outcome = :outcome)
        AND (:ended_by = '' OR c.ended_by = :ended_by)
        AND (:agent_id = '' OR c.agent_id = :agent_id)
        AND (:typed = '' OR lower(t.callee_name) LIKE :lowered ESCAPE '!' OR t.callee_name LIKE :typed ESCAPE '!'
            OR (:number <> '' AND (c.number_requested LIKE :number OR c.number_dialed LIKE :number))
            OR (:in_words = 1 AND EXISTS (SELECT 1 FROM call_transcripts w WHERE w.call_id = c.id
                AND (lower(w.text) LIKE :lowered ESCAPE '!' OR w.text LIKE :typed ESCAPE '!'))))
    ORDER BY seen.created_ms DESC, seen.id DESC LIMIT :limit
"""
_ENDED_OF_CAMPAIGN = _LOOKED.replace("$lane", "campaign_id = :campaign_id AND state = 'ended' AND")
_LANES = {
    "": _LOOKED.replace("$lane", ""),
    "agent": _LOOKED.replace("$lane", "agent_id = :agent_id AND"),
    "campaign": f"""
        SELECT id, created_ms FROM (
            SELECT id, created_ms FROM ({_ENDED_OF_CAMPAIGN}) ended
            UNION ALL SELECT id, created_ms FROM ({_LIVING}) living) either
        ORDER BY created_ms DESC, id DESC LIMIT :looked
    """,  # noqa: S608 - constants
}
"""The calls a page looks at. Of a campaign those that live, and those that ended and had been dialed."""
_LISTS = {lane: _PAGE.replace("$looked", looked) for lane, looked in _LANES.items()}
_LAST_LOOKED = {
    lane: f"SELECT created_ms, id FROM ({looked}) seen ORDER BY created_ms DESC, id DESC LIMIT 1 OFFSET :skip"  # noqa: S608 - constants
    for lane, looked in _LANES.items()
}


async def page(sql: Reader, tenant_id: str, wanted: Wanted, *, after: Place | None, limit: int = 50) -> Page:
    """The next `limit` calls after a place (None: from the newest). Fewer, and `older` set: look further there."""
    by_text = bool(wanted.text and wanted.in_words)
    looked = (LOOKED_TEXT if by_text else LOOKED) if wanted.narrow else limit + 1
    lane = "campaign" if wanted.campaign_id else "agent" if wanted.agent_id else ""
    before = after if after is not None and after.created_ms < wanted.until_ms else Place(wanted.until_ms, "")
    where = {
        "tenant_id": tenant_id,
        "from_ms": wanted.from_ms,
        "before_ms": before.created_ms,
        "before_id": before.call_id,
        **({"campaign_id": wanted.campaign_id} if lane == "campaign" else {}),
        **({"agent_id": wanted.agent_id} if lane == "agent" else {}),
    }
    rows = await sql.fetch(_LISTS[lane], {**where, **_narrowed(wanted), "looked": looked, "limit": limit + 1})
    found = [to_struct(ListedCall, row) for row in rows]
    if len(found) > limit:
        last = found[limit - 1]
        return Page(calls=found[:limit], older=Place(last.created_ms, last.id))
    seen = await sql.one(_LAST_LOOKED[lane], {**where, "looked": looked, "skip": looked - 1})
    return Page(calls=found, older=Place(*seen) if seen is not None else None)


def _narrowed(wanted: Wanted) -> dict[str, str | int]:
    text = wanted.text.strip()
    plain = text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return {
        "state": wanted.state or "",
        "outcome": wanted.outcome or "",
        "ended_by": wanted.ended_by or "",
        "agent_id": wanted.agent_id or "",
        "typed": f"%{plain}%" if plain else "",
        "lowered": f"%{plain.lower()}%",
        "number": wanted.number,
        "in_words": int(wanted.in_words),
    }
