"""Processes of a house: a control process of its own, and the media worker it left in its runtime directory."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from app.config import Settings
from tests.flow.rig import Rig, until

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def control_process(settings: Settings) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A control process that may dial; ends in order, unless it was killed meanwhile."""
    values = settings.model_dump(mode="json") | {
        "ari_password": settings.ari_password.get_secret_value(),
        "openai_api_key": settings.openai_api_key.get_secret_value(),
    }
    file = settings.data_dir / "settings.json"
    await asyncio.to_thread(file.write_text, json.dumps(values))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.flow.control",
        str(file),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(40.0):
            while (line := await process.stdout.readline()) != b"ready\n":
                assert line, "the control process ended instead of getting ready"
        yield process
    finally:
        process.stdin.close()
        async with asyncio.timeout(20.0):
            await process.stdout.read()
            await process.wait()


async def kill(process: asyncio.subprocess.Process) -> None:
    """As an operating system does, without a last word."""
    process.kill()
    await process.wait()


def worker_pid(house: Rig) -> int:
    """The media worker of this house."""
    record: dict[str, int] = json.loads((house.settings.runtime_dir / "worker.json").read_text())
    return record["pid"]


async def worker_gone(pid: int) -> None:
    """Wait until it has ended."""

    async def gone() -> bool:
        return not os.path.exists(f"/proc/{pid}")  # noqa: ASYNC240 - procfs does not block

    await until(gone)
