"""How the demo's planner follows up: questions about calls, and one more call to somebody. Pure, English only."""

import re
from datetime import date, timedelta

from app.sim.text.chat_reading import Chat, Json
from app.sim.text.mind import TextAnswer, encoded

_AGAIN = re.compile(
    r"\b(?:call|ring|phone|try)\b[\w ]{0,40}?\b(?:again|back|once more)\b|"
    r"\b(?:call|ring|phone|try) (?:him|her|them|it)\b",
    re.IGNORECASE,
)
_STATUS = re.compile(
    r"\b(?:what (?:became|happened|came)|how did|status|any news|did (?:he|she|they|it)|were (?:you|they) able|"
    r"reached?)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b(?:to|with|about|for|did|of) (?P<name>[A-Z][\w'-]+)")
_TOMORROW = re.compile(
    r"\b(?:call|ring|phone)\b[\w ]*\btomorrow(?: at (?P<hour>\d{1,2})(?::(?P<minute>\d\d))?)?", re.I
)
OPENING = "Hello, this is an automated assistant calling for {who}."


def follow_up(chat: Chat) -> TextAnswer | None:
    """A question about calls, or one more call to somebody."""
    if any("answer" not in one for one in chat.fresh) or "prepared" in chat.answered:
        return None  # refused, or done
    if _AGAIN.search(chat.last):
        callee = _again_to(chat)
        if callee is not None:
            return TextAnswer(calls=(("schedule_outbound_call", encoded(_one_more(chat, *callee))),))
    elif not _STATUS.search(chat.last):
        return None
    if chat.fresh:
        return None
    named = _NAMED.search(chat.last)
    given = {"callee_name": named["name"] if named else "", "number": ""}
    return TextAnswer(calls=(("check_scheduled_call_status", encoded(given)),))


def _again_to(chat: Chat) -> tuple[str, str, str] | None:
    """Name, number and matter of the call that is made again."""
    calls: list[Json] = chat.answered.get("calls") or chat.news.get("calls") or []
    if calls:
        return calls[0]["who"], calls[0]["number"], calls[0]["about"]
    planned: list[Json] = (chat.plan or {}).get("calls") or []
    return (planned[0]["callee_name"], planned[0]["number"], planned[0]["objective"]) if planned else None


def _one_more(chat: Chat, name: str, number: str, about: str) -> Json:
    who = str(chat.user.get("company") or chat.user.get("name") or "a customer")
    return {
        "callee_name": name,
        "number": number,
        "objective": about,
        **window(chat, chat.last),
        "language": "en",
        "opening_line": OPENING.format(who=who),
        "business_quote": "",
    }


def told_calls(chat: Chat) -> Json | None:
    """News first, then what the functions answered; None when the user wants something else."""
    fresh: list[Json] = chat.news.get("calls") or []
    calls: list[Json] = chat.answered.get("calls") or []
    news, known = [_line(one) for one in fresh], [_line(one) for one in calls]
    if "prepared" in chat.answered:
        return message(" ".join([*news, "I prepared the call. Nothing happens before you confirm it."]))
    asked = bool(_STATUS.search(chat.last) or _AGAIN.search(chat.last))
    problem = next((str(one["problem"]) for one in chat.fresh if asked and one.get("problem")), "")
    if not asked and re.search(r"\+\d", chat.last):
        return None  # a new brief; the page shows the news beside it
    if news or known or problem:
        lines = list(dict.fromkeys([*news, *known])) or [problem]
        return message("\n".join(lines))
    return None


def _line(one: Json) -> str:
    others: Json = one.get("words_of_others") or {}
    said = f" {others['summary']}" if others.get("summary") else ""
    return f"{one['who'] or one['number']}: {one['what_happened']}{said}"


def window(chat: Chat, words: str) -> Json:
    """Tomorrow at an hour, when the user said so."""
    nothing = {"earliest": "", "latest": "", "zone": ""}
    asked = _TOMORROW.search(words)
    if asked is None or not chat.today:
        return nothing
    day = date.fromisoformat(chat.today) + timedelta(days=1)
    earliest = f"{day}T{int(asked['hour'] or 9) % 24:02d}:{asked['minute'] or '00'}"
    return {
        "earliest": earliest,
        "latest": "",
        "zone": "UTC" if chat.simulated else chat.user.get("time_zone", "UTC"),
    }


def message(text: str) -> Json:
    """A reply of words only."""
    return {"kind": "message", "text": text, "questions": [], "plan": None}
