"""Changes to agents with their audit entries; used by the pages and by the programs' routes."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request
from litestar.datastructures import State

from app.clock import Clock
from app.domain.agent import FUNCTIONS, Agent
from app.domain.agent_file import KEYS, read_agent
from app.domain.people import Person
from app.errors import ConflictError, NotFoundError
from app.ids import is_id, new_id
from app.store import agents, audit
from app.store.audit import Deed
from app.store.db import Tx
from web.auth import caller_of, signed_in

Asked = Request[object, object, State]


class AgentDeeds:
    """One per application. Each method works in the caller's transaction."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def create(self, tx: Tx, asked: Asked, data: Mapping[str, Any]) -> Agent:
        """A new agent, as described by the keys of an agent's file. Raises ValidationFailed, ConflictError."""
        person, now_ms = signed_in(asked), self._clock.unix_ms()
        agent = read_agent(data, agent_id=new_id(now_ms), tenant_id=person.tenant_id, tools=FUNCTIONS)
        made = await agents.create(tx, agent, now_ms, made_by=_maker(person))
        await self._note(tx, asked, "agent_created", made)
        return made

    async def replace(self, tx: Tx, asked: Asked, agent_id: str, data: Mapping[str, Any], based_on: int) -> Agent:
        """The next version, described completely. `based_on`: the version it was made of; ConflictError when
        that is not the newest. Raises NotFoundError, ValidationFailed.
        """
        person, now = signed_in(asked), await self._held(tx, asked, agent_id)
        wanted = read_agent(data, agent_id=now.id, tenant_id=person.tenant_id, tools=FUNCTIONS)
        if now.version != based_on:
            raise ConflictError(
                f"Somebody made version {now.version} meanwhile. Look at what changed, then again."
            )
        made = await agents.update(tx, wanted, self._clock.unix_ms(), made_by=_maker(person))
        if made.version != now.version:
            await self._note(tx, asked, "agent_changed", made)
        return made

    async def change(self, tx: Tx, asked: Asked, agent_id: str, data: Mapping[str, Any], based_on: int) -> Agent:
        """The next version: what `data` does not say stays as it was. Raises what `replace` does."""
        was = msgspec.to_builtins(await self._held(tx, asked, agent_id))
        return await self.replace(tx, asked, agent_id, {key: was[key] for key in KEYS} | dict(data), based_on)

    async def restore(self, tx: Tx, asked: Asked, agent_id: str, number: int) -> Agent:
        """An older version as the newest one. Raises NotFoundError, ConflictError."""
        person, now = signed_in(asked), await self._held(tx, asked, agent_id)
        old = await agents.kept_version(tx, person.tenant_id, now.id, number)
        made = await agents.update(tx, old, self._clock.unix_ms(), made_by=_maker(person))
        if made.version != now.version:
            await self._note(tx, asked, "agent_restored", made, number)
        return made

    async def get(self, tx: Tx, asked: Asked, agent_id: str) -> Agent:
        """The agent as it is. Raises NotFoundError."""
        if not is_id(agent_id):
            raise NotFoundError("There is no such agent.")
        return await agents.get(tx, signed_in(asked).tenant_id, agent_id)

    async def _held(self, tx: Tx, asked: Asked, agent_id: str) -> Agent:
        """The agent as it is and stays until this transaction ends. Raises NotFoundError."""
        if is_id(agent_id):
            await tx.exclusive(agents.changing(agent_id))
        return await self.get(tx, asked, agent_id)

    async def _note(self, tx: Tx, asked: Asked, action: str, agent: Agent, of: int | None = None) -> None:
        person = signed_in(asked)
        detail = {"name": agent.name, "version": agent.version} | ({} if of is None else {"restored": of})
        deed = Deed(
            actor=person.actor,
            action=action,
            object=f"agent:{agent.id}",
            detail=detail,
            address=caller_of(asked).address,
        )
        await audit.add(tx, person.tenant_id, deed, self._clock.unix_ms())


def _maker(person: Person) -> str | None:
    """Whose version it is; a program is no user."""
    return person.user_id if person.via == "session" else None
