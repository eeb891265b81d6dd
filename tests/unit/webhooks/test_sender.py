"""From a fact in the store to another system: signed, again, once by id, and never into our own network."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from app.clock import ManualClock
from app.config import Settings
from app.domain.analysis.judgement import Decision
from app.domain.retry import Conclusion
from app.domain.task import TaskEvent
from app.domain.webhook import Endpoint
from app.errors import ConflictError, ConstraintFailed, NotFoundError, ValidationFailed
from app.guarded_http import GuardedClient, trusted_origins
from app.store import analyses, attempts, calls, dnd, leases, outbox, recordings, retention, users, webhooks
from app.store.db import Database
from app.store.sqlite import SqliteDatabase
from app.webhooks.desk import TELLABLE, WebhookDesk
from app.webhooks.sender import AT_ONCE, TENANT_AT_ONCE, Sender
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import NOW, NUMBER, TENANT, add_agent, begun_call, claimed_task, ended
from tests.unit.contacts.import_world import utc_clock
from tests.unit.webhooks.receiver import Receiver, receiver

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[3]
SETTINGS = Settings.model_validate({"ari_app": "x", "webhook_hosts": "127.0.0.1:1"})


class Hooks:
    def __init__(self, db: Database, clock: ManualClock) -> None:
        self.db, self.clock = db, clock

    def sender(self, to: Receiver | None = None, timeout_s: float = 5.0) -> Sender:
        trusted = trusted_origins("" if to is None else to.url.split("/")[2])
        return Sender(self.db, self.clock, trusted, GuardedClient(timeout_s=timeout_s, follow_redirects=False))

    async def add(self, url: str, *kinds: str, tenant: str = TENANT, show: bool = False) -> Endpoint:
        settings = Settings.model_validate({"ari_app": "x", "webhook_hosts": url.split("/")[2]})
        desk = WebhookDesk(settings, self.clock)
        async with self.db.tx() as tx:
            return await desk.add(tx, tenant, url, kinds or TELLABLE, show_numbers=show)

    async def send(self, sender: Sender) -> int:
        sent = 0
        for endpoint in await webhooks.hold(self.db, self.clock.unix_ms(), 10):
            sent += await sender.send_due(endpoint)
            await webhooks.go_on(self.db, endpoint, 0)
        return sent

    async def fact(self, subject: str = "s", tenant: str = TENANT, **data: object) -> str | None:
        async with self.db.tx() as tx:
            now_ms = self.clock.unix_ms()
            return await outbox.note(tx, tenant, "report.ready", subject, data, now_ms=now_ms)


@pytest.fixture
async def hooks(opener: Opener) -> AsyncIterator[Hooks]:
    async with opener() as db:
        yield Hooks(db, utc_clock())


@pytest.fixture
async def other() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


async def test_a_call_is_told_from_its_beginning_to_its_outcome(hooks: Hooks, other: Receiver) -> None:
    db = hooks.db
    await add_agent(db)
    endpoint = await hooks.add(other.url)
    call = await begun_call(db, await claimed_task(db))
    for state in ("ringing", "ringing", "answered", "bridged"):
        await calls.set_state(db, TENANT, call.id, state, NOW + 1)
    async with db.tx() as tx:
        assert await recordings.add(tx, TENANT, call.id, "a.wav", 1_234, now_ms=NOW + 2)
        await attempts.finish_call(tx, TENANT, ended(call, "completed"), NOW + 3)
    async with db.tx() as tx:
        await attempts.finish_call(tx, TENANT, ended(call, "completed"), NOW + 4)  # told twice, happened once
    (task,) = await leases.claim_analysis(db, NOW + 60_000, "x", 30_000, 1)
    async with db.tx() as tx:
        await analyses.queue(tx, task, call.id, NOW)
        decision = Decision(
            action="MARK_JOB_COMPLETED_SUCCESS",
            outcome="success",
            conclusion=Conclusion(event=TaskEvent.COMPLETE, reason="done"),
            summary=f"{NUMBER} agreed.",
        )
        examined = analyses.Examined(
            model="m", prompt_version="1", asked=1, input_tokens=0, cached_tokens=0, output_tokens=0,
            cost_micro_usd=0, price_table="", judgement=None,
        )  # fmt: skip
        assert await analyses.finish(tx, task, call.id, examined, decision, now_ms=NOW + 5)
    hooks.clock.advance(1)
    assert await hooks.send(hooks.sender(other)) == 6
    told = sorted(other.got, key=lambda one: one["sequence"])  # of one millisecond they may come in any order
    assert [one["type"] for one in told] == [
        "call.initiated", "call.ringing", "call.answered", "recording.ready", "call.completed", "call.outcome",
    ]  # fmt: skip
    assert [one["sequence"] for one in told] == [1, 2, 3, 4, 5, 6]
    assert {one["data"]["call_id"] for one in told} == {call.id}
    assert told[4]["data"]["outcome"] == "completed"
    assert told[3]["data"]["recording_ms"] == 1_234
    assert told[5]["data"]["action"] == "MARK_JOB_COMPLETED_SUCCESS"
    assert all(other.signed_by(at, endpoint.secret) for at in range(6))
    assert all(NUMBER.encode() not in raw for raw in other.raw), "numbers are masked"
    assert len({one["webhook-id"] for one in other.headers}) == 6


async def test_who_opts_out_is_told_once_and_whole_where_that_is_allowed(hooks: Hooks, other: Receiver) -> None:
    await hooks.add(other.url, "number.opted_out", show=True)
    for _ in range(2):
        async with hooks.db.tx() as tx:
            entry = dnd.DoNotCall(
                id=f"{_:032x}", tenant_id=TENANT, number="+1 202 555 0123", reason="asked", source="operator"
            )
            await dnd.add(tx, entry, NOW)
    await hooks.send(hooks.sender(other))
    assert [(one["type"], one["data"]["number"]) for one in other.got] == [("number.opted_out", NUMBER)]


async def test_nothing_is_written_when_nobody_wants_to_hear(hooks: Hooks, other: Receiver) -> None:
    assert await hooks.fact() is None
    await hooks.add(other.url, "call.completed")
    assert await hooks.fact() is None
    assert await hooks.db.fetch("SELECT * FROM webhook_events") == []


async def test_a_fact_that_is_rolled_back_is_not_told(hooks: Hooks, other: Receiver) -> None:
    await hooks.add(other.url)

    async def broken() -> None:
        async with hooks.db.tx() as tx:
            await outbox.note(tx, TENANT, "report.ready", "s", {}, now_ms=NOW)
            await tx.execute("INSERT INTO tenants (id, name, created_ms) VALUES ('default', 'x', 0)")

    with pytest.raises(ConstraintFailed):
        await broken()
    assert await hooks.send(hooks.sender(other)) == 0


async def test_failures_are_tried_again_with_the_same_id(hooks: Hooks, other: Receiver) -> None:
    endpoint = await hooks.add(other.url)
    await hooks.fact(n=1)
    other.answers = [500, 404]
    sender = hooks.sender(other)
    assert await hooks.send(sender) == 1
    assert await hooks.send(sender) == 0, "not at once"
    for _ in range(2):
        hooks.clock.advance(400)
        assert await hooks.send(sender) == 1
    assert len({one["webhook-id"] for one in other.headers}) == 1
    assert len(other.got) == 3
    (told,) = await webhooks.deliveries(hooks.db, TENANT)
    assert (told.state, told.tries, told.status) == ("delivered", 3, 204)
    assert (await webhooks.get(hooks.db, TENANT, endpoint.id)).failures == 0


async def _large(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b"x" * 100_000)


async def _broken_off(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    assert request.transport is not None
    request.transport.write(b"ff\r\nfar less than it says")
    request.transport.close()
    return answer


async def _never_ended(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)  # and then nothing more until the sender hangs up
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return answer


@pytest.mark.parametrize("answer", [_large, _broken_off, _never_ended])
async def test_the_status_alone_says_that_a_message_was_taken(
    hooks: Hooks, other: Receiver, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> None:
    other.before = answer
    await hooks.add(other.url)
    await hooks.fact()
    trusted = trusted_origins(other.url.split("/")[2])
    client = GuardedClient(max_bytes=64 * 1024, timeout_s=5, follow_redirects=False)
    assert await hooks.send(Sender(hooks.db, hooks.clock, trusted, client)) == 1
    (told,) = await webhooks.deliveries(hooks.db, TENANT)
    assert (told.state, told.tries, told.status, told.error) == ("delivered", 1, 200, "")


async def test_what_is_given_up_is_replayed_by_hand(hooks: Hooks, other: Receiver) -> None:
    endpoint = await hooks.add(other.url)
    event_id = await hooks.fact()
    assert event_id
    other.answers = [500] * 11
    sender = hooks.sender(other)
    for _ in range(12):
        await hooks.send(sender)
        hooks.clock.advance(5 * 3_600)
        await hooks.db.execute("UPDATE webhook_deliveries SET next_try_ms = 0 WHERE state = 'waiting'")
        await hooks.db.execute("UPDATE webhook_endpoints SET state = 'active'")
    (told,) = await webhooks.deliveries(hooks.db, TENANT)
    assert (told.state, told.tries, told.error) == ("failed", 11, "It answered 500.")
    await webhooks.replay(hooks.db, TENANT, endpoint.id, event_id, hooks.clock.unix_ms())
    assert await hooks.send(sender) == 1
    (told,) = await webhooks.deliveries(hooks.db, TENANT)
    assert told.state == "delivered"


async def test_a_slow_endpoint_is_given_up_in_time_and_holds_nobody_up(hooks: Hooks, other: Receiver) -> None:
    async with receiver() as slow:
        stop = asyncio.Event()

        async def wait(_: web.Request) -> web.StreamResponse | None:
            await stop.wait()
            return None

        slow.before = wait
        await hooks.add(slow.url)
        await hooks.add(other.url)
        await hooks.fact()
        trusted = trusted_origins(f"{slow.url.split('/')[2]},{other.url.split('/')[2]}")
        sender = Sender(hooks.db, hooks.clock, trusted, GuardedClient(timeout_s=1.0, follow_redirects=False))
        running = asyncio.get_running_loop().create_task(sender.run())
        async with asyncio.timeout(20):
            await other.came.wait()
            await slow.came.wait()
            while not any(one.error for one in await webhooks.deliveries(hooks.db, TENANT)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        running.cancel()
        stop.set()
        errors = [one.error for one in await webhooks.deliveries(hooks.db, TENANT) if one.error]
        assert errors == ["127.0.0.1 did not answer within 1 s."]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(hooks: Hooks, other: Receiver, status: int) -> None:
    async with receiver() as inside:

        async def away(_: web.Request) -> web.StreamResponse | None:
            return web.Response(status=status, headers={"location": inside.url})

        other.before = away
        await hooks.add(other.url)
        await hooks.fact()
        await hooks.send(hooks.sender(other))
        assert inside.got == []
        (told,) = await webhooks.deliveries(hooks.db, TENANT)
        assert (told.state, told.status) == ("waiting", status)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/x",
        "https://127.0.0.1/x",
        "https://169.254.169.254/latest",
        "https://localhost/x",
        "https://hooks.example.org:8443/x",
        "https://user:secret@hooks.example.org/x",
        "ftp://hooks.example.org",
        "",
    ],
)
async def test_addresses_that_may_not_be_asked_are_refused(hooks: Hooks, url: str) -> None:
    async with hooks.db.tx() as tx:
        with pytest.raises(ValidationFailed):
            await WebhookDesk(SETTINGS, hooks.clock).add(tx, TENANT, url, ["call.completed"], show_numbers=False)


async def test_a_name_that_leads_inside_is_not_asked(hooks: Hooks, other: Receiver) -> None:
    async def rebinding(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    await hooks.add("https://hooks.example.org/x")
    await hooks.fact()
    client = GuardedClient(resolve=rebinding, timeout_s=5, follow_redirects=False)
    await hooks.send(Sender(hooks.db, hooks.clock, frozenset(), client))
    assert other.got == []
    (told,) = await webhooks.deliveries(hooks.db, TENANT)
    assert (told.status, "private" in told.error) == (None, True)


async def test_a_secret_is_changed_without_losing_a_message(hooks: Hooks, other: Receiver) -> None:
    endpoint = await hooks.add(other.url)
    desk = WebhookDesk(SETTINGS, hooks.clock)
    async with hooks.db.tx() as tx:
        changed = await desk.rotate(tx, TENANT, endpoint.id)
    await hooks.fact()
    await hooks.send(hooks.sender(other))
    assert changed.secret != endpoint.secret
    assert other.signed_by(0, endpoint.secret)
    assert other.signed_by(0, changed.secret)
    hooks.clock.advance(25 * 3_600)
    await hooks.fact()
    await hooks.send(hooks.sender(other))
    assert not other.signed_by(1, endpoint.secret)
    assert other.signed_by(1, changed.secret)


async def test_other_tenants_hear_and_change_nothing(hooks: Hooks, other: Receiver) -> None:
    await users.add_tenant(hooks.db, "other", "Other", 0)
    async with receiver() as theirs:
        endpoint = await hooks.add(other.url)
        foreign = await hooks.add(theirs.url, tenant="other")
        event_id = await hooks.fact(secret="canary")
        assert event_id
        await hooks.send(hooks.sender(theirs))
        assert theirs.got == []
        assert [one.id for one in await webhooks.listed(hooks.db, "other")] == [foreign.id]
        assert await webhooks.deliveries(hooks.db, "other") == []
        with pytest.raises(NotFoundError):
            await webhooks.replay(hooks.db, "other", endpoint.id, event_id, NOW)
        async with hooks.db.tx() as tx:
            with pytest.raises(NotFoundError):
                await WebhookDesk(SETTINGS, hooks.clock).rotate(tx, "other", endpoint.id)


async def test_only_so_many_and_old_messages_go(hooks: Hooks, other: Receiver) -> None:
    await hooks.add(other.url)
    await hooks.fact()
    async with hooks.db.tx() as tx:
        assert await retention.sweep_webhooks(tx, TENANT, 0, NOW) == {}
        assert (await retention.sweep_webhooks(tx, TENANT, NOW * 2, NOW))["webhook_events"] == 1
    assert await webhooks.deliveries(hooks.db, TENANT) == []
    for _ in range(19):
        await hooks.add(other.url)
    with pytest.raises(ConflictError):
        await hooks.add(other.url)


CHILD = """
import asyncio, sys
from pathlib import Path
from app.guarded_http import trusted_origins
from app.store.sqlite import SqliteDatabase
from app.webhooks.sender import Sender
from tests.unit.contacts.import_world import utc_clock

