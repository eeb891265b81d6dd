"""`opendeep sim run`: every persona is called by the whole product, and what must come of each is compared."""

import asyncio
import importlib
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import click

from app.bus import MemoryBus
from app.cli.house import settle_heap
from app.cli.memory_folder import memory_folder
from app.clock import SystemClock
from app.config import Settings, load_settings
from app.domain.agent import Agent
from app.engine import Engine
from app.figures import Figure, Result
from app.sim.asterisk import CalleeScript, SimAsterisk
from app.sim.realtime.capable import CapableBrain
from app.sim.realtime.options import SimOptions
from app.sim.rehearsal.cast import CAST, VOCABULARY, Persona
from app.sim.rehearsal.stage import Judged, Stage, number_of
from app.sim.text.attentive import AttentiveAnalyst
from app.sim.world import sim_world
from app.store.sqlite import SqliteDatabase

LIMIT_S = 90.0
OPTIONS = SimOptions(vocabulary=VOCABULARY)
REAL_PHONES = "scripts.rehearsal"
"""Callees on a real Asterisk need SIPp and the tests' telephones, which are not part of the installed program."""
PACK = """
id = "rehearsal"
version = "1"
reviewed_on = 2026-11-26
title = "Test numbers on loopback"
severity = "block"

[match]
countries = ["US"]

[rules]
voicemail = "never"
"""


class RealPhones(Protocol):
    """The module `REAL_PHONES`."""

    async def on_asterisk(self, cast: Sequence[Persona], media_mode: str) -> list[Judged]: ...
    def not_possible(self) -> str | None: ...


def chosen(names: str) -> list[Persona]:
    """The personas of `--personas`. Raises click.BadParameter for one that does not exist."""
    if names == "all":
        return list(CAST.values())
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in CAST]
    if unknown or not wanted:
        raise click.BadParameter(f"there is no persona {', '.join(unknown) or '(none given)'}; {', '.join(CAST)}")
    return [CAST[name] for name in wanted]


def rehearsed(cast: Sequence[Persona], *, on: str, media_mode: str) -> Result:
    """The result of one rehearsal."""
    clock = SystemClock()
    started = clock.monotonic()
    name = f"personas on {'the simulated exchange' if on == 'sim' else 'a real Asterisk'}"
    if on == "sim":
        judged = asyncio.run(on_simulator(cast, media_mode))
    else:
        real = real_phones()
        if real is None:
            return Result(name=name, not_run="needs a checkout: the telephones are part of the tests")
        why = real.not_possible()
        if why is not None:
            return Result(name=name, not_run=why)
        judged = asyncio.run(real.on_asterisk(cast, media_mode))
    return result_of(name, cast, judged, round(clock.monotonic() - started, 1))


def real_phones() -> Any:
    """The telephones of this checkout, from wherever the command is run; None when there is no checkout."""
    root = Path(__file__).resolve().parents[2]
    if (root / "tests").is_dir() and str(root) not in sys.path:
        sys.path.append(str(root))
    try:
        return importlib.import_module(REAL_PHONES)
    except ModuleNotFoundError:
        return None


def result_of(name: str, cast: Sequence[Persona], judged: Sequence[Judged], seconds: float) -> Result:
    """Violations counted, the first one and everybody's story among the figures."""
    for one in judged:
        for line in one.wrong:
            click.echo(f"{one.persona}: {line}", err=True)
    wrong = [f"{one.persona}: {line}" for one in judged for line in one.wrong]
    told = {one.persona: _story(one) for one in judged if one.outcome}
    figures: dict[str, Figure] = {**told, "first_violation": wrong[0] if wrong else None}
    return Result(name=name, n=len(cast), violations=len(wrong), seconds=seconds, figures=figures)


def _story(one: Judged) -> str:
    tools = " ".join(one.tools) or "no function"
    return f"{one.outcome}, answered by {one.answered_by or 'nobody'}, task {one.task}, {tools}, {one.seconds} s"


