"""Has a text model judge an ended call: prompt, schema, and the one time a judgement is sent back.

The transcript goes out as JSON data in a user message, so that no words in it can pass for another turn or for an
instruction. What the answer is worth is decided by `app.domain.analysis.decide`.
"""

import hashlib
from collections.abc import Sequence
from importlib import resources

import msgspec
from pydantic import BaseModel, ConfigDict

from app.domain.analysis import judgement as domain
from app.domain.analysis.decide import Facts, problems
from app.domain.call import Turn
from app.domain.local_time import told
from app.domain.policy.windows import local_time
from app.domain.policy.zones import Zones, zone_named
from app.domain.task import CallTask
from app.llm.errors import BadReply, ModelDeclined
from app.llm.model import Ask, Item, Message, Reply, TextModel, ask_noting
from app.llm.structured import as_struct, output_schema, read_reply

PROMPT = resources.files("app.llm.prompts").joinpath("analyzer.md").read_text(encoding="utf-8")
PROMPT_VERSION = "analyzer-" + hashlib.sha256(PROMPT.encode()).hexdigest()[:12]
TIMEOUT_S = 90.0
ASKS = 2
"""How often the model is asked about one call: once, and once more with what was wrong."""
FIRST_TURNS, LAST_TURNS = 60, 340
"""Of a very long talk the middle is left out; numbers stay those of the whole."""
TURN_CHARACTERS = 2_000


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Quote(_Closed):
    turn: int
    quote: str


class Collected(_Closed):
    field: str
    value: str
    turn: int
    quote: str


class RetryWish(_Closed):
    local_time: str
    zone: str
    turn: int
    quote: str


class CallJudgement(_Closed):
    """What the model fills in; its fields are those of `app.domain.analysis.judgement.Judgement`."""

    action: domain.Action
    outcome: domain.Outcome
    summary: str
    confidence: domain.Confidence
    evidence: list[Quote]
    collected: list[Collected]
    retry: RetryWish | None
    revised_instructions: str
    question: str


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The last judgement that could be read, every answer that was paid for, and what is wrong with it."""

    judgement: domain.Judgement | None
    replies: tuple[Reply, ...]
    fault: str = ""


async def judge(model: TextModel, name: str, task: CallTask, facts: Facts) -> Judged:
    """Ask `name` about a call; a judgement that the transcript does not bear out is sent back once.

    Raises TextModelError when there was no answer at all; then nothing is decided.
    """
    items: list[Item] = [Message("user", case_text(task, facts))]
    replies: list[Reply] = []
    judgement: domain.Judgement | None = None
    fault = ""
    for _ in range(ASKS):
        ask = Ask(
            model=name,
            instructions=PROMPT,
            items=tuple(items),
            output=output_schema(CallJudgement),
            timeout_s=TIMEOUT_S,
        )
        reply = await ask_noting(model, ask, replies)
        try:
            read = as_struct(read_reply(reply, CallJudgement), domain.Judgement)
        except ModelDeclined as declined:
            return Judged(judgement=None, replies=tuple(replies), fault=declined.message)
        except BadReply as bad:
            judgement, fault = None, bad.message
            items.append(Message("user", f"That could not be read. {bad.message} Answer again in full."))
            continue
        judgement, wrong = read, problems(read, facts)
        if not wrong:
            return Judged(judgement=judgement, replies=tuple(replies))
        fault = wrong[0]
        reasons = "\n".join(f"- {line}" for line in wrong)
        items += [
            Message("assistant", reply.text),
            Message(
                "user", f"This judgement is not borne out by the transcript:\n{reasons}\nJudge again in full."
            ),
        ]
    return Judged(judgement=judgement, replies=tuple(replies), fault=fault)


def case_text(task: CallTask, facts: Facts) -> str:
    """The call as JSON, for the model."""
    reach = facts.reach
    keys = reach.zones.keys if isinstance(reach.zones, Zones) else ()
    local = {
        key: f"{local_time(facts.ended_ms, zone):%A %Y-%m-%dT%H:%M}"
        for key in keys
        if (zone := zone_named(key)) is not None
    }
    attempt = facts.attempt
    case: dict[str, object] = {
        "task": {"objective": task.objective, "callee_name": task.callee_name},
        "call": {
            "ended_at": told(facts.ended_ms),
            "callee_local_time": local,
            "outcome_of_line": str(attempt.outcome),
            "ended_by": str(attempt.ended_by),
            "attempts_left": attempt.max_attempts - attempt.attempts,
            **({"direction": "inbound: the callee called us back"} if attempt.called_back else {}),
        },
        "transcript": shown_turns(facts.turns),
    }
    if (wish := facts.wish) is not None:
        case["agent_noted_wish"] = {"words": wish.wished_words, "callee_local_time": wish.wished_local}
    return msgspec.json.encode(case).decode()


def shown_turns(turns: Sequence[Turn]) -> list[dict[str, str | int]]:
    """The turns as the model sees them, numbered from 1."""
    every = [
        {
            "turn": n,
            "speaker": turn.speaker,
            "at": f"{turn.start_audio_ms // 60_000:02d}:{turn.start_audio_ms // 1000 % 60:02d}",
            "text": turn.text[:TURN_CHARACTERS] + (" [interrupted]" if turn.interrupted else ""),
        }
        for n, turn in enumerate(turns, 1)
    ]
    if len(every) <= FIRST_TURNS + LAST_TURNS:
        return every
    return every[:FIRST_TURNS] + every[-LAST_TURNS:]
