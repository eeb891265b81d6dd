"""Promise `faults`: whatever breaks while a call is dialed or lives, it ends, is concluded, leaves nothing.

Each row of the fault matrix that is marked D (while dialing) or L (in a live call) is struck on the real Asterisk
with SIPp phones where it needs one, otherwise on the simulators, with the product's own patience. Rows
that cannot be run are listed with the reason. `python -m scripts.promises faults --only ROW` runs one.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from app.figures import Result
from app.logs import set_up_logs
from scripts.benchmarks.audio_rounds import asterisk as shared_asterisk
from scripts.promises.faults import (
    confirms,
    exchange,
    model,
    postgres,
    process,
    rest,
    rtp,
    store,
    stream,
    text_model,
    tools,
)
from scripts.promises.faults import mutants as spoilt
from scripts.promises.faults.ground import Account, Ground, Row
from tests.real.conftest import missing
from tests.real.mortal import mortal_asterisk

ROWS: tuple[Row, ...] = (
    *exchange.ROWS,
    *stream.ROWS,
    *rest.ROWS,
    *rtp.ROWS,
    *model.ROWS,
    *text_model.ROWS,
    *tools.ROWS,
    *store.ROWS,
    *postgres.ROWS,
    *confirms.ROWS,
    *process.ROWS,
)
NOT_RUN = {
    "rtp-real-hour": "an hour of real time is too long here; rtp-clock-drift runs it in virtual time",
}
MUTANTS = spoilt.MUTANTS
HOUSES, HOUSES_OF_PROCESSES = 8, 3
ROW_LIMIT_S = 240.0


def run(seed: int = 20261121, mutant: str = "", only: Sequence[str] = ()) -> tuple[Result, ...]:
    """All rows or those of `only`; with a mutant, those that have to notice it. One result a row."""
    set_up_logs("critical", as_json=False)
    names = spoilt.MUTANTS[mutant][1] if mutant else only
    unknown = [name for name in names if name not in {row.name for row in ROWS} | NOT_RUN.keys()]
    if unknown:
        raise ValueError(f"there is no row {', '.join(unknown)}; rows: {', '.join(row.name for row in ROWS)}")
    rows = [row for row in ROWS if not names or row.name in names]
    with spoilt.MUTANTS[mutant][0]() if mutant else contextlib.nullcontext():
        results = asyncio.run(_simulated(rows, seed))
        results |= asyncio.run(_real(rows, seed))
    left_out = {name: Result(name=f"faults {name}", seed=seed, not_run=why) for name, why in NOT_RUN.items()}
    return (*(results[row.name] for row in rows), *(left_out[n] for n in left_out if not names or n in names))


async def _simulated(rows: Sequence[Row], seed: int) -> dict[str, Result]:
    """All of them beside each other: a call is mostly waiting."""
    results: dict[str, Result] = {}
    places, few = asyncio.Semaphore(HOUSES), asyncio.Semaphore(HOUSES_OF_PROCESSES)
    async with asyncio.TaskGroup() as group:
        for row in rows:
            if row.on == "SimAsterisk":
                group.create_task(_row(row, seed, results, Ground(Path(), seed, Account(), places, few)))
    return results


async def _real(rows: Sequence[Row], seed: int) -> dict[str, Result]:
    """One after the other: they share the phones' port."""
    results: dict[str, Result] = {}
    wanted = [row for row in rows if row.on != "SimAsterisk"]
    reason = missing() if wanted else None
    if reason is not None:
        return {row.name: row.result(Account(not_run=reason), seed, 0.0) for row in wanted}
    shared = [row for row in wanted if row.on == "Asterisk"]
    places = asyncio.Semaphore(1)
    if shared:
        with shared_asterisk(f"faults-{os.getpid()}") as place:
            for row in shared:
                await _row(row, seed, results, Ground(Path(), seed, Account(), places, places, place))
    for number, row in enumerate(one for one in wanted if one.on == "Asterisk of its own"):
        with mortal_asterisk(f"faults-{os.getpid()}-{number}") as lone:
            await _row(row, seed, results, Ground(Path(), seed, Account(), places, places, lone.instance, lone))
    return results


async def _row(row: Row, seed: int, results: dict[str, Result], ground: Ground) -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="od-") as folder:
        ground.folder = Path(folder)
        try:
            async with asyncio.timeout(ROW_LIMIT_S):
                await row.run(ground)
        except* Exception as failures:  # noqa: BLE001 - a row that breaks is a violation, and the others go on
            ground.account.wrong.append(f"could not go on: {first_of(failures)}")
    results[row.name] = row.result(ground.account, seed, time.monotonic() - began)


def first_of(failures: BaseExceptionGroup[Exception]) -> str:
    """The first fault inside nested groups."""
    one: BaseException = failures
    while isinstance(one, BaseExceptionGroup):
        one = one.exceptions[0]
    return f"{type(one).__name__}: {one}"[:300]
