"""Rows of `sign_in_failures`: after failed tries an account or an address waits a while. Nobody is locked out."""

from app.store.db import Reader, Writer

FREE_TRIES = 5
FIRST_WAIT_MS = 1_000
LONGEST_WAIT_MS = 15 * 60_000
FORGET_MS = 24 * 3_600_000
"""After a day without a try the count starts again."""

_COUNT = """
    INSERT INTO sign_in_failures (key, failures, until_ms, last_ms) VALUES (:key, 1, 0, :now_ms)
    ON CONFLICT (key) DO UPDATE SET last_ms = :now_ms,
        failures = CASE WHEN sign_in_failures.last_ms < :now_ms - :forget_ms THEN 1
                        ELSE sign_in_failures.failures + 1 END
    RETURNING failures
"""


def wait_ms(failures: int) -> int:
    """How long to wait after that many failures in a row: doubles after the free ones, up to 15 minutes."""
    if failures < FREE_TRIES:
        return 0
    return min(FIRST_WAIT_MS << min(failures - FREE_TRIES, 20), LONGEST_WAIT_MS)


async def waits_until_ms(sql: Reader, keys: list[str], now_ms: int) -> int | None:
    """Until when tries under one of these keys are refused; None: try."""
    latest = 0
    for key in keys:
        row = await sql.one("SELECT until_ms FROM sign_in_failures WHERE key = :key", {"key": key})
        latest = max(latest, row[0] if row else 0)
    return latest if latest > now_ms else None


async def failed(sql: Writer, keys: list[str], now_ms: int) -> None:
    """Count one more failure under each key."""
    for key in keys:
        rows = await sql.change(_COUNT, {"key": key, "now_ms": now_ms, "forget_ms": FORGET_MS})
        await sql.execute(
            "UPDATE sign_in_failures SET until_ms = :until_ms WHERE key = :key",
            {"key": key, "until_ms": now_ms + wait_ms(rows[0][0])},
        )


async def forgive(sql: Writer, key: str) -> None:
    """A success under this key."""
    await sql.execute("DELETE FROM sign_in_failures WHERE key = :key", {"key": key})
