"""Promise `testmode`: with test mode on no other number than the redirect number is ever dialed.

Generated campaigns with retries, orders to living calls (end, another time, transfer) and a redirect phone that is
busy, silent or talks; and in between originates that nobody committed: foreign numbers, another number on a
committed channel, the redirect number without an intent. The witness is the simulated exchange: which endpoints
it was asked to dial.
"""

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec

from app.calls.dial_guard import DialGuard
from app.domain.admission_site import Site
from app.domain.command import EndCall, Reschedule, Transfer
from app.domain.messages import TaskChanged
from app.domain.task import SETTLED, NewTask, TaskState
from app.errors import AppError
from app.figures import Result
from app.ids import new_id
from app.logs import set_up_logs
from app.sim.asterisk import Answer, Busy, CalleeScript, HangUp, Ring, WaitForAgent
from app.store import admission, calls, campaigns, tasks
from app.store.campaigns import NewCampaign
from scripts.promises.changed import changed
from stasis.errors import AriError
from stasis.ids import CallIds
from stasis.requests import Originate
from tests.flow.ordering import order
from tests.flow.rig import AGENTS, BYE, TENANT, Rig, rig

REDIRECT = "+15551009999"
CAMPAIGNS = 6
TASKS = 8
LIMIT_S = 150.0
UNSETTLED = frozenset(TaskState) - SETTLED
PHONES = (
    CalleeScript((Ring(0.02), Answer(0.02), HangUp(0.1))),
    CalleeScript((Ring(0.02), Answer(0.02), WaitForAgent())),
    CalleeScript((Busy(),)),
)


class Tally:
    """What was tried and what was dialed."""

    def __init__(self) -> None:
        self.calls = 0
        self.forged = 0
        self.retries = 0
        self.orders = 0
        self.wrong: list[str] = []


def run(seed: int, mutant: str = "", tries: int = CAMPAIGNS * TASKS) -> Result:
    """All of it, then a small round with each mutant."""
    set_up_logs("critical", as_json=False)
    began = time.monotonic()
    tally = asyncio.run(_whole(seed, mutant, tries))
    small = min(tries, TASKS)
    missed = [name for name in MUTANTS if not mutant and not asyncio.run(_whole(seed, name, small)).wrong]
    return Result(
        name="testmode",
        n=tally.calls + tally.forged,
        violations=len(tally.wrong) + len(missed),
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        figures={
            "calls": tally.calls,
            "retries": tally.retries,
            "orders": tally.orders,
            "forged_originates": tally.forged,
            "mutants": len(MUTANTS),
            "mutants_missed": ", ".join(missed) or None,
            "first": tally.wrong[0] if tally.wrong else None,
        },
    )


async def _whole(seed: int, mutant: str, tries: int) -> Tally:
    chance, tally = random.Random(seed), Tally()
    mode = {"app_test_mode": True, "app_test_mode_redirect_number": REDIRECT, "no_input_s": 0.3}
    with MUTANTS[mutant]() if mutant else contextlib.nullcontext(), tempfile.TemporaryDirectory() as name:
        try:
            async with rig(Path(name), callees=lambda _: chance.choice(PHONES), **mode) as house:
                house.think("brief", BYE)
                await _campaigns(house, tries, chance)
                await _beset(house, tally, chance)
                await _witness(house, tally)
                house.engine.scheduler.stop()
        except AssertionError as left:  # what a house that was left in order does not have
            tally.wrong.append(f"left behind: {left}")
    return tally


