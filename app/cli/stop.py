"""How `opendeep up` ends: draining, saying goodbye, hanging up, or handing living calls over to the next process.

| what comes | first | second | third |
|---|---|---|---|
| Ctrl-C, SIGTERM | drain: nothing new is dialed, calls go on | the agents say goodbye | hang up |
| SIGUSR1, or SIGTERM with ON_STOP=hand_over | hand over and exit: calls go on in the media worker | | |
"""

import asyncio
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from app.calls.conversation import FAREWELL_LIMIT_S
from app.calls.plan import call_plan_limit_s
from app.config import Settings
from app.engine import END_S, Engine

GOODBYE_S = FAREWELL_LIMIT_S + 5.0
"""From the wish to say goodbye to the last call's end; whoever still talks then is hung up on."""


class StopSignals:
    """The signals that came and were not yet obeyed, in order."""

    def __init__(self) -> None:
        self._came: asyncio.Queue[signal.Signals] = asyncio.Queue()

    def put(self, number: signal.Signals) -> None:
        self._came.put_nowait(number)

    async def next(self) -> signal.Signals:
        """Wait for the next one."""
        return await self._came.get()


@contextmanager
def stop_signals() -> Generator[StopSignals]:
    """SIGINT, SIGTERM and SIGUSR1 while the block runs."""
    signals = StopSignals()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    for number in numbers:
        loop.add_signal_handler(number, signals.put, number)
    try:
        yield signals
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def until_stopped(
    engine: Engine, settings: Settings, signals: StopSignals, say: Callable[[str], None]
) -> None:
    """Returns when the engine may be left: its calls are over, handed over, or are to be hung up now."""
    first = await signals.next()
    if _hands_over(settings, first):
        living = engine.living
        await engine.hand_over()
        say(f"handed over: {_go_on(living)} without this process; start the next one now")
        return
    engine.drain()
    if not engine.living and (await _over(engine, signals, END_S) or not engine.living):
        return  # what was still being written down or concluded got a moment; a caller may have been brought in
    limit_s = settings.drain_limit_s or call_plan_limit_s(settings)
    say(
        f"draining: nothing new is dialed, {_go_on(engine.living)} for {limit_s} s at most. "
        "Once more (Ctrl-C or SIGTERM): the agents say goodbye. A third time: everything is hung up."
    )
    if await _over(engine, signals, limit_s):
        return
    say(f"saying goodbye in {_calls(engine.living)}")
    engine.say_goodbye()
    if not await _over(engine, signals, GOODBYE_S):
        say(f"hanging up {_calls(engine.living)}")


def _hands_over(settings: Settings, number: signal.Signals) -> bool:
    """Only a media worker of its own keeps calls alive, and simulated exchanges die with us."""
    wanted = number is signal.SIGUSR1 or (number is signal.SIGTERM and settings.on_stop == "hand_over")
    return wanted and settings.media_mode == "process" and not settings.simulate


async def _over(engine: Engine, signals: StopSignals, limit_s: float) -> bool:
    """True when the calls ended by themselves, False when somebody is impatient or the limit has come."""
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s), asyncio.TaskGroup() as group:
            over = group.create_task(engine.drained())
            impatient = group.create_task(signals.next())
            await asyncio.wait([over, impatient], return_when=asyncio.FIRST_COMPLETED)
            ended = over.done()
            over.cancel()
            impatient.cancel()
            return ended
    return False


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"


def _go_on(count: int) -> str:
    return "1 call goes on" if count == 1 else f"{count} calls go on"
