"""What a new session is told of a call in progress."""

from typing import Any

import pytest

from media.realtime.client_events import ConversationItemCreate, encode
from media.realtime.notifications import Turn
from media.realtime.priming import heard_text, resume_items
from media.realtime.tool_calls import ToolCalls
from tests.unit.media.realtime.talk import checked, settings


def turn(text: str, speaker: Any = "agent", heard_ms: int = 0, generated_ms: int = 0) -> Turn:
    return Turn(
        speaker=speaker,
        item_id="i",
        text=text,
        start_audio_ms=0,
        end_audio_ms=0,
        interrupted=heard_ms < generated_ms,
        heard_ms=heard_ms,
        generated_ms=generated_ms,
    )


@pytest.mark.parametrize(
    ("heard_ms", "text"),
    [(0, ""), (300, "We"), (500, "We would"), (1000, "We would like a table"), (2000, "We would like a table")],
)
def test_an_interrupted_turn_is_told_as_far_as_it_was_heard(heard_ms: int, text: str) -> None:
    assert heard_text(turn("We would like a table", heard_ms=heard_ms, generated_ms=1000)) == text


def test_items_in_order_and_valid() -> None:
    tools = ToolCalls()
    tools.called("call_1", "look_up", '{"q":1}', "resp_1")
    tools.called("call_2", "never_answered", "{}", "resp_1")
    tools.answer("call_1", '{"a":2}', respond=True)
    turns = [turn("Hi", "callee"), turn("Hello there", "agent"), turn("unheard words", "agent", 0, 1000)]
    items = resume_items(turns, tools, settings())
    bodies = [checked(encode(ConversationItemCreate(event_id="e", item=item)))["item"] for item in items]
    assert [body.get("role") or body["type"] for body in bodies] == [
        "system",
        "function_call",
        "function_call_output",
        "user",
        "assistant",
    ]
    summary = bodies[0]["content"][0]["text"]
    assert 'You last said: "Hello there"' in summary
    assert 'The callee last said: "Hi"' in summary
    assert "unheard" not in str(bodies)
