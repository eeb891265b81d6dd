"""Public do-not-call registries as imported: `registries` and `registry_numbers`. An import replaces the last
one.
"""

from collections.abc import Iterable

import msgspec

from app.domain.admission_facts import Registry
from app.domain.number import DIALLABLE
from app.errors import ValidationFailed
from app.store.db import Reader, Tx

_ADD = """
    INSERT INTO registries (name, imported_ms, numbers) VALUES (:name, :now_ms, :numbers)
    ON CONFLICT (name) DO UPDATE SET imported_ms = excluded.imported_ms, numbers = excluded.numbers
"""
_CLEAR = "DELETE FROM registry_numbers WHERE registry = :name"
_NUMBER = "INSERT INTO registry_numbers (registry, number) VALUES (:name, :number)"
_ONE = """
    SELECT r.imported_ms, (SELECT count(*) FROM registry_numbers n WHERE n.registry = r.name AND n.number =
    :number) FROM registries r WHERE r.name = :name
"""
_ALL = "SELECT name, imported_ms, numbers FROM registries ORDER BY name"


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """One registry and its last import."""

    name: str
    imported_ms: int
    numbers: int


async def replace(tx: Tx, name: str, numbers: Iterable[str], now_ms: int) -> int:
    """Import a registry whole; answers how many numbers it has. Raises ValidationFailed for one not in E.164."""
    wanted = sorted(set(numbers))
    bad = next((number for number in wanted if DIALLABLE.match(number) is None or number[:1] != "+"), None)
    if bad is not None:
        raise ValidationFailed(
            f"{bad[:40]!r} is not a number in E.164 form, like +12025550123; nothing was imported."
        )
    await tx.execute(_ADD, {"name": name, "now_ms": now_ms, "numbers": len(wanted)})
    await tx.execute(_CLEAR, {"name": name})
    await tx.many(_NUMBER, [{"name": name, "number": number} for number in wanted])
    return len(wanted)


async def asked(sql: Reader, names: Iterable[str], number: str) -> dict[str, Registry]:
    """What each registry says about a number; one that was never imported is left out."""
    found: dict[str, Registry] = {}
    for name in names:
        row = await sql.one(_ONE, {"name": name, "number": number})
        if row is not None:
            found[name] = Registry(imported_ms=row[0], listed=row[1] > 0)
    return found


async def list_imported(sql: Reader) -> list[Imported]:
    """Every registry, by name."""
    return [Imported(name=row[0], imported_ms=row[1], numbers=row[2]) for row in await sql.fetch(_ALL)]