async def main():
    async with SqliteDatabase(Path(sys.argv[1])) as db:
        print("up", flush=True)
        await Sender(db, utc_clock(), trusted_origins(sys.argv[2])).run()

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["before anything is sent", "after it was sent and before it is noted"])
async def test_a_process_that_is_killed_loses_no_message(tmp_path: Path, other: Receiver, when: str) -> None:
    file = fresh_sqlite(tmp_path / "test.db")
    async with SqliteDatabase(file) as db:
        hooks = Hooks(db, utc_clock())
        await hooks.add(other.url)
        await hooks.fact(n=1)
        if when.startswith("after"):
            killed = asyncio.Event()

            async def hang(_: web.Request) -> web.StreamResponse | None:
                await killed.wait()
                return None

            other.before = hang
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", CHILD, str(file), other.url.split("/")[2], cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            async with asyncio.timeout(30):
                await other.came.wait()
            os.kill(child.pid, signal.SIGKILL)
            await child.communicate()
            killed.set()
            other.before = None
        hooks.clock.advance(120)  # the lease of the dead runs out
        assert await hooks.send(hooks.sender(other)) == 1
        ids = {one["webhook-id"] for one in other.headers}
        assert len(ids) == 1, "whoever gets it twice knows it by its id"
        (told,) = await webhooks.deliveries(db, TENANT)
        assert told.state == "delivered"


