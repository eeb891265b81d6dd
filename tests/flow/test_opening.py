"""Whole calls under rules that want words at the start and a consent: what the agent leaves out is asked of it,
and without a clear yes nothing is recorded.
"""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.domain.call import Call
from app.domain.policy.pack import Rules
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from app.sim.realtime.brain import Cause, Step, ToolCall
from app.store import tenants
from tests.flow.rig import BYE, TENANT, Rig, heard_in, rig
from tests.flow.single import PAUSE

pytestmark = pytest.mark.anyio
NUMBER = "+12025550171"
RULES = Rules(recording="consent", disclosure={"en": ("This is an automated call for the green clinic.",)})
CAUSES = (Cause.TURN, Cause.RESPONSE_CREATE, Cause.TURN, Cause.TOOL_OUTPUT, Cause.TURN)
ASKED = "this is an automated call for the green clinic. may we record this call? please say yes or no."


def answers(words: str) -> CalleeScript:
    """Asks, hears the opening, answers it with `words`, and talks on."""
    opening = (Say("who is this"), WaitForAgent("yes or no"), Say(words))
    return CalleeScript(
        (Ring(0.05), Answer(0.05), PAUSE, *opening, WaitForAgent("which day"), Say("friday works"), WaitForAgent())
    )


def forgetful(consent: dict[str, object]) -> tuple[Step, ...]:
    """An agent that begins without the opening, says it when told, and reports this answer to it."""
    told = ToolCall(name="recording_consent", arguments=consent)
    talk = Step(say="good day"), Step(say=ASKED), Step(call=(told,)), Step(say="which day"), BYE
    return tuple(replace(step, on=on) for step, on in zip(talk, CAUSES, strict=True))


async def call(house: Rig, *steps: Step) -> Call:
    await tenants.set_terms(house.db, TENANT, tenants.TenantTerms(rules=RULES))
    house.think("talk", *steps)
    task = await house.settled(await house.add(NUMBER, "talk to them", opening="wait_for_hello"))
    return await house.call(task)


async def test_what_the_agent_left_out_is_asked_of_it_and_a_yes_starts_the_recording(tmp_path: Path) -> None:
    yes = {"given": True, "words": "yes you may"}
    async with rig(tmp_path, callees={NUMBER: answers("yes you may")}, recording=True) as house:
        done = await call(house, *forgetful(yes))
        assert len(await house.events(done, "disclosure_cut")) == 1, "the agent spoke it because it was told to"
        [said] = await house.events(done, "disclosure_said")
        assert json.loads(str(said.data["detail"]))["heard_until_ms"] > 0
        assert len(await house.events(done, "recording_started")) == 1
        heard = heard_in(done.recording_path, 0)
    assert "friday works" in heard
    assert "who is this" not in heard


async def test_without_a_clear_yes_there_is_no_recording_at_all(tmp_path: Path) -> None:
    no = {"given": True, "words": "i would rather not"}
    async with rig(tmp_path, callees={NUMBER: answers("i would rather not")}, recording=True) as house:
        done = await call(house, *forgetful(no))
        assert await house.events(done, "recording_started") == []
        assert len(await house.events(done, "disclosure_said")) == 1
        assert not done.recording_path
        assert list(house.settings.recordings_dir.glob("*.wav")) == []
