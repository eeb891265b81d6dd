"""Has a text model write the words around a campaign's numbers; words that say what nobody counted go back.

The talks go out as JSON data in a user message. What comes back has no power: it is text, checked by
`app.domain.report_words`; numbers are put in by code.
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources

import msgspec
from pydantic import BaseModel, ConfigDict

from app.domain.report import Number
from app.domain.report_words import Draft, ReportWords, ShownCall, problems, written
from app.llm.errors import BadReply, ModelDeclined
from app.llm.model import Ask, Item, Message, Reply, TextModel, ask_noting
from app.llm.structured import as_struct, output_schema, read_reply
from app.store.report_facts import Talk

PROMPT = resources.files("app.llm.prompts").joinpath("summarizer.md").read_text(encoding="utf-8")
PROMPT_VERSION = "summarizer-" + hashlib.sha256(PROMPT.encode()).hexdigest()[:12]
TIMEOUT_S = 120.0
ASKS = 3
"""How often the model is asked about one report; then code writes it."""
TURNS_SHOWN, TURN_CHARACTERS = 14, 240
REASONS = 12


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReportQuote(_Closed):
    call: str
    turn: int
    quote: str


class CampaignReportDraft(_Closed):
    """What the model fills in; its fields are those of `app.domain.report_words.Draft`."""

    headline: str
    summary: str
    findings: list[str]
    next_steps: list[str]
    quotes: list[ReportQuote]


class Drafted(msgspec.Struct, frozen=True, kw_only=True):
    """The words that passed, or None with what was wrong last; every answer that was paid for."""

    words: ReportWords | None
    replies: tuple[Reply, ...]
    fault: str = ""


async def draft(
    model: TextModel, name: str, campaign: str, numbers: Mapping[str, Number], talks: Sequence[Talk]
) -> Drafted:
    """Ask `name` for the words. Raises TextModelError when there was no answer at all."""
    shown = {f"c{n}": talk.call for n, talk in enumerate(talks, 1)}
    items: list[Item] = [Message("user", case_text(campaign, numbers, talks))]
    replies: list[Reply] = []
    fault = ""
    for _ in range(ASKS):
        ask = Ask(
            model=name,
            instructions=PROMPT,
            items=tuple(items),
            output=output_schema(CampaignReportDraft),
            timeout_s=TIMEOUT_S,
        )
        reply = await ask_noting(model, ask, replies)
        words, wrong = _taken(reply, numbers, shown)
        if words is not None:
            return Drafted(words=words, replies=tuple(replies))
        fault = wrong[0]
        reasons = "\n".join(f"- {line}" for line in wrong[:REASONS])
        items += [
            Message("assistant", reply.text or "(nothing)"),
            Message("user", f"This cannot be taken:\n{reasons}\nWrite all of it again."),
        ]
    return Drafted(words=None, replies=tuple(replies), fault=fault)


def _taken(
    reply: Reply, numbers: Mapping[str, Number], shown: Mapping[str, ShownCall]
) -> tuple[ReportWords | None, list[str]]:
    """The words, or why not."""
    try:
        made = as_struct(read_reply(reply, CampaignReportDraft), Draft)
    except ModelDeclined as declined:
        return None, [declined.message]
    except BadReply as bad:
        return None, [bad.message]
    wrong = problems(made, numbers, shown)
    return (None, wrong) if wrong else (written(made, numbers, shown), [])


def case_text(campaign: str, numbers: Mapping[str, Number], talks: Sequence[Talk]) -> str:
    """Campaign, numbers and talks as JSON, for the model. Whom was called is not in it, but what was said."""
    case = {
        "campaign": campaign,
        "numbers": [{"name": one.name, "means": one.label, "value": one.text} for one in numbers.values()],
        "talks": [
            {"call": f"c{n}", "came_to": talk.decision.outcome, "said": _said(talk)}
            for n, talk in enumerate(talks, 1)
        ],
    }
    return msgspec.json.encode(case).decode()


def _said(talk: Talk) -> list[dict[str, str | int]]:
    """The callee's longest turns, in order, each after what it answers."""
    turns = talk.call.turns
    by_callee = [n for n, turn in enumerate(turns) if turn.speaker == "callee" and turn.text.strip()]
    longest = set(sorted(by_callee, key=lambda n: -len(turns[n].text))[:TURNS_SHOWN])
    return [{"turn": n + 1, "speaker": "callee", "text": turns[n].text[:TURN_CHARACTERS]} for n in sorted(longest)]
