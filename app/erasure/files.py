"""Removes recordings that have to go from the disk of this engine."""

import asyncio
from pathlib import Path

import structlog

from app.ids import is_id
from app.store import file_removals
from app.store.db import Database
from app.store.file_removals import FileRemoval

log = structlog.get_logger()


async def remove_due(db: Database, folder: Path, node: str) -> int:
    """Remove what is there; answers how many files went.

    A row stays while its file may lie on another engine's disk, or cannot be removed; that is said in the log and
    tried again at the next look.
    """
    after, gone = "", 0
    while rows := await file_removals.after(db, after):
        for row in rows:
            try:
                removed = await asyncio.to_thread(_remove, folder, row)
            except OSError as error:
                log.warning("a recording cannot be removed", call_id=row.call_id, error=error.strerror or "")
                continue
            gone += removed
            if removed or row.node == node:
                await file_removals.gone(db, row.call_id)
        after = rows[-1].call_id
    return gone


def _remove(folder: Path, row: FileRemoval) -> int:
    """Every file of a call: those that were stored, and those of legs that ended without saying so."""
    files = {folder / Path(name).name for name in row.names}
    if is_id(row.call_id):
        files |= set(folder.glob(f"{row.call_id}.*"))
    there = [file for file in files if file.is_file() or file.is_symlink()]
    for file in there:
        file.unlink(missing_ok=True)
    return len(there)
