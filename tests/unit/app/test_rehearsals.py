"""The desk that runs rehearsals, with a program of the test's in the real one's place; and the fitted cast."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from app.bus import MemoryBus
from app.cli.rehearsals import FAULT, LAST_WORDS_BYTES, RehearsalDesk
from app.cli.sim_run import rehearsal_settings
from app.clock import SystemClock
from app.domain.agent import Agent, TransferTarget
from app.domain.fields import FieldSpec, read_value
from app.domain.messages import ListChanged
from app.domain.rehearsal import PersonaResult, Rehearsal, RehearsalSaid, RehearsalState
from app.ids import new_id
from app.sim.asterisk.script import Converse, Say
from app.sim.rehearsal.fitted import ASKS_SOMETHING, CALLEES, NOT_HERE, fitted
from app.store import agents, rehearsals
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.store_world import NOW, TENANT

pytestmark = pytest.mark.anyio
READS = "import sys, json; agent = json.load(sys.stdin); print('noise', flush=True);"
DONE = RehearsalSaid(
    over=1,
    total=1,
    results=(
        PersonaResult(persona="polite", wrong=(), outcome="", answered_by="", task="", tools=(), seconds=1.0),
        PersonaResult(persona="silent", wrong=("x",), outcome="", answered_by="", task="", tools=(), seconds=1.0),
    ),
)


def program(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", READS + text)


def prints(said: RehearsalSaid) -> str:
    return f"print({msgspec.json.encode(said).decode()!r}, flush=True);"


class House:
    def __init__(self, db: SqliteDatabase, bus: MemoryBus) -> None:
        self.db, self.bus = db, bus

    async def asked(self, **fields: Any) -> Rehearsal:
        agent = Agent(**({"id": new_id(NOW), "tenant_id": TENANT, "name": "Tried", "prompt": "hello"} | fields))
        agent = await agents.create(self.db, agent, NOW)
        rehearsal_id = new_id(NOW)
        async with self.db.tx() as tx:
            await rehearsals.ask(tx, agent, rehearsal_id, "user:1", SystemClock().unix_ms())
        await self.bus.publish("lists", ListChanged(tenant_id=TENANT, kind="rehearsals"))
        return await rehearsals.get(self.db, TENANT, rehearsal_id)

    async def over(self, one: Rehearsal) -> Rehearsal:
        with self.bus.subscribe("lists") as messages:
            async with asyncio.timeout(20):
                while True:
                    now = await rehearsals.get(self.db, TENANT, one.id)
                    if now.state in {RehearsalState.DONE, RehearsalState.FAILED}:
                        return now
                    await anext(messages)


@asynccontextmanager
async def house(folder: Path, command: tuple[str, ...]) -> AsyncGenerator[House]:
    bus = MemoryBus()
    async with (
        SqliteDatabase(fresh_sqlite(folder / "test.db")) as db,
        RehearsalDesk(db, bus, SystemClock(), "node", command).running(),
    ):
        yield House(db, bus)


async def test_a_result_is_kept_and_what_is_no_line_of_ours_passed_over(tmp_path: Path) -> None:
    told = prints(RehearsalSaid(over=0, total=1)) + prints(DONE)
    async with house(tmp_path, program(f"assert agent['prompt'] == 'hello';{told}")) as here:
        now = await here.over(await here.asked())
    assert (now.state, now.passed, now.failed, now.over, now.total) == (RehearsalState.DONE, 1, 1, 1, 1)
    assert msgspec.json.decode(now.result, type=RehearsalSaid) == DONE


@pytest.mark.parametrize("text", ["sys.exit(3)", "print('{}')", prints(RehearsalSaid(over=0, total=1))])
async def test_a_program_that_ends_without_a_result_is_no_verdict(tmp_path: Path, text: str) -> None:
    async with house(tmp_path, program(text)) as here:
        now = await here.over(await here.asked())
    assert now.state is RehearsalState.FAILED
    assert "without a result" in now.problem


async def test_one_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli.rehearsals.LIMIT_S", 0.5)
    async with house(tmp_path, program("import time; time.sleep(60)")) as here:
        now = await here.over(await here.asked())
    assert "took longer" in now.problem


async def test_an_engine_that_stops_says_so_and_leaves_no_process(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    text = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    db = SqliteDatabase(fresh_sqlite(tmp_path / "test.db"))
    async with db:
        bus = MemoryBus()
        async with RehearsalDesk(db, bus, SystemClock(), "node", program(text)).running():
            one = await House(db, bus).asked()
            async with asyncio.timeout(10):
                while not (mark.exists() and mark.read_text()):  # noqa: ASYNC110 - a file tells nobody
                    await asyncio.sleep(0.02)
        now = await rehearsals.get(db, TENANT, one.id)
        assert (now.state, now.problem) == (
            RehearsalState.FAILED,
            "The engine was stopped meanwhile; rehearse again.",
        )
        assert not os.path.exists(f"/proc/{mark.read_text()}")  # noqa: ASYNC240 - the kernel's


@pytest.mark.parametrize("bytes_", [5 * 2**20, 20 * 2**20])
async def test_a_line_without_end_costs_one_rehearsal_and_no_engine(tmp_path: Path, bytes_: int) -> None:
    mark = tmp_path / "again"
    text = f"""
