"""Carries imports through: reads the file, checks its rows, brings them in, some hundred rows in a transaction.

Everything an import knows is stored: a process that dies leaves it where its cursor is, and the next one goes on.
What a step writes is fenced, so two processes never work on one import. The loop only passes lines on; reading and
checking happen in programs of their own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec
import structlog

from app.clock import Clock
from app.contacts.bringing import bring_in
from app.contacts.judging import judged, tallied, terms_of
from app.contacts.program import Opened
from app.contacts.reading import checker, read_list
from app.domain.admission_site import Site
from app.domain.contacts.mapping import checked, has_heading, named, proposed, with_meanings
from app.errors import AppError, LeaseLost, NotFoundError, StoreError, ValidationFailed
from app.store import contact_imports, contact_rows
from app.store.contact_imports import RUNNING, ContactImport
from app.store.contact_rows import ImportRow
from app.store.db import DIALING, Database

log = structlog.get_logger()

CHUNK = 200
"""Rows that are checked in a transaction."""
CHUNK_IN = 100
"""Contacts that are brought in by a transaction; it holds the writer, for whom calls wait, some 20 ms."""
TURN_S = 5.0
"""After so long another import has its turn: a short list does not wait for the end of a long one."""
THROW_AWAY_S = 600.0
"""How often it is looked for files that stopped coming."""
RENEW_S = contact_imports.HOLD_MS / 4_000
LOOK_S = 5.0
"""How often it is looked for imports that another process left behind."""
PROBED = 50
"""Rows that a proposal for the columns rests on."""


class Importer:
    """One per process that may work on imports."""

    def __init__(self, db: Database, clock: Clock, site: Site) -> None:
        self._db = db
        self._clock = clock
        self._site = site
        self._wake = asyncio.Event()
        self._throw_away_s = 0.0

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled. A database that is away is no end: it is tried again."""
        while True:
            self._wake.clear()
            try:
                if self._clock.monotonic() >= self._throw_away_s:
                    await self._throw_away()
                    self._throw_away_s = self._clock.monotonic() + THROW_AWAY_S
                while (one := await contact_imports.hold(self._db, self._clock.unix_ms())) is not None:
                    await self._held(one)
            except AppError as error:
                log.warning("imports wait", error=error.message)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def finish(self, tenant_id: str, import_id: str) -> ContactImport:
        """Work on one import until it waits for a person or is at its end. Raises ConflictError via `hold` never;
        an import that another process holds is waited for.
        """
        while (one := await contact_imports.get(self._db, tenant_id, import_id)).state in RUNNING:
            held = await contact_imports.hold(self._db, self._clock.unix_ms(), import_id)
            if held is None:
                await asyncio.sleep(0.2)
            else:
                await self._held(held)
        return one

    async def _throw_away(self) -> None:
        """Files that stopped coming."""
        for one in await contact_imports.left_behind(self._db, self._clock.unix_ms()):
            log.info("upload given up", import_id=one.id)
            async with self._db.tx() as tx:
                await contact_imports.refuse(tx, one, "The file never came whole; send it again.")

    async def _held(self, one: ContactImport) -> None:
        """`_carry`, holding on to the import meanwhile: a large file is read for long before a row is there."""
        away: AppError | None = None  # out of the group as it is: whoever waits catches no groups
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(self._renew(one))
            try:
                await self._carry(one)
            except AppError as error:
                away = error
            renewing.cancel()
        if away is not None:
            raise away

    async def _renew(self, one: ContactImport) -> None:
        held = True
        while held:
            await asyncio.sleep(RENEW_S)
            try:
                held = await contact_imports.renew(self._db, one, self._clock.unix_ms())
            except StoreError as error:  # the next one may come in time
                log.warning("import not renewed", import_id=one.id, error=error.message)

    async def _carry(self, one: ContactImport) -> None:
        """One step, to its end or until somebody else holds it. What is wrong with the list ends the import."""
        try:
            match one.state:
                case "reading":
                    await self._read(one)
                case "checking":
                    await self._check(one)
                case "importing":
                    await self._bring(one)
                case _:
                    await contact_imports.step(self._db, one, self._clock.unix_ms(), let_go=True)
        except LeaseLost:
            log.info("import goes on elsewhere", import_id=one.id)
        except StoreError:
            raise
        except AppError as error:
            await self._give_up(one, error.message)
        except BaseExceptionGroup as group:
            refused, rest = group.split(ValidationFailed)
            if refused is None or (rest is not None and not isinstance(rest, ExceptionGroup)):
                raise
            await self._give_up(one, _first(refused))
        except Exception as fault:
            log.exception("import failed", import_id=one.id)
            await self._give_up(one, f"A fault of ours ended this import ({type(fault).__name__}); see the log.")

    async def _give_up(self, one: ContactImport, problem: str) -> None:
        log.info("import given up", import_id=one.id, problem=problem)
        try:
            now = await contact_imports.get(self._db, one.tenant_id, one.id)
            if now.runner == one.runner:
                failed = msgspec.structs.replace(now, state="failed", problem=problem)
                async with self._db.tx() as tx:
                    await contact_imports.step(tx, failed, self._clock.unix_ms(), let_go=True)
                    await contact_imports.drop_pieces(tx, one.id)
        except (LeaseLost, NotFoundError):  # a person cancelled or changed it in this moment
            log.info("import goes on elsewhere", import_id=one.id)

    # --- reading ------------------------------------------------------------------------------------------------
    async def _read(self, one: ContactImport) -> None:
        """Rows of the file into the store; the first rows say what the columns are."""
        names: tuple[str, ...] = ()
        seq = 0
        async with aclosing(read_list(one.kind, self._pieces(one.id))) as answers:
            async for told in answers:
                if isinstance(told, Opened):
                    one = msgspec.structs.replace(one, notes=msgspec.json.encode(told.notes).decode())
                    continue
                rows = list(told.rows)
                if not names:
                    heading = has_heading(rows[0][1])
                    width = len(rows[0][1]) if heading else max(len(cells) for _, cells in rows)
                    names = named(rows[0][1] if heading else (), width)
                    rows = rows[1:] if heading else rows
                    columns = proposed(names, [cells for _, cells in rows[:PROBED]])
                    one = msgspec.structs.replace(one, columns=msgspec.json.encode(columns).decode())
                fresh = [_staged(one, seq + n, line, cells) for n, (line, cells) in enumerate(rows, 1)]
                seq += len(rows)
                if seq > one.rows_total:  # else it was stored before a restart
                    async with self._db.tx() as tx:
                        one = msgspec.structs.replace(one, rows_total=seq)
                        one = await contact_imports.step(tx, one, self._clock.unix_ms())
                        await contact_rows.stage(tx, fresh)
        if seq == 0:
            raise ValidationFailed("The list has a heading and no rows." if names else "The file is empty.")
        await self._was_read(one)

    async def _was_read(self, one: ContactImport) -> None:
        columns, problem = one.mapping, ""
        try:
            columns = with_meanings(columns, one.chosen.mapping)
        except ValidationFailed as refused:
            problem = refused.message
        async with self._db.tx() as tx:
            one = msgspec.structs.replace(
                one,
                state="review" if problem else "checking",
                problem=problem,
                columns=msgspec.json.encode(columns).decode(),
            )
            one = await contact_imports.step(tx, one, self._clock.unix_ms(), let_go=bool(problem))
            await contact_imports.drop_pieces(tx, one.id)
        if not problem:
            await self._check(one)

    async def _pieces(self, import_id: str) -> AsyncIterator[bytes]:
        seq = 0
        while (body := await contact_imports.piece(self._db, import_id, seq)) is not None:
            yield body
            seq += 1

    # --- checking -----------------------------------------------------------------------------------------------
    async def _check(self, one: ContactImport) -> None:
        """A verdict for every row behind the cursor; then a person looks."""
        columns, end = checked(one.mapping), self._clock.monotonic() + TURN_S
        terms = await terms_of(self._db, one, self._site)
        async with checker(terms, columns) as program:
            while rows := await contact_rows.after(self._db, one.id, one.checked_seq, CHUNK):
                verdicts = await program.check([row.values for row in rows])
                now_ms = self._clock.unix_ms()
                found = await judged(self._db, one, rows, verdicts, now_ms)
                async with self._db.tx() as tx:
                    one = msgspec.structs.replace(
                        one,
                        checked_seq=rows[-1].seq,
                        counts=msgspec.json.encode(tallied(one.tally, found)).decode(),
                    )
                    one = await contact_imports.step(tx, one, now_ms)
                    await contact_rows.save(tx, found)
                if self._clock.monotonic() >= end:
                    await contact_imports.make_way(self._db, one, self._clock.unix_ms())
                    return
        one = msgspec.structs.replace(one, state="review", problem="")
        await contact_imports.step(self._db, one, self._clock.unix_ms(), let_go=True)

    # --- bringing in --------------------------------------------------------------------------------------------
    async def _bring(self, one: ContactImport) -> None:
        """Rows behind the cursor become contacts, or entries of the list."""
        end = self._clock.monotonic() + TURN_S
        while True:
            async with self._db.tx() as tx:
                await tx.exclusive(DIALING)
                now_ms = self._clock.unix_ms()
                rows = await contact_rows.after(tx, one.id, one.imported_seq, CHUNK_IN)
                if not rows:
                    done = msgspec.structs.replace(one, state="done")
                    await contact_imports.step(tx, done, now_ms, let_go=True)
                    return
                tally = tallied(one.tally, rows, -1)
                one = msgspec.structs.replace(one, imported_seq=rows[-1].seq)
                one = await contact_imports.step(tx, one, now_ms)
                after = await bring_in(tx, one, rows, now_ms)
                counts = msgspec.json.encode(tallied(tally, after)).decode()
                one = await contact_imports.step(tx, msgspec.structs.replace(one, counts=counts), now_ms)
            if self._clock.monotonic() >= end:
                await contact_imports.make_way(self._db, one, self._clock.unix_ms())
                return


def _staged(one: ContactImport, seq: int, line: int, cells: tuple[str, ...]) -> ImportRow:
    return ImportRow(
        import_id=one.id,
        seq=seq,
        tenant_id=one.tenant_id,
        line=line,
        cells=msgspec.json.encode(cells).decode(),
        state="unchecked",
        issue="",
        sentence="",
        number="",
        made="{}",
        edited=False,
        contact_id=None,
    )


def _first(group: BaseException) -> str:
    inner: tuple[BaseException, ...] = getattr(group, "exceptions", ())
    return _first(inner[0]) if inner else getattr(group, "message", str(group))
