"""A plausible planner by rule, the mind of the demo's chat: looks up, asks in forms, plans, mends. Pure.

English only, and simple: it takes what the user said as the objective. Whether a plan holds is code's to say.
"""

import re
from typing import Any

from app.sim.text.chat_reading import Chat, Json, read_chat
from app.sim.text.mind import TextAnswer, TextQuestion, encoded
from app.sim.text.planner_follow_up import OPENING, follow_up, message, told_calls, window

_BUSINESS = re.compile(
    r"\b(?:(?P<sort>\w+) )?(?P<kind>restaurant|bistro|pizzeria|trattoria|dentist|garage|hotel|florist|hairdresser|"
    r"plumber|doctor|pharmacy|vet)s?\b",
    re.IGNORECASE,
)
_NEAR = re.compile(
    r"\b(?:near|in|around|close to) (?P<place>(?:the |my )?[\w' ]{2,40}?)(?=[.,;!?]|$| on | at | for )"
)
_WEB = re.compile(r"\b(?:look up|search|find out|website|opening hours|what is|who is)\b", re.IGNORECASE)
_HELLO = re.compile(
    r"^\W*(?:hello|hi|hey|good (?:morning|evening|afternoon)|thanks?|thank you)\b[\W\w]{0,20}$", re.I
)
_WHOM = re.compile(r"\b(?i:call|ring|phone|ask|remind|tell)\s+(?P<name>[A-Z][\w'-]*(?: [A-Z][\w'-]*)?)")
_NUMBER = re.compile(r"(?:\bon |\bat )?\+\d[\d ().-]{6,20}\d")
_SKIPPED = {"an", "a", "the", "some", "any", "good", "my"}


class PlausiblePlanner:
    """Answers both steps of the planner's loop; the same conversation gets the same answer."""

    def answer(self, question: TextQuestion) -> TextAnswer:
        chat = read_chat(question)
        if question.schema_name == "PlannerReply":
            return TextAnswer(text=encoded(reply_to(chat)))
        return _look(chat, question.tools)


def _look(chat: Chat, tools: tuple[str, ...]) -> TextAnswer:
    """The functions that are called now, or "none"."""
    nothing = TextAnswer(text="none")
    if not chat.refused and "schedule_outbound_call" in tools and (own := follow_up(chat)) is not None:
        return own
    if chat.fresh or chat.refused or chat.plan is not None or chat.context.get("tables") or chat.numbers:
        return nothing
    business = _BUSINESS.search(chat.last)
    if business is not None and "get_authoritative_business_info" in tools and not chat.places:
        sort = business["sort"] or ""
        words = business["kind"] if sort.lower() in _SKIPPED else f"{sort} {business['kind']}".strip()
        near = _NEAR.search(chat.last)
        given = {"name": words, "near": near["place"].strip() if near else "", "language": "en"}
        return TextAnswer(calls=(("get_authoritative_business_info", encoded(given)),))
    if _WEB.search(chat.last) and "search_internet" in tools:
        return TextAnswer(calls=(("search_internet", encoded({"query": chat.last[:200], "language": "en"})),))
    return nothing


def reply_to(chat: Chat) -> Json:
    """The structured reply."""
    if chat.refused:
        return _mend(chat)
    if (told := told_calls(chat)) is not None:
        return told
    if _HELLO.match(chat.last):
        return message("Hello. Tell me whom to call and what it is about; I prepare the calls, you confirm them.")
    tables: list[Json] = chat.context.get("tables") or []
    if tables:
        return _table_plan(chat, tables[-1])
    if chat.places and not chat.numbers:
        return _book(chat)
    who = _callee(chat)
    if who is None:
        return _form(chat)
    return _plan(chat, [_call(chat, *who)])


def _mend(chat: Chat) -> Json:
    """What code refused cannot be mended by a rule: the user is asked."""
    if "withdrew" in chat.refused or "do-not-call" in chat.refused:
        return message("This number must not be called: it is on a do-not-call list. Nothing is planned.")
    if "supplied this number" in chat.refused or "number" in chat.refused.lower():
        return _form(chat, note="I need the number with its country code, from you.")
    if "window" in chat.refused or "past already" in chat.refused:
        when = _question(
            "when", "date_time", "When shall it be called?", "Within the hours that are allowed there."
        )
        return _questions("That time does not work. When else?", [when])
    return _questions("Something is missing.", [_question("detail", "text", "What should I know?", "")])


def _form(chat: Chat, note: str = "") -> Json:
    named = _WHOM.search(chat.last)
    whom = named["name"] if named else "the person to call"
    questions = [
        _question("phone", "phone", f"Telephone number of {whom}", "With the country code.", required=True),
        _question("urgent", "yes_no", "Is it urgent?", "", required=False, default="no"),
    ]
    if named is None:
        questions.insert(
            0, _question("callee", "text", "Who is called?", "A name, as it is spoken.", required=True)
        )
    return _questions(note or f"To call {whom} I need a little more.", questions)


