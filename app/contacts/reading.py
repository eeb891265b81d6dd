"""Runs `app.contacts.program`: hands it a list or rows, takes lines of answers, and ends it whatever happens."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

import app
from app.contacts.program import Job, Opened, Piece, Refused
from app.domain.contacts.check import Verdict
from app.domain.contacts.contact import Terms
from app.domain.contacts.mapping import Column
from app.errors import AppError, ValidationFailed

ROOT = Path(app.__file__).resolve().parents[1]
"""Where a child finds this very program."""
MAX_LINE = 64 * 1024 * 1024
SILENT_S = 60.0
"""A program that says nothing for so long is ended."""
_ANSWER: msgspec.json.Decoder[Opened | Piece | Refused] = msgspec.json.Decoder(Opened | Piece | Refused)
_VERDICTS = msgspec.json.Decoder(list[Verdict])


async def read_list(kind: str, body: AsyncIterator[bytes]) -> AsyncGenerator[Opened | Piece]:
    """What the list holds: first how it was read, then its rows. Raises ValidationFailed, and what `body` raises,
    both as they are and in no group; to be closed by whoever leaves it early.
    """
    wrong: list[Exception] = []
    async with _program("read", kind) as process:
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(_feed(process, body, wrong))
            try:
                while line := await _line(process):
                    told = _ANSWER.decode(line)
                    if isinstance(told, Refused):
                        wrong.append(ValidationFailed(told.sentence))
                        break
                    if wrong:  # behind a body that broke off, what the program says is no row of the list
                        break
                    yield told
            except GeneratorExit:  # the group would make a group of it, which nobody who closes expects
                return
            except (AppError, msgspec.MsgspecError) as error:
                wrong.append(error)
            finally:
                feeding.cancel()
        if wrong:
            raise wrong[0]
        if await process.wait() != 0:
            raise ValidationFailed("The file cannot be read: it needs too much memory or time.")


class Checker:
    """A running `check`; one question at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def check(self, rows: Sequence[Sequence[str]]) -> list[Verdict]:
        """A verdict for every row, in order. Raises ValidationFailed when the program ended."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(msgspec.json.encode(rows) + b"\n")
            await stdin.drain()
        except ConnectionError:
            raise ValidationFailed("The rows could not be checked.") from None
        line = await _line(self._process)
        if not line:
            raise ValidationFailed("The rows could not be checked: it took too much memory or time.")
        return _VERDICTS.decode(line)


@asynccontextmanager
async def checker(terms: Terms, columns: tuple[Column, ...]) -> AsyncGenerator[Checker]:
    """A program that checks rows by these terms."""
    async with _program("check") as process:
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(Job(terms=terms, columns=columns)) + b"\n")
        yield Checker(process)


@asynccontextmanager
async def _program(*arguments: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "app.contacts.program", *arguments),
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=MAX_LINE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()  # closes the pipes, waits for the end


async def _feed(process: asyncio.subprocess.Process, body: AsyncIterator[bytes], wrong: list[Exception]) -> None:
    """The file to the program; one that stopped reading is not waited for. What goes wrong with the file is kept
    in `wrong` and not raised: whoever reads the answers tells it.
    """
    assert process.stdin is not None
    try:
        async for piece in body:
            process.stdin.write(piece)
            await process.stdin.drain()
    except ConnectionError:
        return
    except Exception as error:  # noqa: BLE001 - whoever reads the answers raises it
        wrong.append(error)
    finally:
        process.stdin.close()  # the program ends when its input does


async def _line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SILENT_S):
            return await process.stdout.readline()
    except (TimeoutError, ValueError):
        raise ValidationFailed("The file cannot be read: it takes too long.") from None
