"""Twenty tasks a second fall due on the whole engine; the kernel stamps each INVITE that leaves Asterisk.

Engine, media worker, simulated model and SIPp are processes of their own. The baseline dials the same numbers over
the same Asterisk at the same rate with a bare loop of `POST /channels`: from the POST to the INVITE.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from app.figures import Figure, Result
from app.store.db import Database
from scripts.benchmarks.audio_rounds import asterisk
from scripts.benchmarks.dialer_phones import Farm, numbers
from scripts.benchmarks.sip_witness import SipWitness
from tests.real.conftest import RealAsterisk
from tests.real.raw_ari import RawAri

AIM_MS = 250.0
HOLD_MS = 500
"""From the answer to the phone's BYE."""
LEAD_S = 4.0
AFTER_S = 45.0
SLOTS = 300
RULED_PER_S = 100.0
"""CALLS_PER_SECOND: no token is waited for at the rates that are measured."""
PACKS = str(Path(__file__).parents[2] / "tests" / "packs")
Open = Callable[[Path], AbstractAsyncContextManager[tuple[Database, dict[str, Any]]]]


class Plan(NamedTuple):
    """What is to be measured."""

    store: str
    opens: Open
    rate_per_s: int
    seconds: int


class DialJob(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine process is to do: these numbers fall due one after the other, `every_ms` apart."""

    log: str
    numbers: tuple[str, ...]
    every_ms: float
    settings: dict[str, Any]


class DialLog(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine process saw: when each number was claimed (monotonic seconds), and how the calls ended."""

    due: dict[str, float]
    claimed: dict[str, float]
    intents: dict[str, float]
    """When the intent to dial was about to be committed."""
    outcomes: dict[str, int]
    cpu_s: float
    commits: int
    commit_waited_s: float
    commit_held_s: float


def run(store: str, opens: Open, rate_per_s: int, seconds: int) -> tuple[Result, ...]:
    """The engine's round and the baseline's."""
    try:
        with asterisk(f"dialer-{os.getpid()}") as place, tempfile.TemporaryDirectory(prefix="od-") as folder:
            bare = asyncio.run(_bare(place, Path(folder) / "bare", rate_per_s, min(seconds, 20)))
            return (asyncio.run(_engine(Plan(store, opens, rate_per_s, seconds), place, Path(folder), bare)),)
    except (OSError, RuntimeError, TimeoutError) as error:
        return (Result(name=f"dialer calls {store}", not_run=str(error) or type(error).__name__),)


async def _engine(plan: Plan, place: RealAsterisk, folder: Path, bare_ms: Sequence[float]) -> Result:
    store, rate_per_s, seconds = plan.store, plan.rate_per_s, plan.seconds
    began = time.monotonic()
    called = numbers(rate_per_s * seconds)
    (folder / "data").mkdir()
    async with plan.opens(folder) as (_, where):
        with Farm(place.trunk_port, folder / "phones", HOLD_MS), Model() as url:
            job = DialJob(
                log=str(folder / "dialer.log"),
                numbers=called,
                every_ms=1000 / rate_per_s,
                settings=_settings(place, url, where),
            )
            with SipWitness(place.sip_port) as witness:
                await asyncio.to_thread(_run_engine, job, folder, seconds)
    log = msgspec.msgpack.decode((folder / "dialer.log").read_bytes(), type=DialLog)
    figures = compare(log, witness.invited, bare_ms)
    missed = len(called) - int(figures["invites"] or 0)
    doubled = len(witness.invited) - len({number for number, _ in witness.invited.values()})
    return Result(
        name=f"dialer calls {store}",
        n=len(called),
        violations=doubled + missed,
        seconds=round(time.monotonic() - began, 1),
        figures={"rate_per_s": rate_per_s, "not_invited": missed, "rung_twice": doubled, **figures},
    )


def compare(log: DialLog, invited: dict[str, tuple[str, float]], bare_ms: Sequence[float]) -> dict[str, Figure]:
    """Claim, intent and INVITE of each number beside each other."""
    at = {f"+{number}": when for number, when in invited.values()}
    whole = [(at[n] - when) * 1e3 for n, when in log.claimed.items() if n in at]
    late = [(when - log.due[n]) * 1e3 for n, when in log.claimed.items()]
    prepare = [(log.intents[n] - when) * 1e3 for n, when in log.claimed.items() if n in log.intents]
    dial = [(at[n] - when) * 1e3 for n, when in log.intents.items() if n in at]
    times = sorted(at.values())
    return {
        "invites": len(at),
        "invites_per_s": round((len(times) - 1) / (times[-1] - times[0]), 1) if len(times) > 1 else 0.0,
        "claim_to_invite_p50_ms": _at(whole, 50),
        "claim_to_invite_p99_ms": _at(whole, 99),
        "aim_ms": AIM_MS,
        "met": bool(whole) and _at(whole, 99) < AIM_MS,
        "due_to_claim_p50_ms": _at(late, 50),
        "due_to_claim_p99_ms": _at(late, 99),
        "claim_to_intent_p50_ms": _at(prepare, 50),
        "claim_to_intent_p99_ms": _at(prepare, 99),
        "intent_to_invite_p50_ms": _at(dial, 50),
        "intent_to_invite_p99_ms": _at(dial, 99),
        "bare_originate_p50_ms": _at(bare_ms, 50),
        "bare_originate_p99_ms": _at(bare_ms, 99),
        "ratio_p50": round(_at(whole, 50) / max(_at(bare_ms, 50), 0.01), 1),
        "engine_cpu_s": round(log.cpu_s, 1),
        "commits_per_call": round(log.commits / max(len(log.claimed), 1), 1),
        "commit_wait_mean_ms": round(log.commit_waited_s * 1e3 / max(log.commits, 1), 2),
        "commit_mean_ms": round(log.commit_held_s * 1e3 / max(log.commits, 1), 2),
        **{f"outcome {name}": count for name, count in log.outcomes.items()},
    }


def _settings(place: RealAsterisk, url: str, where: dict[str, Any]) -> dict[str, Any]:
    """The product's defaults, but for where things are and how many calls there may be, at whatever hour."""
    return {
        "node_name": "bench",
        "ari_url": f"{place.url}/ari",
        "ari_username": place.username,
        "ari_password": place.password,
        "openai_api_key": "simulated",
        "realtime_url": url,
        "max_concurrent_calls": SLOTS,
        "calls_per_second": RULED_PER_S,
        "allowed_countries": "US",
        "policy_packs": "anytime",
        "policy_packs_dir": PACKS,
        "media_mode": "process",
        "redis_url": "",
        "app_test_mode": False,
        "simulate": False,
        **where,
    }


class Model:
    """The simulated speech model in a process of its own."""

    def __enter__(self) -> str:
        command = [sys.executable, "-m", "app.sim.realtime", "--port", "0"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        return self._process.stdout.readline().partition("?")[0].strip()

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)


def _run_engine(job: DialJob, folder: Path, seconds: int) -> None:
    path = folder / "dialer.job"
    path.write_bytes(msgspec.msgpack.encode(job))
    command = [sys.executable, "-m", "scripts.benchmarks.dialer_control", str(path)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            status = process.wait(LEAD_S + seconds + AFTER_S + 30)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            raise RuntimeError("the engine did not end in time") from None
    if status != 0:
        raise RuntimeError(f"the engine ended with {status}")


async def _bare(place: RealAsterisk, folder: Path, rate_per_s: int, seconds: int) -> list[float]:
    """Milliseconds from POST to INVITE of a loop that does nothing else."""
    called = numbers(rate_per_s * seconds)
    posted: dict[str, float] = {}
    with Farm(place.trunk_port, folder, HOLD_MS), SipWitness(place.sip_port) as witness:
        async with RawAri(place.url, place.username, place.password, "bare") as ari, asyncio.TaskGroup() as group:
            begin = time.monotonic() + 0.2
            for at, number in enumerate(called):
                await asyncio.sleep(max(0.0, begin + at / rate_per_s - time.monotonic()))
                posted[number] = time.monotonic()
                group.create_task(ari.dial(number[1:], f"bare{at}", variables={"TIMEOUT(absolute)": "30"}))
        await asyncio.sleep(2.0)
    return [(when - posted[f"+{number}"]) * 1e3 for number, when in witness.invited.values()]


def _at(found: Sequence[float], percent: int) -> float:
    return round(float(np.percentile(found, percent)), 1) if found else 0.0
