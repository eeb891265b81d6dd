"""What an agent does with its functions in whole calls: values with proof, questions to people, no more calls."""

from pathlib import Path
from typing import Any

import pytest

from app.domain.agent import Agent
from app.domain.feedback import FeedbackRequest, FeedbackState
from app.domain.fields import FieldSpec
from app.domain.messages import FeedbackChanged, TaskChanged
from app.domain.task import CallTask, TaskState
from app.ids import new_id
from app.sim.asterisk import Answer, CalleeScript, Interrupt, Ring, Say, WaitForAgent
from app.sim.realtime.brain import Cause, Step, ToolCall
from app.store import agents, collected, dnd, feedback
from tests.flow.rig import BYE, TENANT, Rig, rig, together

pytestmark = pytest.mark.anyio
LISTENS = (Ring(0.02), Answer(0.02), WaitForAgent())


def says(*words: str) -> CalleeScript:
    """Listens, then answers each utterance of the agent with the next words."""
    turns = [step for text in words for step in (Say(text), WaitForAgent(timeout_s=20.0))]
    return CalleeScript((*LISTENS, *turns))


def interrupts(answer: str, words: str) -> CalleeScript:
    """Listens and answers, then talks over what the agent says to that."""
    ends = WaitForAgent(timeout_s=20.0)
    return CalleeScript((*LISTENS, Say(answer), Interrupt(after_agent_ms=400, text=words), ends, ends))


def use(function: str, say: str = "", /, *, on: Cause | None = None, **arguments: Any) -> Step:
    return Step(say=say, call=(ToolCall(name=function, arguments=arguments),), on=on)


async def agent_with(house: Rig, **fields: Any) -> Agent:
    agent = Agent(
        id=new_id(house.clock.unix_ms()),
        tenant_id=TENANT,
        name=fields.pop("name"),
        opening="greet_first",
        **fields,
    )
    return await agents.create(house.db, agent, house.clock.unix_ms())


async def a_value_is_kept_with_the_turn_that_proves_it(house: Rig) -> None:
    agent = await agent_with(
        house, name="host", data_to_fill=(FieldSpec(name="seats", type="number", required=True),)
    )
    mind = house.think(
        "seats",
        Step(say="for how many?"),
        use("end_call", reason="booked", done=True, on=Cause.TURN),
        use("save_field", name="seats", value=5, quote="for five", on=Cause.TOOL_OUTPUT),
        use("save_field", name="seats", value=4, quote="for four", on=Cause.TOOL_OUTPUT),
        use("end_call", "booked, bye", reason="booked", done=True, on=Cause.TOOL_OUTPUT),
    )
    task = await house.add("+15551005001", "seats wanted", agent=agent)
    await house.settled(task)
    call = await house.call(task)
    refused = [str(event.data["detail"]) for event in await house.events(call, "tool_refused")]
    assert len(refused) == 2, refused
    assert "seats not written down" in refused[0]
    assert "has not said 'for five'" in refused[1]
    (kept,) = await collected.of_call(house.db, TENANT, call.id)
    (turn,) = [turn for turn in await house.turns(call) if turn.speaker == "callee"]
    assert (kept.value, kept.evidence.item_id) == ("4.0", turn.item_id)
    assert (kept.evidence.start_audio_ms, kept.evidence.end_audio_ms) == (turn.start_audio_ms, turn.end_audio_ms)
    assert (call.ended_by, len(mind.asked) >= 5) == ("agent", True)


async def an_opt_out_is_listed_while_they_talk(house: Rig) -> None:
    mind = house.think(
        "sell",
        Step(say="buy a lamp?"),
        use("record_opt_out", words="leave me in peace", on=Cause.TURN),
        Step(say="sorry, bye", call=BYE.call, on=Cause.TOOL_OUTPUT),
    )
    task = await house.add("+15551005002", "sell lamps", max_attempts=3)
    done = await house.settled(task)
    assert done.state is TaskState.SUPPRESSED
    assert await dnd.is_listed(house.db, TENANT, [task.number])
    (entry,) = [e for e in await dnd.list_entries(house.db, TENANT) if e.number == task.number]
    call = await house.call(task)
    (turn,) = [turn for turn in await house.turns(call) if turn.speaker == "callee"]
    assert (entry.evidence_call_id, entry.evidence_item_id) == (call.id, turn.item_id)
    listed = [event.at_ms for event in await house.events(call, "opt_out_listed")]
    assert listed
    assert listed[0] <= (call.ended_ms or 0)
    assert any(event.cause is Cause.TOOL_OUTPUT and "listed" in event.text for event, _ in mind.asked)


async def open_question(house: Rig, task: CallTask) -> FeedbackRequest:
    async def there() -> FeedbackRequest | None:
        found = await feedback.of_task(house.db, TENANT, task.id)
        return next((one for one in found if one.state is not FeedbackState.ANSWERED), None)

    return await house.until(there)


async def answer(house: Rig, request: FeedbackRequest, text: str) -> None:
    async with house.db.tx() as tx:
        await feedback.answer(tx, TENANT, request.id, text, by=None, now_ms=house.clock.unix_ms())
    await house.bus.publish("feedback", FeedbackChanged(tenant_id=TENANT, request_id=request.id))
    await house.bus.publish("tasks", TaskChanged(tenant_id=TENANT, task_id=request.task_id))


ASK = use("request_user_feedback", question="May I offer Tuesday?", suggestions=["Yes", "No"], on=Cause.TURN)


