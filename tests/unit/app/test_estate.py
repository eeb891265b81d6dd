"""What becomes of what a dead engine left: rules as a table, the watch on beats, the fence; on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from app.calls.estate import LOOKS_PER_LEASE, Estate, end_of, peer_login
from app.calls.pulse import Pulse, published_ari_url
from app.clock import ManualClock
from app.domain.call import Call
from app.domain.estate import ORIGINATE_LATE_MS, Limits, Seen, Verdict, judge
from app.domain.pulse import PulseWatch
from app.domain.retry import Conclusion
from app.domain.task import CallTask, TaskEvent, TaskState
from app.errors import ConflictError, LeaseLost
from app.sim.asterisk import Answer, CalleeScript, ExchangeSettings, SimAsterisk, StaySilent
from app.store import admission, attempts, callbacks, calls, leases, nodes, tasks
from app.store.db import Database
from app.store.nodes import Node
from stasis.client import AriClient
from stasis.model import Channel
from tests.unit.app.call_world import settings, switchboard
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import (
    LEASE_MS,
    NOW,
    SITE,
    TENANT,
    add_agent,
    begun_call,
    claimed_task,
    ended,
    new_call,
    new_task,
)

LIMITS = Limits(ring_ms=40_000, longest_call_ms=700_000)
LOOK_S = LEASE_MS / 1000 / LOOKS_PER_LEASE
LATER = NOW + LEASE_MS + 1
RUNG_OUT = NOW + 40_000 + ORIGINATE_LATE_MS
OVER = NOW + 700_000
OTHER = "+12025550188"


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


def node(name: str = "dead", **changes: object) -> Node:
    fields = {"installation": "a", "instance": "i", "version": "", "ari_url": "", "ari_app": "", "beat": 0}
    times = {"longest_call_ms": 700_000, "started_ms": NOW, "beat_ms": NOW}
    return Node(**{"name": name, **fields, **times, **changes})  # type: ignore[arg-type]


async def register(db: Database, one: Node) -> None:
    async with db.tx() as tx:
        await nodes.register(tx, one, LEASE_MS)


# --- rules -----------------------------------------------------------------------------------------------------
@pytest.mark.anyio
async def test_the_table_of_verdicts(db: Database) -> None:
    task = await claimed_task(db)
    for seen in Seen:
        assert judge(task, None, seen, LIMITS, LATER) is Verdict.RELEASE, "never dialed: anybody may take it"
    call = await begun_call(db, task)
    dialed = await tasks.get(db, TENANT, task.id)
    table = [
        (Seen.UNREACHABLE, OVER - 1, Verdict.WAIT),
        (Seen.UNREACHABLE, OVER, Verdict.CLOSE),
        (Seen.GONE, RUNG_OUT - 1, Verdict.WAIT),
        (Seen.GONE, RUNG_OUT, Verdict.CLOSE),
        (Seen.NEW, LATER, Verdict.WAIT),
        (Seen.HEARD, OVER - 1, Verdict.WAIT),
        (Seen.HEARD, OVER, Verdict.HANG_UP),
        (Seen.SILENT, LATER, Verdict.HANG_UP),
    ]
    for seen, now_ms, verdict in table:
        assert judge(dialed, call, seen, LIMITS, now_ms) is verdict, (seen, now_ms)
    assert {seen for seen, _, _ in table} == set(Seen)
    back = msgspec.structs.replace(call, direction="inbound", dialing_ms=None)
    gone = [(Seen.GONE, NOW, Verdict.CLOSE) if row[0] is Seen.GONE else row for row in table]
    for state in (TaskState.IN_CALL, TaskState.COMPLETED):
        of_back = msgspec.structs.replace(dialed, state=state)
        for seen, now_ms, verdict in gone:
            assert judge(of_back, back, seen, LIMITS, now_ms) is verdict, (state, seen, now_ms)
    late = msgspec.structs.replace(call, dial_deadline_ms=NOW + 30_000)
    assert judge(dialed, late, Seen.UNREACHABLE, LIMITS, OVER) is Verdict.WAIT


def test_a_beat_that_stands_still_is_dead_by_our_own_clock_only() -> None:
    watch = PulseWatch(10.0)
    looks = [
        (100.0, {"a": ("i", 1), "b": ("i", 1)}, set[str]()),
        (105.0, {"a": ("i", 2), "b": ("i", 1)}, set[str]()),
        (109.9, {"a": ("i", 2), "b": ("i", 1)}, set[str]()),
        (110.0, {"a": ("i", 2), "b": ("i", 1)}, {"b"}),
        (114.9, {"a": ("i", 2), "b": ("other", 1)}, set[str]()),  # a restart begins anew
        (115.0, {"a": ("i", 2), "b": ("other", 1)}, {"a"}),
        (120.0, {"b": ("other", 1)}, set[str]()),
        (125.0, {"a": ("i", 2), "b": ("other", 1)}, {"b"}),  # one that was not seen for a while begins anew
    ]
    for now_s, beats, dead in looks:
        assert watch.look(beats, now_s) == dead, now_s


def test_our_own_blindness_is_nobodys_silence() -> None:
    watch, still = PulseWatch(30.0), {"a": ("i", 1)}
    assert watch.look(still, 100.0) == set()
    assert watch.look(still, 145.0) == set(), "the database was away: a could not beat either"
    assert watch.look(still, 160.0) == set()
    assert watch.look(still, 174.9) == set()
    assert watch.look(still, 175.0) == {"a"}, "a further lease of looks"


def test_logins_of_peers() -> None:
    assert peer_login("two=u:p three=v:a:b", "three") == ("v", "a:b")
    assert peer_login("two=u:p", "tw") is None
    assert peer_login("", "two") is None


def test_a_loopback_address_is_nobody_elses() -> None:
    assert published_ari_url(settings()).startswith("http://127.0.0.1"), "SQLite: all on one machine"
    shared = {"database_url": "postgresql://u:p@h/d"}
    assert published_ari_url(settings(**shared)) == ""
    assert published_ari_url(settings(**shared, ari_url="http://10.0.0.7:8088/ari")) == "http://10.0.0.7:8088/ari"
    peer = settings(**shared, ari_peer_url="http://127.0.0.1:8089/ari")
    assert published_ari_url(peer) == "http://127.0.0.1:8089/ari"


@pytest.mark.parametrize(
    ("answered_ms", "state", "verdict", "outcome", "answered"),
    [
        (NOW, "Up", Verdict.HANG_UP, "completed", True),
        (None, "Up", Verdict.HANG_UP, "canceled", True),
        (None, "Ringing", Verdict.HANG_UP, "canceled", False),
        (None, "", Verdict.CLOSE, "lost", False),
        (NOW, "", Verdict.CLOSE, "lost", True),
    ],
)
@pytest.mark.anyio
async def test_how_the_end_is_written(
    db: Database, answered_ms: int | None, state: str, verdict: Verdict, outcome: str, answered: bool
) -> None:
    call = msgspec.structs.replace(await begun_call(db, await claimed_task(db)), answered_ms=answered_ms)
    end = end_of(call, verdict, "dead", Channel(id="c", state=state) if state else None, LATER)
    assert (end.outcome, end.ended_by, end.dialed) == (outcome, "system_failure", True)
    assert (end.answered_ms is not None) is answered


# --- names and fences ------------------------------------------------------------------------------------------
@pytest.mark.anyio
async def test_a_name_belongs_to_one_living_engine(db: Database) -> None:
    await register(db, node())
    with pytest.raises(ConflictError, match="NODE_NAME"):
        await register(db, node(installation="b", started_ms=NOW + LEASE_MS - 1))
    await register(db, node(instance="again", started_ms=NOW + 1))
    assert not await nodes.beat(db, "dead", "i", NOW), "the former process is not this node any more"
    assert await nodes.beat(db, "dead", "again", NOW)
    await register(db, node(installation="b", instance="new", started_ms=NOW + LEASE_MS))
    await nodes.stop(db, "dead", "new", NOW + LEASE_MS)
    await register(db, node(installation="c", started_ms=NOW + LEASE_MS + 1))


@pytest.mark.anyio
async def test_one_settles_for_a_dead_engine_and_its_return_ends_that(db: Database) -> None:
    await register(db, node())
    (dead,) = await nodes.list_nodes(db)
    first = await nodes.begin_settling(db, dead, "one", now_ms=NOW, until_ms=NOW + 100)
    assert first == 1
    assert await nodes.begin_settling(db, dead, "two", now_ms=NOW, until_ms=NOW + 100) is None
    second = await nodes.begin_settling(db, dead, "two", now_ms=NOW + 101, until_ms=NOW + 200)
    assert second == 2
    async with db.tx() as tx:
        await nodes.check_settler(tx, "dead", 2)
        with pytest.raises(LeaseLost):
            await nodes.check_settler(tx, "dead", 1)
    assert await nodes.beat(db, "dead", "i", NOW + 150)
    async with db.tx() as tx:
        with pytest.raises(LeaseLost):
            await nodes.check_settler(tx, "dead", 2)
    assert await nodes.begin_settling(db, dead, "two", now_ms=NOW + 500, until_ms=NOW + 600) is None, (
        "it beats again"
    )


# --- the runner, with an Asterisk that cannot be asked ---------------------------------------------------------
async def look(estate: Estate, board: object, seconds: float) -> None:
    """As `run` does meanwhile, three times in a lease."""
    clock = board.clock  # type: ignore[attr-defined]
    assert isinstance(clock, ManualClock)
    whole, rest = divmod(seconds, LOOK_S)
    for step in [LOOK_S] * int(whole) + ([rest] if rest or not whole else []):
        clock.advance(step)
        await estate.look()


async def dialed_by_the_dead(db: Database) -> tuple[CallTask, Call]:
    task = await claimed_task(db)  # claimed by "me"
    return task, await begun_call(db, task)


@pytest.mark.anyio
async def test_what_was_never_dialed_is_taken_over_and_what_was_is_never_redialed(db: Database) -> None:
    task, call = await dialed_by_the_dead(db)
    waiting = await claimed_task(db, "+12025550188")
    async with db.tx() as tx:
        opened = await attempts.open_call(tx, TENANT, new_call(waiting), waiting.lease_token, NOW)
    await register(db, node("me"))
    board = switchboard(db, node_name="two")
    estate = Estate(board)
    await estate.look()
    await look(estate, board, 29)
    assert (await tasks.get(db, TENANT, waiting.id)).state is TaskState.CLAIMED, "grace: it may be restarting"
    await look(estate, board, 2)
    assert (await tasks.get(db, TENANT, waiting.id)).state is TaskState.PENDING
    assert (await calls.get(db, TENANT, opened.id)).dialed is False
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.IN_CALL
    await look(estate, board, 660)
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.IN_CALL, "somebody may still be talking"
    await look(estate, board, 10)
    settled = await tasks.get(db, TENANT, task.id)
    assert (settled.state, (await calls.get(db, TENANT, call.id)).outcome) == (TaskState.FAILED, "lost")
    assert "look before calling again" in settled.overall_conclusion


@pytest.mark.anyio
async def test_an_engine_that_beats_is_left_alone_and_one_that_never_registered_is_not(db: Database) -> None:
    task = await claimed_task(db)
    board = switchboard(db, node_name="two")
    estate = Estate(board)
    await register(db, node("me"))
    for number in range(8):
        await look(estate, board, 10)
        assert await nodes.beat(db, "me", "i", NOW + number)
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.CLAIMED
    await db.execute("DELETE FROM nodes")
    await look(estate, board, 0)
    await look(estate, board, 30)
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.PENDING


@pytest.mark.anyio
async def test_the_own_leases_of_a_node_are_its_own_business(db: Database) -> None:
    task = await claimed_task(db)
    async with db.tx() as tx:
        assert await leases.recover_expired(tx, LATER, owner="two") == []
        assert [one.id for one in await leases.recover_expired(tx, LATER, owner="me")] == [task.id]


@pytest.mark.anyio
async def test_a_pulse_takes_beats_and_gives_up_its_name(db: Database, tmp_path: Path) -> None:
    first = Pulse(settings(data_dir=tmp_path / "one"), db, ManualClock(switchboard(db).clock.now()))
    await first.start()
    same_folder = Pulse(settings(data_dir=tmp_path / "one"), db, ManualClock(switchboard(db).clock.now()))
    other_folder = Pulse(settings(data_dir=tmp_path / "two"), db, ManualClock(switchboard(db).clock.now()))
    with pytest.raises(ConflictError):
        await other_folder.start()
    await same_folder.start()
    replaced: list[bool] = []
    fast = Pulse(settings(data_dir=tmp_path / "one").model_copy(update={"lease_s": 0}), db, first._clock)
    fast.instance = first.instance
    await fast.run(lambda: replaced.append(True))
    assert replaced == [True], "the process whose name was taken hears of it"
    await same_folder.stop()
    await other_folder.start()


@pytest.mark.anyio
async def test_who_called_us_is_let_go_with_the_rest_of_a_dead_engines_call(db: Database) -> None:
    """Their channel has an id of Asterisk's own; a talk that is still heard goes on."""
    task = await tasks.create(db, TENANT, new_task(), NOW)
    async with SimAsterisk(settings=ExchangeSettings(callback_app="opendeep-me")) as sim:
        client = AriClient(sim.base_url, sim.username, sim.password, "opendeep-me")
        async with client, await client.open_events(5.0):
            phone = sim.call_in(task.number, CalleeScript((Answer(0.0), StaySilent(600.0))))
            await sim.wait_until(lambda: any(one.in_stasis for one in sim.exchange.channels.values()))
            (channel,) = sim.exchange.channels
            await client.channels.answer(channel)
            async with db.tx() as tx:
                back = await callbacks.begin(
                    tx, task, new_call(task, caller_channel=channel), LATER, NOW, site=SITE
                )
            assert isinstance(back, callbacks.CallBack)
            await register(db, node(back.call.node, ari_url=sim.base_url, ari_app="opendeep-me"))
            board = switchboard(db, node_name="two", ari_username=sim.username, ari_password=sim.password)
            estate = Estate(board)
            await estate.look()
            await look(estate, board, 40)
            assert (await calls.get(db, TENANT, back.call.id)).ended_ms is None, "heard or not is not known yet"
            assert not phone.callee.over
            await look(estate, board, LOOK_S)  # no packet went out meanwhile
            assert (await calls.get(db, TENANT, back.call.id)).ended_by == "system_failure"
            await sim.wait_until(lambda: phone.callee.over)


