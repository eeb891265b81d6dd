"""`opendeep answer`: the answer to what an agent asks its own people."""

import asyncio

import click
import msgspec

from app.cli.store import open_bus, open_store
from app.clock import SystemClock
from app.config import Settings, load_settings
from app.domain.feedback import FeedbackRequest
from app.domain.messages import FeedbackChanged, TaskChanged
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import NotFoundError
from app.store import feedback


class AnswerGiven(msgspec.Struct, frozen=True, kw_only=True):
    """`opendeep answer --json`."""

    ok: bool
    name: str = "answer"
    question: FeedbackRequest


@click.command(name="answer")
@click.argument("question_id")
@click.argument("text")
@click.option("--simulate", is_flag=True, help="A question of a simulated run.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def answer_command(*, question_id: str, text: str, simulate: bool, as_json: bool) -> None:
    """Answer the question QUESTION_ID of an agent with TEXT.

    \b
    opendeep answer 01a21a314324785a92959720ced3c6f5 "Tuesday is fine, not before ten"

    A callee who waits on the line hears it from the agent; a task that was parked is called again with it. The
    first answer counts. Exit status 0 when it was taken, 2 when it was not.
    """
    settings = load_settings(overrides={"simulate": True} if simulate else None)
    done = asyncio.run(give(settings, question_id, text))
    click.echo("Taken.", err=as_json)
    if as_json:
        click.echo(msgspec.json.encode(AnswerGiven(ok=True, question=done)).decode())


async def give(settings: Settings, question_id: str, text: str) -> FeedbackRequest:
    """Store the answer and wake whoever waits for it. Raises what `feedback.answer` raises."""
    async with open_store(settings) as db:
        try:
            async with db.tx() as tx:
                done = await feedback.answer(
                    tx, DEFAULT_TENANT_ID, question_id, text, by=None, now_ms=SystemClock().unix_ms()
                )
        except NotFoundError:
            known = ", ".join(one.id for one in await feedback.waiting(db, DEFAULT_TENANT_ID))
            raise NotFoundError(
                f"There is no question {question_id[:40]!r}. Waiting: {known or 'none'}."
            ) from None
        async with open_bus(settings) as bus:
            await bus.publish("feedback", FeedbackChanged(tenant_id=DEFAULT_TENANT_ID, request_id=done.id))
            await bus.publish("tasks", TaskChanged(tenant_id=DEFAULT_TENANT_ID, task_id=done.task_id))
    return done
