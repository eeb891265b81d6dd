"""The console under load: 50 calls with 12 events a second each to 30 browsers; first paints over a million tasks.

A uvicorn process serves the real console on SQLite and plays the events on its own bus, as the product does;
another process holds the websockets. Frames are coalesced: an event is delivered with itself or with a later one.
Called by `scripts/bench console`; about four minutes, most of them to make the tasks.
"""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from app.clock import SystemClock
from app.domain.call import CallState
from app.domain.people import Role
from app.domain.tenant import DEFAULT_TENANT_ID
from app.figures import Figure, Result
from app.store import calls
from app.store.sqlite import SqliteDatabase
from scripts.benchmarks import dialer_claims
from scripts.benchmarks.console_server import EVENTS_PER_S
from tests.unit.app.door_world import session
from tests.unit.app.store_world import NOW, add_agent, begun_call, claimed_task
from web.render import PLACES

CALLS, VIEWERS, SECONDS = 50, 30, 20
TASKS = 1_000_000
PAINTS = 40
ID = re.compile(r"[0-9a-f]{32}")
LINK = re.compile(r"""<a\b(?![^>]*\bdownload\b)[^>]*\bhref="(/[^"?#.]*)["?#]""")
AIM_DELIVERY_MS, AIM_PAINT_MS = 300, 150
Child = subprocess.Popen[str]

_ENDED = """
    INSERT INTO calls (id, tenant_id, task_id, agent_id, attempt_number, node, number_requested, number_dialed,
        state, outcome, ended_by, hangup_cause, dialed, detail, created_ms, ended_ms, cost_micro_usd)
    SELECT lower(hex(randomblob(16))), tenant_id, id, agent_id, 1, 'bench', number, number,
        'ended', 'busy', 'callee', 17, 1, '', :now_ms - abs(random()) % 864000000,
        :now_ms - abs(random()) % 864000000, 0
    FROM tasks WHERE state = 'pending' AND next_action_time > :now_ms LIMIT :limit
"""


def run(tasks: int = TASKS, seconds: int = SECONDS) -> tuple[Result, ...]:
    """Delivery and CPU, then first paints; `tasks` 0 leaves the paints out, `seconds` 0 the events."""
    with tempfile.TemporaryDirectory(prefix="od-") as folder:
        place = Path(folder)
        began = time.monotonic()
        cookie = asyncio.run(_filled(place / "opendeep.db", tasks))
        filled_s = round(time.monotonic() - began, 1)
        port = _free_port()
        server = _started("console_server", place / "opendeep.db", port)
        try:
            _wait(server, "ready")
            found = [_live(server, port, cookie, seconds, place)] if seconds else []
            found += _paints(port, cookie, tasks, filled_s) if tasks else []
            _order(server, {})
            server.wait(timeout=20)
        finally:
            server.kill()
    return tuple(found)


