"""PostgreSQL's error codes (SQLSTATE, PostgreSQL manual appendix A) as errors of ours."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from app.errors import ConstraintFailed, DatabaseBusy, StoreError, ValidationFailed

_BUSY = frozenset({"40001", "40P01", "55P03", "57014", "53300", "57P03", "25P03"})
"""Serialization, deadlock, lock or statement timeout, too many connections, starting up, idle in transaction."""
_HINTS = {
    "53100": "The disk of the database is full. Make room; calls in progress go on.",
    "25006": "The database only reads now (a standby?). Point DATABASE_URL at the primary.",
    "42501": "The database user may not do this. Give it the rights that `opendeep doctor` names.",
    "28P01": "The database refused user or password. Check DATABASE_URL.",
    "28000": "The database refused this user or address. Check DATABASE_URL and pg_hba.conf.",
    "3D000": "There is no such database. Create it, or check DATABASE_URL.",
}
_GONE = frozenset({"57P01", "57P02", "57P05"})
"""The server ends our session: shut down, crashed, or idle too long."""


@asynccontextmanager
async def as_store_errors(*, committing: bool = False) -> AsyncGenerator[None]:
    """Driver errors become ours. `committing`: a broken connection leaves open what happened (`store_unknown`)."""
    try:
        yield
    except asyncpg.PostgresError as error:
        raise _named(error, committing=committing) from error
    except (UnicodeEncodeError, OverflowError) as error:
        raise ValidationFailed(f"A value cannot be stored: {error}.") from error
    except asyncpg.exceptions.ClientConfigurationError:
        raise StoreError("DATABASE_URL cannot be used; see .env.example for its form.") from None
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):  # refused before sending
            raise ValidationFailed(f"A value cannot be stored: {error}.") from error
        raise _lost(error, committing=committing) from error


def _named(error: asyncpg.PostgresError, *, committing: bool) -> StoreError | ValidationFailed:
    code: str = getattr(error, "sqlstate", None) or ""
    if code.startswith("23"):
        return ConstraintFailed(f"The store refused the row: {error}.")
    if code in _BUSY:
        return DatabaseBusy("The database is busy with somebody else's work. Try again.")
    if code.startswith("22"):  # data exceptions; also what asyncpg refuses before it sends
        return ValidationFailed(f"A value cannot be stored: {error}.")
    if code in _GONE or code.startswith("08"):
        return _lost(error, committing=committing)
    return StoreError(_HINTS.get(code, f"The database failed: {error}."))


def _lost(error: BaseException, *, committing: bool) -> StoreError:
    if committing:
        text = "The connection broke during COMMIT; whether it was stored is open. Read it again."
        return StoreError(text, code="store_unknown")
    what = type(error).__name__
    return StoreError(f"The database cannot be reached ({what}). Check DATABASE_URL.", code="store_lost")
