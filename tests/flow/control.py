"""A control process of its own for tests: `python -m tests.flow.control settings.json`.

Runs the engine with those settings until its stdin closes, then ends in order. Prints `ready` when it may dial.
"""

import asyncio
import os
import sys
from pathlib import Path

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.engine import Engine
from app.store.sqlite import SqliteDatabase
from tests.flow.rig import gate_open, until


async def serve(settings: Settings) -> None:
    """Until the parent closes our stdin."""
    async with SqliteDatabase(settings.database_path) as db:
        engine = Engine(settings, db, MemoryBus(), SystemClock())
        async with engine.running():
            await until(gate_open(engine))
            os.write(1, b"ready\n")
            await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Settings come as they are: some are shorter than a person may choose."""
    given = Settings.model_validate_json(Path(sys.argv[1]).read_bytes())
    asyncio.run(serve(given))


if __name__ == "__main__":
    main()
