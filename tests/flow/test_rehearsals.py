"""An agent's version is rehearsed by the whole product: what passes, and what a wrong setting looks like."""

import msgspec
import pytest

from app.cli.sim_rehearse import rehearsed
from app.domain.agent import PLANNED_TOOLS, Agent
from app.domain.fields import FieldSpec
from app.domain.rehearsal import PersonaResult, RehearsalSaid
from app.sim.rehearsal.fitted import Fitted, fitted

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]
ASKS = (
    FieldSpec(name="wants", type="yes_no", help="Would you like a table?", required=True),
    FieldSpec(name="people", type="number", help="For how many people?", required=True, minimum=6),
)
LONG = "in the quiet room with the green chairs beside the long window over the old harbour " * 3


def agent(**fields: object) -> Agent:
    given: dict[str, object] = {"tools": PLANNED_TOOLS, "data_to_fill": ASKS, **fields}
    return msgspec.convert(
        {"id": "a", "tenant_id": "default", "name": "Tables", "prompt": "You book."} | given, Agent
    )


def only(plan: Fitted, *names: str) -> Fitted:
    return msgspec.structs.replace(plan, cast=tuple(one for one in plan.cast if one.name in names))


async def results(plan: Fitted) -> dict[str, PersonaResult]:
    told: list[RehearsalSaid] = []
    await rehearsed(plan, told.append)
    assert [said.over for said in told[:-1]] == list(range(len(plan.cast) + 1))
    found = told[-1].results
    assert found is not None
    return {one.persona: one for one in found}


async def test_an_agent_that_can_do_its_work_passes() -> None:
    found = await results(only(fitted(agent()), "polite", "opt_out", "injector"))
    assert {name: one.wrong for name, one in found.items()} == {
        "polite": (),
        "opt_out": (),
        "injector": (),
        "nobody else is rung": (),
    }
    assert found["polite"].tools == ("save_field", "save_field", "end_call")
    assert ("callee", "yes, 6") in found["polite"].said


async def test_an_agent_that_is_given_too_little_time_fails_and_says_why() -> None:
    asks = [FieldSpec(name="wants", type="yes_no", help=f"Would you like a table {LONG}?"), ASKS[1]]
    found = await results(only(fitted(agent(max_talk_s=10, data_to_fill=asks)), "polite"))
    assert any("maximum length reached" in line for line in found["polite"].wrong), found["polite"]
    assert found["polite"].said, "the transcript tells how it came to that"