async def test_an_endpoint_is_deleted_while_a_fact_is_told(hooks: Hooks, other: Receiver) -> None:
    endpoint, now_ms = await hooks.add(other.url), hooks.clock.unix_ms()

    async def delete() -> None:
        async with hooks.db.tx() as tx:
            await webhooks.delete(tx, TENANT, endpoint.id)

    async with asyncio.TaskGroup() as group:  # noqa: SIM117 - the group waits for the deletion
        async with hooks.db.tx() as tx:
            who = await outbox.wanted_by(tx, TENANT, "report.ready")
            group.create_task(delete())
            await asyncio.sleep(0.2)  # time to delete it, if nothing holds it
            await outbox.put(tx, TENANT, "report.ready", "s", {}, who=who, now_ms=now_ms)
    assert await webhooks.listed(hooks.db, TENANT) == []


async def test_the_endpoint_that_was_served_last_waits_for_the_others(
    hooks: Hooks, other: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.webhooks.sender.BATCH", 1)
    ids = [(await hooks.add(other.url)).id for _ in range(3)]
    for n in range(4):
        await hooks.fact(f"s{n}")
    sender, served = hooks.sender(other), list[str]()
    for _ in range(9):
        hooks.clock.advance(1)
        (endpoint,) = await webhooks.hold(hooks.db, hooks.clock.unix_ms(), 1)
        await sender._serve(endpoint)  # pyright: ignore[reportPrivateUsage]
        served.append(endpoint.id)
    assert sorted(served[:3]) == sorted(ids)
    assert served[3:6] == served[6:] == served[:3]


async def test_an_endpoint_that_answers_slowly_has_no_longer_turn_than_others(
    hooks: Hooks, other: Receiver
) -> None:
    async def slow(_: web.Request) -> web.StreamResponse | None:
        hooks.clock.advance(3)
        return None

    other.before = slow
    endpoint = await hooks.add(other.url)
    for n in range(5):
        await hooks.fact(f"s{n}")
    sender = hooks.sender(other)
    assert [await sender.send_due(endpoint) for _ in range(3)] == [2, 2, 1]


async def test_slow_endpoints_of_one_tenant_leave_places_to_others(hooks: Hooks, other: Receiver) -> None:
    await users.add_tenant(hooks.db, "other", "Other", 0)
    async with receiver() as slow:
        stop, all_came = asyncio.Event(), asyncio.Event()

        async def wait(_: web.Request) -> web.StreamResponse | None:
            if len(slow.got) == TENANT_AT_ONCE:
                all_came.set()
            await stop.wait()
            return None

        slow.before = wait
        for _ in range(AT_ONCE + 2):
            await hooks.add(slow.url)
        await hooks.add(other.url, tenant="other")
        await hooks.fact()
        trusted = trusted_origins(f"{slow.url.split('/')[2]},{other.url.split('/')[2]}")
        sender = Sender(hooks.db, hooks.clock, trusted, GuardedClient(timeout_s=120, follow_redirects=False))
        running = asyncio.get_running_loop().create_task(sender.run())
        try:
            async with asyncio.timeout(60):
                await all_came.wait()
                await hooks.fact("theirs", tenant="other")
                await other.came.wait()
            assert len(slow.got) == TENANT_AT_ONCE
        finally:
            running.cancel()
            stop.set()
