"""The second of the planner's two steps: a structured reply, checked by code, sent back with reasons."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from importlib import resources

import msgspec

from app.domain.plan import Plan, PlanDraft
from app.domain.plan_check import PlanWorld, check_plan
from app.domain.plan_form import Question, form_problems
from app.domain.plan_sources import Sources
from app.llm.errors import BadReply, ModelDeclined, TextModelUnavailable
from app.llm.model import Ask, Item, Message, Reply, TextModel
from app.llm.planner_shapes import PlannerReply
from app.llm.planner_text import TextField
from app.llm.structured import as_struct, output_schema, read_reply


def prompt_file(name: str) -> str:
    """A file of `app/llm/prompts`."""
    return resources.files("app.llm.prompts").joinpath(name).read_text(encoding="utf-8")


PROMPT = prompt_file("planner.md")
TIMEOUT_S = 60.0
MAX_OUTPUT_TOKENS = 12_000
WorldFor = Callable[[PlanDraft, Sources], Awaitable[PlanWorld]]


class TextPiece(msgspec.Struct, frozen=True):
    """The next characters of the reply's text."""

    text: str


class TextWithdrawn(msgspec.Struct, frozen=True):
    """What was streamed so far did not pass the checks and is taken back; another text follows."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A reply that passed."""

    kind: str
    text: str
    questions: tuple[Question, ...] = ()
    plan: Plan | None = None


class NotAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """No reply passed. `missing`: what was wrong with the last one."""

    why: str
    missing: tuple[str, ...] = ()


class AnswerStep:
    """Of one reply. `replies` is what was paid for, whatever it was worth."""

    def __init__(self, model: TextModel, name: str, tries: int, world_for: WorldFor) -> None:
        self._model = model
        self._name = name
        self._tries = tries
        self._world_for = world_for
        self.replies: list[Reply] = []

    async def run(
        self, items: list[Item], sources: Sources
    ) -> AsyncIterator[TextPiece | TextWithdrawn | Answered | NotAnswered]:
        """Pieces of text as they come; the last thing is Answered or NotAnswered.

        Raises TextModelError when the model cannot be asked at all, and StoreError.
        """
        failed = NotAnswered(why="No usable answer came.")
        for number in range(1, self._tries + 1):
            told, reply = TextField(), None
            try:
                async with aclosing(self._model.stream(self._ask(items))) as parts:
                    async for part in parts:
                        if isinstance(part, Reply):
                            reply = part
                        elif text := told.feed(part.text):
                            yield TextPiece(text)
            except TextModelUnavailable:
                if number == self._tries:
                    raise
                yield TextWithdrawn()
                continue
            assert reply is not None  # a stream ends with its reply or raises
            self.replies.append(reply)
            judged = await self._judged(reply, sources)
            if isinstance(judged, Answered):
                yield judged
                return
            yield TextWithdrawn()
            failed = judged
            if not judged.missing:  # declined: asking again is no use
                break
            items += _sent_back(reply, judged)
        yield failed

    def _ask(self, items: list[Item]) -> Ask:
        return Ask(
            model=self._name,
            instructions=PROMPT,
            items=tuple(items),
            output=output_schema(PlannerReply),
            max_output_tokens=MAX_OUTPUT_TOKENS,
            timeout_s=TIMEOUT_S,
        )

    async def _judged(self, reply: Reply, sources: Sources) -> Answered | NotAnswered:
        try:
            read = read_reply(reply, PlannerReply)
        except ModelDeclined:
            return NotAnswered(why="The text model declined to answer this.")
        except BadReply as bad:
            return NotAnswered(why="The text model gave no answer that can be used.", missing=(bad.message,))
        return await self.checked(read, sources)

    async def checked(self, read: PlannerReply, sources: Sources) -> Answered | NotAnswered:
        """A reply as code sees it, whoever wrote it. Raises StoreError."""
        if not read.text.strip():
            return NotAnswered(why="The text model said nothing.", missing=("text is empty; the user reads it.",))
        if read.kind == "message":
            return Answered(kind="message", text=read.text)
        if read.kind == "questions":
            questions = tuple(as_struct(one, Question) for one in read.questions)
            wrong = form_problems(questions)
            if wrong:
                return NotAnswered(why="The questions made no form that can be filled in.", missing=tuple(wrong))
            return Answered(kind="questions", text=read.text, questions=questions)
        if read.plan is None:
            return NotAnswered(why="There was no plan.", missing=("kind is plan, and plan is null.",))
        draft = as_struct(read.plan, PlanDraft)
        world = await self._world_for(draft, sources)
        plan, wrong = await asyncio.to_thread(check_plan, draft, sources, world)  # long tables take a while
        if plan is None:
            return NotAnswered(why="No plan could be made that holds.", missing=tuple(wrong))
        return Answered(kind="plan", text=read.text, plan=plan)


def _sent_back(reply: Reply, judged: NotAnswered) -> list[Item]:
    reasons = "\n".join(f"- {line}" for line in judged.missing)
    answer = [Message("assistant", reply.text)] if reply.text else []
    return [*answer, Message("user", f"[checked by code] This cannot be taken:\n{reasons}\nAnswer again in full.")]
