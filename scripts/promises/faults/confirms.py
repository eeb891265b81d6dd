"""An operator confirms twice: a double click, two tabs, a request replayed after the process died.

The clicks come over HTTP to the console; the deaths are those of the promise `confirm`, one at every named point.
"""

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import msgspec

from app.store import audit, campaigns, tasks
from scripts.promises import confirm
from scripts.promises.faults.ground import Account, Ground, Row
from tests.unit.app.planner_world import NUMBER, call, planned
from tests.unit.web.chat_house import CONFIRM, THREADS, House, chat_house

OTHER = "+442079460124"
CLICKS, PLANS, KILLS = 6, 4, 6
"""Clicks on a plan at the same time; random deaths beside one at each point of a confirmation."""


class Clicked(msgspec.Struct, frozen=True):
    """One answer, and from when to when it was waited for (monotonic s)."""

    status: int
    campaign_id: str
    asked: float
    answered: float


async def twice(ground: Ground) -> None:
    """One campaign with its calls, one deed, and one answer for all."""
    async with ground.few:
        await asyncio.to_thread(_clicked, ground.folder, ground.account)
        (ground.folder / "deaths").mkdir()
        proof = confirm.Proof(ground.folder / "deaths", random.Random(ground.seed), "")
        await proof.run(KILLS)
    ground.account.calls += proof.plans
    ground.account.wrong += proof.wrong
    ground.account.figures |= {"clicks": CLICKS * PLANS, "killed_at_points": len(proof.points)}


def _clicked(folder: Path, account: Account) -> None:
    overlapped = 0
    with chat_house(folder) as house, ThreadPoolExecutor(CLICKS) as tabs:
        for n in range(PLANS):
            house.thinks(planned(calls=[call(NUMBER), call(OTHER)]))
            chat = house.say(f"Ask Bob on {NUMBER} or {OTHER} whether Friday suits.")["conversation_id"]
            turns = house.get(f"{THREADS}/{chat}").json()["turns"]
            body = {"conversation_id": chat, "plan_id": turns[-1]["plan"]["id"]}
            start = Barrier(CLICKS)
            found = list(tabs.map(lambda _: _click(house, body, start), range(CLICKS)))  # noqa: B023
            late = [_click(house, body, Barrier(1)) for _ in range(2)]
            overlapped += _overlapping(found)
            account.calls += 1
            _judge(account, house, n, [*found, *late])
    account.expect(f"only {overlapped} clicks came while another was carried out", overlapped >= PLANS)
    account.figures["clicks_beside_each_other"] = overlapped


def _click(house: House, body: dict[str, str], start: Barrier) -> Clicked:
    start.wait(10)
    asked = time.monotonic()
    answer: Any = house.post(CONFIRM, body)
    said = answer.json().get("campaign_id", answer.text[:80])
    return Clicked(answer.status_code, said, asked, time.monotonic())


def _overlapping(found: list[Clicked]) -> int:
    """How many came before the one that made the campaign was answered."""
    first = next((one for one in found if one.status == 201), None)
    return 0 if first is None else sum(one.asked < first.answered for one in found if one is not first)


def _judge(account: Account, house: House, n: int, found: list[Clicked]) -> None:
    what = f"plan {n}"
    statuses = sorted(one.status for one in found)
    account.expect(f"{what}: answers {statuses}", statuses == [200] * (len(found) - 1) + [201])
    made = house.ask(campaigns.list_campaigns)
    account.expect(f"{what}: {len(made)} campaigns after {n + 1} plans", len(made) == n + 1)
    account.expect(f"{what}: told of others", {one.campaign_id for one in found} == {made[0].id})
    numbers = sorted(one.number for one in house.ask(tasks.list_tasks, campaign_id=made[0].id))
    account.expect(f"{what}: tasks for {numbers}", numbers == sorted((NUMBER, OTHER)))
    deeds = [one for one in house.ask(audit.newest) if one.action == "plan_confirmed"]
    account.expect(f"{what}: {len(deeds)} deeds", len(deeds) == n + 1)


ROWS = (
    Row(
        name="operator-confirms-twice",
        fault="Duplicate confirm: double click, two tabs, replayed after a crash",
        during="D",
        run=twice,
    ),
)
