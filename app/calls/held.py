"""The tasks that are worked on in this process, and whether there is any.

Shared by `app.scheduler`, `app.calls.inbound` and whoever settles what was left behind.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator


class Held:
    """Ids of tasks, each held once for every attempt that is not over: a task that is concluded may be claimed
    again before its former attempt has ended. `idle` is set while there is none; every way in and out goes through
    here.
    """

    def __init__(self) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self._ids: Counter[str] = Counter()
        self._left: set[str] = set()

    def add(self, task_id: str) -> None:
        """Somebody works on it now, beside whoever does already."""
        self._ids[task_id] += 1
        self.idle.clear()

    def discard(self, task_id: str) -> None:
        """One of them does not any more."""
        self._ids[task_id] -= 1
        if self._ids[task_id] <= 0:
            del self._ids[task_id]
        if not self._ids:
            self.idle.set()

    def leave(self, task_id: str) -> None:
        """The next process goes on with it: it is in here for good, so that nobody of ours takes it up again."""
        self._left.add(task_id)

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._ids or task_id in self._left

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)