async def on_simulator(cast: Sequence[Persona], media_mode: str) -> list[Judged]:
    """With everything simulated but the product itself."""
    with memory_folder() as folder:
        async with simulated_house(folder, cast, media_mode=media_mode) as stage:
            return await stage.play(LIMIT_S)


def rehearsal_settings(folder: Path, media_mode: str, **more: object) -> Settings:
    """Settings of a rehearsal: everything in `folder`, answer supervision on, short patience, all talks judged.

    Addresses, ports and logins of the engine that may run beside it are not inherited.
    """
    packs = folder / "packs"
    packs.mkdir(parents=True, exist_ok=True)
    (packs / "rehearsal.toml").write_text(PACK, encoding="utf-8")
    values: dict[str, object] = {
        "simulate": True,
        "app_test_mode": False,
        "redis_url": "",
        "database_url": "",
        "data_dir": folder,
        "media_mode": media_mode,
        "ari_events": "dial_in",
        "ari_peer_url": "",
        "peer_ari_logins": "",
        "rtp_port": 0,
        "rtp_bind_host": "127.0.0.1",
        "rtp_advertised_host": "127.0.0.1",
        "metrics_port": 0,
        "leg_codec": "ulaw",
        "realtime_audio": "auto",
        "max_concurrent_calls": 40,
        "calls_per_second": 3.0,
        "number_calls_per_day": 100,
        "ring_timeout_s": 10,
        "no_input_s": 3.0,
        "no_input_prompts": 1,
        "greet_after_silence_s": 2.0,
        "scheduler_poll_s": 0.2,
        "answer_supervision": True,
        "analysis": "model",
        "allowed_countries": "US",
        "policy_packs": "rehearsal",
        "policy_packs_dir": str(packs),
    }
    return load_settings(overrides=values | more)


@asynccontextmanager
async def simulated_house(
    folder: Path,
    cast: Sequence[Persona],
    *,
    media_mode: str = "in_process",
    options: SimOptions | None = None,
    agent: Agent | None = None,
    **more: object,
) -> AsyncGenerator[Stage]:
    """The engine running between simulators, with the cast at its telephones."""
    clock, bus = SystemClock(), MemoryBus()
    settings = rehearsal_settings(folder, media_mode, **more)
    directory = _Directory(cast)
    async with sim_world(
        settings, callees=directory, brain=CapableBrain, options=options or OPTIONS, analyst=AttentiveAnalyst()
    ) as world:
        # Numbers and rules are those of real calls, so admission decides as it does for them.
        pointed = world.settings.model_copy(update={"simulate": False})
        pointed.recordings_dir.mkdir(parents=True, exist_ok=True)
        async with (
            SqliteDatabase(pointed.database_path) as db,
            Engine(pointed, db, bus, clock).running(),
        ):
            phones = _Exchange(world.asterisk)
            settle_heap()
            yield Stage(db, bus, clock, cast=cast, realtime=world.realtime, phones=phones, agent=agent)


class _Directory:
    """Number -> script: the second call of a number is answered as the persona's `again`."""

    def __init__(self, cast: Sequence[Persona]) -> None:
        self._cast = {number_of(at): one for at, one in enumerate(cast)}
        self._rung: Counter[str] = Counter()

    def __call__(self, number: str) -> CalleeScript | None:
        persona = self._cast.get(number)
        if persona is None:
            return None
        self._rung[number] += 1
        return persona.again if persona.again is not None and self._rung[number] > 1 else persona.script


class _Exchange:
    """The simulated exchange as a witness."""

    def __init__(self, asterisk: SimAsterisk) -> None:
        self._asterisk = asterisk

    def invited(self) -> Mapping[str, int]:
        return Counter(invite.number for invite in self._asterisk.invites)

    def heard(self, number: str) -> list[str]:
        callees = [one for one in self._asterisk.callees if one.number == number]
        return [text for callee in callees for text in callee.heard_texts]

    def keys(self, number: str) -> str:
        return "".join(one.digits_heard for one in self._asterisk.callees if one.number == number)