@pytest.mark.anyio
async def test_a_call_back_to_a_settled_task_does_not_live_for_ever(db: Database) -> None:
    """It has no lease that runs out, and its engine never returns: it would hold a line and its callee."""
    task = await claimed_task(db)
    await begun_call(db, task)
    async with db.tx() as tx:
        await attempts.finish_call(tx, TENANT, ended(await calls.alive_of_task(tx, TENANT, task.id)), NOW)
        conclusion = Conclusion(event=TaskEvent.COMPLETE, reason="done")
        await tasks.conclude(tx, TENANT, task.id, task.lease_token, conclusion, now_ms=NOW)
        done = await tasks.get(tx, TENANT, task.id)
        back = await callbacks.begin(
            tx, done, new_call(task, node="b", caller_channel="1.1"), LATER, NOW, site=SITE
        )
    assert back is not None
    assert not back.leased
    await register(db, node("b"))
    board = switchboard(db, node_name="two")
    estate = Estate(board)
    await estate.look()
    await look(estate, board, 690)
    assert (await calls.get(db, TENANT, back.call.id)).ended_ms is None, (
        "its Asterisk cannot be asked: they may talk"
    )
    await look(estate, board, 10)
    call = await calls.get(db, TENANT, back.call.id)
    assert (call.outcome, call.ended_by, call.dialed) == ("lost", "system_failure", False)
    after = await tasks.get(db, TENANT, task.id)
    assert (after.state, after.lease_token) == (TaskState.COMPLETED, done.lease_token), "the task is as it was"
    judged = await admission.judge(db, await tasks.create(db, TENANT, new_task(OTHER), NOW), SITE, NOW)
    facts = judged.decision.evidence.facts
    assert facts is not None
    assert facts.caps is not None
    assert facts.caps.trunk.used == 0
    async with db.tx() as tx:
        again = await callbacks.begin(tx, after, new_call(task, caller_channel="1.2"), LATER, NOW, site=SITE)
    assert again is not None
