"""A person in every column: two tenants with a row in every table, and the person's number, name and words in each
column of which `app.domain.personal_data` says that it is taken away.
"""

import json
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

from app.domain.personal_data import EVERY
from app.domain.personal_table import Table
from app.errors import ConstraintFailed
from app.store.db import Database
from app.store.sqlite import SqliteDatabase
from scripts.promises.tenancy.rows import NOW, row_id
from scripts.promises.tenancy.world import fill

TENANT = "default"
NUMBER = "+12025550147"
NAME = "Zyra Canaryname"
WORDS = "xylocanaryphone"
TRACES: dict[str, re.Pattern[bytes]] = {
    "name": re.compile(rb"canaryname", re.IGNORECASE),
    "words": re.compile(WORDS.encode(), re.IGNORECASE),
    "number": re.compile(rb"202[\s().-]{0,3}555[\s.-]{0,3}0147"),
}
"""What must not be found any more."""
_SAID = f"Call {NAME} at +1 (202) 555-0147 about {WORDS}."
_JSON = re.compile(r"json_valid\((\w+)\)")
_NUMBERS = ("number", "number_requested")


async def people(db: SqliteDatabase) -> int:
    """Fill both tenants, then put the person into the first one's rows; answers how many columns hold them."""
    await fill(db)
    spare = {"t": TENANT, "id": row_id(TENANT, "spare_contact")}  # a number has one contact
    await db.execute("DELETE FROM contacts WHERE tenant_id = :t AND id = :id", spare)
    put = 0
    for table in EVERY:
        for column in await _columns(db, table):
            with suppress(ConstraintFailed):  # an id, one of some values, a unique name
                put += await _put(db, table, column)
    await _named(db)
    return put


async def _columns(db: Database, table: Table) -> list[str]:
    """Columns of a table that are taken away."""
    rows = await db.fetch(f"SELECT name, type FROM pragma_table_info('{table.name}')")
    texts = [name for name, kind in rows if kind == "TEXT"]
    if table.goes:
        return [name for name in texts if not name.endswith("_by")]
    free = [one for names, why in table.kept.items() if "names the person" in why for one in names.split()]
    return [name for name in texts if name in table.becomes or name in free]


async def _put(db: Database, table: Table, column: str) -> int:
    """The person into one column of every row of the tenant; 0 when a row cannot hold them there."""
    sql = await db.one("SELECT sql FROM sqlite_master WHERE name = :name", {"name": table.name})
    keys = {row[0] for row in await db.fetch(f"SELECT name FROM pragma_table_info('{table.name}') WHERE pk > 0")}
    numbers = column in (*_NUMBERS, "number_dialed") and table.name != "call_transfers"
    if not numbers and (column in keys or column.endswith("_id") or column in ("id", "subject", "tenant_id")):
        return 0
    value = NUMBER if numbers else _SAID
    if table.name in ("agents", "campaigns", "contact_imports") and column == "name":
        value = f"Call {NAME} at {NUMBER}" if table.name != "agents" else f"Call {NUMBER}"  # says it to everybody
    if column == "callee_name" or (table.name in ("contacts", "recipients") and column == "name"):
        value = NAME
    if not numbers and (column in _JSON.findall(sql[0] if sql else "") or column in ("answer", "evidence")):
        value = json.dumps({"said": _SAID, "calls": [{"number": NUMBER, "objective": WORDS}]})
    statement = f"UPDATE {table.name} SET {column} = :value WHERE tenant_id = :tenant_id"
    return int(await db.execute(statement, {"value": value, "tenant_id": TENANT}) > 0)


