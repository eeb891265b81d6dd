"""Deliberately wrong control processes: the proofs of the dial protocol must find each of them out."""

from collections.abc import Awaitable, Callable

from app.calls import second_leg, settle
from app.store.db import Database
from stasis import runner
from stasis.errors import NeverMade, NotFound

NAMES = ("reset_and_retry", "missing_is_never_made", "forgets_the_talk")


async def _reset(db: Database) -> None:
    """What plain job queues do on start: whatever was in progress is due again."""
    async with db.tx() as tx:
        await tx.execute(
            "UPDATE calls SET state = 'ended', outcome = 'failed', ended_by = 'system_failure', "
            "ended_ms = created_ms WHERE state <> 'ended'"
        )
        await tx.execute(
            "UPDATE tasks SET state = 'pending', lease_owner = NULL, lease_until = NULL, "
            "current_attempt_count = 0 WHERE state IN ('claimed', 'in_call', 'analyzing')"
        )


_BEFORE_START: dict[str, Callable[[Database], Awaitable[None]]] = {"reset_and_retry": _reset}


async def before_start(mutant: str, db: Database) -> None:
    """Called by each control process before its engine runs."""
    if mutant in _BEFORE_START:
        await _BEFORE_START[mutant](db)


async def _never_made(_client: object, _channel_id: str, missing: NotFound, _dialed: int | None) -> NotFound:
    """A channel that is not there was never there."""
    return NeverMade(missing.status, missing.message, missing.method, missing.path)


async def _nothing(_self: second_leg.SecondLeg, _cut: object) -> list[object]:
    return []


def apply(mutant: str) -> None:
    """Called once, before any control process is forked."""
    match mutant:
        case "missing_is_never_made":
            runner.testimony = settle.testimony = _never_made  # type: ignore[assignment]
            settle.RING_GRACE_S = -3600.0  # type: ignore[misc]
        case "forgets_the_talk":
            second_leg.SecondLeg._turns = _nothing  # type: ignore[method-assign, assignment]
        case _:
            pass
