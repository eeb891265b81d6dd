"""One mailbox per call, in order; the rest is counted."""

import asyncio
import logging

import pytest

from stasis import call_model as m
from stasis import events as e
from stasis.inbound import Caller
from stasis.model import Bridge, Channel
from stasis.router import DEEP, Router

pytestmark = pytest.mark.anyio


def start(channel_id: str) -> e.StasisStart:
    return e.StasisStart(channel=Channel(id=channel_id))


async def test_each_call_gets_its_own_events_in_order() -> None:
    router = Router("n1")
    with router.open("a") as a, router.open("b") as b:
        router.dispatch(start("od-n1-a-c"))
        router.dispatch(start("od-n1-b-m"))
        router.dispatch(e.BridgeDestroyed(bridge=Bridge(id="od-n1-a-b")))
        router.send("a", m.MediaReady())
        assert [type(a.get_nowait()) for _ in range(3)] == [e.StasisStart, e.BridgeDestroyed, m.MediaReady]
        assert b.qsize() == 1
        assert router.call_ids == {"a", "b"}
    assert router.call_ids == frozenset()
    assert router.counters == {"delivered": 3}


async def test_an_event_of_two_channels_of_one_call_comes_once() -> None:
    router = Router("n1")
    with router.open("a") as a, router.open("b") as b:
        router.dispatch(e.Dial(peer=Channel(id="od-n1-a-c"), caller=Channel(id="od-n1-a-m")))
        router.dispatch(e.Dial(peer=Channel(id="od-n1-a-c"), caller=Channel(id="od-n1-b-c")))
        assert (a.qsize(), b.qsize()) == (2, 1)


async def test_foreign_unknown_malformed_and_stray_events_are_counted() -> None:
    strays: list[str] = []
    router = Router("n1", on_stray=strays.append)
    for event in (
        start("1700000.1"),
        start("od-n2-a-c"),
        start("od-n1-a-c;2"),
        e.UnknownEvent(type="X"),
        e.MalformedEvent(type="Dial", reason="bad"),
        e.ApplicationRegistered(),
        start("od-n1-gone-c"),
        e.StasisEnd(channel=Channel(id="od-n1-gone-c")),
    ):
        router.dispatch(event)
    assert router.counters == {"foreign": 4, "unknown": 1, "malformed": 1, "stray": 2}
    assert strays == ["od-n1-gone-c"]


async def test_a_call_that_was_left_to_the_next_process_is_no_stray_and_its_caller_no_new_one() -> None:
    strays: list[str] = []
    callers: list[Caller] = []
    router = Router("n1", on_stray=strays.append, on_caller=callers.append)
    with router.open("a", "1700000.1"):
        router.leave("a")
    router.dispatch(start("od-n1-a-c"))
    router.dispatch(e.StasisStart(channel=Channel(id="1700000.1"), args=["inbound", "+15551000001", "100"]))
    assert (strays, callers) == ([], [])
    assert (router.call_ids, router.caller_channels) == ({"a"}, {"a": "1700000.1"})
    assert not router.send("a", m.MediaReady())


async def test_a_call_has_one_mailbox_and_loses_it_even_by_an_error() -> None:
    router = Router("n1")
    with pytest.raises(ZeroDivisionError), router.open("a"):
        1 / 0  # noqa: B018
    with router.open("a"), pytest.raises(ValueError, match="already"), router.open("a"):
        pass
    assert router.send("a", m.MediaReady()) is False
    with router.open("a"):
        assert router.send("a", m.MediaReady())


async def test_a_broadcast_reaches_every_call() -> None:
    router = Router("n1")
    with router.open("a") as a, router.open("b") as b:
        router.broadcast(m.StreamLost())
        assert (a.get_nowait(), b.get_nowait()) == (m.StreamLost(), m.StreamLost())


async def test_a_deep_mailbox_is_said_and_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    router = Router("n1")
    with router.open("a") as mailbox, caplog.at_level(logging.WARNING):
        for _ in range(DEEP * 2 + 1):
            router.dispatch(start("od-n1-a-c"))
        assert mailbox.qsize() == DEEP * 2 + 1
    assert len(caplog.records) == 2


def test_a_router_needs_no_running_loop() -> None:
    with Router("n1").open("a") as mailbox:
        assert isinstance(mailbox, asyncio.Queue)
