"""The chat over HTTP: threads of their owner only, a message that is one however often it is sent, replies that
outlive the browser, stop and "try again".
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.llm.plan_events import calls_happen
from app.sim.text import TextAnswer, TextFault, TextFaultKind
from app.sim.text.briefs import Happened
from app.store import conversations, tasks
from app.store.db import Database
from tests.unit.app.planner_world import asks, call, planned, reply
from tests.unit.web.chat_house import CHAT, CONFIRM, LINES, THREADS, House, chat_house

NUMBER = "+15551000123"
PLACES = [f"{THREADS}/{{id}}", f"{THREADS}/{{id}}/reply", "/chat/{id}"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with chat_house(tmp_path) as made:
        yield made


def lines_of(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_first_message_sent_again_with_its_key_begins_one_thread(house: House) -> None:
    house.thinks(reply("message", "one"), reply("message", "two"))
    first = house.say("Hello", client_key="k")
    again = house.say("Hello", client_key="k")
    assert first == again
    assert [one["first_words"] for one in house.get(THREADS).json()] == ["Hello"]
    bobs = house.post(CHAT, {"message": "Hello", "client_key": "k"}, "bob").json()
    assert bobs["conversation_id"] != first["conversation_id"], "a key is its owner's"
    other = house.say("Hello again", client_key="k2")
    assert other["conversation_id"] != first["conversation_id"]


def test_a_thread_belongs_to_whoever_began_it(house: House) -> None:
    house.thinks(reply("message", "Secret words"))
    chat = house.say("Mine alone")["conversation_id"]
    for path in PLACES:
        assert house.get(path.format(id=chat)).status_code == 200
        for who, status in (("bob", 404), ("other", 404), ("viewer", 403)):
            answer = house.get(path.format(id=chat), who)
            assert answer.status_code == status, (path, who)
            assert "Secret words" not in answer.text
            assert "Mine alone" not in answer.text
    assert house.post(f"{THREADS}/{chat}/stop", None, "bob").status_code == 404
    assert house.get(THREADS, "bob").json() == []
    assert house.get(f"{THREADS}/nothing").status_code == 404


def test_the_page_lists_own_threads_and_teaches_when_there_is_none(house: House) -> None:
    page = house.get("/chat")
    assert page.status_code == 200
    assert "What shall be done by telephone?" in page.text
    house.thinks(reply("message"))
    chat = house.say("<script>alert(1)</script>")["conversation_id"]
    page = house.get(f"/chat/{chat}")
    assert f'data-thread="{chat}"' in page.text
    assert "<script>alert(1)" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert house.get(f"/chat/{'0' * 32}").status_code == 404
    assert "no conversation at this address" in house.get("/chat/x").text


def test_the_whole_brief_as_the_page_sees_it(house: House) -> None:
    house.thinks(
        asks({"name": "phone", "type": "phone", "label": "Number"}),
        planned(calls=[call(NUMBER)]),
        planned(calls=[call(NUMBER, objective="Ask whether Monday suits.")]),
    )
    chat = house.say("Ask Bob whether Friday suits.", display_name="Annie", time_zone="Europe/Berlin")[
        "conversation_id"
    ]
    view = house.get(f"{THREADS}/{chat}?zone=Europe/Berlin").json()
    assert (view["display_name"], view["zone"], view["answering"]) == ("Annie", "Europe/Berlin", False)
    assert view["turns"][1]["form_open"]
    refused = house.post(CHAT, {"conversation_id": chat, "answers": {"phone": "12"}}, **LINES)
    assert (refused.status_code, list(refused.json()["fields"])) == (422, ["phone"])
    house.say("", chat, answers={"phone": NUMBER})
    view = house.get(f"{THREADS}/{chat}").json()
    assert not view["turns"][1]["form_open"]
    assert view["turns"][2]["answers"] == [{"label": "Number", "value": NUMBER}]
    first = view["turns"][3]["plan"]
    assert (first["state"], first["confirmable"]) == ("open", True)
    house.say("Monday, please.", chat)
    view = house.get(f"{THREADS}/{chat}").json()
    old, new = (view["turns"][n]["plan"] for n in (3, 5))
    assert (old["state"], old["confirmable"]) == ("superseded", False)
    assert [one["after"] for one in new["changes"]["changed"]] == ["Ask whether Monday suits."]
    assert house.post(CONFIRM, {"conversation_id": chat, "plan_id": old["id"]}).status_code == 409
    for status in (201, 200, 200):
        done = house.post(CONFIRM, {"conversation_id": chat, "plan_id": new["id"]})
        assert done.status_code == status
    view = house.get(f"{THREADS}/{chat}?after=5").json()
    assert [turn["seq"] for turn in view["turns"]] == [6]
    plan = view["turns"][0]["plan"]
    assert (plan["state"], plan["campaign_id"]) == ("confirmed", done.json()["campaign_id"])
    assert len(house.ask(tasks.list_tasks)) == 1


def test_a_stopped_reply_is_written_down_and_can_be_asked_for_again(house: House) -> None:
    house.thinks(reply("message", "late"))
    house.sim.faults.add(TextFault(kind=TextFaultKind.HANG, seconds=30))
    sending = house.later({"message": "Hello", "client_key": "k"})
    chat = house.begun()
    assert house.get(f"{THREADS}/{chat}").json()["answering"]
    busy = house.post(CHAT, {"conversation_id": chat, "message": "And?"})
    assert (busy.status_code, busy.json()["code"]) == (409, "conflict")
    assert house.post(f"{THREADS}/{chat}/stop").json() == {"stopped": True}
    assert "You stopped this reply" in sending.result(10).json()["turn"]["text"]
    view = house.get(f"{THREADS}/{chat}").json()
    assert [(turn["kind"], turn["again"]) for turn in view["turns"]] == [("message", False), ("failure", True)]
    assert house.post(f"{THREADS}/{chat}/stop").json() == {"stopped": False}
    again = house.say("", chat, again=2)
    assert again["turn"]["text"] == "late"
    assert house.say("", chat, again=2) == again, "a second click is no second reply"
    wrong = house.post(CHAT, {"conversation_id": chat, "again": 3})
    assert (wrong.status_code, "nothing to answer" in wrong.json()["detail"]) == (422, True)


def test_a_reply_goes_on_when_the_browser_is_gone_and_is_followed_from_its_first_word(house: House) -> None:
    text = "A sentence that comes in more than one piece, for sure."
    house.thinks(reply("message", text))
    house.sim.faults.add(TextFault(kind=TextFaultKind.HANG, seconds=0.5))
    gone = house.later({"message": "Hello", "client_key": "k"})
    chat = house.begun()
    followed = lines_of(house.get(f"{THREADS}/{chat}/reply"))
    assert [line["event"] for line in followed[:2]] == ["conversation", "taken"]
    assert followed[-1]["turn"]["text"] == text
    assert "".join(line["text"] for line in followed if line["event"] == "text") == text
    assert gone.result(10).json()["turn"] == followed[-1]["turn"]
    assert lines_of(house.get(f"{THREADS}/{chat}/reply")) == [{"event": "idle"}]


def test_the_same_message_sent_while_it_is_answered_joins_its_reply(house: House) -> None:
    house.thinks(reply("message", "once"), reply("message", "twice"))
    house.sim.faults.add(TextFault(kind=TextFaultKind.HANG, seconds=0.5))
    body = {"message": "Hello", "client_key": "k"}
    both = [house.later(body) for _ in range(2)]
    texts = [one.result(10).json()["turn"]["text"] for one in both]
    assert texts == ["once", "once"]
    assert len(house.get(THREADS).json()) == 1


def test_a_failure_says_what_happened_and_offers_another_try(house: House) -> None:
    house.thinks(TextAnswer(refusal="No."))
    chat = house.say("Hello")["conversation_id"]
    (_, failed) = house.get(f"{THREADS}/{chat}").json()["turns"]
    assert (failed["kind"], failed["again"], "declined" in failed["text"]) == ("failure", True, True)
    house.thinks(reply("message", "Now it works."))
    assert house.say("", chat, again=2)["turn"]["text"] == "Now it works."
    stored = house.ask(conversations.turns, chat)
    assert [one.seq for one in stored] == [1, 2, 3]


def test_whoever_may_plan_is_in_the_navigation(house: House) -> None:
    assert house.post(CHAT, {"message": " "}).status_code == 422
    assert house.get(THREADS).json() == [], "what was not taken begins no conversation"
    assert 'href="/chat"' in house.get("/").text
    assert 'href="/chat"' not in house.get("/", "viewer").text


def test_news_are_a_badge_and_a_mark_of_their_owner_only(house: House) -> None:
    house.thinks(planned(calls=[call(NUMBER)]), reply("message", "Bob said yes."))
    chat = house.say(f"Ask Bob on {NUMBER}.")["conversation_id"]
    plan = house.get(f"{THREADS}/{chat}").json()["turns"][1]["plan"]["id"]
    assert house.post(CONFIRM, {"conversation_id": chat, "plan_id": plan}).status_code == 201
    assert house.get("/api/chat/news").json() == {"threads": []}
    said = "<img src=x onerror=alert(1)>"
    due_ms = house.ask(tasks.list_tasks)[0].next_action_time
    done = Happened(number=NUMBER, summary=said)

    async def ring(db: Database, tenant_id: str) -> int:
        return await calls_happen(db, tenant_id, [done], due_ms)

    assert house.ask(ring) == 1
    assert house.get("/api/chat/news").json() == {"threads": [chat]}
    assert house.get("/api/chat/news", "bob").json() == {"threads": []}
    assert house.get("/api/chat/news", "other").json() == {"threads": []}
    assert f'data-news="{chat}"' in house.get("/chat").text
    assert house.get(f"{THREADS}/{chat}").json()["untold"] == 1
    house.say("And?", chat)
    view = house.get(f"{THREADS}/{chat}").json()
    (line,) = view["turns"][-1]["news"]["lines"]
    assert (line["summary"], view["untold"], view["turns"][-1]["news"]["counts"]) == (said, 0, "1 answered")
    assert house.get("/api/chat/news").json() == {"threads": []}
