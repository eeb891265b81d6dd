"""Rows of `consents`: what a callee agreed to, by number and purpose, with its evidence."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from app.domain.admission_facts import Consent
from app.domain.number import DIALLABLE
from app.domain.policy.pack import ConsentLevel, Purpose
from app.errors import ValidationFailed
from app.store.db import DIALING, Reader, Tx, Writer

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
_GIVE_MORE = f"""{_GIVE}    WHERE consents.withdrawn_ms IS NULL
"""
_OF_NUMBERS = """
    SELECT number, level, evidence, expires_ms, withdrawn_ms FROM consents
    WHERE tenant_id = :tenant_id AND purpose = :purpose AND number IN (SELECT value FROM json_each(:numbers))
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


async def give_many(tx: Tx, tenant_id: str, new: Sequence[NewConsent]) -> None:
    """Store consents out of a list, with their evidence. One that the callee withdrew stays withdrawn: a list
    that is brought in again knows nothing of that.
    """
    if new:
        await tx.many(_GIVE_MORE, [msgspec.structs.asdict(one) | {"tenant_id": tenant_id} for one in new])


async def of_numbers(
    sql: Reader, tenant_id: str, numbers: Sequence[str], purpose: Purpose, now_ms: int
) -> dict[str, ConsentLevel | Literal["withdrawn"]]:
    """Levels of consent that hold now, or that it was withdrawn; numbers without any are left out."""
    params = {
        "tenant_id": tenant_id,
        "purpose": purpose,
        "numbers": msgspec.json.encode(numbers).decode(),
    }
    found: dict[str, ConsentLevel | Literal["withdrawn"]] = {}
    for number, level, evidence, expires_ms, withdrawn_ms in await sql.fetch(_OF_NUMBERS, params):
        if withdrawn_ms is not None:
            found[number] = "withdrawn"
        elif evidence.strip() and (expires_ms is None or now_ms < expires_ms):
            found[number] = msgspec.convert(level, ConsentLevel)
    return found


async def withdraw(tx: Tx, tenant_id: str, number: str, now_ms: int) -> int:
    """The callee takes back every consent; answers how many there were. The first statement of its transaction:
    once it is committed, no intent to dial is.
    """
    await tx.exclusive(DIALING)
    return await tx.execute(_WITHDRAW, {"tenant_id": tenant_id, "number": number, "now_ms": now_ms})


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
