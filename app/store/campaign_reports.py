"""Rows of `campaign_reports`: which reports wait to be written, and what was written.

A waiting row is claimed by a lease of its own and a growing token, so that two engines on one store write one
report, and a late one of them nothing.
"""

from typing import Literal

import msgspec

from app.domain.report import Number
from app.domain.report_words import ReportWords
from app.errors import ConflictError, LeaseLost
from app.ids import new_id
from app.store import budgets, outbox
from app.store.db import Database, Reader, Tx, Writer
from app.store.rows import to_params, to_struct, with_columns, with_values

Kind = Literal["final", "interim"]
BATCH = 20
DAY_MS = 24 * 3_600_000
INTERIM_A_DAY = 24


class CampaignReport(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `numbers` and `words` are JSON, `[]` and `{}` until it is done; `asked` counts answers."""

    id: str
    tenant_id: str
    campaign_id: str
    kind: Kind
    state: Literal["waiting", "done"]
    requested_by: str
    tries: int
    next_try_ms: int
    last_error: str
    lease_owner: str | None
    lease_token: int
    lease_until: int | None
    written_by: Literal["", "model", "code"]
    numbers: str
    words: str
    model: str
    prompt_version: str
    asked: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_micro_usd: int | None
    price_table: str
    created_ms: int
    done_ms: int | None

    @property
    def read_numbers(self) -> tuple[Number, ...]:
        """The numbers, once it is done."""
        return msgspec.json.decode(self.numbers, type=tuple[Number, ...])

    @property
    def read_words(self) -> ReportWords | None:
        """The words, once it is done."""
        return msgspec.json.decode(self.words, type=ReportWords) if self.words != "{}" else None


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What was written and what it cost. `cost_micro_usd` None: a model without a known price answered."""

    written_by: Literal["model", "code"]
    numbers: tuple[Number, ...]
    words: ReportWords
    model: str = ""
    prompt_version: str = ""
    asked: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_micro_usd: int | None = 0
    price_table: str = ""


_INSERT = with_values(
    "INSERT INTO campaign_reports ($columns) VALUES ($values) ON CONFLICT DO NOTHING", CampaignReport
)
_OVER = "SELECT id, tenant_id FROM campaigns WHERE closing = 2 ORDER BY id LIMIT :limit"
_CLOSED = "UPDATE campaigns SET closing = 3 WHERE id = :campaign_id AND closing = 2"
_GET = with_columns(
    "SELECT $columns FROM campaign_reports WHERE tenant_id = :tenant_id AND id = :id", CampaignReport
)
_NEWEST = with_columns(
    """
    SELECT $columns FROM campaign_reports WHERE tenant_id = :tenant_id AND campaign_id = :campaign_id
    ORDER BY created_ms DESC, id DESC LIMIT :limit
    """,
    CampaignReport,
)
_CLAIM = with_columns(
    """
    UPDATE campaign_reports SET lease_owner = :owner, lease_token = lease_token + 1, lease_until = :lease_until
    WHERE state = 'waiting' AND id IN (
        SELECT id FROM campaign_reports WHERE state = 'waiting' AND next_try_ms <= :now_ms
            AND (lease_until IS NULL OR lease_until < :now_ms)
        ORDER BY next_try_ms, id LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING $columns
    """,
    CampaignReport,
)
_LET_GO = """
    UPDATE campaign_reports SET lease_owner = NULL, lease_until = NULL
    WHERE state = 'waiting' AND lease_owner = :owner
"""
_LAST_OF_DAY = """
    SELECT created_ms FROM campaign_reports WHERE tenant_id = :tenant_id AND campaign_id = :campaign_id
        AND kind = 'interim' AND state = 'done' ORDER BY created_ms DESC, id DESC LIMIT 1 OFFSET :skip
"""
_NEXT_TRY = "SELECT min(next_try_ms) FROM campaign_reports WHERE state = 'waiting'"
_DEFER = """
    UPDATE campaign_reports SET tries = tries + 1, next_try_ms = :next_try_ms, last_error = :error,
        lease_owner = NULL, lease_until = NULL, cost_micro_usd = cost_micro_usd + :cost_micro_usd
    WHERE id = :id AND state = 'waiting' AND lease_token = :token
"""
_FINISH = """
    UPDATE campaign_reports SET state = 'done', done_ms = :now_ms, lease_owner = NULL, lease_until = NULL,
        written_by = :written_by, numbers = :numbers, words = :words, model = :model,
        prompt_version = :prompt_version, asked = :asked, input_tokens = :input_tokens,
        cached_tokens = :cached_tokens, output_tokens = :output_tokens,
        cost_micro_usd = cost_micro_usd + :cost_micro_usd, price_table = :price_table
    WHERE id = :id AND state = 'waiting' AND lease_token = :token
"""


async def ask(sql: Writer, tenant_id: str, campaign_id: str, kind: Kind, *, by: str, now_ms: int) -> bool:
    """Let a report wait to be written. False: one waits already, or (final) there is one. Raises ConflictError for
    more than `INTERIM_A_DAY` of a campaign within a day: each costs answers of the model.
    """
    if kind == "interim" and now_ms < await interim_from_ms(sql, tenant_id, campaign_id):
        raise ConflictError(
            f"This campaign got {INTERIM_A_DAY} reports within a day; the newest of them is shown.",
            code="too_many_reports",
        )
    fresh = CampaignReport(
        id=new_id(now_ms),
        tenant_id=tenant_id,
        campaign_id=campaign_id,
        kind=kind,
        state="waiting",
        requested_by=by,
        tries=0,
        next_try_ms=now_ms,
        last_error="",
        lease_owner=None,
        lease_token=0,
        lease_until=None,
        written_by="",
        numbers="[]",
        words="{}",
        model="",
        prompt_version="",
        asked=0,
        input_tokens=0,
        cached_tokens=0,
        output_tokens=0,
        cost_micro_usd=0,
        price_table="",
        created_ms=now_ms,
        done_ms=None,
    )
    return await sql.execute(_INSERT, to_params(fresh)) == 1


async def interim_from_ms(sql: Reader, tenant_id: str, campaign_id: str) -> int:
    """From when on (unix ms) another report of the campaign so far may be asked for; 0 if it got few so far."""
    params = {"tenant_id": tenant_id, "campaign_id": campaign_id, "skip": INTERIM_A_DAY - 1}
    row = await sql.one(_LAST_OF_DAY, params)
    return 0 if row is None else row[0] + DAY_MS


async def queue_finals(db: Database, now_ms: int) -> int:
    """Ask for the report of every campaign that is over and has none; answers how many."""
    over = await db.fetch(_OVER, {"limit": BATCH})
    for campaign_id, tenant_id in over:
        async with db.tx() as tx:
            if await tx.execute(_CLOSED, {"campaign_id": campaign_id}) == 1:
                await ask(tx, tenant_id, campaign_id, "final", by="the end of the campaign", now_ms=now_ms)
    return len(over)


async def claim_due(sql: Writer, now_ms: int, owner: str, lease_ms: int, limit: int) -> list[CampaignReport]:
    """Claim reports that are due, longest waiting first; each goes to one caller only."""
    params = {"owner": owner, "now_ms": now_ms, "lease_until": now_ms + lease_ms, "limit": limit}
    return [to_struct(CampaignReport, row) for row in await sql.change(_CLAIM, params)]


async def let_go(sql: Writer, owner: str) -> int:
    """Give back what a former process of this name held when it stopped."""
    return await sql.execute(_LET_GO, {"owner": owner})


async def next_try_ms(sql: Reader) -> int | None:
    """When the next report is due; None when none waits."""
    row = await sql.one(_NEXT_TRY)
    return row[0] if row else None


async def get(sql: Reader, tenant_id: str, report_id: str) -> CampaignReport | None:
    """One report."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "id": report_id})
    return None if row is None else to_struct(CampaignReport, row)


async def of_campaign(sql: Reader, tenant_id: str, campaign_id: str, limit: int = 20) -> list[CampaignReport]:
    """The reports of a campaign, newest first, waiting ones too."""
    params = {"tenant_id": tenant_id, "campaign_id": campaign_id, "limit": limit}
    return [to_struct(CampaignReport, row) for row in await sql.fetch(_NEWEST, params)]


async def defer(
    tx: Tx, report: CampaignReport, error: str, *, next_try_ms: int, cost_micro_usd: int | None = 0, now_ms: int
) -> None:
    """The model gave no answer, maybe after some that cost (None: unknown, and so is the sum from then on): the
    report goes on waiting. Raises LeaseLost.
    """
    params = {"id": report.id, "token": report.lease_token, "error": error[:500], "next_try_ms": next_try_ms}
    if await tx.execute(_DEFER, params | {"cost_micro_usd": cost_micro_usd}) != 1:
        raise _lost()
    await _charge(tx, report, cost_micro_usd, now_ms)


async def finish(tx: Tx, report: CampaignReport, written: Written, now_ms: int) -> None:
    """Store a report once, tell webhooks, and charge what it cost to the campaign and the tenant's month. Raises
    LeaseLost; then nothing was written.
    """
    params = to_params(written) | {
        "id": report.id,
        "token": report.lease_token,
        "numbers": msgspec.json.encode(written.numbers).decode(),
        "words": msgspec.json.encode(written.words).decode(),
        "now_ms": now_ms,
    }
    ready = {
        "report_id": report.id,
        "campaign_id": report.campaign_id,
        "kind": report.kind,
        "written_by": written.written_by,
        "numbers": {one.name: one.value for one in written.numbers},
        "headline": written.words.headline,
        "summary": written.words.summary,
    }
    await outbox.note(tx, report.tenant_id, "report.ready", report.campaign_id, ready, now_ms=now_ms)
    if await tx.execute(_FINISH, params) != 1:
        raise _lost()
    await _charge(tx, report, written.cost_micro_usd, now_ms)


async def _charge(tx: Tx, report: CampaignReport, cost_micro_usd: int | None, now_ms: int) -> None:
    if not cost_micro_usd:
        return
    accounts = (
        budgets.campaign(report.campaign_id, None),
        budgets.tenant_month(report.tenant_id, None, now_ms),
    )
    for account in accounts:
        await budgets.charge(tx, account, cost_micro_usd)


def _lost() -> LeaseLost:
    return LeaseLost("Another process has taken this report over; this one must not touch it any more.")
