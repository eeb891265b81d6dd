"""A time that a callee wished is measured by the rules that bind its dial: those of the number's country, of the
region on record, and of the tenant.
"""

from datetime import UTC, datetime

import msgspec
import pytest

from app.calls.conclude import conclude_task
from app.calls.tools import Reschedule
from app.calls.wished_time import KIND
from app.domain.lifecycle.model import Action
from app.domain.policy.pack import Rules
from app.domain.policy.windows import utc_ms
from app.domain.task import CallTask, TaskState
from app.store import attempts, events, tenants
from app.store.db import Database
from app.store.tenants import TenantTerms
from tests.unit.app.call_world import switchboard
from tests.unit.app.store_world import NOW, TENANT, begun_call, claimed_task, ended
from tests.unit.app.test_analyst import World, judgement, world
from tests.unit.app.test_steward import World as StewardWorld
from tests.unit.app.test_steward import says

__all__ = ["world"]
pytestmark = pytest.mark.anyio

WISHED_MS = utc_ms(datetime(2027, 1, 19, 12, 30, tzinfo=UTC))
"""A Tuesday, 13:30 in Paris, where France's rules pause from 13 to 14."""
MORNINGS = Rules(hours=dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), ((540, 720),)))
CASES = pytest.mark.parametrize(
    ("region", "rules", "legal"), [("", None, True), ("FR-75", None, False), ("", MORNINGS, False)]
)


async def settle_in_paris(db: Database, task: CallTask, region: str, rules: Rules | None) -> None:
    """An American number whose owner is in Paris."""
    if rules is not None:
        await tenants.set_terms(db, TENANT, TenantTerms(rules=rules))
    await db.execute(
        "UPDATE tasks SET callee_zone = 'Europe/Paris', callee_region = :region WHERE id = :id",
        {"region": region, "id": task.id},
    )


@CASES
async def test_what_a_text_model_understood(world: World, region: str, rules: Rules | None, legal: bool) -> None:
    task, _ = await world.talked("Call me on Tuesday at half past one.")
    await settle_in_paris(world.db, task, region, rules)
    quote = "Tuesday at half past one"
    wish = {"local_time": "2027-01-19T13:30", "zone": "Europe/Paris", "turn": 2, "quote": quote}
    evidence = [{"turn": 2, "quote": quote}]
    world.thinks(judgement("SCHEDULE_JOB_RETRY", outcome="callback_requested", evidence=evidence, retry=wish))
    await world.analyst.look()
    done = await world.task(task)
    assert done.state is (TaskState.PENDING if legal else TaskState.WAITING_USER)
    assert not legal or done.next_action_time == WISHED_MS
    assert legal or "outside the calling window" in done.overall_conclusion


@CASES
async def test_what_the_agent_noted(world: World, region: str, rules: Rules | None, legal: bool) -> None:
    board = switchboard(world.db, simulate=False)
    task = await claimed_task(world.db)
    call = await begun_call(world.db, task)
    wish = Reschedule(wished_words="Tuesday at half past one", wished_local="2027-01-19T13:30")
    await events.add(world.db, TENANT, call.id, KIND, {"detail": msgspec.json.encode(wish).decode()}, at_ms=NOW)
    async with world.db.tx() as tx:
        task = await attempts.finish_call(tx, TENANT, ended(call, "completed"), NOW, token=task.lease_token)
    await settle_in_paris(world.db, task, region, rules)
    done = await conclude_task(board, task, task.lease_token)
    assert done.state is (TaskState.PENDING if legal else TaskState.WAITING_USER)
    assert not legal or done.next_action_time == WISHED_MS


@CASES
async def test_what_the_lifecycle_agent_wants(world: World, region: str, rules: Rules | None, legal: bool) -> None:
    there = StewardWorld(world.db, world.sim, world.settings, world.analyst._model)
    task = await there.add()
    await there.put(task, current_attempt_count=1)
    await settle_in_paris(world.db, task, region, rules)
    there.thinks(says(("T1", Action.MOVE, {"at": "2027-01-19T12:30:00+00:00"})))
    await there.round()
    assert [one.action for one in await there.decided()] == ([Action.MOVE] if legal else [])
    assert ((await there.task(task)).next_action_time == WISHED_MS) == legal
