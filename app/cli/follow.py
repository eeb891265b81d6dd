"""Follows one task in the terminal: states, words, keys, outcome. Reads the store, so any process can."""

import asyncio
from collections.abc import Callable

import msgspec

from app.domain.call import Call, CallState, Turn
from app.domain.task import CallTask, TaskState
from app.store import calls, events, tasks, transcripts
from app.store.db import Database

POLL_S = 0.2
SHOWN_EVENTS = {
    "dtmf_in": "callee pressed",
    "dtmf_out": "agent pressed",
    "tool_call": "tool",
    "tool_refused": "tool refused",
    "dial_refused": "not dialed",
    "no_input": "silence",
    "fault": "fault",
    "leg_failed": "model",
}


UNDECIDED = {TaskState.PENDING, TaskState.CLAIMED, TaskState.IN_CALL, TaskState.ANALYZING}


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one attempt."""

    task: CallTask
    call: Call | None


class Follower:
    """Prints what is new on each look. `write` takes one line."""

    def __init__(self, db: Database, task: CallTask, write: Callable[[str], None]) -> None:
        self._db = db
        self._task = task
        self._write = write
        self._state: CallState | None = None
        self._turns: set[tuple[str, str]] = set()
        self._events = 0

    async def until_settled(self) -> Story:
        """Follow until the attempt has ended and something was decided about the task."""
        while True:
            story = await self._look()
            if story.task.state not in {
                TaskState.PENDING,
                TaskState.CLAIMED,
                TaskState.IN_CALL,
                TaskState.ANALYZING,
            }:
                return story
            if story.task.state is TaskState.PENDING and story.call is not None and story.call.outcome:
                return story
            await asyncio.sleep(POLL_S)

    async def _look(self) -> Story:
        task = await tasks.get(self._db, self._task.tenant_id, self._task.id)
        attempts = await calls.of_task(self._db, task.tenant_id, task.id)
        call = attempts[-1] if attempts else None
        if call is not None:
            await self._show(call)
        return Story(task=task, call=call)

    async def _show(self, call: Call) -> None:
        if call.state is not self._state and call.state is not CallState.ENDED:
            self._line(call, call.state)
        for turn in await transcripts.list_turns(self._db, call.tenant_id, call.id):
            key = (turn.speaker, turn.item_id)
            if key not in self._turns and turn.text:
                self._turns.add(key)
                cut = " [interrupted]" if turn.interrupted else ""
                self._line(call, turn.speaker, turn.text + cut, turn.start_audio_ms)
        for event in await events.list_events(self._db, call.tenant_id, call.id):
            if event.seq > self._events:
                self._events = event.seq
                if (label := SHOWN_EVENTS.get(event.kind)) is not None:
                    self._line(call, label, str(event.data.get("detail") or event.data.get("message", "")))
        if call.state is CallState.ENDED and self._state is not CallState.ENDED:
            self._line(call, "ended", describe_end(call))
            if delays := describe_delays(await transcripts.list_turns(self._db, call.tenant_id, call.id)):
                self._line(call, "answers", delays)
        self._state = call.state

    def _line(self, call: Call, label: str, text: str = "", audio_ms: int | None = None) -> None:
        at = "     " if audio_ms is None else f"{audio_ms // 60000:02d}:{audio_ms // 1000 % 60:02d}"
        self._write(f"{at}  {label:<14} {text}".rstrip())


def describe_delays(turns: list[Turn]) -> str:
    """How long the callee waited for an answer, and where the time went; empty when it waited for none."""
    answers = sorted(turn.delay_ms for turn in turns if turn.delay_ms is not None)
    if not answers:
        return ""

    def at(share: float, values: list[int]) -> int:
        return values[min(len(values) - 1, int(share * len(values)))]

    model = sorted(turn.response_to_delta_ms or 0 for turn in turns if turn.delay_ms is not None)
    whole = f"after {at(0.5, answers)} ms (p50), {at(0.95, answers)} ms (p95) of silence, {len(answers)} answers"
    return f"{whole}; of that the model's first sound {at(0.5, model)} ms (p50), {at(0.95, model)} ms (p95)"


def describe_end(call: Call) -> str:
    """One sentence: outcome, who ended it, why, cost."""
    why = [f"ended by {call.ended_by}"]
    if call.hangup_cause is not None:
        why.append(f"cause {call.hangup_cause}")
    if call.tech_cause:
        why.append(f"SIP {call.tech_cause}")
    cost = f", {call.cost_micro_usd / 1e6:.4f} USD" if call.cost_micro_usd else ""
    detail = f": {call.detail}" if call.detail else ""
    return f"{call.outcome} ({', '.join(why)}){cost}{detail}"
