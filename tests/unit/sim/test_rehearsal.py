"""What is compared in a rehearsal: each expectation that does not hold is told; and steps only personas use."""

import click
import msgspec
import pytest

from app.cli.sim_run import chosen, result_of
from app.domain.call import Call, Turn
from app.domain.fields import Collected, Evidence
from app.domain.task import CallTask, TaskState
from app.figures import answer
from app.sim import tonevoice
from app.sim.asterisk import Answer, CalleeScript, Converse, Menu
from app.sim.asterisk.call_flow import CalleeFlow
from app.sim.asterisk.call_signals import AgentPressed, AgentSaid, Input, Invited, Speak, Spoken, Tick
from app.sim.realtime.vad import EnergyVad, Started
from app.sim.rehearsal.cast import CAST
from app.sim.rehearsal.expected import Expected, Found, violations
from app.sim.rehearsal.sounds import RATE_HZ, beep, mumbled, music
from app.sim.rehearsal.stage import Judged
from app.store.dnd import DoNotCall

PROOF = Evidence(item_id="u1", quote="yes", start_audio_ms=0, end_audio_ms=500)
TASK = CallTask(
    **{
        name: {"state": TaskState.COMPLETED, "overall_conclusion": "fine"}.get(name)
        for name in CallTask.__struct_fields__
    }
)  # type: ignore[arg-type]
CALL = Call(
    **{
        name: {"outcome": "completed", "ended_by": "agent", "answered_by": "human", "detail": "done"}.get(name)
        for name in Call.__struct_fields__
    }
)  # type: ignore[arg-type]
FOUND = Found(
    task=TASK,
    calls=(CALL,),
    turns=(Turn(speaker="callee", item_id="u1", text="oh yes"),),
    tools=("save_field", "end_call"),
    refusals=(),
    kinds=frozenset({"tool_call"}),
    fields={"attends": Collected(name="attends", value="true", evidence=PROOF)},
    listed=None,
    heard=("hello, can you come?", "thank you, goodbye."),
    keys="",
    invited=1,
    session_text="the session",
    again_at="",
)
EXPECTED = Expected(
    state=TaskState.COMPLETED,
    ended_by="agent",
    tools=("save_field", "end_call"),
    fields={"attends": "true"},
    heard=("can you come", "goodbye"),
    told=("session",),
)
WRONG = {
    "rung twice": {"invited": 2},
    "another end": {"calls": (msgspec.structs.replace(CALL, ended_by="callee"),)},
    "another outcome": {"calls": (msgspec.structs.replace(CALL, outcome="lost"),)},
    "somebody else answered": {"calls": (msgspec.structs.replace(CALL, answered_by="ivr"),)},
    "another state": {"task": msgspec.structs.replace(TASK, state=TaskState.PENDING)},
    "another function": {"tools": ("end_call",)},
    "something refused": {"refusals": ("no",)},
    "a field less": {"fields": {}},
    "a field without its words": {"turns": (Turn(speaker="callee", item_id="u1", text="no"),)},
    "a field by the agent's words": {"turns": (Turn(speaker="agent", item_id="u1", text="yes"),)},
    "listed": {"listed": DoNotCall(id="1", tenant_id="t", number="+1", reason="", source="callee")},
    "keys": {"keys": "1"},
    "not heard": {"heard": ("hello, can you come?",)},
    "heard in another order": {"heard": ("thank you, goodbye.", "hello, can you come?")},
    "not told": {"session_text": "nothing"},
}


def test_what_is_as_expected_is_no_violation() -> None:
    assert violations(EXPECTED, FOUND) == []


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_each_difference_is_told(change: dict[str, object]) -> None:
    assert violations(EXPECTED, msgspec.structs.replace(FOUND, **change)) != []


def flow(*steps: Menu | Converse) -> CalleeFlow:
    made = CalleeFlow(CalleeScript((Answer(0.0), *steps)))
    spoken(made, Invited(), 0.0)
    return made


def spoken(flow_: CalleeFlow, event: Input, now: float) -> list[str]:
    return [one.text for one in flow_.handle(event, now) if isinstance(one, Speak)]


def test_a_menu_is_said_again_until_the_key_comes() -> None:
    callee = CalleeFlow(CalleeScript((Answer(0.0), Menu("menu", "2", times=3, pause_s=1.0), Menu("next", "9"))))
    assert spoken(callee, Invited(), 0.0) == ["menu"]
    assert spoken(callee, Spoken(), 2.0) == []
    assert spoken(callee, Tick(), 2.9) == []
    assert spoken(callee, Tick(), 3.0) == ["menu"]
    assert spoken(callee, AgentPressed("1"), 3.5) == []
    assert spoken(callee, AgentPressed("2"), 3.6) == ["next"]


def test_a_menu_nobody_answers_is_left() -> None:
    callee = CalleeFlow(CalleeScript((Answer(0.0), Menu("menu", "2", times=2, pause_s=1.0), Menu("next", "9"))))
    said = spoken(callee, Invited(), 0.0)
    for at in range(1, 12):
        said += spoken(callee, Spoken() if at % 3 == 1 else Tick(), float(at))
    assert said[:3] == ["menu", "menu", "next"]


def test_a_conversation_answers_what_is_asked_as_often_as_it_is() -> None:
    callee = flow(Converse((("when", "at ten"), ("moment", "")), "pardon?"))
    assert spoken(callee, AgentSaid("when will you come?"), 1.0) == ["at ten"]
    assert spoken(callee, AgentSaid("one moment"), 1.5) == []
    assert spoken(callee, Spoken(), 2.0) == []
    assert spoken(callee, AgentSaid("wen"), 3.0) == ["pardon?"]
    assert spoken(callee, AgentSaid("when?"), 3.2) == []
    assert spoken(callee, Spoken(), 4.0) == ["at ten"]


def test_sounds_are_no_words_and_mumbling_is_heard() -> None:
    assert [one.text for one in tonevoice.listen(beep(), RATE_HZ) if one.complete] == []
    assert [one.text for one in tonevoice.listen(music(4.0), RATE_HZ) if one.complete] == []
    assert any(isinstance(one, Started) for one in EnergyVad(RATE_HZ).feed(mumbled("hm brr")))


def test_personas_have_the_names_people_know() -> None:
    assert {"polite", "interrupter", "mumbler", "silent", "hold_music", "ivr", "screening", "voicemail"} <= set(
        CAST
    )
    assert {"opt_out", "other_language", "injector", "not_available", "wants_human", "tomorrow_at_four"} <= set(
        CAST
    )


def judged(*wrong: str) -> Judged:
    return Judged(
        persona="polite", wrong=wrong, outcome="completed/agent", answered_by="", task="", tools=(), seconds=1.0
    )


def test_the_first_violation_is_told_and_each_counts() -> None:
    cast = chosen("polite, voicemail")
    done = result_of("run", cast, [judged(), judged("one", "two")], 1.0)
    assert (done.n, done.violations, done.figures["first_violation"]) == (2, 2, "polite: one")
    assert not answer("sim run", (done,)).ok
    assert answer("sim run", (result_of("run", cast, [judged()], 1.0),)).ok


def test_only_personas_there_are_can_be_asked_for() -> None:
    assert len(chosen("all")) == len(CAST)
    for names in ("nobody", "polite,nobody", "", ","):
        with pytest.raises(click.BadParameter):
            chosen(names)
