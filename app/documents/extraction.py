"""Runs `app.documents.extract` for one document. Plain text needs no program and is read in a thread."""

import asyncio
import sys
from pathlib import Path

import app
from app.documents.errors import DocumentUnusable
from app.documents.kinds import Kind, decoded

ROOT = Path(app.__file__).resolve().parents[1]
"""Where a child finds this very program."""


async def extract(name: str, kind: Kind, body: bytes, limit: int) -> str:
    """The text of a document, at most `limit` characters. Raises DocumentUnusable. A cancelled extraction ends its
    program.
    """
    if kind == "text":
        try:
            text = (await asyncio.to_thread(decoded, body))[:limit]
        except ValueError:
            raise DocumentUnusable(f"{name} is no text.") from None
    else:
        text = await _by_program(name, kind, body, limit)
    if not text.strip():
        raise DocumentUnusable(f"{name} has no text that can be read (a scan, perhaps).")
    return text


async def _by_program(name: str, kind: Kind, body: bytes, limit: int) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "app.documents.extract", kind, str(limit)),
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        out, _ = await process.communicate(body)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise DocumentUnusable(f"{name} cannot be read as {kind}.")
    return out.decode("utf-8")
