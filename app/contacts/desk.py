"""What a person does with an import: send a list, say what its columns mean, mend or skip rows, bring it in.

Used by the console, the programs' routes and `opendeep import`. Every change is fenced against the runner.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import anyio
import msgspec

from app.clock import Clock
from app.contacts.judging import judged, tallied, terms_of
from app.contacts.sheet import kind_of
from app.domain.admission_site import Site
from app.domain.contacts.check import check_row
from app.domain.contacts.contact import MAX_CELL, MAX_FILE_BYTES, Options, Target
from app.domain.contacts.mapping import checked, with_meanings
from app.errors import ConflictError, StoreError, ValidationFailed
from app.ids import new_id
from app.store import contact_imports, contact_rows
from app.store.contact_imports import PIECE_BYTES, ContactImport
from app.store.contact_rows import ImportRow
from app.store.db import Database, Reader, Tx

_BEHIND_ALL = 1 << 60
BROKEN_OFF = "The list did not come whole; send it again."
CHANGED = "The row was changed meanwhile; look at it again."


class ImportDesk:
    """One per process."""

    def __init__(self, db: Database, clock: Clock, site: Site) -> None:
        self._db = db
        self._clock = clock
        self._site = site

    async def receive(
        self, tenant_id: str, name: str, body: AsyncIterator[bytes], *, target: Target, options: Options, by: str
    ) -> ContactImport:
        """Store a list, piece by piece. The same list that waits already is not stored twice: its import is
        answered.
        Raises ValidationFailed for one that is empty, too large or no list.
        """
        stored = await self.store(tenant_id, name, body, target=target, options=options, by=by)
        async with self._or_given_up(stored), self._db.tx() as tx:
            return await self.accept(tx, stored)

    async def store(
        self, tenant_id: str, name: str, body: AsyncIterator[bytes], *, target: Target, options: Options, by: str
    ) -> ContactImport:
        """Store a list, piece by piece; nobody works on it before `accept`. Raises what `receive` does, and
        ConflictError while too many lists of the tenant are being read.
        """
        if await contact_imports.under_way(self._db, tenant_id) >= contact_imports.AT_ONCE:
            text = (
                f"{contact_imports.AT_ONCE} lists are being read already; send this one when one of them is done."
            )
            raise ConflictError(text, code="too_many_imports")
        now_ms, digest = self._clock.unix_ms(), hashlib.sha256()
        one = _fresh(tenant_id, name, target=target, options=options, by=by, now_ms=now_ms)
        size = 0
        async with self._or_given_up(one):
            async for piece in _pieces(body):
                if size == 0:
                    kind = msgspec.convert(kind_of(name, piece), contact_imports.Kind)
                    one = msgspec.structs.replace(one, kind=kind)
                    await contact_imports.create(self._db, one)
                _check_size(size + len(piece))
                await contact_imports.add_piece(self._db, one, size // PIECE_BYTES, piece)
                size += len(piece)
                digest.update(piece)
        if size == 0:
            raise ValidationFailed("The file is empty.")
        return msgspec.structs.replace(one, digest=digest.hexdigest())

    async def accept(self, tx: Tx, one: ContactImport) -> ContactImport:
        """Let a stored list be read, or answer the import of the same list that waits already."""
        await tx.exclusive(f"imports {one.tenant_id}")
        same = await contact_imports.unfinished(tx, one)
        state: contact_imports.State = "reading" if same is None else "cancelled"
        if not await contact_imports.received(tx, one, one.digest, state):
            raise ConflictError(contact_imports.ENDED)
        if same is not None:
            await contact_imports.drop_pieces(tx, one.id)
        return same or await contact_imports.get(tx, one.tenant_id, one.id)

    async def discard(self, one: ContactImport) -> None:
        """A stored list that was not accepted is not needed after all."""
        await self._refuse(one, "The list was not taken.")

    @asynccontextmanager
    async def _or_given_up(self, one: ContactImport) -> AsyncGenerator[None]:
        """A list that cannot be taken, or that does not come whole, is given up at once: as long as it counts as
        being received, nobody can be erased, and others may not be sent.
        """
        try:
            yield
        except BaseException as broken:
            told = broken.message if isinstance(broken, ValidationFailed) else BROKEN_OFF
            with anyio.CancelScope(shield=True), suppress(StoreError):  # the importer throws away what is left
                await self._refuse(one, told)
            raise

    async def _refuse(self, one: ContactImport, problem: str) -> None:
        async with self._db.tx() as tx:
            await contact_imports.refuse(tx, one, problem)

    async def remap(
        self, tenant_id: str, import_id: str, mapping: Sequence[tuple[str, str]], options: Options
    ) -> ContactImport:
        """Other meanings and options: every row is checked anew. Raises ValidationFailed, ConflictError."""
        async with self._db.tx() as tx:
            one = await contact_imports.change(tx, tenant_id, import_id, ("checking", "review"))
            columns = with_meanings(one.mapping, mapping) if mapping else checked(one.mapping)
            return await contact_imports.step(
                tx,
                msgspec.structs.replace(
                    one,
                    state="checking",
                    problem="",
                    checked_seq=0,
                    counts="{}",
                    columns=msgspec.json.encode(columns).decode(),
                    options=msgspec.json.encode(options).decode(),
                ),
                self._clock.unix_ms(),
                let_go=True,
            )

    async def bring(self, tx: Tx, tenant_id: str, import_id: str) -> ContactImport:
        """Let the rows that are ready be brought in. Raises ValidationFailed when there is none, ConflictError."""
        one = await contact_imports.change(tx, tenant_id, import_id, ("review",))
        if one.problem:
            raise ValidationFailed(one.problem)
        if not one.tally.get("ready"):
            raise ValidationFailed("No row can be imported: mend some rows, or send another list.")
        one = msgspec.structs.replace(one, state="importing", imported_seq=0)
        return await contact_imports.step(tx, one, self._clock.unix_ms(), let_go=True)

    async def cancel(self, tx: Tx, tenant_id: str, import_id: str) -> ContactImport:
        """Bring nothing more in; what is in stays. Raises ConflictError."""
        states: tuple[contact_imports.State, ...] = ("receiving", "reading", "checking", "review", "importing")
        one = await contact_imports.change(tx, tenant_id, import_id, states)
        await contact_imports.drop_pieces(tx, import_id)
        one = msgspec.structs.replace(one, state="cancelled")
        return await contact_imports.step(tx, one, self._clock.unix_ms(), let_go=True)

    async def edit(self, tenant_id: str, import_id: str, seq: int, cells: Mapping[int, str]) -> ImportRow:
        """Other cells (by column) in a row, which is judged at once, and so is a row that was its duplicate.
        Raises ValidationFailed, ConflictError, NotFoundError.
        """
        one = await contact_imports.get(self._db, tenant_id, import_id)
        row = await contact_rows.get(self._db, tenant_id, import_id, seq)
        values = list(row.values)
        for at, text in cells.items():
            if not 0 <= at < len(one.mapping) or len(text) > MAX_CELL:
                raise ValidationFailed(
                    f"There is no such column, or the text is longer than {MAX_CELL} characters."
                )
            values += [""] * (at + 1 - len(values))
            values[at] = text.strip()
        fresh = msgspec.structs.replace(
            row, cells=msgspec.json.encode(values).decode(), edited=True, state="unchecked"
        )
        await self._judge_again(one, row, fresh)
        return await contact_rows.get(self._db, tenant_id, import_id, seq)

    async def skip(self, tenant_id: str, import_id: str, seq: int, *, undo: bool = False) -> ImportRow:
        """Leave a row out, so that a row that was its duplicate is judged again, or take it in again.
        Raises ConflictError, NotFoundError.
        """
        one = await contact_imports.get(self._db, tenant_id, import_id)
        row = await contact_rows.get(self._db, tenant_id, import_id, seq)
        if one.state == "review" and row.state != ("skipped" if undo else "ready"):
            return row
        fresh = msgspec.structs.replace(row, state="unchecked" if undo else "skipped")
        await self._judge_again(one, row, fresh)
        return await contact_rows.get(self._db, tenant_id, import_id, seq)

    async def _judge_again(self, one: ContactImport, row: ImportRow, fresh: ImportRow) -> None:
        columns, terms = checked(one.mapping), await terms_of(self._db, one, self._site)
        waiting = await _waiting(self._db, row)
        verdicts = [await asyncio.to_thread(check_row, each.values, columns, terms) for each in (fresh, *waiting)]
        async with self._db.tx() as tx:
            now = await contact_imports.change(tx, one.tenant_id, one.id, ("review",))
            current = await contact_rows.get(tx, one.tenant_id, one.id, row.seq)
            # The verdicts are about these rows as they were read, under these columns and options.
            if (now.columns, now.options) != (one.columns, one.options) or current != row:
                raise ConflictError(CHANGED)
            if await _waiting(tx, row) != waiting:
                raise ConflictError(CHANGED)
            (found,) = await judged(tx, now, [fresh], verdicts[:1], self._clock.unix_ms())
            after = [await self._not_twice(tx, found)]
            await contact_rows.save(tx, after)
            if waiting:
                (freed,) = await judged(tx, now, waiting, verdicts[1:], self._clock.unix_ms())
                after.append(await self._not_twice(tx, freed))
            await self._store(tx, now, [row, *waiting], after)

    async def _not_twice(self, tx: Tx, row: ImportRow) -> ImportRow:
        """A number that a row below has already makes this one the duplicate, unless it is left out."""
        first = await contact_rows.first_of(tx, row.import_id, [row.number], _BEHIND_ALL) if row.number else {}
        at = next((line for seq, line in first.values() if seq != row.seq), None)
        if row.state in {"rejected", "skipped"} or at is None:
            return row
        told = f"The same number stands in row {at} of the list."
        return msgspec.structs.replace(row, state="rejected", issue="duplicate", sentence=told)

    async def _store(
        self, tx: Tx, one: ContactImport, before: Sequence[ImportRow], after: Sequence[ImportRow]
    ) -> None:
        counts = tallied(tallied(one.tally, before, -1), after)
        await contact_rows.save(tx, after)
        one = msgspec.structs.replace(one, counts=msgspec.json.encode(counts).decode())
        await contact_imports.step(tx, one, self._clock.unix_ms(), let_go=True)


async def _waiting(sql: Reader, row: ImportRow) -> list[ImportRow]:
    """The first row that was left out as a duplicate of this one's number, if there is one."""
    return [other for other in await contact_rows.others(sql, row) if other.issue == "duplicate"][:1]


def _check_size(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise ValidationFailed(f"The file is larger than {MAX_FILE_BYTES >> 20} MB; split it.")


async def _pieces(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body in pieces of one size."""
    held = bytearray()
    async for part in body:
        held += part
        while len(held) >= PIECE_BYTES:
            yield bytes(held[:PIECE_BYTES])
            del held[:PIECE_BYTES]
    if held:
        yield bytes(held)


def _fresh(tenant_id: str, name: str, *, target: Target, options: Options, by: str, now_ms: int) -> ContactImport:
    return ContactImport(
        id=new_id(now_ms),
        tenant_id=tenant_id,
        target=target,
        name=name.replace("\\", "/").rpartition("/")[2][:120] or "list",
        digest="",
        kind="csv",
        state="receiving",
        options=msgspec.json.encode(options).decode(),
        columns="[]",
        notes="[]",
        counts="{}",
        problem="",
        rows_total=0,
        checked_seq=0,
        imported_seq=0,
        runner=0,
        runner_until_ms=0,
        created_by=by,
        created_ms=now_ms,
        updated_ms=now_ms,
    )
