"""A control process of its own for tests: `python -m tests.flow.control settings.json`.

Runs the engine with those settings until its stdin closes, then ends in order. Prints `ready` when it may dial.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from app.cli.store import open_bus, open_store
from app.clock import SystemClock
from app.config import Settings
from app.crash_points import VARIABLE
from app.engine import Engine
from tests.flow.waiting import gate_open, until

ROOT = Path(__file__).parents[2]


async def serve(settings: Settings) -> None:
    """Until the parent closes our stdin."""
    async with open_store(settings) as db, open_bus(settings) as bus:
        engine = Engine(settings, db, bus, SystemClock())
        async with engine.running():
            await until(gate_open(engine))
            os.write(1, b"ready\n")
            await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def control_process(settings: Settings, crash_at: str = "") -> AsyncGenerator[asyncio.subprocess.Process]:
    """One that may dial; ends in order, unless it was killed meanwhile or dies at the crash point."""
    secrets = {
        name: value.get_secret_value()
        for name, value in settings.model_dump().items()
        if isinstance(value, SecretStr)
    }
    file = settings.data_dir / "settings.json"
    await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(file.write_text, json.dumps(settings.model_dump(mode="json") | secrets))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.flow.control",
        str(file),
        cwd=ROOT,
        env={**os.environ, **({VARIABLE: crash_at} if crash_at else {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(40.0):
            while (line := await process.stdout.readline()) != b"ready\n":
                assert line or crash_at, "the control process ended instead of getting ready"
                if not line:
                    break
        yield process
    finally:
        process.stdin.close()
        async with asyncio.timeout(20.0):
            await process.stdout.read()
            await process.wait()


def main() -> None:
    """Settings come as they are: some are shorter than a person may choose."""
    given = Settings.model_validate_json(Path(sys.argv[1]).read_bytes())
    asyncio.run(serve(given))


if __name__ == "__main__":
    main()