import os
if not os.path.exists({str(mark)!r}):
    open({str(mark)!r}, 'w').close(); print('x' * {bytes_}, flush=True)
{prints(DONE)}"""
    async with house(tmp_path, program(text)) as here:
        now = await here.over(await here.asked())
        assert (now.state, now.problem) == (RehearsalState.FAILED, FAULT)
        assert (await here.over(await here.asked(name="Next"))).state is RehearsalState.DONE, "the next one is run"


async def test_a_program_that_cannot_be_started_costs_one_rehearsal(tmp_path: Path) -> None:
    async with house(tmp_path, (str(tmp_path / "nowhere"),)) as here:
        for name in ("Tried", "Next"):
            now = await here.over(await here.asked(name=name))
            assert (now.state, now.problem) == (RehearsalState.FAILED, FAULT)


async def test_its_last_words_are_in_the_log(tmp_path: Path) -> None:
    text = "sys.stderr.write('y' * 300_000 + ' at last'); sys.exit(3)"
    with capture_logs() as logs:
        async with house(tmp_path, program(text)) as here:
            await here.over(await here.asked())
    (told,) = [one for one in logs if one["event"] == "a rehearsal has no result"]
    assert told["said"].endswith(" at last")
    assert len(told["said"]) == LAST_WORDS_BYTES


async def test_a_killed_program_leaves_no_files(tmp_path: Path) -> None:
    mark = tmp_path / "folder"
    text = f"""
import os, signal
from app.cli.memory_folder import memory_folder
with memory_folder() as folder:
    (folder / 'calls.db').write_text('x'); open({str(mark)!r}, 'w').write(str(folder))
    os.kill(os.getpid(), signal.SIGKILL)"""
    async with house(tmp_path, program(text)) as here:
        now = await here.over(await here.asked())
    assert "status -9" in now.problem
    assert not Path(mark.read_text()).parent.exists()


def test_a_rehearsal_inherits_no_address_of_the_engine_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = {
        "ARI_EVENTS": "asterisk_dials",
        "ARI_LISTEN_PASSWORD": "x",
        "ARI_PEER_URL": "http://10.0.0.7:8088/ari",
        "PEER_ARI_LOGINS": "other=user:password",
        "RTP_PORT": "18555",
        "RTP_BIND_HOST": "10.0.0.7",
        "RTP_ADVERTISED_HOST": "10.0.0.7",
        "METRICS_PORT": "9100",
        "LEG_CODEC": "g722",
        "REALTIME_AUDIO": "pcm",
    }
    for name, value in beside.items():
        monkeypatch.setenv(name, value)
    s = rehearsal_settings(tmp_path, "in_process")
    assert (s.ari_events, s.ari_peer_url, s.peer_ari_logins.get_secret_value()) == ("dial_in", "", "")
    assert (s.rtp_port, s.rtp_bind_host, s.rtp_advertised_host) == (0, "127.0.0.1", "127.0.0.1")
    assert (s.metrics_port, s.leg_codec, s.realtime_audio) == (0, "ulaw", "auto")


async def test_a_result_is_kept_for_its_days(tmp_path: Path) -> None:
    async with house(tmp_path, program(prints(DONE))) as here:
        now = await here.over(await here.asked())
        async with here.db.tx() as tx:
            assert await rehearsals.sweep(tx, TENANT, now.created_ms, 0) == {}
            assert await rehearsals.sweep(tx, TENANT, now.created_ms + 1, 0) == {"rehearsals": 1}
            assert await rehearsals.sweep(tx, TENANT, now.created_ms + 1, 0) == {}


# --- the cast for an agent --------------------------------------------------------------------------------------
def agent_of(*fields: FieldSpec, **more: Any) -> Agent:
    return Agent(**({"id": "a", "tenant_id": TENANT, "name": "Tried", "data_to_fill": fields} | more))


def test_callees_answer_what_the_agent_asks_and_their_answers_must_be_stored() -> None:
    asks = (
        FieldSpec(name="wants", type="yes_no", help="Would you like a table?", required=True),
        FieldSpec(name="people", type="number", minimum=6, help="For how many?"),
        FieldSpec(name="seat", type="choice", options=("call again", "garden"), help="Where?"),
        FieldSpec(name="day", type="date", help="Which day?"),
    )
    plan = fitted(agent_of(*asks))
    polite = next(one for one in plan.cast if one.name == "polite")
    stored = {name: msgspec.json.decode(value) for name, value in polite.expected.fields.items()}
    assert stored == {"wants": True, "people": 6, "seat": "garden"}
    talks = polite.script.steps[-1]
    assert isinstance(talks, Converse)
    replies = dict(talks.replies)
    assert (replies["for how many?"], replies["where?"]) == ("yes, 6", "yes, garden")
    assert [spec.name for spec in plan.agent.data_to_fill] == ["wants", "people", "seat"]
    assert any("day (date)" in line for line in plan.left_out)


def test_nothing_of_other_systems_takes_part() -> None:
    target = TransferTarget(name="desk", number="+12025550199")
    plan = fitted(agent_of(tools=("transfer_call", "end_call"), transfer_targets=(target,)))
    assert plan.agent.tools == ("end_call",)
    assert plan.agent.transfer_targets == ()
    assert NOT_HERE in plan.left_out


def test_who_asks_nothing_meets_those_who_need_no_question() -> None:
    plan = fitted(agent_of())
    assert {one.name for one in plan.cast} == set(CALLEES) - set(ASKS_SOMETHING)
    opt_out = next(one for one in plan.cast if one.name == "opt_out")
    assert Say("hello") not in opt_out.script.steps, "the agent says goodbye to a mere hello"


@pytest.mark.parametrize(
    ("minimum", "maximum", "number"), [(None, None, 4), (6.5, None, 7), (None, 2, 2), (9, 12, 9)]
)
def test_numbers_are_within_their_limits(minimum: float | None, maximum: float | None, number: int) -> None:
    spec = FieldSpec(name="n", type="number", minimum=minimum, maximum=maximum, help="How many?")
    polite = next(one for one in fitted(agent_of(spec)).cast if one.name == "polite")
    (stored,) = polite.expected.fields.values()
    assert float(stored) == read_value(spec, number) == number
