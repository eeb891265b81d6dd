"""Asks a text model what should be done about open tasks: prompt, schema, one more try for an unreadable answer.

What is shown are facts and texts of others as JSON data in a user message; what the wishes are worth is decided by
`app.domain.lifecycle.judge`.
"""

import hashlib
from importlib import resources

import msgspec
from pydantic import BaseModel, ConfigDict

from app.domain.lifecycle.digest import digest
from app.domain.lifecycle.model import Action, OpenTask, Wish
from app.llm.errors import BadReply, ModelDeclined
from app.llm.model import Ask, Item, Message, Reply, TextModel, ask_noting
from app.llm.structured import as_struct, output_schema, read_reply

PROMPT = resources.files("app.llm.prompts").joinpath("lifecycle.md").read_text(encoding="utf-8")
PROMPT_VERSION = "lifecycle-" + hashlib.sha256(PROMPT.encode()).hexdigest()[:12]
TIMEOUT_S = 90.0
ASKS = 2
MAX_WISHES = 100
"""More than so many in one answer are not read at all: a model in a loop."""


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LifecycleDecision(_Closed):
    """What the model fills in; its fields are those of `app.domain.lifecycle.model.Wish`."""

    task: str
    action: Action
    priority: int | None
    at: str | None
    question: str
    suggestions: list[str]
    phase: str
    reason: str


class LifecycleReply(_Closed):
    decisions: list[LifecycleDecision]
    summary: str


class Wished(msgspec.Struct, frozen=True, kw_only=True):
    """What the model wants, and every answer that was paid for. `fault`: why there is nothing to be read."""

    wishes: tuple[Wish, ...]
    summary: str
    replies: tuple[Reply, ...]
    fault: str = ""


async def wish(model: TextModel, name: str, shown: dict[str, OpenTask], now_ms: int) -> Wished:
    """Ask `name` once, and once more when its answer cannot be read. Raises TextModelError when there is none."""
    items: list[Item] = [Message("user", msgspec.json.encode(digest(shown, now_ms)).decode())]
    replies: list[Reply] = []
    fault = ""
    for _ in range(ASKS):
        ask = Ask(
            model=name,
            instructions=PROMPT,
            items=tuple(items),
            output=output_schema(LifecycleReply),
            timeout_s=TIMEOUT_S,
        )
        reply = await ask_noting(model, ask, replies)
        try:
            read = _read(reply)
        except ModelDeclined as declined:
            return Wished(wishes=(), summary="", replies=tuple(replies), fault=declined.message)
        except BadReply as bad:
            fault = bad.message
            items.append(Message("user", f"That could not be read. {bad.message} Answer again in full."))
            continue
        wishes = tuple(as_struct(one, Wish) for one in read.decisions)
        return Wished(wishes=wishes, summary=" ".join(read.summary.split())[:500], replies=tuple(replies))
    return Wished(wishes=(), summary="", replies=tuple(replies), fault=fault)


def _read(reply: Reply) -> LifecycleReply:
    read = read_reply(reply, LifecycleReply)
    if len(read.decisions) > MAX_WISHES:
        raise BadReply(f"Not more than {MAX_WISHES} decisions in one answer.")
    return read
