"""Everything that happens later in the simulator, as tasks of the one TaskGroup, and a way to wait for changes.

The exchange schedules through `Timers`; tests and the HTTP shell wait with `Changes`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress

Timer = asyncio.Task[None]
_LOOK_AGAIN_S = 0.05
"""For conditions that become true by time alone."""


class Timers:
    """Tasks that end with the simulator. `after` returns the task, which may be cancelled."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: set[Timer] = set()

    def spawn(self, work: Coroutine[None, None, None]) -> Timer:
        """Run `work` until it ends or the simulator does."""
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def after(self, delay_s: float, action: Callable[[], object]) -> Timer:
        """Call `action` in `delay_s` seconds."""
        return self.spawn(_later(delay_s, action))

    def cancel(self, task: Timer) -> None:
        """End one task; harmless when it has ended or is the one that asks."""
        if task is not asyncio.current_task():
            task.cancel()

    def cancel_all(self) -> None:
        """End every task now."""
        for task in tuple(self._tasks):
            task.cancel()

    @property
    def count(self) -> int:
        """Tasks that have not ended."""
        return len(self._tasks)


async def _later(delay_s: float, action: Callable[[], object]) -> None:
    await asyncio.sleep(delay_s)
    action()


class Changes:
    """Wakes everybody who waits whenever something observable changed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Something changed."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait_until(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        """Return when `condition` holds; TimeoutError after `timeout_s`."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN_S):
                        await self._event.wait()
