"""Calls whose model dies in the middle, and what the callee made of it: the witness is the telephone.

The callee asks for fruits one after the other; the simulated model notes each in one sentence. It knows only what
its session was told, like a real one: what it is asked to say twice it says twice, and without the talk so far it
greets. A busy machine garbles a letter now and then, so words are compared by likeness.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import chain
from random import Random
from typing import Any

import msgspec
import numpy as np

from app.domain.call import Call, Turn
from app.domain.task import CallTask
from app.sim import tonevoice
from app.sim.asterisk import Answer, Callee, CalleeScript, Ring, Say, StaySilent, WaitForAgent
from app.sim.realtime.brain import BrainEvent, Cause, SessionView, Step, ToolCall
from app.sim.realtime.faults import Fault, FaultKind
from app.sim.realtime.session import SimSession
from tests.flow.rig import Rig, until
from tests.flow.single import PAUSE

FRUITS = ("apricot", "cherimoya", "banana", "grape", "lemon", "mulberry")
GREETING = "hello who is there"
FAREWELL = "farewell"
PATIENCE_S = 12.0
SETTLED_S = 170.0
"""Longer than the longest call, even on a machine that has other things to do."""
QUICK_LIFE_S = 5.5
"""Cuts of one call lie further apart than what counts as a session that dies at once."""
LENGTH_S = 17.0
AIMED_AT = FRUITS[::2]
HEARING_S = 1.2
"""After the question, nearly all of it spent on hearing the answer."""
ALIKE = 0.6
QUIET = 60.0
"""RMS below which a slot is silence; comfort noise has 18, the softest note of the filler 100."""
ANSWER_FAULTS = (
    FaultKind.FAIL,
    FaultKind.ERROR,
    FaultKind.RATE_LIMIT,
    FaultKind.STALL,
    FaultKind.NOT_JSON,
    FaultKind.UNKNOWN_EVENT,
    FaultKind.BINARY_FRAME,
    FaultKind.TEXT_ONLY,
    FaultKind.DONE_WITHOUT_CREATED,
    FaultKind.BAD_ARGUMENTS,
)
SCRIPT = CalleeScript(
    (
        Ring(0.05),
        Answer(0.05),
        PAUSE,
        *chain.from_iterable(
            (Say(f"note {fruit}"), WaitForAgent("done", PATIENCE_S, anew=True), StaySilent(0.2))
            for fruit in FRUITS
        ),
        Say("goodbye"),
        WaitForAgent(FAREWELL, PATIENCE_S),
    )
)
"""A "done" that is said again (see `_windows`) is no answer to the next fruit."""


LAST_WORD_AGAIN = re.compile(r"\b(?:d|do|don|done) done$")


def like(words: str) -> str | None:
    """The fruit that is meant, if any."""
    likeness = {
        fruit: max((SequenceMatcher(None, word, fruit).ratio() for word in words.split()), default=0.0)
        for fruit in FRUITS
    }
    best = max(FRUITS, key=likeness.__getitem__)
    return best if likeness[best] > ALIKE else None


def reply_to(fruit: str) -> str:
    """What the model says about a fruit, nearly two seconds long."""
    return f"{fruit} yes i write it down now {fruit} done"


class Keeper:
    """The model. `faults` are acted out with the answer to a fruit, once."""

    def __init__(self, faults: dict[str, Fault]) -> None:
        self._faults = faults
        self.dropped = 0

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        lines = [line for line in view.transcript if line.role in {"user", "assistant"}]
        users = [at for at, line in enumerate(lines) if line.role == "user"]
        if not users:
            return Step(say=GREETING)
        asked = lines[users[-1]].text
        said = " ".join(line.text for line in lines[users[-1] + 1 :]).strip()
        fruit = like(asked)
        if fruit is None:
            return self._other(asked, view)
        whole = reply_to(fruit)
        if said == whole and event.cause is Cause.TOOL_OUTPUT:
            return Step()  # all is said; a real model is silent too
        rest = whole[len(said) :].strip() if said and whole.startswith(said) and said != whole else whole
        fault = self._faults.pop(fruit, None)
        self.dropped += fault is not None and fault.kind is FaultKind.DROP
        if fault is not None and fault.kind is FaultKind.BAD_ARGUMENTS:
            return Step(say=rest, call=(ToolCall(name="send_dtmf"),), faults=(fault,))
        return Step(say=rest, faults=(fault,) if fault else ())

    def _other(self, asked: str, view: SessionView) -> Step:
        leaving = max((SequenceMatcher(None, word, "goodbye").ratio() for word in asked.split()), default=0.0)
        if leaving > ALIKE and view.offers("end_call"):
            return Step(say=FAREWELL, call=(ToolCall(name="end_call", arguments={"reason": "done"}),))
        return Step(say="what was that")


class Aim(StrEnum):
    """Moments of a talk at which a product that is wrong in one way must show it."""

    ASKED = "asked"
    """The callee has just said its sentence."""
    ANSWERING = "answering"
    """Half of the answer has come."""
    HEARING = "hearing"
    """All of the answer has come, and the callee hears it."""
    ANSWERED = "answered"
    """The callee has heard all of the answer and says nothing yet."""


class Cuts(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one call: when its socket dies, how, and one more fault."""

    at_s: tuple[float, ...] = ()
    """Seconds after the answer."""
    aim: Aim | None = None
    """Instead of `at_s`: at every second fruit, at this moment of it."""
    how: tuple[str, ...]
    fault: Fault | None = None
    fruit: str = ""

    @property
    def faults(self) -> dict[str, Fault]:
        """What the model does wrong itself, by the fruit it answers to."""
        if self.aim is Aim.ANSWERING:
            return {fruit: Fault(kind=FaultKind.DROP, after_deltas=3) for fruit in AIMED_AT}
        return {self.fruit: self.fault} if self.fault else {}


