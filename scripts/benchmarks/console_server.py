"""The console in a process of its own, as `opendeep up` serves it, with calls that are played on its bus.

`python -m scripts.benchmarks.console_server STORE PORT`, then one JSON order a line on standard input:
`{"play": SECONDS, "log": PATH}` publishes 12 events a second for each living call and writes down when; `{}` ends.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import numpy as np
import uvicorn

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.messages import CallChanged, CallLevels, CallWords, Message
from app.domain.tenant import DEFAULT_TENANT_ID
from app.store import calls
from app.store.sqlite import SqliteDatabase
from web.app import create_app

EVENTS_PER_S = 12
WORDS_PER_TURN = 40


async def main(store: Path, port: int) -> None:
    """Serve until told to end."""
    settings = Settings.model_validate({"simulate": True, "ari_app": "bench", "max_concurrent_calls": 50})
    bus, clock = MemoryBus(), SystemClock()
    async with SqliteDatabase(store) as db:
        alive = [call.id for call in await calls.wall(db, DEFAULT_TENANT_ID, ended=0)]
        application = create_app(settings, db, bus, clock)
        config = uvicorn.Config(
            application, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=2
        )
        server = uvicorn.Server(config)
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.05)
            print("ready", flush=True)
            while order := json.loads(await asyncio.to_thread(sys.stdin.readline) or "{}"):
                log = Path(order["log"])
                np.save(log, await _play(bus, alive, order["play"]))
                log.with_suffix(".json").write_text(json.dumps(alive))
                print("played", flush=True)
            server.should_exit = True
            await serving


async def _play(bus: MemoryBus, alive: list[str], seconds: float) -> np.ndarray:
    """When event `n` of call `c` was published, ns of the monotonic clock. Evenly spread, never early."""
    rounds = int(seconds * EVENTS_PER_S)
    told = np.zeros((len(alive), rounds), dtype=np.int64)
    began = time.monotonic()
    for n in range(rounds):
        for at, call_id in enumerate(alive):
            due = began + (n + at / len(alive)) / EVENTS_PER_S
            ahead = due - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            told[at, n] = time.monotonic_ns()
            await bus.publish("calls", _event(call_id, at, n))
    return told


def _event(call_id: str, at: int, n: int) -> Message:
    """Of twelve one is a level, one a change of the row, the rest are words of a growing turn."""
    kind = (n + at) % EVENTS_PER_S
    if kind == 0:
        return CallLevels(
            tenant_id=DEFAULT_TENANT_ID, call_id=call_id, callee_dbov=-20.0 - n % 30, agent_dbov=-50.0 + n % 30
        )
    if kind == 1:
        return CallChanged(tenant_id=DEFAULT_TENANT_ID, call_id=call_id)
    turn, word = divmod(n, WORDS_PER_TURN)
    speaker = "callee" if turn % 2 else "agent"
    text = " ".join(["quite"] * (word + 1))
    return CallWords(
        tenant_id=DEFAULT_TENANT_ID,
        call_id=call_id,
        speaker=speaker,
        item_id=f"i{turn}",
        text=f"{text} #{n}",
        final=False,
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