async def _named(db: Database) -> None:
    """What a sweep of columns cannot say: an upload's row, an answer to a request, and other engines' files."""
    answer = {"id": "a" * 64, "t": TENANT, "a": json.dumps({"number": NUMBER, "name": NAME}), "n": NOW}
    await db.execute(
        "INSERT INTO idempotency_keys (id, tenant_id, body_hash, claim, claimed_ms, status, answer)"
        " VALUES (:id, :t, '', '', :n, 200, :a)",
        answer,
    )
    cells = {"t": TENANT, "c": json.dumps([NAME, "(202) 555 0147", WORDS])}
    await db.execute("UPDATE contact_import_rows SET cells = :c, number = '' WHERE tenant_id = :t", cells)
    await db.execute("DELETE FROM contact_import_pieces WHERE tenant_id = :t", {"t": TENANT})
    path = {"p": f"{WORDS}.wav", "t": TENANT}
    await db.execute("UPDATE recordings SET path = :p WHERE tenant_id = :t", path)
    held = {"t": TENANT, "n": NUMBER, "r": _SAID}
    await db.execute(
        "UPDATE legal_holds SET kind = 'recipient', subject = :n, reason = :r, lifted_by = 'x', lifted_ms = 1"
        " WHERE tenant_id = :t",
        held,
    )
    await db.execute("UPDATE call_transfers SET number = :n WHERE tenant_id = :t", {"n": NUMBER, "t": TENANT})
    quote = {"call_id": row_id(TENANT, "ended"), "item_id": "i", "turn": 1, "seq": 1, "speaker": "callee"}
    quotes = [quote | {"audio_ms": 0, "quote": f"I like {WORDS}"}]  # names nobody
    report = {"w": json.dumps({"headline": "h", "summary": "s", "quotes": quotes}), "t": TENANT}
    await db.execute("UPDATE campaign_reports SET words = :w WHERE tenant_id = :t", report)
    await db.execute("UPDATE webhook_events SET data = :d WHERE tenant_id = :t", {"d": cells["c"], "t": TENANT})


async def settle(db: Database) -> None:
    """The call that was going on is over, and its task."""
    of = {"t": TENANT, "n": NOW}
    await db.execute(
        "UPDATE calls SET state = 'ended', outcome = 'completed', ended_by = 'callee', ended_ms = :n"
        " WHERE tenant_id = :t AND state <> 'ended'",
        of,
    )
    await db.execute(
        "UPDATE tasks SET state = 'completed', lease_owner = NULL, lease_until = NULL, updated_ms = :n"
        " WHERE tenant_id = :t AND state IN ('in_call', 'claimed')",
        of,
    )


def record(folder: Path) -> None:
    """Files of the ended call, the second of a leg that never said that it ended."""
    folder.mkdir(parents=True, exist_ok=True)
    for tail in (".wav", ".1.wav"):
        (folder / f"{row_id(TENANT, 'ended')}{tail}").write_bytes(WORDS.encode() * 200)
    (folder / f"{row_id('other', 'ended')}.wav").write_bytes(b"somebody else" * 100)


def found_in_files(files: Iterable[Path], *, but: Iterable[str] = ()) -> list[str]:
    """Traces in the bytes of files."""
    left = []
    for file in files:
        content = file.read_bytes() if file.is_file() else b""
        left += [
            f"{kind} in {file.name}" for kind, trace in TRACES.items() if kind not in but and trace.search(content)
        ]
    return left


def found_in_rows(path: Path) -> list[str]:
    """Columns in which a trace stands; the number may stand in the do-not-call list."""
    left: list[str] = []
    with closing(sqlite3.connect(path)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            cursor = connection.execute(f"SELECT * FROM {name}")
            columns = [one[0] for one in cursor.description]
            for row in cursor:
                for column, value in zip(columns, row, strict=True):
                    text = value if isinstance(value, bytes) else str(value).encode()
                    kinds = [kind for kind, trace in TRACES.items() if trace.search(text)]
                    if kinds and (name, column, kinds) != ("dnd_list", "number", ["number"]):
                        left.append(f"{', '.join(kinds)} in {name}.{column}")
    return sorted(set(left))
