"""The plain-text form of planning one call: details in, questions or the agent's instructions out.

Markers are those of the earlier system. A reply without a marker goes back; nothing is guessed into one.
"""

from importlib import resources
from typing import Literal

import msgspec

from app.domain.plan import MAX_TEXT
from app.errors import ValidationFailed
from app.llm.errors import BadReply, ModelDeclined
from app.llm.model import Ask, Item, Message, Reply, Stop, TextModel

PROMPT = resources.files("app.llm.prompts").joinpath("agent_prompt.md").read_text(encoding="utf-8")
QUESTIONS_MARK, INSTRUCTIONS_MARK = "[QUESTIONS_FOR_USER]", "[AGENT_INSTRUCTIONS]"
TRIES = 3
MAX_DETAILS = 20_000


class AgentPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `text` is the reply with its marker; cost None: no known price."""

    kind: Literal["questions", "instructions"]
    text: str
    questions: tuple[str, ...] = ()
    instructions: str = ""
    asked: int = 1
    cost_micro_usd: int | None = None


async def agent_prompt(
    model: TextModel, name: str, details: str, answers: str = "", *, costs: list[int | None]
) -> AgentPrompt:
    """Questions or instructions. What each answer of the model cost is added to `costs`, also when this raises:
    ValidationFailed for empty or endless details, TextModelError.
    """
    if not details.strip() or len(details) + len(answers) > MAX_DETAILS:
        raise ValidationFailed(f"Describe the call, in {MAX_DETAILS} characters at most.")
    case = msgspec.json.encode({"details": details, "answers_of_the_user": answers}).decode()
    items: list[Item] = [Message("user", case)]
    for number in range(1, TRIES + 1):
        reply = await model.ask(Ask(model=name, instructions=PROMPT, items=tuple(items)))
        costs.append(reply.cost_micro_usd)
        read = read_marked(reply)
        if isinstance(read, AgentPrompt):
            total = None if None in costs else sum(cost for cost in costs if cost is not None)
            return msgspec.structs.replace(read, asked=number, cost_micro_usd=total)
        answer = [Message("assistant", reply.text)] if reply.text else []
        items += [*answer, Message("user", f"That cannot be taken. {read} Answer again in full.")]
    raise BadReply("The text model wrote neither questions nor instructions; try again, or write them yourself.")


def read_marked(reply: Reply) -> AgentPrompt | str:
    """The reply by its marker, or the sentence for the model. Raises ModelDeclined."""
    if reply.stop is Stop.DECLINED:
        raise ModelDeclined("The text model declined to write this.")
    text = reply.text.strip()
    if (QUESTIONS_MARK in text) == (INSTRUCTIONS_MARK in text):
        return f"Begin with exactly one of {QUESTIONS_MARK} and {INSTRUCTIONS_MARK}."
    if reply.stop is Stop.LENGTH or len(text) > MAX_TEXT:
        return f"It is longer than {MAX_TEXT} characters."
    mark = QUESTIONS_MARK if QUESTIONS_MARK in text else INSTRUCTIONS_MARK
    body = text.partition(mark)[2].strip()
    if not body:
        return f"Nothing stands below {mark}."
    if mark == INSTRUCTIONS_MARK:
        return AgentPrompt(kind="instructions", text=f"{mark}\n{body}", instructions=body)
    lines = tuple(line.strip().lstrip("-*• ").strip() for line in body.splitlines() if line.strip())
    return AgentPrompt(kind="questions", text=f"{mark}\n{body}", questions=lines)
