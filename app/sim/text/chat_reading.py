"""Reads a question to the planner as a model would: what was said and found, and what the context tells. Pure."""

import re
from typing import Any, cast

import msgspec

from app.sim.text.mind import TextQuestion

_NUMBER = re.compile(r"\+\d[\d ().-]{6,20}\d")
_NOW = re.compile(r"(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d\d:\d\d)")
_ENTRY_NUMBER = re.compile(r"telephone:? *(\+\d[\d ().-]{6,20}\d)")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
Json = dict[str, Any]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A business that a look-up found."""

    name: str
    number: str
    text: str


class Chat(msgspec.Struct, kw_only=True):
    """One conversation. `fresh`: answers of functions since the user spoke last; `plan`: the newest one."""

    said: list[str] = []
    last: str = ""
    answers: Json = {}
    context: Json = {}
    places: list[Place] = []
    fresh: list[Json] = []
    plan: Json | None = None
    refused: str = ""

    @property
    def news(self) -> Json:
        """Calls that ended and were not told."""
        return cast("Json", self.context.get("news") or {})

    @property
    def answered(self) -> Json:
        """What the chat's own functions answered since the user spoke last."""
        found: Json = {}
        for one in self.fresh:
            found |= cast("Json", one.get("answer") or {})
        return found

    @property
    def numbers(self) -> list[str]:
        """Telephone numbers the user gave, the newest first."""
        given = [str(value) for value in self.answers.values() if _NUMBER.fullmatch(str(value))]
        for words in reversed(self.said):
            given += [match[0] for match in _NUMBER.finditer(words)]
        return list(dict.fromkeys(re.sub(r"[ ().-]", "", number) for number in given))

    @property
    def simulated(self) -> bool:
        """Nobody's clock but UTC is known of numbers that nobody owns."""
        limits = cast("Json", self.context.get("limits") or {})
        return "simulation" in str(limits.get("countries_that_may_be_called"))

    @property
    def today(self) -> str:
        """YYYY-MM-DD of the user, empty when the context does not tell."""
        found = _NOW.search(str(self.context.get("now", "")))
        if found is None:
            return ""
        return f"{found[3]}-{MONTHS.index(found[2]) + 1:02d}-{int(found[1]):02d}"

    @property
    def user(self) -> Json:
        """Name, company and zone."""
        return cast("Json", self.context.get("user") or {})


def read_chat(question: TextQuestion) -> Chat:
    """What was said so far."""
    chat = Chat()
    for role, text in question.history:
        given = _object(text)
        if role == "tool":
            _tool(chat, given)
        elif role == "assistant":
            if given.get("kind"):
                plan = given.get("plan")
                chat.plan = cast("Json", plan) if isinstance(plan, dict) else chat.plan
        elif "context" in given:
            chat.context = given
        elif text.startswith("[checked by code]"):
            chat.refused = text
        else:
            _user(chat, text)
    return chat


def _user(chat: Chat, text: str) -> None:
    chat.fresh, chat.refused = [], ""
    words: list[str] = []
    for line in text.splitlines():
        answers = _object(line).get("answers")
        if isinstance(answers, dict):
            chat.answers |= cast("Json", answers)
        elif not line.startswith("[sent a table"):
            words.append(line)
    chat.last = "\n".join(words)
    chat.said.append(chat.last)


def _tool(chat: Chat, given: Json) -> None:
    chat.fresh.append(given)
    for entry in cast("list[Json]", given.get("entries") or []):
        number = _ENTRY_NUMBER.search(str(entry.get("text", "")))
        if number is not None:
            title = str(entry.get("title", ""))
            digits = re.sub(r"[ ().-]", "", number[1])
            chat.places = [one for one in chat.places if one.number != digits]
            chat.places.append(Place(name=title, number=digits, text=str(entry["text"])))


def _object(text: str) -> Json:
    try:
        found: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return cast("Json", found) if isinstance(found, dict) else {}