async def an_answer_comes_while_the_callee_waits(house: Rig) -> None:
    agent = await agent_with(house, name="asks", tools=("request_user_feedback",))
    mind = house.think(
        "ask",
        Step(say="when?"),
        ASK,
        Step(say="one moment", on=Cause.TOOL_OUTPUT),
        Step(say="fine", call=BYE.call),
    )
    task = await house.add("+15551005003", "ask when", agent=agent)
    await house.talking(task, "one moment")
    request = await open_question(house, task)
    assert (request.question, request.suggestions) == ("May I offer Tuesday?", ("Yes", "No"))
    await answer(house, request, "Tuesday at ten")
    done = await house.settled(task)
    assert done.state is TaskState.COMPLETED
    (note,) = [line.text for line in mind.asked[-1][1].transcript if line.role == "system"]
    assert note.endswith("Tuesday at ten")


async def unanswered_it_is_parked_and_called_again_with_both_halves(house: Rig) -> None:
    agent = await agent_with(house, name="parks", tools=("request_user_feedback",), feedback_wait_s=5)
    mind = house.think(
        "park",
        Step(say="when?"),
        ASK,
        Step(say="one moment", on=Cause.TOOL_OUTPUT),
        otherwise=Step(say="we call again, bye", call=BYE.call),
    )
    task = await house.add("+15551005004", "park it", agent=agent, max_attempts=1)
    await house.talking(task, "one moment")
    parked = await house.settled(task, 20.0)
    assert parked.state is TaskState.WAITING_USER
    assert "May I offer Tuesday?" in parked.overall_conclusion
    assert house.asterisk.callee(task.number).heard_texts[-1] == "we call again, bye"
    waits = await feedback.waiting(house.db, TENANT)
    request = next(one for one in waits if one.task_id == task.id)
    assert request.state is FeedbackState.TIMED_OUT
    await answer(house, request, "Tuesday at ten")

    async def again() -> bool:
        return len(await house.calls(task)) == 2 and (await house.task(task)).state is TaskState.COMPLETED

    await house.until(again, 20.0)
    assert house.invited(task.number) == 2
    told = " ".join(line.text for line in mind.asked[-1][1].transcript if line.role == "system")
    assert 'You asked: "May I offer Tuesday?" They answered: "Tuesday at ten"' in told
    first, _ = await house.calls(task)
    (words,) = [turn.text for turn in await house.turns(first) if turn.speaker == "callee"]
    assert f'They: "{words}"' in told


async def another_time_is_a_persons_wish(house: Rig) -> None:
    agent = await agent_with(house, name="later", tools=("reschedule_call_trigger_analysis",))
    wish = {"wished_words": "tomorrow at four", "wished_local": "2099-01-01T16:00"}
    house.think("later", Step(say="now?"), use("reschedule_call_trigger_analysis", **wish, on=Cause.TURN))
    task = await house.add("+15551005005", "later then", agent=agent)
    done = await house.settled(task)
    assert done.state is TaskState.WAITING_USER, "a wish in 2099 is a person's business"
    assert "tomorrow at four" in done.overall_conclusion


async def who_breaks_into_the_farewell_is_answered(house: Rig) -> None:
    agent = await agent_with(house, name="moved", data_to_fill=(FieldSpec(name="day"),))
    house.think(
        "moved",
        Step(say="for when?"),
        use("end_call", "noted then have a very nice day and goodbye", reason="wednesday", on=Cause.TURN),
        use("save_field", name="day", value="thursday", quote="thursday", on=Cause.TURN),
        use("end_call", "thursday it is, bye", reason="thursday", on=Cause.TOOL_OUTPUT),
    )
    task = await house.add("+15551005006", "moved once", agent=agent)
    done = await house.settled(task)
    call = await house.call(task)
    assert (done.state, call.ended_by, call.detail) == (TaskState.COMPLETED, "agent", "thursday")
    (taken_back,) = await house.events(call, "closing_taken_back")
    assert "thursday" in str(taken_back.data["detail"])
    assert len(await house.events(call, "closing")) == 2
    assert await house.events(call, "tool_refused") == []
    (kept,) = await collected.of_call(house.db, TENANT, call.id)
    assert kept.value == '"thursday"'
    heard = house.asterisk.callee(task.number).heard_texts
    assert heard[-1] == "thursday it is, bye", heard


async def who_says_goodbye_into_the_farewell_ends_the_call(house: Rig) -> None:
    house.think(
        "polite",
        Step(say="for when?"),
        use("end_call", "noted then have a very nice day and goodbye", reason="done", on=Cause.TURN),
        Step(say="you too", on=Cause.TURN),
    )
    task = await house.add("+15551005007", "polite talk", opening="greet_first")
    done = await house.settled(task)
    call = await house.call(task)
    assert (done.state, call.ended_by, call.detail) == (TaskState.COMPLETED, "agent", "done")
    assert await house.events(call, "closing_taken_back") == []


CASES = {
    "+15551005001": says("for four"),
    "+15551005002": says("leave me in peace"),
    "+15551005003": says("tuesday?"),
    "+15551005004": says("next week maybe"),
    "+15551005005": says("tomorrow at four"),
    "+15551005006": interrupts("wednesday", "make it thursday"),
    "+15551005007": interrupts("wednesday", "thank you bye bye"),
}


async def test_functions_in_whole_calls(tmp_path: Path) -> None:
    cases = (
        a_value_is_kept_with_the_turn_that_proves_it,
        an_opt_out_is_listed_while_they_talk,
        an_answer_comes_while_the_callee_waits,
        unanswered_it_is_parked_and_called_again_with_both_halves,
        another_time_is_a_persons_wish,
        who_breaks_into_the_farewell_is_answered,
        who_says_goodbye_into_the_farewell_ends_the_call,
    )
    async with rig(tmp_path, callees=CASES) as house:
        await together({case.__name__: (lambda case=case: case(house)) for case in cases})  # type: ignore[misc]
