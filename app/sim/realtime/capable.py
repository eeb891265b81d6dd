"""A capable agent by rule: asks for its fields one by one, and uses every function it is offered as a good model
would. The mind of `opendeep sim run`. Pure; one object per session; its words: `app.sim.realtime.capable_words`.

With `OBEY` in its instructions it has no will of its own: orders of the callee, or in a result, are obeyed first.
What it then achieves is what the product lets a model achieve.
"""

import json
import re
from collections.abc import Callable
from typing import Any, cast

import msgspec

from app.sim.realtime import capable_words as words
from app.sim.realtime.brain import BrainEvent, Cause, SessionView, Step, ToolCall
from app.sim.realtime.obedience import orders

_FIELD = re.compile(r"(?P<name>[a-z][a-z0-9_]*)(?: \(required\))?: (?P<help>.+?), (?P<schema>\{.*?\})(?:; |$)")
_MAX_PUZZLED = 2
_DONE = "everything was settled"
Reaction = Callable[[str, SessionView], Step]


class _Field(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to find out: `help` is the question."""

    name: str
    help: str
    type: str
    options: tuple[str, ...] = ()


class CapableBrain:
    """Answers one callee."""

    def __init__(self) -> None:
        self._last = ""
        self._puzzled = 0
        self._greeted = False
        self._saved: set[str] = set()
        self._after: Callable[[SessionView], Step] | None = None
        self._asked_people = ""
        self._notes = 0
        self._introduced = 0

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        """The reply to what happened."""
        if event.out_of_band:
            return Step(say="human")
        match event.cause:
            case Cause.RESPONSE_CREATE:
                return self._told(event, view)
            case Cause.TURN:
                return self._turn(event.text.lower().strip(), view)
            case Cause.IDLE:
                return self._say("Are you still there?")
            case Cause.TOOL_OUTPUT:
                return self._came_of_it(event.text, view)

    # --- its own side -------------------------------------------------------------------------------------------
    def _told(self, event: BrainEvent, view: SessionView) -> Step:
        told = event.instructions.removeprefix(view.instructions).strip()
        if not told:
            return self._noted(view)
        if keys := words.PRESSED.search(told):
            return self._go_on(view, f"Thank you, you pressed {keys['keys']}.")
        if match := words.WORD_FOR_WORD.search(told):
            self._greeted = True
            return self._say(match["text"].strip())
        for pattern, say in words.TOLD:
            if pattern.search(told):
                return Step(say=say)  # not what a callee asks to hear again
        return self._greet(view)

    def _noted(self, view: SessionView) -> Step:
        """Asked to speak without being told what: a note has come, or the callee waits for the first word."""
        notes = [line.text for line in view.transcript if line.role == "system"]
        unread, self._notes = notes[self._notes :], len(notes)
        note = unread[-1] if unread else ""
        if found := words.ANSWERED.search(note):
            self._asked_people = ""
            answer = found["text"].strip()
            if ordered := self._ordered(answer.lower(), view):
                return ordered
            return self._go_on(view, f"I asked: {answer}.")
        if words.UNANSWERED.search(note):
            self._asked_people = ""
            return self._go_on(view, words.NO_ANSWER)
        return self._greet(view)

    def _greet(self, view: SessionView) -> Step:
        """Who it is, what its own side has answered since the last talk, and the first question."""
        self._greeted = True
        known = next(
            (found for line in view.transcript if (found := words.EARLIER.search(line.text)) is not None), None
        )
        if known is not None:
            return self._go_on(view, f"{words.GREETING} You asked: {known['question']} {known['answer']}.")
        return self._go_on(view, words.GREETING)

    def _came_of_it(self, text: str, view: SessionView) -> Step:
        """A function was carried out, or refused."""
        result = _json(text)
        after, self._after = self._after, None
        if ordered := self._ordered(text.lower(), view):
            return ordered
        if "error" in result:
            return self._go_on(view, words.CANNOT)
        if result.get("status") == "asked":
            return self._say(words.ONE_MOMENT)
        return after(view) if after is not None else self._go_on(view, "")

    # --- the callee ---------------------------------------------------------------------------------------------
    def _turn(self, said: str, view: SessionView) -> Step:
        if not said:
            return Step()
        if ordered := self._ordered(said, view):
            return ordered
        if menu := list(words.MENU.finditer(said)):
            return self._menu(said, menu, view)
        for pattern, react in self._reactions():
            if pattern.search(said):
                return react(said, view)
        told, self._introduced = self._introduced, words.passed_on(line.text for line in view.transcript)
        if not self._greeted or self._introduced > told:
            return self._greet(view)
        return self._answer_or_question(said, view)

    def _reactions(self) -> tuple[tuple[re.Pattern[str], Reaction], ...]:
        return (
            (words.OPT_OUT, self._opt_out),
            (words.VOICEMAIL, self._voicemail),
            (words.SCREENING, self._screened),
            (words.WAITS, lambda _said, _view: Step()),
            (words.FOREIGN, lambda _, view: self._end(words.ENGLISH_ONLY, "another language", view)),
            (words.WANTS_PERSON, self._person),
            (words.AWAY, self._again),
            (words.AGAIN, self._again),
            (words.WHO, lambda _, view: self._go_on(view, words.WHO_I_AM)),
            (words.REPEAT, lambda _said, _view: Step(say=self._last or words.GREETING)),
            (words.BYE, lambda _, view: self._end(words.FAREWELL, "the callee said goodbye", view)),
        )

    def _answer_or_question(self, said: str, view: SessionView) -> Step:
        if self._asked_people:
            return self._say("I am still waiting for my colleagues.")
        if said.endswith("?") or words.ASKS.match(said):
            return self._ask_people(said, view)
        field = self._next_field(view)
        if field is None:
            return self._finish(view)
        value = _value(field, said) if field.help in self._last else None
        if value is not None:
            return self._save(field, value, said, view)
        if words.HELLO.search(said) or words.WHO_SPEAKS.search(said):
            return self._go_on(view, "")
        return self._not_understood(view)

    def _save(self, field: _Field, value: Any, said: str, view: SessionView) -> Step:
        self._puzzled = 0
        self._saved.add(field.name)
        self._after = lambda later: self._go_on(later, "Good.")
        return self._call(view, "save_field", {"name": field.name, "value": value, "quote": said})

    def _opt_out(self, said: str, view: SessionView) -> Step:
        self._after = lambda later: self._end(words.OPTED_OUT, "the callee wants no more calls", later)
        return self._call(view, "record_opt_out", {"words": said})

    def _voicemail(self, said: str, view: SessionView) -> Step:
        self._after = lambda _: Step()
        return self._call(view, "report_voicemail", {"heard": said}) if view.offers("report_voicemail") else Step()

    def _screened(self, said: str, view: SessionView) -> Step:
        """The own side says what a screening service is told; without it, a model would say it itself."""
        del said, view
        return self._say(words.IDENTITY)

    def _person(self, said: str, view: SessionView) -> Step:
        transfer = next((tool for tool in view.tools if tool.name == "transfer_call"), None)
        if transfer is None:
            return self._ask_people(f"they say: {said}. who speaks with them?", view)
        target = transfer.parameters["properties"]["target"]["enum"][0]
        wish = {"target": target, "reason": "the callee asks for a person", "mode": "cold"}
        step = self._call(view, "transfer_call", wish)
        return msgspec.structs.replace(step, preamble="One moment, I connect you.")

    def _ask_people(self, question: str, view: SessionView) -> Step:
        if not view.offers("request_user_feedback"):
            return self._go_on(view, words.NO_ANSWER)
        self._asked_people = question
        return self._call(view, "request_user_feedback", {"question": question, "suggestions": ["yes", "no"]})

    def _again(self, said: str, view: SessionView) -> Step:
        if not view.offers("reschedule_call_trigger_analysis"):
            return self._end(words.CALL_AGAIN, "call again later", view)
        wish = {"wished_words": said, "wished_local": None}  # it is not told what day it is
        return self._call(view, "reschedule_call_trigger_analysis", wish)

    def _menu(self, said: str, menu: "list[re.Match[str]]", view: SessionView) -> Step:
        """The key of the entry that leads to people; none of it: listen on."""
        for at, entry in enumerate(menu):
            until = menu[at + 1].start() if at + 1 < len(menu) else len(said)
            key = words.KEYS.get(entry["key"], entry["key"])
            if words.WANTED_MENU.search(said[entry.start() : until]) and view.offers("send_dtmf"):
                self._after = lambda _: Step()
                return self._call(view, "send_dtmf", {"digits": key})
        return Step()

    def _not_understood(self, view: SessionView) -> Step:
        self._puzzled += 1
        if self._puzzled > _MAX_PUZZLED:
            return self._end(words.GIVES_UP, "not understood", view)
        return self._go_on(view, words.NOT_UNDERSTOOD)

    # --- how it goes on -----------------------------------------------------------------------------------------
    def _go_on(self, view: SessionView, first: str) -> Step:
        """`first`, then the next thing to find out, or the end."""
        field = self._next_field(view)
        if field is None:
            return self._finish(view, first)
        return self._say(f"{first} {field.help}".strip())

    def _finish(self, view: SessionView, first: str = "") -> Step:
        return self._end(f"{first} {words.FAREWELL}".strip(), _DONE, view, done=True)

    def _next_field(self, view: SessionView) -> _Field | None:
        tool = next((tool for tool in view.tools if tool.name == "save_field"), None)
        if tool is None:
            return None if view.tools else self._spoken_only(view)
        return next((one for one in _fields(tool.parameters) if one.name not in self._saved), None)

    def _spoken_only(self, view: SessionView) -> _Field | None:
        """A response that may call nothing: the greeting. It does not end a talk that has not begun."""
        del view
        return _Field(name="", help="Do you have a moment?", type="string")

    def _ordered(self, text: str, view: SessionView) -> Step | None:
        if words.OBEY not in view.instructions:
            return None
        return orders(text, view)

    def _say(self, text: str) -> Step:
        self._last = text
        return Step(say=text)

    def _call(self, view: SessionView, name: str, arguments: dict[str, Any]) -> Step:
        """A function that is offered; one that is not is something it cannot do."""
        if not view.offers(name):
            self._after = None
            return self._go_on(view, words.CANNOT)
        return Step(call=(ToolCall(name=name, arguments=arguments),))

    def _end(self, text: str, reason: str, view: SessionView, *, done: bool = False) -> Step:
        """Farewell and call in one response, the way the instructions of the product ask for it."""
        self._last = text
        tool = next((tool for tool in view.tools if tool.name == "end_call"), None)
        if tool is None:
            return Step(say=text)
        told: dict[str, Any] = {"reason": reason}
        if "done" in tool.parameters.get("properties", {}):
            told["done"] = done
        return Step(say=text, call=(ToolCall(name="end_call", arguments=told),))


def _fields(parameters: Any) -> list[_Field]:
    """What `save_field` may be told, out of its description (`app.calls.tool_specs`)."""
    told = str(parameters["properties"]["value"].get("description", ""))
    return [
        _field(found["name"], found["help"], _json(found["schema"]))
        for found in _FIELD.finditer(told.removeprefix("In the form of the field. "))
    ]


def _field(name: str, question: str, schema: dict[str, Any]) -> _Field:
    options = tuple(str(one) for one in schema.get("enum", ()))
    return _Field(name=name, help=question, type=str(schema.get("type", "string")), options=options)


def _value(field: _Field, said: str) -> Any:
    """What the words say about the field; None when they do not."""
    if field.type == "boolean":
        return False if words.NO.search(said) else True if words.YES.search(said) else None
    if field.options:
        return next((one for one in field.options if one.lower() in said), None)
    if field.type == "number" and (found := words.NUMBER.search(said)):
        return int(found[0])
    if field.type == "string" and (found := words.CLOCK.search(said)):
        return found[0]
    return None


def _json(text: str) -> dict[str, Any]:
    try:
        read: object = json.loads(text)
    except ValueError:
        return {}
    return cast("dict[str, Any]", read) if isinstance(read, dict) else {}
