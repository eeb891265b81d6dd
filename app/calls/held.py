"""The tasks that are worked on in this process, and whether there is any.

Shared by `app.scheduler`, `app.calls.inbound` and whoever settles what was left behind.
"""

import asyncio
from collections.abc import Iterator


class Held:
    """Ids of tasks. `idle` is set while there is none; every way in and out goes through here."""

    def __init__(self) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self._ids: set[str] = set()
        self._left: set[str] = set()

    def add(self, task_id: str) -> None:
        """Somebody works on it now."""
        self._ids.add(task_id)
        self.idle.clear()

    def discard(self, task_id: str) -> None:
        """Nobody does any more."""
        self._ids.discard(task_id)
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
