"""Hashing of passwords: argon2id with the library's defaults (RFC 9106, low-memory profile), off the event loop.

A hash takes about a fifth of a second and 64 MiB, so at most two run at a time: a flood of sign-ins waits in line
and media and calls notice nothing.
"""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

AT_ONCE = 2


class Passwords:
    """`hash` for a new one, `matches` for one that somebody typed."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._free = asyncio.Semaphore(AT_ONCE)
        self._nobody = ""

    async def hash(self, password: str) -> str:
        """The hash as stored, with its salt and parameters."""
        async with self._free:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether this is the password. Without a stored hash as much work is done, so that time tells nothing."""
        async with self._free:
            self._nobody = self._nobody or await asyncio.to_thread(self._hasher.hash, "nobody has this password")
            right = await asyncio.to_thread(self._verify, stored or self._nobody, password)
        return right and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
