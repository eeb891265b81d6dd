"""The media engine's clock beside the console: how late its ticks run, with the signal work of fifty calls.

`python -m scripts.benchmarks.console_ticks SECONDS`: prints p99 and the largest lateness in ms. Not the worker
itself, which would need an exchange and a model: its clock, its histogram and the resampling both ways, one loop.
"""

import asyncio
import json
import sys

import numpy as np

from media.clock import TickClock
from media.lateness import LatenessHistogram
from media.resample import PolyphaseBank

CALLS = 50


async def main(seconds: float) -> None:
    """Tick every 5 ms, each tick a quarter of the calls."""
    loop = asyncio.get_running_loop()
    clock, late = TickClock(loop.time()), LatenessHistogram()
    up, down = PolyphaseBank(8000, 24000, rows=CALLS), PolyphaseBank(24000, 8000, rows=CALLS)
    noise = np.random.default_rng(7).integers(-8000, 8000, (CALLS, 480), dtype=np.int16)
    until = loop.time() + seconds
    while loop.time() < until:
        await asyncio.sleep(max(0.0, clock.next_deadline - loop.time()))
        now = loop.time()
        slots = clock.due(now)
        if slots:
            late.add(now - slots[-1].deadline)
        for slot in slots:
            rows = np.arange(slot.phase, CALLS, clock.phases)
            up.process(rows, noise[rows, :160])
            down.process(rows, noise[rows])
    print(json.dumps({"p99_ms": late.quantile_ms(0.99), "p50_ms": late.quantile_ms(0.5), "max_ms": late.max_ms}))


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
