"""Rows of `consents`: what a callee agreed to, by number and purpose, with its evidence."""

import msgspec

from app.domain.admission_facts import Consent
from app.domain.number import DIALLABLE
from app.domain.policy.pack import ConsentLevel, Purpose
from app.errors import ValidationFailed
from app.store.db import Reader, Writer

_GIVE = """
    INSERT INTO consents (tenant_id, number, purpose, level, evidence, given_ms, expires_ms, withdrawn_ms)
    VALUES (:tenant_id, :number, :purpose, :level, :evidence, :given_ms, :expires_ms, NULL)
    ON CONFLICT (tenant_id, number, purpose) DO UPDATE SET level = excluded.level, evidence = excluded.evidence,
        given_ms = excluded.given_ms, expires_ms = excluded.expires_ms, withdrawn_ms = NULL
"""
_WITHDRAW = """
    UPDATE consents SET withdrawn_ms = :now_ms
    WHERE tenant_id = :tenant_id AND number = :number AND withdrawn_ms IS NULL
"""
_GET = """
    SELECT level, given_ms, evidence, expires_ms, withdrawn_ms FROM consents
    WHERE tenant_id = :tenant_id AND number = :number AND purpose = :purpose
"""


class NewConsent(msgspec.Struct, frozen=True, kw_only=True):
    """What was agreed to. `evidence` says where that can be seen: a form's number, a call's id, a file."""

    number: str
    purpose: Purpose
    level: ConsentLevel
    evidence: str
    given_ms: int
    expires_ms: int | None = None


async def give(sql: Writer, tenant_id: str, new: NewConsent) -> None:
    """Store a consent; a newer one for the same purpose replaces it. Raises ValidationFailed."""
    if DIALLABLE.match(new.number) is None or not new.number.startswith("+"):
        raise ValidationFailed(f"{new.number!r} is not a number in E.164 form, like +12025550123.")
    if not new.evidence.strip():
        raise ValidationFailed("A consent needs its evidence: say where it can be seen.")
    await sql.execute(_GIVE, msgspec.structs.asdict(new) | {"tenant_id": tenant_id})


async def withdraw(sql: Writer, tenant_id: str, number: str, now_ms: int) -> int:
    """The callee takes back every consent; answers how many there were."""
    return await sql.execute(_WITHDRAW, {"tenant_id": tenant_id, "number": number, "now_ms": now_ms})


async def of_callee(sql: Reader, tenant_id: str, number: str, purpose: Purpose) -> Consent | None:
    """The consent to calls of this purpose, also one that was withdrawn or has run out."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "number": number, "purpose": purpose})
    if row is None:
        return None
    level, given_ms, evidence, expires_ms, withdrawn_ms = row
    return Consent(
        level=msgspec.convert(level, ConsentLevel),
        purposes=(purpose,),
        given_ms=given_ms,
        evidence=evidence,
        expires_ms=expires_ms,
        withdrawn_ms=withdrawn_ms,
    )