async def _filled(store: Path, tasks: int) -> str:
    """Living calls, tasks, ended calls, and somebody who is signed in; answers the cookie."""
    async with SqliteDatabase(store) as db:
        await add_agent(db)
        for n in range(CALLS):
            call = await begun_call(db, await claimed_task(db, f"+1202555{n:04}", callee_name=f"Callee {n}"))
            await calls.set_state(db, DEFAULT_TENANT_ID, call.id, CallState.BRIDGED, NOW)
        now_ms = SystemClock().unix_ms()
        if tasks:
            await dialer_claims.fill(db, tasks, now_ms)
            await db.execute(_ENDED, {"now_ms": now_ms, "limit": tasks // 5})
        return await session(db, Role.OWNER, tenant=DEFAULT_TENANT_ID)


# --- live ----------------------------------------------------------------------------------------------------
def _live(server: Child, port: int, cookie: str, seconds: int, place: Path) -> Result:
    """The same events with nobody looking, then with everybody; the media clock beside, without and with it."""
    began = time.monotonic()
    quiet = _beside(seconds, lambda: None)
    alone = _played(server, seconds, place / "alone.npy")
    seen = place / "seen.npy"
    viewers = _started("console_viewers", port, cookie, VIEWERS, seconds + 3, seen)
    _wait(viewers, "ready")
    shares: list[float] = []
    busy = _beside(seconds, lambda: shares.append(_played(server, seconds, place / "told.npy")))
    viewers.wait(timeout=120)
    facts: dict[str, Any] = json.loads(seen.with_suffix(".json").read_text())
    order: list[str] = json.loads((place / "told.json").read_text())
    late_ms, missed = delivered(np.load(place / "told.npy"), order, np.load(seen), facts["ids"])
    p95 = _at(late_ms, 95)
    figures: dict[str, Figure] = {
        "calls": CALLS,
        "events_per_s": CALLS * EVENTS_PER_S,
        "browsers": VIEWERS,
        "cpu_share": round(shares[0], 4),
        "cpu_share_nobody_looks": round(alone, 4),
        "delivery_p50_ms": _at(late_ms, 50),
        "delivery_p95_ms": p95,
        "delivery_max_ms": _at(late_ms, 100),
        "aim_ms": AIM_DELIVERY_MS,
        "met": p95 < AIM_DELIVERY_MS,
        "frames_per_s_and_browser": round(facts["frames"] / VIEWERS / (seconds + 3), 2),
        "kb_per_s_and_browser": round(facts["bytes"] / VIEWERS / (seconds + 3) / 1024, 1),
        "gaps": facts["gaps"],
        "tick_late_p99_ms": busy["p99_ms"],
        "tick_late_p99_ms_without": quiet["p99_ms"],
        "tick_late_p99_ratio": round(busy["p99_ms"] / max(quiet["p99_ms"], 1e-3), 2),
        "load_average": round(os.getloadavg()[0], 1),
    }
    spent_s = round(time.monotonic() - began, 1)
    return Result(name="console live", n=len(late_ms), violations=missed, seconds=spent_s, figures=figures)


def delivered(
    told: np.ndarray, order: list[str], seen: np.ndarray, ids: list[str], viewers: int = VIEWERS
) -> tuple[list[float], int]:
    """Milliseconds from publishing a word to each browser, and how many never came.

    `told[c, n]`: when event n of call `order[c]` was published; rows of `seen`: browser, call (place in `ids`), n,
    when it came. All times are ns of the machine's monotonic clock.
    """
    late: list[float] = []
    missed = 0
    place = {call: at for at, call in enumerate(ids)}
    for at, call in enumerate(order):
        sent = np.array([n for n in range(told.shape[1]) if (n + at) % EVENTS_PER_S > 1])
        for viewer in range(viewers):
            mine = seen[(seen[:, 0] == viewer) & (seen[:, 1] == place.get(call, -1))]
            newest = np.maximum.accumulate(mine[:, 2]) if len(mine) else mine[:, 2]
            first = np.searchsorted(newest, sent)
            came = first < len(mine)
            missed += int((~came).sum())
            late += ((mine[first[came], 3] - told[at, sent[came]]) / 1e6).tolist()
    return late, missed


def _played(server: Child, seconds: int, log: Path) -> float:
    """Let the server play; answers its share of one core meanwhile."""
    before, began = _cpu_s(server.pid), time.monotonic()
    _order(server, {"play": seconds, "log": str(log)})
    _wait(server, "played")
    return (_cpu_s(server.pid) - before) / (time.monotonic() - began)


def _beside(seconds: int, work: Callable[[], object]) -> dict[str, float]:
    """Lateness of a media clock in a process of its own while `work` is done."""
    ticks = _started("console_ticks", seconds)
    work()
    told, _ = ticks.communicate(timeout=seconds + 60)
    return json.loads(told)


# --- first paints --------------------------------------------------------------------------------------------
def _paints(port: int, cookie: str, tasks: int, filled_s: float) -> list[Result]:
    """Every page, asked one after the other, over one connection. Server time and loopback."""
    found: list[Result] = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", cookies={"opendeep": cookie}, timeout=60) as client:
        for path, word in pages(lambda path: client.get(path).raise_for_status().text):
            began = time.monotonic()
            spent: list[float] = []
            size = 0
            for _ in range(PAINTS):
                before = time.perf_counter()
                answer = client.get(path)
                spent.append((time.perf_counter() - before) * 1e3)
                answer.raise_for_status()
                size = len(answer.content)
                if time.monotonic() - began > 60:
                    break
            p95 = _at(spent, 95)
            figures: dict[str, Figure] = {
                "tasks": tasks,
                "p50_ms": _at(spent, 50),
                "p95_ms": p95,
                "aim_ms": AIM_PAINT_MS,
                "met": p95 < AIM_PAINT_MS,
                "kb": round(size / 1024, 1),
                "fill_s": filled_s,
                "load_average": round(os.getloadavg()[0], 1),
            }
            seconds = round(time.monotonic() - began, 1)
            found.append(Result(name=f"first paint {word} {path}", n=len(spent), seconds=seconds, figures=figures))
    return found


def pages(page: Callable[[str], str]) -> list[tuple[str, str]]:
    """Address and name of every place of the navigation, then of one page of each form that links lead to."""
    found = [(path, word) for path, word, *_ in PLACES]
    seen = {path for path, _ in found}
    for path, _ in found:  # which grows meanwhile
        for link in LINK.findall(page(path)):
            form = ID.sub("{id}", link)
            if form not in seen and ID.search(link) and not link.startswith("/api/"):
                seen.add(form)
                found.append((link, form))
    return found


# --- processes -----------------------------------------------------------------------------------------------
def _started(module: str, *arguments: object) -> Child:
    command = [sys.executable, "-m", f"scripts.benchmarks.{module}", *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _wait(child: Child, word: str) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == word:
            return
    raise RuntimeError(f"the process ended before it said {word}")


def _order(child: Child, order: dict[str, object]) -> None:
    assert child.stdin is not None
    child.stdin.write(json.dumps(order) + "\n")
    child.stdin.flush()


def _cpu_s(pid: int) -> float:
    """Processor time of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _at(found: list[float], percent: int) -> float:
    return round(float(np.percentile(found, percent)), 2) if found else 0.0
