"""Processes of a house: its control process (`tests.flow.control`), and the media worker it leaves behind."""

import asyncio
import json
import os

from tests.flow.rig import Rig, until


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
