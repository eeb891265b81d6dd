"""The demo's planner: every brief of the console's empty page leads through form or look-up to a plan."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain.admission_site import SIMULATION_PACK, Site
from app.llm.planner import Planner
from app.sim.text import Route
from app.sim.text.planner import PlausiblePlanner
from app.sim.text.town import TOWN
from tests.unit.app.conftest import Opener
from tests.unit.app.planner_world import World, planner_world

pytestmark = pytest.mark.anyio
SIMULATION = Site(packs=(SIMULATION_PACK,), allowed_countries=(), fictional=True)


@pytest.fixture
async def world(opener: Opener, anyio_backend: str) -> AsyncIterator[World]:
    del anyio_backend
    async with opener() as db, planner_world(db) as world:
        mind = PlausiblePlanner()
        world.sim.routes[:] = [Route(schema="PlannerReply", mind=mind), Route(tool="search_internet", mind=mind)]
        world.found.places = list(TOWN)
        offered = world.planner.parts.lookups
        world.planner = Planner(
            world.settings,
            world.clock,
            world.db,
            model=world.model,
            lookups=offered,
            site=SIMULATION,
        )
        yield world


async def test_a_number_in_the_brief_is_planned_and_corrected(world: World) -> None:
    chat = await world.begin()
    made = await world.says(chat, "Call Ada on +1 555 1000 500 and ask whether Friday at four suits her.")
    assert made.kind == "plan", made
    assert made.content.plan is not None
    (one,) = made.content.plan.calls
    assert (one.callee_name, one.number) == ("Ada", "+15551000500")
    again = await world.says(chat, "Rather Monday.")
    assert again.content.changes is not None
    assert [change.field for change in again.content.changes.changes] == ["objective"]


async def test_a_business_is_looked_up_and_chosen(world: World) -> None:
    chat = await world.begin()
    asked = await world.says(
        chat, "Book a table for four on Friday evening at an Italian restaurant near the station."
    )
    assert (asked.kind, [one.name for one in asked.lookups]) == ("questions", ["get_authoritative_business_info"])
    fields = {one.name: one for one in asked.content.questions}
    assert {one.type for one in fields.values()} == {"choice", "date_time", "number", "multi_choice", "yes_no"}
    assert "Dental Practice Dr. Weiss" not in fields["place"].options
    answers = {"place": "Osteria Luna", "time": "2027-01-22T19:30", "people": 4}
    made = await world.says(chat, answers=answers)
    assert made.content.plan is not None, made.text
    (one,) = made.content.plan.calls
    assert (one.number, one.callee_kind, one.origin.kind) == ("+15552000041", "business", "lookup")
    again = await world.says(chat, "And a high chair.")
    assert again.content.plan is not None
    assert again.content.plan.calls[0].callee_kind == "business"


async def test_a_table_becomes_a_batch(world: World) -> None:
    chat = await world.begin()
    table = "Name,Phone,Time\nAda,+15551000500,9:00\nBen,+15551000041,10:00\nX,12,11:00\n"
    made = await world.says(
        chat, "Remind everybody in the attached list of tomorrow's appointment.", tables=(table,)
    )
    assert made.content.plan is not None, made.text
    assert [one.number for one in made.content.plan.calls] == ["+15551000500", "+15551000041"]
    assert [one.row for one in made.content.plan.left_out] == [3]
    assert "Time: 9:00" in made.content.plan.calls[0].objective


@pytest.mark.parametrize(
    ("words", "kind", "more"),
    [
        ("Hello!", "message", {}),
        ("Ask Bob whether Friday suits.", "questions", {}),
        ("Call my dentist.", "questions", {}),
    ],
)
async def test_other_beginnings(world: World, words: str, kind: str, more: dict[str, Any]) -> None:
    assert (await world.says(await world.begin(), words, **more)).kind == kind
