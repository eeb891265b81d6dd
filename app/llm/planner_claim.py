"""Who writes the next reply of a conversation: a claim that is renewed while it is being written.

It runs out by itself when its process dies; until then the conversation takes no other message.
"""

from app.clock import Clock
from app.errors import ConflictError
from app.store import conversations
from app.store.conversations import Conversation
from app.store.db import Database, Writer

LEASE_MS = 3 * 60_000
"""Outlasts one question to the model with its repetitions; a conversation whose process died is free after it."""


class Claim:
    """Of one reply."""

    def __init__(self, db: Database, clock: Clock, conversation: Conversation) -> None:
        self._db = db
        self._clock = clock
        self._conversation = conversation
        self._until_ms = 0

    async def take(self, sql: Writer) -> None:
        """Become the one who replies. Raises ConflictError while somebody else does."""
        now_ms = self._clock.unix_ms()
        self._until_ms = now_ms + LEASE_MS
        await conversations.claim(sql, self._conversation, self._until_ms, now_ms)

    async def keep(self) -> None:
        """Renew it when half of it is over. Raises ConflictError when it was lost meanwhile."""
        now_ms = self._clock.unix_ms()
        if self._until_ms - now_ms > LEASE_MS // 2:
            return
        later_ms = now_ms + LEASE_MS
        if not await conversations.extend(self._db, self._conversation, self._until_ms, later_ms):
            raise ConflictError("The reply took too long and another one was begun.")
        self._until_ms = later_ms

    async def release(self, sql: Writer) -> bool:
        """Give it back; False when it had run out and somebody else took it."""
        return await conversations.release(sql, self._conversation, self._until_ms, self._clock.unix_ms())
