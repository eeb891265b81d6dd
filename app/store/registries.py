"""Public do-not-call registries as imported: `registries` and `registry_numbers`.

A list has millions of numbers, so it is filled beside the one in force, a batch at a time, and takes its place in
one statement: nobody sees a half, and no writer waits long. `registries.name` is the registry's name, `/` and the
id of the list; `imported_ms` says how a list stands: the date it is of, FILLING or RETIRED.
"""

from collections.abc import Iterable
from itertools import islice

import msgspec

from app.domain.admission_facts import Registry
from app.domain.number import DIALLABLE
from app.errors import ConflictError, ValidationFailed
from app.ids import new_id, unix_ms_of
from app.store.db import Database, Reader, Tx

BATCH = 10_000
FILLING = 0
RETIRED = -1
ABANDONED_MS = 86_400_000
"""A list that is still not in force after a day: whoever filled it is gone."""
_BEGIN = f"INSERT INTO registries (name, imported_ms, numbers) VALUES (:list, {FILLING}, 0)"  # noqa: S608
_NUMBER = "INSERT INTO registry_numbers (registry, number) VALUES (:list, :number)"
_RETIRE = f"""
    UPDATE registries SET imported_ms = {RETIRED}
    WHERE name > :first AND name < :beyond AND imported_ms > {FILLING}
"""  # noqa: S608 - a constant
_PUT = f"""
    UPDATE registries SET imported_ms = :as_of_ms, numbers = :numbers
    WHERE name = :list AND imported_ms = {FILLING}
"""  # noqa: S608 - a constant
_ONE = f"""
    SELECT r.imported_ms, (SELECT count(*) FROM registry_numbers n WHERE n.registry = r.name AND n.number =
    :number) FROM registries r WHERE r.name > :first AND r.name < :beyond AND r.imported_ms > {FILLING}
"""  # noqa: S608 - a constant
_ALL = f"SELECT name, imported_ms, numbers FROM registries WHERE imported_ms > {FILLING} ORDER BY name"  # noqa: S608
_OUT = f"""
    SELECT name, imported_ms FROM registries
    WHERE name > :first AND name < :beyond AND imported_ms <= {FILLING} ORDER BY name
"""  # noqa: S608 - a constant
_UP_TO = """
    SELECT number FROM registry_numbers WHERE registry = :list AND number > :after
    ORDER BY number LIMIT 1 OFFSET :rows
"""
_DROP = "DELETE FROM registry_numbers WHERE registry = :list AND number > :after AND number <= :up_to"
_DROP_LIST = "DELETE FROM registries WHERE name = :list"
_LAST = ":"  # follows the digits


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """One registry and the list in force. `imported_ms`: the date the list is of, at 0:00 UTC."""

    name: str
    imported_ms: int
    numbers: int


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A list that is whole and not in force yet."""

    registry: str
    list: str
    numbers: int


async def fill(db: Database, registry: str, numbers: Iterable[str], now_ms: int) -> Filled:
    """Store a list beside the one in force; `numbers` are E.164, each once, best in order. Raises ValidationFailed
    for one that is no number.
    """
    name = f"{registry}/{new_id(now_ms)}"
    await db.execute(_BEGIN, {"list": name})
    rest, count = iter(numbers), 0
    while batch := list(islice(rest, BATCH)):
        bad = next((one for one in batch if DIALLABLE.match(one) is None or one[:1] != "+"), None)
        if bad is not None:
            raise ValidationFailed(
                f"{bad[:40]!r} is not a number in E.164 form, like +12025550123; nothing was imported."
            )
        await db.many(_NUMBER, [{"list": name, "number": number} for number in batch])
        count += len(batch)
    return Filled(registry=registry, list=name, numbers=count)


async def put_in_force(tx: Tx, filled: Filled, as_of_ms: int) -> None:
    """The list takes the place of the last one. Raises ConflictError when it was cleared away meanwhile."""
    await tx.exclusive(f"registry {filled.registry}")
    await tx.execute(_RETIRE, _range(filled.registry))
    given = {"list": filled.list, "as_of_ms": as_of_ms, "numbers": filled.numbers}
    if as_of_ms <= FILLING or await tx.execute(_PUT, given) != 1:
        raise ConflictError(f"The list of {filled.registry} was not put in force. Import it again.")


async def clear(db: Database, registry: str, now_ms: int) -> None:
    """Delete retired lists, and those that nobody goes on filling, a batch at a time."""
    for name, state in await db.fetch(_OUT, _range(registry)):
        if state != RETIRED and now_ms - unix_ms_of(name.rpartition("/")[2]) < ABANDONED_MS:
            continue
        after = ""
        while after != _LAST:
            row = await db.one(_UP_TO, {"list": name, "after": after, "rows": BATCH})
            up_to = _LAST if row is None else str(row[0])
            await db.execute(_DROP, {"list": name, "after": after, "up_to": up_to})
            after = up_to
        await db.execute(_DROP_LIST, {"list": name})


async def asked(sql: Reader, names: Iterable[str], number: str) -> dict[str, Registry]:
    """What each registry says about a number; one that was never imported is left out."""
    found: dict[str, Registry] = {}
    for name in names:
        row = await sql.one(_ONE, {**_range(name), "number": number})
        if row is not None:
            found[name] = Registry(imported_ms=row[0], listed=row[1] > 0)
    return found


async def list_imported(sql: Reader) -> list[Imported]:
    """Every registry that has a list in force, by name."""
    return [
        Imported(name=row[0].rpartition("/")[0], imported_ms=row[1], numbers=row[2])
        for row in await sql.fetch(_ALL)
    ]


def _range(registry: str) -> dict[str, str]:
    """What the lists of a registry are named between; `0` follows `/`."""
    return {"first": f"{registry}/", "beyond": f"{registry}0"}
