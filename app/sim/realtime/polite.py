"""A polite appointment agent by rule, the mind of the demo: greets, asks for a time, understands a few answers,
says goodbye and hangs up with `end_call` when that tool is offered. English only. Pure.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from app.sim.realtime.brain import BrainEvent, Cause, SessionView, Step, ToolCall

FAREWELL = "Thank you for your time. Goodbye."
GREETING = "Hello, this is an automated assistant."
QUESTION = "Would tomorrow at four suit you?"
_STILL_THERE = "Are you still there?"
_GREETING_MARK = re.compile(r"word for word:\s*(?P<text>.+)\Z", re.DOTALL)
_QUOTED = re.compile(r"[\"\u201c](?P<text>[^\"\u201d]+)[\"\u201d]")
_PRESSED = re.compile(r"pressed (?P<keys>[0-9A-D*#]+)")
_OBJECTIVE = re.compile(r"shall achieve:\s*(?P<text>[^.\n]+)")
_MAX_PUZZLED = 2


class _Intent(msgspec.Struct, frozen=True, kw_only=True):
    pattern: re.Pattern[str]
    say: str
    ends: str = ""
    """Reason given to `end_call`; empty when the talk goes on."""


def _intent(words: str, say: str, ends: str = "") -> _Intent:
    return _Intent(pattern=re.compile(rf"\b(?:{words})\b"), say=say, ends=ends)


_HOUR = r"(?:at )?(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|noon|[0-9]{1,2})"
_WEEKDAY = "(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_DAY = f"today|tomorrow|{_WEEKDAY}|next week|in the (?:morning|afternoon)"
_TIME = re.compile(
    rf"\b(?:(?:{_DAY})(?: {_HOUR}(?: ?(?:am|pm|o'?clock))?)?|at {_HOUR}(?: ?(?:am|pm|o'?clock))?)\b"
)
_STOP_CALLING = (
    "stop calling|do not call|don't call|never call|remove me|take me off|not interested|leave me alone"
)
_INTENTS = (
    _intent(
        _STOP_CALLING, f"I am sorry. We will not call you again. {FAREWELL}", "the callee wants no more calls"
    ),
    _intent("wrong number", f"I am sorry to have disturbed you. {FAREWELL}", "wrong number"),
    _intent(
        "leave (?:a|your) message|after the (?:tone|beep)|voice ?mail",
        f"This is an automated assistant. We will call again. {FAREWELL}",
        "voicemail",
    ),
    _intent("not (?:available|here|in)", f"Then we will call again. {FAREWELL}", "the person is not available"),
    _intent("who is (?:this|that|calling)|who are you", f"I am an automated assistant. {QUESTION}"),
    _intent(
        "are you (?:a )?(?:robot|human|machine|real)", f"I am an automated assistant, not a human. {QUESTION}"
    ),
    _intent("bye|goodbye|hang up|no time|good ?night", FAREWELL, "the callee said goodbye"),
)
_REPEAT = re.compile(
    r"\b(?:repeat|(?:that|it|come) again|pardon|what did you say|excuse me|didn't (?:hear|understand))\b"
)
_YES = re.compile(r"\b(?:yes|yeah|yep|sure|okay|ok|fine|of course|that works|please do)\b")
_NO = re.compile(r"\b(?:no|nope|not really|can't|cannot|i don't)\b")
_HELLO = re.compile(r"\b(?:hello|hi|good (?:morning|afternoon|evening))\b|\bspeaking\b")


class PoliteBrain:
    """Answers one callee; one object per session."""

    def __init__(self) -> None:
        self._last = ""
        self._puzzled = 0
        self._silences = 0
        self._greeted = False

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        """The reply, and `end_call` when the talk is over."""
        if event.out_of_band:
            return Step(say="human")
        match event.cause:
            case Cause.RESPONSE_CREATE:
                return self._told(event, view)
            case Cause.TURN:
                return self._turn(event.text.lower(), view)
            case Cause.IDLE:
                return self._silence(view)
            case Cause.TOOL_OUTPUT:
                return self._say("All right.")

    def _told(self, event: BrainEvent, view: SessionView) -> Step:
        """A response.create with its own instructions; those repeat the session's first."""
        told = event.instructions.removeprefix(view.instructions)
        if keys := _PRESSED.search(told):
            return self._say(f"Thank you, you pressed {keys['keys']}. {QUESTION}")
        if match := _GREETING_MARK.search(told) or _QUOTED.search(told):
            self._greeted = True
            return self._say(match["text"].strip())
        if re.search("still there", told, re.IGNORECASE):
            return self._say(_STILL_THERE)
        if re.search("goodbye|farewell", told, re.IGNORECASE):
            return self._say(FAREWELL)
        return self._greet(view)

    def _greet(self, view: SessionView) -> Step:
        self._greeted = True
        goal = _OBJECTIVE.search(view.instructions)
        why = (
            f"I am calling about this: {goal['text'].strip()}." if goal else "I am calling about your appointment."
        )
        return self._say(f"{GREETING} {why} {QUESTION}")

    def _turn(self, words: str, view: SessionView) -> Step:
        self._silences = 0
        for intent in _INTENTS:
            if intent.pattern.search(words):
                return self._end(intent.say, intent.ends, view) if intent.ends else self._say(intent.say)
        if _REPEAT.search(words) and self._last:
            return Step(say=self._last)
        if time := _TIME.search(words):
            return self._end(f"Wonderful, I noted {time[0]}. {FAREWELL}", f"appointment {time[0]}", view)
        if not self._greeted:
            return self._greet(view)
        return self._agreement(words, view)

    def _agreement(self, words: str, view: SessionView) -> Step:
        if _NO.search(words):
            return self._say("No problem. When would it suit you?")
        if _YES.search(words):
            if QUESTION in self._last:
                return self._end(f"Wonderful, I noted tomorrow at four. {FAREWELL}", "appointment agreed", view)
            return self._say(f"Great. {QUESTION}")
        if _HELLO.search(words):
            return self._say(f"Good day. {QUESTION}")
        return self._not_understood(view)

    def _not_understood(self, view: SessionView) -> Step:
        self._puzzled += 1
        if self._puzzled > _MAX_PUZZLED:
            return self._end(f"I am sorry, I could not understand you. {FAREWELL}", "not understood", view)
        return self._say(f"I am sorry, I did not catch that. {QUESTION}")

    def _silence(self, view: SessionView) -> Step:
        self._silences += 1
        if self._silences > _MAX_PUZZLED:
            return self._end(FAREWELL, "no answer", view)
        return self._say(_STILL_THERE)

    def _say(self, text: str) -> Step:
        self._last = text
        return Step(say=text)

    def _end(self, text: str, reason: str, view: SessionView) -> Step:
        """Farewell and call in one response, the way the instructions of the product ask for it."""
        self._last = text
        tool = next((tool for tool in view.tools if tool.name == "end_call"), None)
        call = (ToolCall(name=tool.name, arguments=fill(tool.parameters, reason)),) if tool else ()
        return Step(say=text, call=call)


def fill(schema: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Arguments that fit a flat JSON schema: `text` for strings, the first choice, the least number."""
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    required: list[str] = schema.get("required", [])
    return {name: _value(properties.get(name, {}), text) for name in required}


def _value(schema: Mapping[str, Any], text: str) -> Any:
    if choices := schema.get("enum"):
        return choices[0]
    match schema.get("type"):
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return True
        case "array":
            return []
        case "object":
            return fill(schema, text)
        case _:
            return text[: schema.get("maxLength", len(text))]
