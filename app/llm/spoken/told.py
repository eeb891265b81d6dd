"""What a spoken session is told in writing: the conversation so far, news about calls, the page. Pure.

All of it is data: the instructions stay the same for every conversation.
"""

from collections.abc import Mapping, Sequence

import msgspec

from app.domain.follow_up import News, for_model
from app.domain.planning import PlannerTurn, open_form
from app.llm.planner_history import DATA_NOTE, shown_plan

RETOLD_TURNS = 20
TURN_CHARACTERS = 700
PLAN_CHARACTERS = 8_000
RESUMED = (
    "The connection was lost for a moment and is back; this conversation goes on. Go on where it stopped: do not "
    "greet again and do not mention the interruption unless asked. Keep answering in speech."
)


def primed(context: str, turns: Sequence[PlannerTurn], fates: Mapping[str, str], *, resumed: bool) -> str:
    """The first text of a session, line by line: the context, the last turns, the newest plan, the open form.

    `fates` is the state of every plan. `resumed`: the user was speaking a moment ago.
    """
    lines = [context]
    last = turns[-RETOLD_TURNS:]
    if last:
        lines.append(f"The last {len(last)} turns of this conversation, oldest first:")
        lines += [_line(turn) for turn in last]
    planned = next((turn for turn in reversed(turns) if turn.content.plan is not None), None)
    if planned is not None:
        lines.append(_plan(planned, fates.get(planned.content.plan_id, "superseded")))
    if (form := open_form(turns)) is not None:
        asked = msgspec.json.encode({"kind": "questions", "questions": form.content.questions}).decode()
        lines += ["The form on the page, which the user has not filled in:", asked]
    if resumed:
        lines.append(RESUMED)
    return "\n".join(lines)


def news_words(news: News, zone: str = "UTC") -> str:
    """Calls that ended, to be told now."""
    data = {
        "news": {"calls": [for_model(one, zone) for one in news.calls], "all_by_outcome": news.counts},
        "note": DATA_NOTE,
    }
    return (
        "Calls of this conversation have ended. Tell the user now, briefly.\n" + msgspec.json.encode(data).decode()
    )


def written_words(turns: Sequence[PlannerTurn]) -> str:
    """What was typed and answered on the page meanwhile."""
    lines = ["Meanwhile on the page, in writing:", *(_line(turn) for turn in turns)]
    for turn in turns:
        if turn.content.plan is not None:
            lines.append(_plan(turn, "open"))
    if turns[-1].role == "assistant":
        lines.append("Say in one short sentence what the page shows now.")
    return "\n".join(lines)


def confirmed_words(title: str) -> str:
    """The button was pressed."""
    plan = title[:200]
    return f"The user confirmed this plan on the page: {plan}. The calls begin as planned. Say so in one sentence."


def _line(turn: PlannerTurn) -> str:
    """One turn on one line."""
    parts = [turn.text] if turn.text else []
    if turn.content.answers:
        parts.append(msgspec.json.encode({"answers": turn.content.answers}).decode())
    parts += [f"[sent a table: {one.name}]" for one in turn.content.tables]
    if turn.content.questions:
        parts.append(f"[showed a form: {'; '.join(one.label for one in turn.content.questions)}]")
    if turn.content.plan is not None:
        parts.append(f"[showed a plan: {turn.content.plan.title}]")
    who = "user" if turn.role == "user" else "you"
    return f"{who}: {' '.join(' '.join(parts).split())[:TURN_CHARACTERS]}"


def _plan(turn: PlannerTurn, state: str) -> str:
    assert turn.content.plan is not None
    plan = turn.content.plan
    whole = msgspec.json.encode({"kind": "plan", "plan": shown_plan(plan)}).decode()
    if len(whole) > PLAN_CHARACTERS:
        short = {"title": plan.title, "calls": len(plan.calls), "to": [one.callee_name for one in plan.calls[:20]]}
        whole = msgspec.json.encode({"kind": "plan", "plan": short}).decode()
    return f"The newest plan, {state}:\n{whole}"
