"""Pure: what the page "Chat" shows of turns. Every value is text; what others wrote becomes an address only when
it is a plain web address.
"""

from collections.abc import Sequence

import msgspec

from app.domain.fields import Value, plain_number
from app.domain.follow_up import News
from app.domain.plan_form import Question
from app.domain.plan_sources import read_table
from app.domain.planning import Attachment, LookedUp, PlannerTurn, open_form
from app.errors import ValidationFailed
from app.llm.planner_calls import SCHEDULE, STATUS
from app.store.conversations import Conversation, PlanFate
from web.chat.address import safe_href
from web.chat.plan_view import PlanCard, moment_in, plan_card
from web.view import money

_DOING = {
    "search_internet": "Searched the web",
    "get_authoritative_business_info": "Looked in the directory of businesses",
    STATUS: "Looked at your calls",
    SCHEDULE: "Prepared a call",
}
MAX_ROWS_SHOWN = 5


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a form as it was filled in."""

    label: str
    value: str


class SentTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table that came with a message: its first rows."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    count: int


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a look-up. `href` is empty unless the source is a web address."""

    title: str
    text: str
    ref: str
    href: str


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """A look-up: what was done and asked, what was found or why nothing was."""

    what: str
    query: str
    found: tuple[Found, ...]
    problem: str


class NewsLine(msgspec.Struct, frozen=True, kw_only=True):
    """A call that ended: facts by code, then what others said."""

    who: str
    call_id: str
    happened: str
    summary: str
    found: tuple[Answer, ...]


class NewsView(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply tells of calls; `more` are those of which only the number is told."""

    lines: tuple[NewsLine, ...]
    counts: str
    more: int


class TurnView(msgspec.Struct, frozen=True, kw_only=True):
    """One turn. `kind` as stored; `form` are the questions, `form_open` whether they can be answered now."""

    seq: int
    role: str
    kind: str
    text: str
    at: str
    form: tuple[Question, ...] = ()
    form_open: bool = False
    answers: tuple[Answer, ...] = ()
    tables: tuple[SentTable, ...] = ()
    looked: tuple[Looked, ...] = ()
    plan: PlanCard | None = None
    news: NewsView | None = None
    missing: tuple[str, ...] = ()
    again: bool = False
    """Another reply can be asked for."""
    spoken: bool = False
    interrupted: bool = False
    cost: str = ""


class ThreadView(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation. `answering`: a reply is being written, here or by another process."""

    id: str
    display_name: str
    zone: str
    answering: bool
    turns: list[TurnView]
    untold: int = 0
    """Ended calls that the next reply will tell of."""


def thread_view(
    conversation: Conversation,
    turns: Sequence[PlannerTurn],
    fates: dict[str, PlanFate],
    *,
    zone: str,
    answering: bool,
    after: int = 0,
    untold: int = 0,
) -> ThreadView:
    """The turns with a number above `after`; `zone` is the reader's, `fates` what became of the plans."""
    shown: list[TurnView] = []
    form: tuple[Question, ...] = ()
    asking = None if answering else open_form(turns)
    for turn in turns:
        if turn.seq > after:
            last = not answering and (turn is turns[-1] or turn is asking)
            shown.append(_turn(turn, form, fates.get(turn.content.plan_id), zone=zone, last=last))
        form = turn.content.questions if turn.role == "assistant" and not turn.remark else form
    return ThreadView(
        id=conversation.id,
        display_name=conversation.display_name,
        zone=zone,
        answering=answering,
        turns=shown,
        untold=untold,
    )


def _turn(
    turn: PlannerTurn, form: Sequence[Question], fate: PlanFate | None, *, zone: str, last: bool
) -> TurnView:
    content = turn.content
    return TurnView(
        seq=turn.seq,
        role=turn.role,
        kind=turn.kind,
        text=_without_list(turn.text, content.missing),
        at=moment_in(turn.created_ms, zone),
        form=content.questions,
        form_open=last and turn.kind == "questions",
        answers=tuple(_answers(content.answers, form)),
        tables=tuple(_table(one) for one in content.tables),
        looked=tuple(looked_view(one) for one in turn.lookups),
        plan=plan_card(turn, fate, zone) if content.plan is not None else None,
        news=_news(content.news, zone) if content.news is not None else None,
        missing=content.missing,
        again=last and not content.spoken and (turn.kind == "failure" or turn.role == "user"),
        spoken=content.spoken,
        interrupted=content.interrupted,
        cost=money(turn.cost_micro_usd or 0),
    )


def _news(news: News, zone: str) -> NewsView:
    lines = [
        NewsLine(
            who=one.who,
            call_id=one.call_id,
            happened=one.sentence(zone),
            summary=one.summary,
            found=tuple(Answer(label=name.replace("_", " "), value=_plain(value)) for name, value in one.found),
        )
        for one in news.calls
    ]
    counts = ", ".join(f"{count} {words}" for words, count in news.counts.items())
    return NewsView(lines=tuple(lines), counts=counts, more=news.total - len(lines))


def _plain(value: str) -> str:
    """A collected value (JSON text) in words."""
    try:
        found: Value = msgspec.json.decode(value, type=bool | float | str | list[str])  # pyright: ignore[reportAssignmentType]
    except msgspec.MsgspecError:
        return value
    return _said(tuple(found) if isinstance(found, list) else found)


def looked_view(one: LookedUp) -> Looked:
    """A look-up as people read it."""
    return Looked(
        what=_DOING.get(one.name, one.name),
        query=query_of(one.arguments, ("callee_name", "number") if one.name == SCHEDULE else ()),
        found=tuple(
            Found(title=title, text=text, ref=ref, href=safe_href(ref)) for title, ref, text, _ in one.entries
        ),
        problem=one.problem,
    )


def query_of(arguments: str, only: Sequence[str] = ()) -> str:
    """What a function was asked, without names of arguments: "pizza, near the station"."""
    try:
        given = msgspec.json.decode(arguments, type=dict[str, object])
    except msgspec.MsgspecError:
        return ""
    shown = only or tuple(name for name in given if name != "language")
    return ", ".join(str(given[name]) for name in shown if given.get(name))[:300]


def _answers(answers: dict[str, Value], form: Sequence[Question]) -> list[Answer]:
    asked = {one.name: one for one in form}
    found: list[Answer] = []
    for name, value in answers.items():
        question, words = asked.get(name), _said(value)
        timed = question is not None and question.type == "date_time"
        found.append(
            Answer(
                label=question.label if question is not None else name,
                value=words.replace("T", " ", 1) if timed else words,
            )
        )
    return found


def _said(value: Value) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, int | float):
        return plain_number(value)
    return ", ".join(value) if isinstance(value, tuple) else value


def _table(one: Attachment) -> SentTable:
    try:
        table = read_table(one.name, one.text)
    except ValidationFailed:
        return SentTable(name=one.name, columns=(), rows=(), count=0)
    return SentTable(name=one.name, columns=table.columns, rows=table.rows[:MAX_ROWS_SHOWN], count=len(table.rows))


def _without_list(text: str, missing: Sequence[str]) -> str:
    """A failure's sentence; what is missing is shown as a list beside it."""
    lines = {f"- {line}" for line in missing}
    return "\n".join(line for line in text.splitlines() if line not in lines)
