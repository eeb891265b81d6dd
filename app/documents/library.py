"""The documents of an agent as plain text, within a time limit. What cannot be had is told, and the call goes on.

Texts are kept in the data directory under the hash of what they were taken from, so a document is read once,
however many calls need it. An address is asked again after FRESH_MS.
"""

import asyncio
import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from app.clock import Clock
from app.documents.errors import DocumentUnusable
from app.documents.extraction import extract
from app.documents.kinds import READABLE, Kind, kind_of
from app.documents.places import MAX_BYTES, Found, fetch, is_address, name_of, read_file
from app.guarded_http import GuardedClient

MAX_DOCUMENTS = 20
DOCUMENT_CHARACTERS = 12_000
ALL_CHARACTERS = 24_000
"""About 6,000 tokens, which the model's prompt cache holds for all calls of an agent."""
FRESH_MS = 300_000
TOGETHER = 2
"""Extractions at the same time."""
FORM = 1
"""Grows when the same document would give another text."""


class Text(NamedTuple):
    """One document."""

    name: str
    text: str


class Loaded(NamedTuple):
    """What could be had, in the agent's order, and a sentence for each that could not."""

    texts: tuple[Text, ...]
    missing: tuple[str, ...]


class _Asked(msgspec.Struct, frozen=True):
    """What an address gave when it was asked last."""

    digest: str
    kind: Kind
    at_ms: int


class Library:
    """One per process. `folder` has a folder for every tenant; `kept` is where texts are kept."""

    def __init__(
        self, *, folder: Path, kept: Path, s3_endpoint: str, clock: Clock, client: GuardedClient | None = None
    ) -> None:
        self._folder = folder
        self._kept = kept
        self._s3_endpoint = s3_endpoint
        self._clock = clock
        self._client = client or GuardedClient(max_bytes=MAX_BYTES)
        self._room = asyncio.Semaphore(TOGETHER)

    async def load(self, tenant_id: str, paths: Sequence[str], limit_s: float, *, ask: bool = True) -> Loaded:
        """The documents at `paths`. Never raises; it takes `limit_s` seconds at most. Without `ask` no address is
        asked: what it gave last is taken, however old.
        """
        wanted = tuple(dict.fromkeys(paths))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit_s
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(self._in_time(tenant_id, path, deadline, limit_s, ask=ask))
                for path in wanted[:MAX_DOCUMENTS]
            ]
        found = [one.result() for one in running]
        missing = [one for one in found if isinstance(one, str)]
        missing += [f"{name_of(path)} is one document too many." for path in wanted[MAX_DOCUMENTS:]]
        return Loaded(within([one for one in found if isinstance(one, Text)]), tuple(missing))

    async def _in_time(
        self, tenant_id: str, path: str, deadline: float, limit_s: float, *, ask: bool
    ) -> Text | str:
        try:
            async with asyncio.timeout_at(deadline):
                return Text(name_of(path), await self._text(tenant_id, path, ask=ask))
        except TimeoutError:
            return f"{name_of(path)} was not there within {limit_s:g} s."
        except DocumentUnusable as error:
            return error.message

    async def _text(self, tenant_id: str, path: str, *, ask: bool) -> str:
        if not is_address(path):
            found = await asyncio.to_thread(read_file, self._folder, f"{tenant_id}/{path}")
            return await self._taken(name_of(path), found)
        note = self._kept / f"{_digest(path.encode())}.address"
        last = await asyncio.to_thread(_read_note, note)
        if last is not None and (not ask or self._clock.unix_ms() - last.at_ms < FRESH_MS):
            kept = await asyncio.to_thread(_read, self._text_file(last.digest, last.kind))
            if kept is not None:
                return kept
        if not ask:
            raise DocumentUnusable(f"{name_of(path)} was never read before.")
        found = await fetch(self._client, path, self._s3_endpoint)
        text = await self._taken(name_of(path), found)
        digest = await asyncio.to_thread(_digest, found.body)
        asked = _Asked(digest, _kind(name_of(path), found), self._clock.unix_ms())
        await asyncio.to_thread(_keep, note, msgspec.json.encode(asked))
        return text

    async def _taken(self, name: str, found: Found) -> str:
        kind = _kind(name, found)
        file = self._text_file(await asyncio.to_thread(_digest, found.body), kind)
        kept = await asyncio.to_thread(_read, file)
        if kept is not None:
            return kept
        async with self._room:
            text = await extract(name, kind, found.body, DOCUMENT_CHARACTERS)
        await asyncio.to_thread(_keep, file, text.encode("utf-8", errors="replace"))
        return text

    def _text_file(self, digest: str, kind: Kind) -> Path:
        return self._kept / f"{digest}-{kind}-{FORM}.txt"


def within(texts: Sequence[Text], limit: int = ALL_CHARACTERS) -> tuple[Text, ...]:
    """The same documents, `limit` characters together: long ones are cut so that each keeps a fair share. Pure."""
    left, shares = limit, dict[int, int]()
    for at, waiting in zip(
        sorted(range(len(texts)), key=lambda at: len(texts[at].text)), range(len(texts), 0, -1), strict=True
    ):
        shares[at] = min(len(texts[at].text), left // waiting)
        left -= shares[at]
    return tuple(Text(one.name, one.text[: shares[at]]) for at, one in enumerate(texts) if shares[at])


def _kind(name: str, found: Found) -> Kind:
    kind = kind_of(name, found.content_type, found.body)
    if kind is None:
        raise DocumentUnusable(f"{name} is none of {READABLE}.")
    return kind


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _read_note(file: Path) -> _Asked | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Asked)
    except (OSError, msgspec.DecodeError):
        return None


def _keep(file: Path, content: bytes) -> None:
    """Whole or not at all. A disk that takes nothing costs time only: the document is read again next time."""
    partial = file.with_name(f"{secrets.token_hex(8)}.partial")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.touch(mode=0o600)
        partial.write_bytes(content)
        os.replace(partial, file)
    except OSError:
        partial.unlink(missing_ok=True)
