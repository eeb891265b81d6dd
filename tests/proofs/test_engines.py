"""Several engines on one PostgreSQL and one Redis, each with its own Asterisk; one dies, another settles."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.cli.store import open_store
from app.config import Settings
from app.domain.call import Call
from app.domain.task import CallTask, NewTask, TaskState
from app.ids import new_id
from app.sim.asterisk import Answer, CalleeScript, HangUp, Ring, StaySilent, WaitForAgent
from app.sim.realtime.polite import PoliteBrain
from app.sim.world import SimWorld, sim_world
from app.store import agents, calls, tasks
from app.store.db import Database
from tests.flow.control import control_process
from tests.flow.rig import AGENTS, BUSY_STATES, FAST, TENANT, settings_for, until
from tests.lone_redis import lone_redis

pytestmark = [pytest.mark.anyio, pytest.mark.postgres, pytest.mark.redis]
COUNT, LONG_TALKS = 40, 8
NAMES = ("one", "two")
TALKS = CalleeScript((Ring(0.05), Answer(0.1), WaitForAgent(), HangUp()))
LISTENS_ON = CalleeScript((Ring(0.05), Answer(0.1), StaySilent(60.0)))
NUMBERS = [f"+155510040{at:02d}" for at in range(COUNT)]
CALLEES = {number: LISTENS_ON if at < LONG_TALKS else TALKS for at, number in enumerate(NUMBERS)}


@dataclass
class Cells:
    """Two engines' settings and simulators, and their one database."""

    db: Database
    worlds: dict[str, SimWorld]
    settings: dict[str, Settings]

    async def load(self) -> list[CallTask]:
        """All tasks at once, those that talk for long first."""
        now_ms = 1_000_000_000_000
        for agent in AGENTS.values():
            await agents.create(self.db, agent, now_ms)
        new = [
            NewTask(
                id=new_id(now_ms),
                agent_id=AGENTS["greet_first"].id,
                number=number,
                objective="polite talk",
                next_action_time=now_ms,
                priority=90 if at < LONG_TALKS else 50,
            )
            for at, number in enumerate(NUMBERS)
        ]
        return await tasks.create_many(self.db, TENANT, new, now_ms)

    async def of(self, node: str) -> list[Call]:
        found = [await calls.of_task(self.db, TENANT, task.id) for task in await self.all()]
        return [call for each in found for call in each if call.node == node]

    async def all(self) -> list[CallTask]:
        return await tasks.list_tasks(self.db, TENANT)

    def invited(self) -> Counter[str]:
        """How often each number was rung, whoever rang it."""
        return Counter(invite.number for world in self.worlds.values() for invite in world.asterisk.invites)

    async def quiet(self) -> bool:
        """Nothing is being called or analyzed, and nothing is due."""
        now = await self.all()
        waiting = [task for task in now if task.state is TaskState.PENDING and not task.overall_conclusion]
        return not waiting and not [task for task in now if task.state in BUSY_STATES]


@asynccontextmanager
async def cells(folder: Path, database_url: str, redis_url: str, **changes: Any) -> AsyncGenerator[Cells]:
    """Everything but the engines."""
    shared = {
        "database_url": SecretStr(database_url),
        "redis_url": redis_url,
        "command_key": SecretStr("a key that only our processes know, of course"),
        "lease_s": 5,
        "ring_timeout_s": 5,
        "max_concurrent_calls": 6,
        "no_input_s": 3.0,
        "no_input_prompts": 1,
        **changes,
    }
    async with AsyncExitStack() as stack:
        worlds: dict[str, SimWorld] = {}
        for name in NAMES:
            made = settings_for(folder / name, node_name=name, ari_app=f"opendeep-{name}", **shared)
            world = sim_world(made, callees=CALLEES, brain=PoliteBrain, options=FAST)
            worlds[name] = await stack.enter_async_context(world)
        logins = " ".join(f"{n}={w.asterisk.username}:{w.asterisk.password}" for n, w in worlds.items())
        settings = {
            name: world.settings.model_copy(
                update={"ari_peer_url": world.asterisk.base_url, "peer_ari_logins": SecretStr(logins)}
            )
            for name, world in worlds.items()
        }
        db = await stack.enter_async_context(open_store(settings["one"]))
        yield Cells(db, worlds, settings)


async def test_two_engines_share_the_work_and_one_settles_for_the_other(
    tmp_path: Path, fresh_database: str
) -> None:
    async with lone_redis(tmp_path) as redis, cells(tmp_path, fresh_database, redis.url) as house:
        async with (
            control_process(house.settings["one"]),
            control_process(house.settings["two"]) as second,
        ):
            await house.load()

            async def in_the_middle() -> bool:
                alive = [call for call in await house.of("two") if call.state == "bridged"]
                return len(alive) >= 3 and len(await house.of("one")) >= 3

            await until(in_the_middle, 20.0)
            second.kill()
            await second.wait()
            left = {call.id for call in await house.of("two") if call.ended_ms is None}
            assert left, "the second engine had nothing to leave"
            await until(house.quiet, 60.0)
            assert house.worlds["two"].asterisk.leftovers() == [], "channels of the dead engine are left"
        counted = house.invited()
        assert set(counted) == set(NUMBERS)
        assert set(counted.values()) == {1}, [number for number, times in counted.items() if times != 1]
        settled = {call.id: call for call in await house.of("two") if call.id in left}
        dialed = [call for call in settled.values() if call.dialed]
        assert dialed
        assert {call.ended_by for call in settled.values()} == {"system_failure"}
        assert {call.outcome for call in dialed} <= {"completed", "canceled", "lost"}
        nodes = {call.node for name in NAMES for call in await house.of(name)}
        assert nodes == set(NAMES)


async def test_an_engine_under_a_name_that_lives_refuses_to_run(tmp_path: Path, fresh_database: str) -> None:
    async with (
        lone_redis(tmp_path) as redis,
        cells(tmp_path, fresh_database, redis.url) as house,
        control_process(house.settings["one"]),
    ):
        twin = house.settings["two"].model_copy(update={"node_name": "one"})
        with pytest.raises(AssertionError, match="instead of getting ready"):
            async with control_process(twin):
                pass
