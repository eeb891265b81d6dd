"""Runs the rehearsals that people ask for in the console, one at a time, each in a process of its own.

The row is the truth and the bus a nudge; a look every minute finds what a nudge was lost for. Started by
`app.cli.house`.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import structlog

from app.bus import Bus
from app.cli.memory_folder import GIVEN, memory_folder
from app.clock import Clock
from app.domain.agent import Agent
from app.domain.messages import ListChanged, Message, Resync
from app.domain.rehearsal import LIMIT_S, Rehearsal, RehearsalSaid
from app.errors import AppError
from app.store import agents, rehearsals
from app.store.db import Database

log = structlog.get_logger()

COMMAND = (sys.executable, "-m", "app", "sim", "rehearse")
LOOK_S = 60.0
LINE_LIMIT = 4 * 1024 * 1024
LAST_WORDS_BYTES = 4_096
"""Of what a rehearsal prints on stderr, for the log."""
LAST_WORDS_S = 1.0
FAULT = "A fault of ours; the log of the engine says more."
NO_VERDICT = "The rehearsal ended without a result (status {status}); the log of the engine says more."
TOO_LONG = f"The rehearsal took longer than {LIMIT_S} s and was ended: this machine is too busy. Try again later."


class RehearsalDesk:
    """One per engine."""

    def __init__(
        self, db: Database, bus: Bus, clock: Clock, node: str, command: tuple[str, ...] = COMMAND
    ) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock
        self._node = node
        self._command = command

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """While the block runs; what is under way is ended with it."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.run(), name="rehearsals")
            try:
                yield
            finally:
                task.cancel()

    async def run(self) -> None:
        """Until cancelled. A trouble of the store costs one look."""
        with self._bus.subscribe("lists") as messages:
            wanted = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(_listen(messages, wanted))
                while True:
                    wanted.clear()
                    await self._all()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):
                            await wanted.wait()

    async def _all(self) -> None:
        """One after the other, until none waits."""
        try:
            await rehearsals.lost(self._db, self._node, self._clock.unix_ms())
            while (one := await rehearsals.waiting(self._db)) is not None:
                if await rehearsals.take(self._db, one, self._node, self._clock.unix_ms()):
                    await self._one(one)
        except AppError as error:
            log.warning("rehearsals not looked at", error=error.message)
        except Exception:  # supervision: what goes wrong in a rehearsal must not end the calls to people
            log.exception("rehearsals not looked at")

    async def _one(self, one: Rehearsal) -> None:
        problem = "The engine was stopped meanwhile; rehearse again."
        try:
            agent = await agents.kept_version(self._db, one.tenant_id, one.agent_id, one.agent_version)
            await self._changed(one)
            problem = await self._rehearse(one, agent)
        except AppError as error:
            problem = error.message
        except Exception:  # supervision: the next rehearsal goes on
            log.exception("a rehearsal failed", rehearsal_id=one.id)
            problem = FAULT
        finally:
            if problem:
                await asyncio.shield(rehearsals.fail(self._db, one, problem, self._clock.unix_ms()))
        await self._changed(one)

    async def _rehearse(self, one: Rehearsal, agent: Agent) -> str:
        """Why there is no result; empty when there is one."""
        with memory_folder() as folder:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                limit=LINE_LIMIT,
                env=os.environ | {GIVEN: str(folder)},
            )
            assert process.stderr is not None
            said = bytearray()
            async with asyncio.TaskGroup() as group:
                hearing = group.create_task(_last_words(process.stderr, said))
                problem = await self._judged(one, agent, process)
                await asyncio.wait([hearing], timeout=LAST_WORDS_S)
                hearing.cancel()
        if problem:
            words = said.decode(errors="replace")
            log.warning("a rehearsal has no result", rehearsal_id=one.id, problem=problem, said=words)
        return problem

    async def _judged(self, one: Rehearsal, agent: Agent, process: Process) -> str:
        """The same; the process is over then."""
        try:
            async with asyncio.timeout(LIMIT_S):
                return await self._follow(one, agent, process)
        except TimeoutError:
            return TOO_LONG
        except AppError as error:
            return error.message
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())

    async def _follow(self, one: Rehearsal, agent: Agent, process: Process) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(ConnectionError):  # it ended before it had read: its status tells
            process.stdin.write(msgspec.json.encode(agent))
            await process.stdin.drain()
        process.stdin.close()
        async for line in process.stdout:
            try:
                said = msgspec.json.decode(line, type=RehearsalSaid)
            except msgspec.DecodeError:
                continue
            if said.results is not None:
                await rehearsals.finish(self._db, one, said, line.decode(), self._clock.unix_ms())
                return ""
            await rehearsals.tell(self._db, one, said)
            await self._changed(one)
        return NO_VERDICT.format(status=await process.wait())

    async def _changed(self, one: Rehearsal) -> None:
        await self._bus.publish("lists", ListChanged(tenant_id=one.tenant_id, kind="rehearsals"))


async def _listen(messages: AsyncIterator[Message | Resync], wanted: asyncio.Event) -> None:
    async for message in messages:
        if not isinstance(message, ListChanged) or message.kind == "rehearsals":
            wanted.set()


async def _last_words(errors: asyncio.StreamReader, kept: bytearray) -> None:
    """Read on, so that nobody waits for room in the pipe; keep the end."""
    while piece := await errors.read(LAST_WORDS_BYTES):
        kept += piece
        del kept[:-LAST_WORDS_BYTES]
