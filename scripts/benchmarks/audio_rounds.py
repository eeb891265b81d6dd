"""One round of the audio benchmark: phones, simulated model, engine, all in processes of their own, one Asterisk.

The phones live in this process, which does nothing else meanwhile; they hang up by themselves when their script is
over, and the round ends when the engine has concluded every call.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from app.sim import tonevoice
from scripts.benchmarks.audio_jobs import CallLog, ControlJob, ModelJob, ModelLog, SessionLog, load, save
from scripts.benchmarks.sip_witness import SipWitness
from tests.real.conftest import SCRIPT, RealAsterisk
from tests.real.phones import Callee, Phones
from tests.real.rtp_phone import RATES_HZ, RtpPhone, Samples

PACKS = Path(__file__).parents[2] / "tests" / "packs"
"""Calling rules for phones on loopback."""
RING_MS = 1000
ROUND_LIMIT_S = 75.0
WATCH_S, STALL_S = 0.005, 0.020
AREAS = ("202", "212", "213", "303", "305", "312", "404", "415", "617", "713")
BURST_MS, BURST_HZ, BURST_AMPLITUDE = 10, 1000, 11_600


@dataclass(frozen=True)
class Script:
    """What a phone says from its answer on; `onsets` are the 20 ms slots in which something loud begins."""

    samples: Samples
    onsets: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """One round. `settings` are changes to the product's settings."""

    name: str
    codec: str
    calls: int
    talk_ms: int
    interrupts: bool
    """True: the callee interrupts the agent; False: it sends bursts too short to count as speech."""
    model: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    seed: int = 7


@dataclass(frozen=True)
class SeenCall:
    """One call as the phone, the model and the control process saw it."""

    number: str
    codec: str
    phone: RtpPhone
    script: Script
    answered_at: float
    """The 200 OK left the phone."""
    control: CallLog
    model: SessionLog


@dataclass(frozen=True)
class Stall:
    """This process, which has nothing to do but wait, was not woken up when due: the machine stood still."""

    since: float
    until: float


@dataclass(frozen=True)
class Round:
    """What a round leaves to be looked at. `missing` says which calls could not be followed, and why."""

    plan: Plan
    calls: list[SeenCall]
    missing: list[str]
    model_lag_ms: list[float]
    stalls: list[Stall]
    seconds: float


@contextmanager
def asterisk(name: str) -> Generator[RealAsterisk]:
    """A real Asterisk of our own on free ports."""
    up = subprocess.run([SCRIPT, "up", "--name", name], capture_output=True, text=True, check=False, timeout=120)
    try:
        if up.returncode != 0:
            raise RuntimeError(up.stderr.strip() or f"scripts/asterisk up gave {up.returncode}")
        yield RealAsterisk(**json.loads(up.stdout))
    finally:
        subprocess.run([SCRIPT, "down", "--name", name], check=False, timeout=30)


def numbers(count: int) -> tuple[str, ...]:
    """Digits of numbers that are reserved for fiction (555-0100 to 555-0199) and pass the number policy."""
    return tuple(f"1{AREAS[n // 100]}55501{n % 100:02d}" for n in range(count))


def perform(place: RealAsterisk, plan: Plan, folder: Path) -> Round:
    """Make all calls of the plan at once and watch them to their end."""
    started = time.monotonic()
    folder.mkdir()
    random = Random(plan.seed)
    write = interruptions if plan.interrupts else bursts
    scripts = {number: write(RATES_HZ[plan.codec], plan.talk_ms, random) for number in numbers(plan.calls)}
    callees = [Callee(n, ring_ms=RING_MS, hang_up_after_ms=plan.talk_ms, codec=plan.codec) for n in scripts]
    phones = Phones(place.trunk_port, tuple(callees), folder / "phones")
    phones.start()
    try:
        with SipWitness(place.trunk_port) as witness, model(plan, folder) as url:
            stalls = control(plan, folder, engine_settings(place, plan, folder, url), phones, scripts)
    finally:
        phones.close()
    calls, missing = gather(plan, folder, phones, scripts, witness.answered)
    lag_ms = load(str(folder / "model.log"), ModelLog).lag_ms
    return Round(plan, calls, missing, lag_ms, stalls, time.monotonic() - started)


