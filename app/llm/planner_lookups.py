"""The first of the two steps: the model decides on look-ups and the chat's own functions, code makes them.

A model that asks again and again comes to an end by count; the same question is not asked twice.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from importlib import resources

from app.domain.plan_sources import Sources
from app.domain.planning import LookedUp
from app.llm import planner_calls
from app.llm.lookups.connect import Lookups
from app.llm.lookups.found import Answer
from app.llm.model import Ask, Item, Reply, TextModel, ToolCall
from app.llm.planner_calls import CallFunctions
from app.llm.planner_history import looked_up_items

PROMPT = resources.files("app.llm.prompts").joinpath("planner_lookups.md").read_text(encoding="utf-8")
ROUNDS = 3
MOST = 6
"""Look-ups of one reply."""


class LookupStep:
    """Of one reply. After `run`, `done` holds the look-ups, `replies` what the decisions cost."""

    def __init__(
        self,
        model: TextModel,
        name: str,
        lookups: Lookups,
        own: CallFunctions,
        sources: Callable[[Sequence[LookedUp]], Sources],
    ) -> None:
        """`own` are the chat's functions; `sources` what their arguments may rest on, given what was looked up."""
        self._model = model
        self._name = name
        self._lookups = lookups
        self._own = own
        self._sources = sources
        self.done: list[LookedUp] = []
        self.replies: list[Reply] = []
        self.lookup_costs: list[int | None] = []

    async def run(self, items: list[Item], *, follows_up: bool) -> AsyncIterator[tuple[str, str]]:
        """Yields (function, arguments) of each look-up before it is made; appends what came of them to `items`.

        Without look-ups, and with nothing to follow up, the model is not asked. Raises TextModelError, StoreError.
        """
        if not self._lookups.specs and not follows_up:
            return
        specs = (*self._lookups.specs, *planner_calls.SPECS)
        for _ in range(ROUNDS):
            ask = Ask(
                model=self._name,
                instructions=PROMPT,
                items=tuple(items),
                tools=specs,
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
            for at, one in enumerate(await self.make(wanted), len(self.done) - len(wanted)):
                items += looked_up_items(one, f"look_{at}")

    async def make(self, wanted: list[ToolCall]) -> list[LookedUp]:
        """Carry functions out; what came of them is added to `done`. Raises StoreError."""
        found = await self._all(wanted)
        self.done += found
        return found

    async def _all(self, wanted: list[ToolCall]) -> list[LookedUp]:
        own = {spec.name for spec in planner_calls.SPECS}
        outside = [call for call in wanted if call.name not in own]
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._lookups.run(call.name, call.arguments)) for call in outside]
        found = [self._noted(call, *task.result()) for call, task in zip(outside, running, strict=True)]
        for call in wanted:
            if call.name in own:
                sources = self._sources([*self.done, *found])
                found.append(await self._own.run(call.name, call.arguments, sources))
        return found

    def _noted(self, call: ToolCall, answer: Answer | None, problem: str) -> LookedUp:
        if answer is None:
            return LookedUp(name=call.name[:60], arguments=call.arguments[:1_000], problem=problem)
        self.lookup_costs.append(answer.cost_micro_usd)
        entries = tuple((one.title, one.ref, one.text, one.business) for one in answer.items)
        nothing = "" if entries else "Nothing was found."
        return LookedUp(name=call.name, arguments=call.arguments[:1_000], entries=entries, problem=nothing)
