"""Thirty browsers' websockets in a process of their own: what comes, and when.

`python -m scripts.benchmarks.console_viewers PORT COOKIE VIEWERS SECONDS OUT`. Offers compression, as browsers do.
"""

import asyncio
import json
import re
import sys
import time
from pathlib import Path

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

_NUMBER = re.compile(r" #(\d+)$")


class Seen:
    """What one browser saw: words as (call, number of the event, ns), and how much came."""

    def __init__(self) -> None:
        self.words: list[tuple[str, int, int]] = []
        self.frames = 0
        self.snapshots = 0
        self.bytes = 0
        self.gaps = 0
        self._seq: int | None = None

    def take(self, text: str | bytes, now_ns: int) -> None:
        """One message."""
        self.bytes += len(text)
        message = json.loads(text)
        if message["type"] == "snapshot":
            self.snapshots += 1
        else:
            self.frames += 1
            self.gaps += message["seq"] != (self._seq or 0) + 1
        self._seq = message["seq"]
        for said in message.get("words", ()):
            if found := _NUMBER.search(said["text"]):
                self.words.append((said["call_id"], int(found[1]), now_ns))


async def main(port: int, cookie: str, viewers: int, seconds: float, out: Path) -> None:
    """Connect all, say "ready", look for `seconds`, write down what was seen."""
    seen = [Seen() for _ in range(viewers)]
    sockets = [
        await connect(
            f"ws://127.0.0.1:{port}/live",
            additional_headers={"cookie": f"opendeep={cookie}"},
            origin=f"http://127.0.0.1:{port}",  # pyright: ignore[reportArgumentType] - a NewType of theirs
            max_size=None,
        )
        for _ in range(viewers)
    ]
    print("ready", flush=True)
    until = asyncio.get_running_loop().time() + seconds
    async with asyncio.TaskGroup() as group:
        for one, socket in zip(seen, sockets, strict=True):
            group.create_task(_look(one, socket, until))
    rows = [(viewer, call, n, at) for viewer, one in enumerate(seen) for call, n, at in one.words]
    ids = sorted({row[1] for row in rows})
    index = {call: at for at, call in enumerate(ids)}
    words = np.array([(viewer, index[call], n, at) for viewer, call, n, at in rows], dtype=np.int64)
    np.save(out, words.reshape(-1, 4))
    facts = {
        "ids": ids,
        "frames": sum(one.frames for one in seen),
        "snapshots": sum(one.snapshots for one in seen),
        "bytes": sum(one.bytes for one in seen),
        "gaps": sum(one.gaps for one in seen),
    }
    out.with_suffix(".json").write_text(json.dumps(facts))
    for socket in sockets:
        await socket.close()


async def _look(seen: Seen, socket: ClientConnection, until: float) -> None:
    try:
        async with asyncio.timeout_at(until):
            while True:
                text = await socket.recv()
                seen.take(text, time.monotonic_ns())
    except TimeoutError:
        pass


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), Path(sys.argv[5])))
