"""Deliberately wrong products: the proof must find violations in each."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import msgspec

from app.calls import dial as shell
from app.domain.call import Call
from app.domain.outside_tool import OutsideTool
from app.domain.task import CallTask
from app.errors import AppError
from app.llm.analysis import Judged
from app.llm.analyst import Analyst, decided
from app.llm.orchestrator import Orchestrator
from app.outside_tools import ToolAnswer, Tools
from scripts.lib.confirming import LooksFirst
from stasis import call_model as channel
from stasis import teardown
from stasis.call import CallMachine
from stasis.client import AriClient
from stasis.requests import Originate
from stasis.runner import run_effect
from stasis.stream import Gate

Mutant = Callable[[], AbstractContextManager[None]]


@contextmanager
def changed(owner: Any, name: str, value: Any) -> Generator[None]:
    """`owner.name` is `value` while the block runs."""
    real = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, real)


_handle = CallMachine.handle
_remove = teardown.Resource.remove


def _forgetful_remove(resource: teardown.Resource, now: float) -> channel.RemovalEffect | None:
    """Only the callee is hung up; media channel and bridge are taken for gone."""
    if resource._ends_by_event:
        return _remove(resource, now)
    resource.vanish()
    return None


def _deaf_to_reconcile(machine: CallMachine, given: channel.CallInput, now: float) -> list[channel.Effect]:
    """What was missed while the stream was away is never asked for."""
    if isinstance(given, channel.StreamLost | channel.Reconciled | channel.MediaLost):
        return []
    return _handle(machine, given, now)


async def _asks_again(
    client: AriClient, effect: channel.RestEffect, gate: Gate | None = None, dialed_unix_ms: int | None = None
) -> channel.Completed | channel.Failed:
    """A POST without an answer is sent once more, as a plain job queue does: as another attempt."""
    done = await run_effect(client, effect, gate, dialed_unix_ms)
    if isinstance(effect, Originate) and isinstance(done, channel.Failed) and done.error.maybe_executed:
        again = msgspec.structs.replace(effect, channel_id=effect.channel_id.removesuffix("-c") + "x-c")
        wall, client.channels.before_originate = client.channels.before_originate, lambda _request: None
        try:  # it stands beside the wall too: that would refuse the second channel
            return await run_effect(client, again, gate, dialed_unix_ms)
        finally:
            client.channels.before_originate = wall
    return done


_call = Tools.call


async def _hides_failures(tools: Tools, tool: OutsideTool, arguments: str) -> ToolAnswer:
    """The model is told that it worked."""
    answer = await _call(tools, tool, arguments)
    return msgspec.structs.replace(answer, told={"result": "done"})


async def _takes_no_answer_for_one(analyst: Analyst, task: CallTask, call: Call, error: AppError) -> None:
    """While the model is away a call is concluded unexamined."""
    facts = msgspec.structs.replace(await analyst._facts(task, call), turns=())
    nothing = Judged(judgement=None, replies=(), fault=error.message)
    await analyst._store(task, call, nothing, decided(nothing, facts))


MUTANTS: dict[str, tuple[Mutant, tuple[str, ...]]] = {
    "forgets_teardown": (partial(changed, teardown.Resource, "remove", _forgetful_remove), ("originate-409",)),
    "never_concludes_on_lost_stream": (
        partial(changed, CallMachine, "handle", _deaf_to_reconcile),
        ("stream-lost",),
    ),
    "concludes_unexamined": (
        partial(changed, Analyst, "_defer", _takes_no_answer_for_one),
        ("text-model-down",),
    ),
    "confirms_each_time": (
        partial(changed, Orchestrator, "confirm", LooksFirst.confirm),
        ("operator-confirms-twice",),
    ),
    "hides_failed_tools": (partial(changed, Tools, "call", _hides_failures), ("tools-over-the-network",)),
    "repeats_the_post": (partial(changed, shell, "run_effect", _asks_again), ("originate-fails",)),
}
"""By name: how the product is spoilt, and the rows that have to notice."""