@contextmanager
def model(plan: Plan, folder: Path) -> Generator[str]:
    """The simulated model in a process of its own; gives its address."""
    job = ModelJob(log=str(folder / "model.log"), seed=plan.seed, **plan.model)
    save(str(folder / "model.job"), job)
    command = [sys.executable, "-m", "scripts.benchmarks.audio_model", str(folder / "model.job")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
        process.wait(timeout=20)


def control(
    plan: Plan, folder: Path, settings: dict[str, Any], phones: Phones, scripts: dict[str, Script]
) -> list[Stall]:
    """Run the engine to its end; meanwhile every phone that has answered speaks its script."""
    numbers_called = tuple(f"+{number}" for number in scripts)
    job = ControlJob(log=str(folder / "control.log"), numbers=numbers_called, settings=settings)
    save(str(folder / "control.job"), job)
    command = [sys.executable, "-m", "scripts.benchmarks.audio_control", str(folder / "control.job")]
    silent, stalls = dict(scripts), list[Stall]()
    woken = began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if woken > began + ROUND_LIMIT_S:
                process.send_signal(signal.SIGINT)  # ends its calls and its media worker first
                raise RuntimeError(f"round {plan.name} did not end within {ROUND_LIMIT_S:.0f} s")
            for event in phones.seen("ANSWER"):
                if event.number in silent:
                    phones[event.number].speak(silent.pop(event.number).samples)
            lay_down = time.monotonic()
            time.sleep(WATCH_S)
            woken = time.monotonic()
            if woken - lay_down > WATCH_S + STALL_S:
                stalls.append(Stall(lay_down, woken))
    if process.returncode != 0:
        raise RuntimeError(f"the engine of round {plan.name} ended with {process.returncode}")
    return stalls


def engine_settings(place: RealAsterisk, plan: Plan, folder: Path, url: str) -> dict[str, Any]:
    """The product's settings of a round: its defaults, but for where things are."""
    return {
        "node_name": "bench",
        "data_dir": str(folder / "data"),
        "ari_url": f"{place.url}/ari",
        "ari_username": place.username,
        "ari_password": place.password,
        "openai_api_key": "simulated",
        "realtime_url": url,
        "max_concurrent_calls": plan.calls,
        "leg_codec": plan.codec,
        "no_input_s": 60.0,
        "media_mode": "process",
        "redis_url": "",
        "app_test_mode": False,
        "simulate": False,
        "allowed_countries": "US",
        "policy_packs": "anytime",
        "policy_packs_dir": str(PACKS),
        "calls_per_second": 100.0,
        "number_calls_per_day": 100,
        "analysis": "rules",
        **plan.settings,
    }


def gather(
    plan: Plan, folder: Path, phones: Phones, scripts: dict[str, Script], answered: dict[str, float]
) -> tuple[list[SeenCall], list[str]]:
    """Put the three views of every call together."""
    seen = load(str(folder / "model.log"), ModelLog)
    sessions = {number: log for log in seen.sessions if (number := number_of(log))}
    controls = {log.number.lstrip("+"): log for log in load(str(folder / "control.log"), list[CallLog])}
    calls: list[SeenCall] = []
    missing: list[str] = []
    for number, script in scripts.items():
        control, session = controls.get(number), sessions.get(number)
        if control is None or session is None or number not in answered or "answered_sent" not in control.times:
            missing.append(f"{number}: {control.outcome if control else 'never called'}")
            continue
        calls.append(SeenCall(number, plan.codec, phones[number], script, answered[number], control, session))
    return calls, missing


def number_of(log: SessionLog) -> str:
    """The number a session was told to be measured on, from its instructions."""
    for _, frame in log.received:
        before, found, after = frame.partition("Be measured on +")
        if before and found:
            return after.partition(".")[0]
    return ""


# --- what the phones say ----------------------------------------------------------------------------------------
def interruptions(rate_hz: int, length_ms: int, random: Random) -> Script:
    """A few words every four seconds, in the middle of what the agent is saying, at no particular phase."""
    samples = np.zeros(rate_hz * length_ms // 1000, np.int16)
    words = tonevoice.speak("wait a moment please.", rate_hz)
    onsets: list[int] = []
    at_ms = 2500.0
    while at_ms + 3000 < length_ms:
        slot = int((at_ms + random.uniform(0, 600)) / 20)
        begin = slot * rate_hz // 50
        samples[begin : begin + words.size] = words
        onsets.append(slot)
        at_ms += 4300
    return Script(samples, tuple(onsets))


def bursts(rate_hz: int, length_ms: int, random: Random) -> Script:
    """10 ms of tone at the beginning of a packet, about three times a second: known packets, no speech."""
    samples = np.zeros(rate_hz * length_ms // 1000, np.int16)
    size = rate_hz * BURST_MS // 1000
    tone = (BURST_AMPLITUDE * np.sin(2 * np.pi * BURST_HZ * np.arange(size) / rate_hz)).astype(np.int16)
    onsets: list[int] = []
    slot = 50
    while slot * 20 + 1000 < length_ms:
        samples[slot * rate_hz // 50 :][:size] = tone
        onsets.append(slot)
        slot += random.randint(14, 18)
    return Script(samples, tuple(onsets))
