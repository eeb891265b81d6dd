"""The websocket of speaking with the planner: who may open it, what comes over it, and how it ends."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal
from litestar.exceptions import WebSocketDisconnect

from app.llm.spoken.model import FlushEvent, StoredEvent
from app.sim import tonevoice
from app.sim.realtime.planner import PlannerBrain
from app.sim.realtime.server import SimRealtime
from app.store import audit, tenants
from app.store.tenants import TenantTerms
from tests.unit.app.store_world import TENANT
from tests.unit.web.chat_house import HOST, THREADS, House, chat_house
from tests.unit.web.test_microphone import played
from web.spoken.desk import TOO_MANY, TOO_MANY_OWN
from web.spoken.page_line import MOST_SPEECH, PageLine
from web.steer.microphone import TOO_LONG

PATH = "/api/chat/voice"
FRAME = bytes(640)
GREETED = "i am listening"


class Spoken:
    """The house, and the model that hears it."""

    def __init__(self, house: House, sim: SimRealtime) -> None:
        self.house, self.sim = house, sim

    def open(self, who: str = "ann", origin: str = HOST, **asked: str) -> Any:
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        cookie = f"opendeep={self.house.cookies[who]}"
        return self.house.client.websocket_connect(f"{PATH}?{query}", headers={"origin": origin, "cookie": cookie})


@pytest.fixture
def spoken(tmp_path: Path) -> Iterator[Spoken]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(SimRealtime(brain=PlannerBrain)) as sim,
        chat_house(tmp_path, realtime_url=sim.url, openai_api_key="k") as house,
    ):
        yield Spoken(house, sim)


@contextmanager
def microphone(socket: Any) -> Iterator[list[bytes]]:
    """A frame every 20 ms: what is put into the list, else silence."""
    says: list[bytes] = []
    done = Event()

    def run() -> None:
        while not done.wait(0.02):
            socket.send_bytes(says.pop(0) if says else FRAME)

    thread = Thread(target=run)
    thread.start()
    try:
        yield says
    finally:
        done.set()
        thread.join()


def until(socket: Any, wanted: Callable[[Any], bool], timeout_s: float = 20.0) -> tuple[Any, int]:
    """The first event like that, and how many frames of speech came before it."""
    over, frames = time.monotonic() + timeout_s, 0
    while time.monotonic() < over:
        message = socket.receive(timeout=10)
        if message.get("bytes") is not None:
            frames += 1
            assert len(message["bytes"]) == 960
        elif message.get("text") is not None:
            event = json.loads(message["text"])
            if wanted(event):
                return event, frames
    raise AssertionError("it never came")


def refusal(socket: Any) -> int:
    """What it is closed with, whatever comes before that."""
    try:
        while True:
            socket.receive(timeout=10)
    except WebSocketDisconnect as over:
        return over.code


def test_a_conversation_begins_aloud_and_a_plan_is_made(spoken: Spoken) -> None:
    with spoken.open(client_key="k1", display_name="Ann") as socket, microphone(socket) as says:
        hello, _ = until(socket, lambda one: one["event"] == "hello")
        assert (hello["rate_hz"], hello["simulated"]) == (24_000, True)
        _, frames = until(socket, lambda one: one["event"] == "stored")
        assert frames > 50, "the greeting was heard"
        spoken.sim.sessions[0].hear("Call Bob on +44 20 7946 0123 and ask whether Friday suits him.")
        said = tonevoice.speak("x" * 12, 16_000)
        said = np.concatenate([said, np.zeros(-len(said) % 320, np.int16)]).astype("<i2").tobytes()
        says += [said[at : at + 640] for at in range(0, len(said), 640)]
        until(socket, lambda one: one["event"] == "phase" and one.get("name") == "show_plan")
        until(socket, lambda one: one["event"] == "stored" and one["seq"] >= 4)
        (thread,) = spoken.house.get(THREADS).json()
        assert thread["id"] == hello["conversation_id"]
        view = spoken.house.get(f"{THREADS}/{thread['id']}").json()
        assert view["turns"][0]["text"].lower().startswith(GREETED)
        assert all(one["spoken"] for one in view["turns"])
        (card,) = [one["plan"] for one in view["turns"] if one["plan"]]
        assert card["confirmable"]
        again = spoken.house.client.blocking_portal.call(_noted, spoken.house)
        assert again == []
    until_noted(spoken)


async def _noted(house: House) -> list[Any]:
    return [one for one in await audit.newest(house.db, TENANT) if one.action == "spoke_with_planner"]


def until_noted(spoken: Spoken) -> None:
    over = time.monotonic() + 5
    while not spoken.house.client.blocking_portal.call(_noted, spoken.house):
        assert time.monotonic() < over


@pytest.mark.parametrize("who", ["viewer"])
def test_whoever_may_not_plan_may_not_speak(spoken: Spoken, who: str) -> None:
    with pytest.raises(WebSocketDisconnect), spoken.open(who) as socket:
        socket.receive_text(timeout=5)
    assert spoken.sim.sessions == []


def test_no_foreign_page_opens_a_microphone(spoken: Spoken) -> None:
    with pytest.raises(WebSocketDisconnect) as over, spoken.open(origin="http://evil.example") as socket:
        socket.receive_text(timeout=5)
    assert over.value.code == 4403


@pytest.mark.parametrize("who", ["bob", "other"])
def test_nobody_speaks_in_the_conversation_of_somebody_else(spoken: Spoken, who: str) -> None:
    with spoken.open() as socket:
        hello, _ = until(socket, lambda one: one["event"] == "hello")
    with (
        pytest.raises(WebSocketDisconnect) as over,
        spoken.open(who, conversation_id=hello["conversation_id"]) as it,
    ):
        it.receive_text(timeout=5)
    assert over.value.code == 4404


def test_the_newest_page_has_the_conversation(spoken: Spoken) -> None:
    with spoken.open() as first:
        hello, _ = until(first, lambda one: one["event"] == "hello")
        until(first, lambda one: one["event"] == "words")
        with spoken.open(conversation_id=hello["conversation_id"], resumed="true") as second:
            until(second, lambda one: one["event"] == "phase")
            assert refusal(first) == 4410
            over = time.monotonic() + 5
            while not any("goes on" in item.text for item in spoken.sim.sessions[1].conversation.items):
                assert time.monotonic() < over, "it is told that it goes on"


def test_one_person_speaks_in_two_conversations_at_most(spoken: Spoken) -> None:
    with spoken.open() as first, spoken.open() as second:
        for one in (first, second):
            until(one, lambda told: told["event"] == "hello")
        with spoken.open() as third:
            over = json.loads(third.receive_text(timeout=5))
            assert (over["event"], over["why"]) == ("over", "busy")
            assert over["words"] == TOO_MANY_OWN
            assert refusal(third) == 4429
        with spoken.open("bob") as somebody_else:
            until(somebody_else, lambda told: told["event"] == "hello")
        second.close()
        over_s = time.monotonic() + 10
        while True:  # the place is free again
            with spoken.open() as again:
                told = json.loads(again.receive_text(timeout=5))
                if told["event"] == "hello":
                    break
            assert time.monotonic() < over_s


@pytest.mark.parametrize("bound", ["OF_A_TENANT", "IN_ALL"])
def test_an_organisation_and_the_console_have_their_bounds(
    spoken: Spoken, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"web.spoken.desk.{bound}", 1)
    with spoken.open() as first:
        hello, _ = until(first, lambda told: told["event"] == "hello")
        with spoken.open("bob") as second:
            assert json.loads(second.receive_text(timeout=5))["words"] == TOO_MANY
            assert refusal(second) == 4429
        with spoken.open(conversation_id=hello["conversation_id"]) as newer:
            until(newer, lambda told: told["event"] == "hello")  # the same conversation takes its own place


@pytest.mark.parametrize("piece", [b"\x00" * 641, FRAME * 6])
def test_what_is_no_piece_of_a_voice_ends_it(spoken: Spoken, piece: bytes) -> None:
    with spoken.open() as socket:
        until(socket, lambda one: one["event"] == "hello")
        socket.send_bytes(piece)
        assert refusal(socket) == TOO_LONG


def test_a_month_without_money_lets_nobody_begin(spoken: Spoken) -> None:
    spoken.house.client.blocking_portal.call(
        tenants.set_terms, spoken.house.db, TENANT, TenantTerms(budget_micro_usd=0)
    )
    with spoken.open() as socket:
        over = json.loads(socket.receive_text(timeout=5))
        assert (over["event"], over["why"]) == ("over", "budget")
        assert refusal(socket) == 4402
    assert spoken.sim.sessions == []


def test_without_a_key_it_says_what_to_do(tmp_path: Path) -> None:
    with chat_house(tmp_path, simulate=False, ari_password="x", openai_api_key="") as house:
        lone = Spoken(house, SimRealtime())
        with lone.open() as socket:
            over = json.loads(socket.receive_text(timeout=5))
            assert over["why"] == "refused"
            assert "OPENAI_API_KEY" in over["words"]
            assert refusal(socket) == 4503


@pytest.mark.anyio
async def test_a_slow_browser_loses_old_speech_and_no_event() -> None:
    line = PageLine()
    line.tell(StoredEvent(seq=1))
    for n in range(MOST_SPEECH + 50):
        line.speech(n.to_bytes(2, "little"))
    assert await line.take() == '{"event":"stored","seq":1}'
    assert await line.take() == (50).to_bytes(2, "little")
    line.tell(FlushEvent())
    assert await line.take() == '{"event":"flush"}'
    line.end()
    assert await line.take() is None


def test_a_lost_page_comes_back_and_a_hopeless_one_gives_up(node: str) -> None:
    found = played(node, "chat_microphone.mjs")
    assert found["restored"]["ours"] == ["lost", "restored"], "once each, and only when the model hears too"
    assert found["restored"]["resumed"] == [False, True, True]
    assert found["hopeless"]["ours"] == ["lost", "off"]
    assert "cannot be reached" in found["hopeless"]["words"]
    assert 5 <= len(found["hopeless"]["resumed"]) <= 15, "a model that is away is not asked for ever"
    assert found["never"]["over"]
    assert found["idle"] == {"ours": ["off"], "words": "Nobody has spoken.", "resumed": [False], "over": True}
    assert "sign in" in found["signed_out"]["words"]
