"""Reconcile: the plan as a table, and the whole round against a scripted server."""

from datetime import UTC, datetime

import pytest

from stasis import call_model as m
from stasis.errors import ServerError
from stasis.model import Bridge, Channel
from stasis.reconcile import Reconciler, Snapshot, plan
from stasis.router import Router
from tests.unit.stasis.ari_server import ari_server

pytestmark = pytest.mark.anyio
MONDAY = datetime(2026, 8, 3, tzinfo=UTC)
TUESDAY = datetime(2026, 8, 4, tzinfo=UTC)


def snapshot(*ids: str, startup_time: datetime | None = MONDAY) -> Snapshot:
    return Snapshot(
        startup_time=startup_time,
        channels={key: Channel(id=key, state="Up") for key in ids if not key.endswith("-b")},
        bridges={key: Bridge(id=key) for key in ids if key.endswith("-b")},
    )


WHOLE = ("od-n1-a-c", "od-n1-a-m", "od-n1-a-b")


def test_a_call_that_is_all_there() -> None:
    todo = plan("n1", {"a"}, snapshot(*WHOLE), MONDAY)
    assert todo.inputs == (("a", m.Reconciled(channel=Channel(id="od-n1-a-c", state="Up"))),)
    assert (todo.stray_channels, todo.stray_bridges, todo.asterisk_restarted) == ((), (), False)


def test_phones_of_transfers_are_told_and_a_lone_one_is_a_stray() -> None:
    todo = plan("n1", {"a"}, snapshot(*WHOLE, "od-n1-a-t", "od-n1-b-t2"), MONDAY)
    (told,) = [given for _, given in todo.inputs if isinstance(given, m.Reconciled)]
    assert told.targets == ("od-n1-a-t",)
    assert todo.stray_channels == ("od-n1-b-t2",)


@pytest.mark.parametrize("missing", WHOLE[1:])
def test_a_callee_without_media_or_bridge_hears_nothing(missing: str) -> None:
    todo = plan("n1", {"a"}, snapshot(*(key for key in WHOLE if key != missing)), MONDAY)
    assert [type(given) for _, given in todo.inputs] == [m.Reconciled, m.MediaLost]


def test_a_call_still_preparing_is_left_alone() -> None:
    todo = plan("n1", {"a"}, snapshot("od-n1-a-m"), MONDAY)
    assert todo.inputs == (("a", m.Reconciled(channel=None)),)
    assert todo.stray_channels == ()


def test_only_strays_of_this_node_are_removed() -> None:
    todo = plan(
        "n1", {"a"}, snapshot(*WHOLE, "od-n1-x-c", "od-n1-x-b", "od-n2-x-c", "1700.1", "od-n1-x-c;2"), None
    )
    assert (todo.stray_channels, todo.stray_bridges) == (("od-n1-x-c",), ("od-n1-x-b",))


@pytest.mark.parametrize(
    ("before", "now", "restarted"),
    [(None, MONDAY, False), (MONDAY, MONDAY, False), (MONDAY, TUESDAY, True), (MONDAY, None, False)],
)
def test_a_new_startup_time_is_a_restart(before: datetime | None, now: datetime | None, restarted: bool) -> None:
    todo = plan("n1", {"a"}, snapshot(startup_time=now), before)
    assert todo.asterisk_restarted is restarted
    assert todo.inputs == (("a", m.Reconciled(channel=None, asterisk_restarted=restarted)),)


def info(day: int) -> bytes:
    return b'{"status":{"startup_time":"2026-08-%02dT00:00:00.000+0000"}}' % day


async def test_a_round_tells_the_calls_and_removes_the_strays() -> None:
    async with ari_server() as (server, client):
        server.answers("GET", "/asterisk/info", (200, info(3)), (200, info(4)))
        server.answers("GET", "/channels", (200, b'[{"id":"od-n1-a-c"},{"id":"od-n1-x-m"},{"id":"od-n1-y-c"}]'))
        server.answers("GET", "/bridges", (200, b'[{"id":"od-n1-x-b"}]'))
        server.answers("DELETE", "/channels/od-n1-x-m", (404, b'{"message":"Channel not found"}'))
        router = Router("n1")
        reconcile = Reconciler(client, router, "n1")
        with router.open("a") as mailbox:
            assert (await reconcile()).asterisk_restarted is False
            assert [type(mailbox.get_nowait()) for _ in range(2)] == [m.Reconciled, m.MediaLost]
            assert (await reconcile()).asterisk_restarted is True
        deleted = [seen.path for seen in server.seen if seen.method == "DELETE"]
    assert deleted == ["/channels/od-n1-x-m", "/channels/od-n1-y-c", "/bridges/od-n1-x-b"] * 2


async def test_a_round_that_fails_says_so_and_touches_nothing() -> None:
    async with ari_server() as (server, client):
        server.answers("GET", "/asterisk/info", (200, info(3)))
        server.answers("GET", "/channels", (200, b'[{"id":"od-n1-x-c"}]'))
        server.answers("GET", "/bridges", (500, b'{"error":"no"}'))
        with pytest.raises(ServerError):
            await Reconciler(client, Router("n1"), "n1")()
        assert all(seen.method == "GET" for seen in server.seen)