def aimed(aim: Aim) -> Cuts:
    """The same moment of every second fruit."""
    return Cuts(aim=aim, how=("drop",) * len(AIMED_AT))


def draw(random: Random, cuts: int, *, faulty: bool) -> Cuts:
    """Any moment of the talk, any way to die."""
    first = random.uniform(0.1, LENGTH_S - (cuts - 1) * QUICK_LIFE_S)
    at_s = tuple(first + number * (QUICK_LIFE_S + random.uniform(0, 0.8)) for number in range(cuts))
    kind = random.choice(ANSWER_FAULTS)
    fault = Fault(kind=kind, seconds=7.0, after_deltas=random.randint(0, 4)) if faulty else None
    how = tuple(random.choice(("drop", "1001", "1011", "1013", "expired")) for _ in range(cuts))
    return Cuts(at_s=at_s, how=how, fault=fault, fruit=random.choice(FRUITS))


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one call."""

    wrong: tuple[str, ...]
    cuts: int
    continued: bool
    repeated: int
    turns_lost: int
    silence_ms: int
    fillers: int
    struck: str


async def one(house: Rig, number: str, key: str, plan: Cuts) -> Verdict:
    """Make the call, let its model die as planned, and ask the telephone and the transcript."""
    house.minds[key] = mind = Keeper(plan.faults)
    task = await house.add(number, f"{key} talk", opening="wait_for_hello")
    callee = await _answered(house, number)
    done = 0
    async with asyncio.TaskGroup() as group:
        settled = group.create_task(house.settled(task, SETTLED_S))
        async for how in _moments(plan, callee):
            living = [one for one in house.realtime.sessions if f"{key} talk" in one.instructions]
            if not callee.over and living and not living[-1].closed.is_set():
                _cut(living[-1], how)
                done += 1
        try:
            task = await settled
        except TimeoutError:
            task = await house.task(task)  # judged as it is: not continued
    done += mind.dropped
    call = await house.call(task)
    return judge(
        task, call, await house.turns(call), callee, plan=plan, cuts=done, counted=await house.statistics(call)
    )


async def _moments(plan: Cuts, callee: Callee) -> AsyncIterator[str]:
    """How to cut, each time it is time to."""
    now = asyncio.get_running_loop().time
    for at_s, how in zip(plan.at_s, plan.how, strict=plan.aim is None):
        await asyncio.sleep(max(0.0, (callee.answered_s or 0.0) + at_s - now()))
        yield how
    if plan.aim in {None, Aim.ANSWERING}:  # ANSWERING is a fault of the model's
        return
    for fruit, how in zip(AIMED_AT, plan.how, strict=True):

        async def come(fruit: str = fruit) -> float | None:
            if callee.over:
                return now()
            said_s = next((at_s for text, at_s in callee.said if like(text) == fruit), None)
            if said_s is None:
                return None
            if plan.aim is not Aim.ANSWERED:
                later_s = HEARING_S if plan.aim is Aim.HEARING else 0.0
                return said_s + tonevoice.duration_ms(f"note {fruit}") / 1000 + later_s
            since_ms = (said_s - (callee.answered_s or said_s)) * 1000
            heard = any("done" in one.text and one.start_ms > since_ms for one in callee.heard)
            return now() if heard else None

        await asyncio.sleep(max(0.0, await until(come, SETTLED_S) - now()))
        yield how


async def _answered(house: Rig, number: str) -> Callee:
    async def there() -> Callee | None:
        return next((one for one in house.callees(number) if one.answered_s is not None), None)

    return await until(there, 60.0)


def _cut(session: SimSession, how: str) -> None:
    if how == "drop":
        session.drop()
    elif how == "expired":
        session.error("session_expired")
        session.close(1001, "expired")
    else:
        session.close(int(how))


def judge(
    task: CallTask, call: Call, turns: list[Turn], callee: Callee, *, plan: Cuts, cuts: int, counted: Any
) -> Verdict:
    """Repeated, lost, begun anew, not finished: every one is a broken promise."""
    windows = _windows(callee)
    told = {like(turn.text) for turn in turns if turn.speaker == "callee"}
    repeated = [
        fruit
        for fruit, heard in windows.items()
        if heard.count(" done") > 1 or heard.count(" yes") > 1 or like(heard.split(" yes")[0]) not in {fruit, None}
    ]
    lost = [fruit for fruit in windows if fruit not in told]
    unheard = [fruit for fruit, heard in windows.items() if "done" not in heard]
    anew = sum(one.text.count(GREETING) for one in callee.heard)
    continued = (str(task.state), call.ended_by) == ("completed", "agent") and len(windows) == len(FRUITS)
    wrong = [f"{fruit} said twice: {windows[fruit]}" for fruit in repeated]
    wrong += [f"{fruit} not in the transcript" for fruit in lost]
    wrong += [f"{fruit} not answered to the end: {windows[fruit]}" for fruit in unheard]
    wrong += ["began anew"] * anew
    wrong += [] if continued else [f"ended {task.state} by {call.ended_by}: {call.detail}"]
    return Verdict(
        wrong=tuple(wrong),
        cuts=cuts,
        continued=continued,
        repeated=len(repeated) + anew,
        turns_lost=len(lost),
        silence_ms=longest_silence_ms(callee),
        fillers=int(counted["fillers_played"]),
        struck=f"{plan.how} at {plan.at_s} {plan.fault and (plan.fault.kind, plan.fruit)}",
    )


def _windows(callee: Callee) -> dict[str, str]:
    """What was heard of the agent from each question to the next.

    A voice that broke off just before or after its last word has that one word said again: nobody could know that
    it was out, for words are written ahead of the voice. That is no repeated turn; anything longer is.
    """
    asked = [(like(text), round((at_s - (callee.answered_s or at_s)) * 1000)) for text, at_s in callee.said]
    ends = [*(at_ms for _, at_ms in asked[1:]), 10**9]
    return {
        fruit: LAST_WORD_AGAIN.sub("done", " ".join(_between(callee, at_ms, end_ms)))
        for (fruit, at_ms), end_ms in zip(asked, ends, strict=True)
        if fruit is not None
    }


def _between(callee: Callee, from_ms: int, to_ms: int) -> Iterator[str]:
    return (one.text for one in callee.heard if from_ms <= one.start_ms < to_ms)


def longest_silence_ms(callee: Callee) -> int:
    """The longest time between answer and end in which neither side made a sound and it was the agent's turn."""
    samples = callee.recording[: len(callee.recording) // 160 * 160].reshape(-1, 160).astype(np.float32)
    sound = np.sqrt(np.mean(samples**2, axis=1)) > QUIET
    starts = [int((at_s - (callee.answered_s or at_s)) * 50) for _, at_s in callee.said]
    for (text, _), start, following in zip(callee.said, starts, [*starts[1:], len(sound)], strict=True):
        sound[max(0, start) : start + tonevoice.duration_ms(text) // 20 + 1] = True
        ends = [one.end_ms // 20 for one in callee.heard if "done" in one.text or FAREWELL in one.text]
        said_all = next((end for end in ends if start <= end <= following), following)
        sound[said_all:following] = True  # the callee takes its time
    sound[: max(0, starts[0]) if starts else 0] = True
    edges = np.flatnonzero(np.concatenate([[True], sound, [True]]))
    return int(np.diff(edges).max(initial=1) - 1) * 20
