"""Follows one task in the terminal: states, words, keys, outcome. Reads the store, so any process can."""

import asyncio
from collections.abc import Callable

import msgspec

from app.domain.call import Call, CallState, Turn
from app.domain.task import CallTask, TaskState
from app.store import analyses, calls, decisions, events, tasks, transcripts
from app.store.db import Database

POLL_S = 0.2
PATIENCE_MS = 30_000
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
    deferred: str = ""
    """Why the calling rules put the task off, when they did so for longer than somebody waits at a terminal."""


class Follower:
    """Prints what is new on each look. `write` takes one line."""

    def __init__(self, db: Database, task: CallTask, write: Callable[[str], None]) -> None:
        self._db = db
        self._task = task
        self._write = write
        self._state: CallState | None = None
        self._turns: set[tuple[str, str]] = set()
        self._events = 0
        self._waits_for = ""
        self._failures = 0

    async def until_settled(self) -> Story:
        """Follow until the attempt has ended and something was decided about the task."""
        while True:
            story = await self._look()
            if story.task.state is TaskState.PENDING and (put_off := await self._put_off(story.task)):
                return msgspec.structs.replace(story, deferred=put_off)
            tried = story.task.state is TaskState.PENDING and self._concluded(story)
            if tried or story.task.state not in UNDECIDED:
                await self._show_analysis(story)
                return story
            await self._show_waiting(story)
            await asyncio.sleep(POLL_S)

    @staticmethod
    def _concluded(story: Story) -> bool:
        return story.call is not None and bool(story.call.outcome and story.task.overall_conclusion)

    async def _put_off(self, task: CallTask) -> str:
        """The sentence of the rule that put the task off for more than PATIENCE_MS; a shorter wait is shown."""
        found = await decisions.of_task(self._db, task.tenant_id, task.id, limit=1)
        if not found or found[0].result != "defer" or found[0].until_ms != task.next_action_time:
            return ""
        if task.next_action_time - found[0].last_ms > PATIENCE_MS:
            return found[0].sentence
        if found[0].rule != self._waits_for:
            self._waits_for = found[0].rule
            self._write(f"       waits          {found[0].sentence}")
        return ""

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

    async def _show_waiting(self, story: Story) -> None:
        """Say once per failure why the analysis is not there yet."""
        if story.task.state is not TaskState.ANALYZING or story.call is None:
            return
        found = await analyses.get(self._db, story.task.tenant_id, story.call.id)
        if found is not None and found.tries > self._failures:
            self._failures = found.tries
            self._line(story.call, "analysis", f"waits: {found.last_error}")

    async def _show_analysis(self, story: Story) -> None:
        """What was decided, the words that prove it, and what was collected."""
        call = story.call
        found = await analyses.get(self._db, call.tenant_id, call.id) if call is not None else None
        if call is None or found is None or (decision := found.decided) is None:
            return
        cost = "" if not found.asked else f" ({found.model}, {told_cost(found.cost_micro_usd)})"
        self._line(call, "analysis", f"{decision.outcome}, {decision.action}{cost}: {decision.summary}")
        for proof in decision.proofs:
            self._line(call, "evidence", f"{proof.speaker}: {proof.quote!r}", proof.audio_ms)
        for value in decision.collected:
            self._line(
                call, "collected", f"{value.field} = {value.value} ({value.proof.quote!r})", value.proof.audio_ms
            )
        for doubt in decision.doubts:
            self._line(call, "doubt", doubt)

    def _line(self, call: Call, label: str, text: str = "", audio_ms: int | None = None) -> None:
        at = "     " if audio_ms is None else f"{audio_ms // 60000:02d}:{audio_ms // 1000 % 60:02d}"
        self._write(f"{at}  {label:<14} {text}".rstrip())


def told_cost(micro_usd: int | None) -> str:
    """A cost in dollars; unknown is said, it is not 0."""
    return "cost unknown" if micro_usd is None else f"{micro_usd / 1e6:.4f} USD"


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
