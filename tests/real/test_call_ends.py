"""How calls of the product end on the real Asterisk: refused, unanswered, hung up, given up, stopped.

What is stored of each (outcome, who ended it, what follows), that every number was rung exactly once, and that
nothing is left in Asterisk.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from app.sim import tonevoice
from app.sim.realtime.brain import Step
from tests.real.conftest import RealAsterisk, StartPhones
from tests.real.listening import loud, record
from tests.real.phones import Callee, still_sent
from tests.real.rig import NUMBER, Office, model, number, office, script, settings_for

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]

REFUSALS: dict[str, tuple[Callee, str, str, int, int | None, str]] = {
    # callee, outcome, ended by, Q.850 cause, SIP status, the task afterwards
    "busy": (Callee(number(0), status=486), "busy", "callee", 17, 486, "pending"),
    "rejected": (Callee(number(1), status=603), "rejected", "callee", 21, 603, "failed"),
    "forbidden": (Callee(number(2), status=403, ring_ms=0), "trunk_fault", "network", 21, 403, "pending"),
    "unknown": (Callee(number(3), status=404, ring_ms=0), "bad_number", "network", 1, 404, "failed"),
    "carrier": (Callee(number(4), status=503, ring_ms=0), "network", "network", 34, 503, "pending"),
    "no answer": (Callee(number(5), status=None), "no_answer", "system_timeout", 19, 480, "pending"),
    "dead peer": (Callee(number(6), deaf=True), "unreachable", "network", 19, 480, "pending"),
    "login": (Callee(number(7), status=401, ring_ms=0), "trunk_fault", "network", 21, 401, "pending"),
}


async def test_every_way_not_to_be_answered(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    """All at once; each is told from the others, and none is rung twice."""
    at = phones(*(row[0] for row in REFUSALS.values()))
    async with (
        model(script(Step(say="hello"))) as sim,
        office(settings_for(asterisk, tmp_path, sim.url, ring_timeout_s=5)) as here,
    ):
        ids = await here.dial(*(row[0].number for row in REFUSALS.values()))
        ended = {name: await here.ended(task) for name, task in zip(REFUSALS, ids, strict=True)}
    found = {
        name: (
            one.call.outcome,
            one.call.ended_by,
            one.call.hangup_cause,
            one.call.tech_cause,
            str(one.task.state),
        )
        for name, one in ended.items()
    }
    assert found == {name: row[1:] for name, row in REFUSALS.items()}
    for name, one in ended.items():
        assert one.call.dialed, name
        assert one.call.answered_ms is None, name
        assert one.task.current_attempt_count == 1, name
        assert one.turns == [], name
        assert at[one.call.number_dialed.removeprefix("+")].audio() == [], name
    assert at.invites == dict.fromkeys(here.dialed, 1)
    assert all(session.appended_audio == b"" for session in sim.sessions), "the model heard nobody"
    at.unplug()
    await phones(still_sent(number(6))).until("ACK", number(6))


async def test_callee_hangs_up_mid_sentence(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    at = phones(Callee(NUMBER, ring_ms=500, hang_up_after_ms=1200))
    sentence = "this sentence is much longer than the patience of the callee who hangs up in the middle of it"
    async with model(script(Step(say=sentence))) as sim, office(settings_for(asterisk, tmp_path, sim.url)) as here:
        [task] = await here.dial(NUMBER)
        done = await here.ended(task)
    assert (done.call.outcome, done.call.ended_by, done.call.hangup_cause) == ("completed", "callee", 16)
    assert done.task.state == "completed"
    [turn] = done.turns
    held_ms = 20 * int(np.count_nonzero(loud(record(at[NUMBER]).samples, 8000)))
    print(f"stored as heard {turn.heard_ms} ms of {turn.generated_ms}, the phone holds {held_ms} ms")
    assert turn.interrupted
    assert abs(turn.heard_ms - held_ms) <= 60, "as much as was on the way when the BYE came"
    assert done.call.ended_ms is not None
    assert at.invites == {NUMBER: 1}


async def test_silent_callee_is_asked_and_let_go(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    at = phones(Callee(NUMBER))
    brain = script(Step(say="hello"), Step(say="are you there"), Step(say="goodbye"))
    patience = {"no_input_s": 2, "no_input_prompts": 1, "media_mode": "process"}
    async with model(brain) as sim, office(settings_for(asterisk, tmp_path, sim.url, **patience)) as here:
        [task] = await here.dial(NUMBER)
        done = await here.ended(task)
    heard = tonevoice.listen(record(at[NUMBER]).samples, 8000)
    assert [one.text for one in heard] == ["hello", "are you there", "goodbye"]
    assert all(one.complete for one in heard), "the farewell was heard to its end"
    silences = [(b.start_ms - a.end_ms) / 1000 for a, b in pairwise(heard)]
    assert all(1.9 < one < 3.0 for one in silences), silences
    assert (done.call.outcome, done.call.ended_by) == ("completed", "system_timeout")
    assert done.noted("no_input") == ["1", "given up"]
    assert len(at.seen("BYE-IN")) == at.invites[NUMBER] == 1


async def test_unknown_trunk_burns_no_attempt(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    at = phones(Callee(NUMBER))
    trunk = {"trunk_endpoint": "PJSIP/{number}@no-such-trunk"}
    async with model(script()) as sim, office(settings_for(asterisk, tmp_path, sim.url, **trunk)) as here:
        [task] = await here.dial(NUMBER)
        done = await here.ended(task)
    assert (done.call.outcome, done.call.ended_by, done.call.dialed) == ("trunk_fault", "system_failure", False)
    assert (done.task.state, done.task.current_attempt_count, done.task.not_dialed_count) == ("pending", 0, 1)
    assert "Allocation failed" in done.call.detail
    assert done.task.next_action_time > done.call.created_ms + 60_000
    assert not at.invites


@pytest.mark.parametrize("media_mode", ["process", "in_process"])
async def test_stopping_the_engine_ends_its_calls(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path, media_mode: str
) -> None:
    """One call talks and one rings when the engine is told to stop."""
    at = phones(Callee(number(0)), Callee(number(1), status=None))
    async with model(script(Step(say="a long sentence " * 5))) as sim:
        async with office(settings_for(asterisk, tmp_path, sim.url, media_mode=media_mode)) as here:
            talking, ringing = await here.dial(number(0), number(1))
            await here.reaches(ringing, "ringing")
            await at[number(0)].hears(25)
        assert asterisk.leftovers() == [], "nothing is left the moment the engine has stopped"
        await at.until("BYE-IN", number(0))
        await at.until("CANCEL", number(1))
        after = await after_stop(here, talking, ringing)
    assert [one[:2] for one in after] == [("completed", "system_complete"), ("canceled", "system_complete")]
    assert after[1][2] == "pending"
    assert at.invites == dict.fromkeys(here.dialed, 1)


async def after_stop(here: Office, *task_ids: str) -> list[tuple[str | None, str | None, str]]:
    """Outcome, who ended it, and the state of the task, from the database of an engine that has stopped."""
    async with here.db as db:
        assert db is here.db
        ended = [await here.ended(one, timeout_s=1) for one in task_ids]
    return [(one.call.outcome, one.call.ended_by, str(one.task.state)) for one in ended]