async def _beset(house: Rig, tally: Tally, chance: random.Random) -> None:
    """Until every task is settled, at most LIMIT_S."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
            others = [
                group.create_task(_forge(house, tally, chance)),
                group.create_task(_order(house, tally, chance)),
            ]
            await _until_settled(house)
            for other in others:
                other.cancel()


async def _campaigns(house: Rig, tries: int, chance: random.Random) -> None:
    now_ms = house.clock.unix_ms()
    for first in range(0, tries, TASKS):
        batch = [
            NewTask(
                id=new_id(now_ms + first + n),
                agent_id=AGENTS["greet_first"].id,
                number=f"+1555{chance.randrange(10**7):07}",
                objective="brief talk",
                next_action_time=now_ms,
                max_attempts=2,
            )
            for n in range(min(TASKS, tries - first))
        ]
        async with house.db.tx() as tx:
            await campaigns.create(tx, TENANT, NewCampaign(id=f"campaign{first}", name="C"), batch, now_ms)
    await house.bus.publish("tasks", TaskChanged(tenant_id=TENANT, task_id=""))


async def _until_settled(house: Rig) -> None:
    """Time runs an hour ahead whenever only retries are left."""
    while True:
        waiting = await tasks.list_tasks(house.db, TENANT, states=UNSETTLED, limit=1_000)
        if not waiting:
            return
        now_ms = house.clock.unix_ms()
        if all(one.state is TaskState.PENDING and one.next_action_time > now_ms + 60_000 for one in waiting):
            house.clock.ahead_ms += 61 * 60_000
            await house.bus.publish("tasks", TaskChanged(tenant_id=TENANT, task_id=""))
        await asyncio.sleep(0.05)


async def _forge(house: Rig, tally: Tally, chance: random.Random) -> None:
    """Originates that admission never saw, through the client every part of the program has."""
    while True:
        alive = list(house.engine.board.calls)
        call_id = chance.choice(alive) if alive and chance.random() < 0.5 else new_id(house.clock.unix_ms())
        number = REDIRECT if chance.random() < 0.2 else f"+1555{chance.randrange(10**7):07}"
        channel_id = CallIds(node=house.settings.node_name, call_id=call_id).callee
        request = Originate(
            endpoint=house.settings.trunk_endpoint.replace("{number}", number),
            app=house.settings.ari_app,
            channel_id=channel_id if chance.random() < 0.7 else f"x{tally.forged}",
            timeout_s=5,
        )
        with contextlib.suppress(AriError):
            await house.engine.board.ari.client.channels.originate(request)
        tally.forged += 1
        await asyncio.sleep(0.05)


async def _order(house: Rig, tally: Tally, chance: random.Random) -> None:
    """What an operator, or a model, may ask of a living call."""
    while True:
        for call_id in list(house.engine.board.calls):
            number = f"+1555{chance.randrange(10**7):07}"
            payload = chance.choice((EndCall(polite=False), Reschedule(), Transfer(target=number)))
            with contextlib.suppress(AppError):
                await order(house, await calls.get(house.db, TENANT, call_id), payload)
                tally.orders += 1
        await asyncio.sleep(0.4)


async def _witness(house: Rig, tally: Tally) -> None:
    """What the exchange was asked to dial, against what was committed."""
    committed = 0
    for task in await tasks.list_tasks(house.db, TENANT, limit=1_000):
        made = await calls.of_task(house.db, TENANT, task.id)
        committed += sum(call.dialing_ms is not None for call in made)
        tally.retries += max(0, len(made) - 1)
        tally.wrong += [f"{call.number_dialed} was committed" for call in made if call.number_dialed != REDIRECT]
    tally.calls = len(house.asterisk.invites)
    tally.wrong += [f"{one.number} was dialed" for one in house.asterisk.invites if one.number != REDIRECT]
    if tally.calls > committed:
        tally.wrong.append(f"{tally.calls} calls for {committed} intents")


# --- deliberately wrong products --------------------------------------------------------------------------------
def _lets_pass(*_: object) -> None:
    return None


def _any_committed_channel(guard: DialGuard, request: Originate) -> None:
    """Looks at the channel and not at the number."""
    if not request.channel_id.startswith("od-"):
        raise AriError(None, "not ours")


@contextlib.contextmanager
def _no_redirect() -> Generator[None]:
    """Neither admission nor the wall knows of test mode."""
    with changed(Site, "target", lambda _, number: number), changed(Site, "may_dial", lambda *_: True):
        real = admission.judge

        async def forgetful(sql: Any, task: Any, site: Site, *arguments: Any, **named: Any) -> Any:
            return await real(sql, task, msgspec.structs.replace(site, test_mode=False), *arguments, **named)

        with changed(admission, "judge", forgetful):
            yield


MUTANTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "no_wall": lambda: changed(DialGuard, "check", _lets_pass),
    "any_number_of_ours": lambda: changed(DialGuard, "check", _any_committed_channel),
    "no_redirect": _no_redirect,
}
