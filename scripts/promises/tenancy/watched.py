"""A database that notes every statement which touches rows of tenants and does not say whose."""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from app.store.db import Params, Row
from app.store.sqlite import SqliteDatabase, SqliteTx

_TABLES = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)", re.IGNORECASE)
_WHOSE = re.compile(r":(tenant_id|tenant|t)\b")
KNOWN: tuple[str, ...] = (
    "s.secret_hash = :secret_hash",  # a session by its secret: it says which tenant
    "FROM api_tokens WHERE secret_hash",
    "UPDATE api_tokens SET last_used_ms = :now_ms WHERE id = :id",  # of the token that was just found
    "UPDATE sessions SET last_seen_ms = :now_ms WHERE id = :id",
    "FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = :id",
    "SELECT 1 FROM api_tokens WHERE id = :id",
    "UPDATE entry_links SET used_ms = :now_ms\n    WHERE secret_hash",
    "FROM users WHERE email = :email",  # the address says which tenant
    "FROM tasks WHERE campaign_id = :campaign_id AND state = :state LIMIT :limit",  # of one read with its tenant
    "coalesce(campaign_id, tenant_id) = :lane",  # a lane is a campaign, or a tenant's own tasks
    "SELECT 1 FROM commands WHERE id = :id",  # ids that programs choose are taken once, whoever took them
    "SELECT 1 FROM contact_imports WHERE state IN ('reading', 'checking', 'importing')",  # does work wait
    "UPDATE contact_imports SET runner = runner + 1, runner_until_ms = :until_ms",  # work of any tenant is taken
    "DELETE FROM contact_import_pieces WHERE import_id = :id",  # of an import that was read with its tenant
    "FROM contact_import_pieces WHERE import_id = :id AND seq = :seq",
    "FROM contact_import_rows WHERE import_id = :import_id AND seq > :after ORDER BY",
    "FROM contact_import_rows WHERE import_id = :import_id AND number IN",
    "FROM contact_imports WHERE state = 'receiving' AND updated_ms < :before_ms",  # files of all that never came
    "SELECT 1 FROM calls WHERE id = :call_id FOR UPDATE",  # a lock; what is read afterwards says whose
)
"""Parts of statements that find the tenant, or lock a row before it is read with its tenant."""


class Watched:
    """The `Database` protocol over a SQLite file; `unscoped` collects what is not known."""

    def __init__(self, db: SqliteDatabase, tables: set[str]) -> None:
        self._db = db
        self._tables = tables
        self.unscoped: set[str] = set()
        self.statements: set[str] = set()
        self.migrated: list[str] = []

    def note(self, sql: str) -> None:
        """Judge one statement."""
        if sql in self.statements:
            return
        self.statements.add(sql)
        touched = {name.lower() for name in _TABLES.findall(sql)} & self._tables
        plain = " ".join(sql.split())
        if touched and not _WHOSE.search(sql) and not any(" ".join(one.split()) in plain for one in KNOWN):
            self.unscoped.add(plain)

    async def fetch(self, sql: str, params: Params | None = None) -> list[Row]:
        self.note(sql)
        return await self._db.fetch(sql, params)

    async def one(self, sql: str, params: Params | None = None) -> Row | None:
        self.note(sql)
        return await self._db.one(sql, params)

    async def execute(self, sql: str, params: Params | None = None) -> int:
        self.note(sql)
        return await self._db.execute(sql, params)

    async def change(self, sql: str, params: Params | None = None) -> list[Row]:
        self.note(sql)
        return await self._db.change(sql, params)

    async def many(self, sql: str, rows: Sequence[Params]) -> None:
        self.note(sql)
        await self._db.many(sql, rows)

    @asynccontextmanager
    async def tx(self) -> AsyncGenerator[Any]:
        async with self._db.tx() as tx:
            yield _WatchedTx(tx, self)

    async def scour(self, tables: Sequence[str]) -> bool:
        return await self._db.scour(tables)

    async def close(self) -> None:
        await self._db.close()


class _WatchedTx:
    in_transaction = True

    def __init__(self, tx: SqliteTx, watched: Watched) -> None:
        self._tx, self._watched = tx, watched

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._tx, name)
        if name not in {"fetch", "one", "execute", "change", "many"}:
            return inner

        async def noted(sql: str, *given: Any) -> Any:
            self._watched.note(sql)
            return await inner(sql, *given)

        return noted
