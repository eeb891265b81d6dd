"""The scripted briefs of `opendeep sim plan`: what users say, what a model answers, what must come of it.

Data is in `briefs/*.toml`. The answers of each turn are given in order, the last one again when asked more often.
"""

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from app.domain.planning import Contact
from app.sim.text.lookups import Page, Place
from app.sim.text.mind import ScriptedMind, TextAnswer, encoded

BRIEFS_DIR = Path(__file__).parent / "briefs"
OPENINGS = {
    "en": "Hello, this is an automated assistant calling for Ann's Bistro.",
    "de": "Guten Tag, hier ist ein KI-Assistent, ich rufe für Anns Bistro an.",
    "fr": "Bonjour, je suis un assistant automatique et j'appelle pour le Bistro d'Ann.",
    "es": "Hola, soy un asistente automático y llamo de parte del Bistro de Ann.",
    "it": "Buongiorno, sono un assistente automatico e chiamo per il Bistro di Ann.",
}
Fields = dict[str, Any]
_CALL: Fields = {
    "callee_name": "",
    "number": "",
    "objective": "Ask whether Friday suits.",
    "callee_kind": "person",
    "business_quote": "",
    "consent": None,
}
_LIST: Fields = {**_CALL, "table": "table 1", "number_column": "phone", "name_column": "name"}
_QUESTION: Fields = {"type": "text", "help": "", "required": True, "options": [], "default": ""}
_FIELD: Fields = {"type": "text", "label": "", "help": "", "required": True, "options": []}


class ScriptedReply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer of the model, in short: what is left out gets a sensible value. `raw` is sent instead of JSON."""

    kind: str = "plan"
    text: str = "This is what I will do."
    title: str = "A task"
    purpose: str = "service"
    language: str = "en"
    opening: str = ""
    questions: tuple[Fields, ...] = ()
    facts: tuple[Fields, ...] = ()
    fields: tuple[Fields, ...] = ()
    calls: tuple[Fields, ...] = ()
    lists: tuple[Fields, ...] = ()
    raw: str = ""
    refusal: str = ""

    def spoken(self) -> TextAnswer:
        """The answer as SimText gives it."""
        if self.refusal or self.raw:
            return TextAnswer(text=self.raw, refusal=self.refusal)
        agent = {
            "language": self.language,
            "purpose": self.title,
            "opening_line": self.opening or OPENINGS[self.language],
            "limits": ["Promise nothing."],
            "stop_when": ["the callee has answered"],
        }
        plan = {
            "title": self.title,
            "purpose": self.purpose,
            "agent": agent,
            "facts": self.facts,
            "fields": [_FIELD | one for one in self.fields],
            "calls": [_with_window(_CALL | one) for one in self.calls],
            "lists": [
                {k: v for k, v in _with_window(_LIST | one).items() if k in _LIST_KEYS} for one in self.lists
            ],
        }
        questions = [_QUESTION | one for one in self.questions]
        reply = {
            "kind": self.kind,
            "text": self.text,
            "questions": questions,
            "plan": plan if self.kind == "plan" else None,
        }
        return TextAnswer(text=encoded(reply))


_LIST_KEYS = (set(_LIST) | {"window"}) - {"callee_name", "number"}


def _with_window(call: Fields) -> Fields:
    return {**call, "window": {"earliest": "", "latest": "", "zone": ""} | call.get("window", {})}


class ExpectedTurn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must come of a message. `questions` are name:type, `changes` about:field and + or - before numbers.

    `sent_back`: how often code refused the model's answer. `news`: numbers of calls the reply tells of.
    `problems`: words of what functions were refused for. `first`: when the first call may ring, UTC.
    """

    kind: str
    questions: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()
    changes: tuple[str, ...] | None = None
    first: str = ""
    sent_back: int = 0
    says: str = ""
    news: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Happened(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call of the confirmed plan: its outcome, what was decided (a TaskEvent), and the summary."""

    number: str
    outcome: str = "completed"
    event: str = "complete"
    summary: str = ""
    again_h: int = 1


class Turn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message and its replies. `looks`: rounds of look-ups, each a list of [function, arguments].

    `happened`: before the message the open plan was confirmed and these calls were made. `refused`: the message
    itself is not taken, and this stands in the reason.
    """

    text: str = ""
    answers: Fields | None = None
    tables: tuple[str, ...] = ()
    looks: tuple[tuple[tuple[str, Fields], ...], ...] = ()
    replies: tuple[ScriptedReply, ...] = ()
    happened: tuple[Happened, ...] = ()
    expect: ExpectedTurn | None = None
    refused: str = ""

    def mind(self) -> ScriptedMind:
        """A model that answers as written."""
        return ScriptedMind([reply.spoken() for reply in self.replies])

    def looking(self) -> ScriptedMind:
        """A model that looks up as written, and then nothing more."""
        rounds = [TextAnswer(calls=tuple((name, encoded(given)) for name, given in one)) for one in self.looks]
        return ScriptedMind([*rounds, TextAnswer(text="none")])


class Brief(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One conversation. `batch`: calls of the campaign after the confirm; 0: there is nothing to confirm."""

    id: str
    kind: str
    turns: tuple[Turn, ...]
    batch: int = 0
    now: str = "2027-01-15T15:00:00Z"
    region: str = ""
    countries: str = "US,GB,DE,FR,ES,IT"
    max_calls: int = 10
    contacts: tuple[Contact, ...] = ()
    pages: tuple[Page, ...] = ()
    places: tuple[Place, ...] = ()
    lookups_down: bool = False
    listed: tuple[str, ...] = ()


def load_briefs(folder: Path = BRIEFS_DIR) -> list[Brief]:
    """All of them, by file and place. Raises msgspec.ValidationError for a damaged file."""
    briefs: list[Brief] = []
    for file in sorted(folder.glob("*.toml")):
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        briefs += msgspec.convert(content["brief"], list[Brief])
    if len({brief.id for brief in briefs}) != len(briefs):
        raise ValueError("two briefs have the same id")
    return briefs