def _book(chat: Chat) -> Json:
    """One of several businesses: the user chooses, then it is planned."""
    chosen = str(chat.answers.get("place", ""))
    place = next((one for one in chat.places if one.name == chosen), None)
    if place is not None:
        return _plan(chat, [_call(chat, place.name, place.number, business=place.name)])
    names = [one.name for one in chat.places]
    questions = [
        _question(
            "place", "choice", "Which one shall be called?", "From the directory.", required=True, options=names
        ),
        _question("time", "date_time", "For when?", "", required=True),
        _question("people", "number", "For how many?", "", required=True, default="4"),
        _question(
            "wishes",
            "multi_choice",
            "Anything to ask for?",
            "",
            options=["a quiet table", "a high chair", "a terrace"],
        ),
        _question("flexible", "yes_no", "May the assistant take another time that evening?", "", default="yes"),
    ]
    return _questions(f"I found {len(names)}. Choose one, and tell me the details.", questions)


def _callee(chat: Chat) -> tuple[str, str] | None:
    """Name and number of the person to call, when somebody supplied a number."""
    named = next((found["name"] for words in reversed(chat.said) if (found := _WHOM.search(words))), "")
    name = str(chat.answers.get("callee") or named)
    if chat.numbers:
        return name, chat.numbers[0]
    contacts: list[Json] = chat.context.get("contacts") or []
    for contact in contacts:
        if contact["name"] and any(contact["name"].split()[0].lower() in words.lower() for words in chat.said):
            return contact["name"], contact["number"]
    if chat.plan is not None and chat.plan.get("calls"):
        call: Json = chat.plan["calls"][0]
        return call["callee_name"], call["number"]
    return None


def _call(chat: Chat, name: str, number: str, business: str = "") -> Json:
    details = [
        f"{key.replace('_', ' ')}: {_plain(value)}" for key, value in chat.answers.items() if key != "phone"
    ]
    objective = " ".join([_NUMBER.sub("", " ".join(chat.said)).strip(), *details])
    return {
        "callee_name": name,
        "number": number,
        "objective": " ".join(objective.split())[:1_500],
        "window": window(chat, " ".join(chat.said)),
        "callee_kind": "business" if business else "person",
        "business_quote": business,
        "consent": None,
    }


def _table_plan(chat: Chat, table: Json) -> Json:
    columns = [str(name) for name in table["columns"]]
    number = next((name for name in columns if re.search(r"phone|number|tel|mobile", name, re.I)), columns[-1])
    name = next((one for one in columns if re.search(r"name|who|person", one, re.I)), "")
    more = [one for one in columns if one not in {number, name}]
    about = re.sub(r"[{}]", "", " ".join(chat.said)) or "Remind them."  # braces name columns
    listed = _call(chat, "", "") | {
        "table": str(table["name"]),
        "number_column": number,
        "name_column": name,
        "objective": " ".join([about, *[f"{one}: {{{one}}}." for one in more]])[:1_500],
    }
    del listed["callee_name"], listed["number"]
    return _plan(chat, [], [listed], f"I read {table['rows']} rows. This is the campaign.")


def _plan(chat: Chat, calls: list[Json], lists: list[Json] | None = None, text: str = "") -> Json:
    said = text or ("This is the corrected plan." if chat.plan is not None else "This is the plan.")
    about = " ".join(_NUMBER.sub("", chat.said[0]).split()) or "A call"
    who = str(chat.user.get("company") or chat.user.get("name") or "a customer")
    plan = {
        "title": about if len(about) <= 80 else about[:80].rpartition(" ")[0] + " …",
        "purpose": "service",
        "agent": {
            "language": "en",
            "purpose": about[:1_000],
            "opening_line": OPENING.format(who=who),
            "limits": ["Promise nothing that is not in the objective.", "Give no card numbers."],
            "stop_when": ["the matter is settled", "the callee wants no call"],
        },
        "facts": [],
        "fields": [_field("agreed", "yes_no", "Agreed"), _field("note", "text", "What was said")],
        "calls": calls,
        "lists": lists or [],
    }
    reply = message(f"{said} Nothing is called before you confirm it.")
    return reply | {"kind": "plan", "plan": plan}


def _field(name: str, kind: str, label: str) -> Json:
    return {"name": name, "type": kind, "label": label, "help": "", "required": kind == "yes_no", "options": []}


def _question(name: str, kind: str, label: str, about: str, **more: Any) -> Json:
    usual: Json = {"required": False, "options": [], "default": ""}
    return {**usual, "name": name, "type": kind, "label": label, "help": about, **more}


def _questions(text: str, questions: list[Json]) -> Json:
    return message(text) | {"kind": "questions", "questions": questions}


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any JSON
