"""The first of the planner's two steps: the model decides on look-ups, code carries them out.

A model that asks again and again comes to an end by count; the same question is not asked twice.
"""

import asyncio
from collections.abc import AsyncIterator
from importlib import resources

from app.domain.planning import LookedUp
from app.llm.lookups.connect import Lookups
from app.llm.lookups.found import Answer
from app.llm.model import Ask, Item, Reply, TextModel, ToolCall
from app.llm.planner_history import looked_up_items

PROMPT = resources.files("app.llm.prompts").joinpath("planner_lookups.md").read_text(encoding="utf-8")
ROUNDS = 3
MOST = 6
"""Look-ups of one reply."""


class LookupStep:
    """Of one reply. After `run`, `done` holds the look-ups, `replies` what the decisions cost."""

    def __init__(self, model: TextModel, name: str, lookups: Lookups) -> None:
        self._model = model
        self._name = name
        self._lookups = lookups
        self.done: list[LookedUp] = []
        self.replies: list[Reply] = []
        self.lookup_costs: list[int | None] = []

    async def run(self, items: list[Item]) -> AsyncIterator[tuple[str, str]]:
        """Yields (function, arguments) of each look-up before it is made; appends what came of them to `items`.

        Raises TextModelError.
        """
        if not self._lookups.specs:
            return
        for _ in range(ROUNDS):
            ask = Ask(
                model=self._name,
                instructions=PROMPT,
                items=tuple(items),
                tools=self._lookups.specs,
                max_output_tokens=1_000,
            )
            reply = await self._model.ask(ask)
            self.replies.append(reply)
            asked = {(one.name, one.arguments) for one in self.done}
            wanted = [call for call in reply.tool_calls if (call.name, call.arguments) not in asked]
            wanted = wanted[: MOST - len(self.done)]
            if not wanted:
                return
            for call in wanted:
                yield call.name, call.arguments
            for one in await self._all(wanted):
                items += looked_up_items(one, f"look_{len(self.done)}")
                self.done.append(one)

    async def _all(self, wanted: list[ToolCall]) -> list[LookedUp]:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._lookups.run(call.name, call.arguments)) for call in wanted]
        return [self._noted(call, *task.result()) for call, task in zip(wanted, running, strict=True)]

    def _noted(self, call: ToolCall, answer: Answer | None, problem: str) -> LookedUp:
        if answer is None:
            return LookedUp(name=call.name[:60], arguments=call.arguments[:1_000], problem=problem)
        self.lookup_costs.append(answer.cost_micro_usd)
        entries = tuple((one.title, one.ref, one.text, one.business) for one in answer.items)
        nothing = "" if entries else "Nothing was found."
        return LookedUp(name=call.name, arguments=call.arguments[:1_000], entries=entries, problem=nothing)
