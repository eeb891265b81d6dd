"""`opendeep questions`: what agents ask their own people."""

import asyncio

import click
import msgspec

from app.cli.store import open_store
from app.clock import SystemClock
from app.config import Settings, load_settings
from app.domain.feedback import FeedbackRequest, FeedbackState
from app.domain.tenant import DEFAULT_TENANT_ID
from app.store import feedback


class QuestionsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`opendeep questions --json`. The most urgent first."""

    ok: bool
    name: str = "questions"
    questions: tuple[FeedbackRequest, ...]


@click.command(name="questions")
@click.option("--simulate", is_flag=True, help="Questions of a simulated run.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def questions_command(*, simulate: bool, as_json: bool) -> None:
    """List what agents ask: callees who wait on the line first, then tasks that wait for an answer to go on.

    \b
    opendeep questions
    opendeep answer QUESTION_ID "Tuesday is fine"
    """
    settings = load_settings(overrides={"simulate": True} if simulate else None)
    found = asyncio.run(waiting(settings))
    now_ms = SystemClock().unix_ms()
    for one in found:
        click.echo(line(one, now_ms), err=as_json)
    if not found:
        click.echo("Nobody asks anything.", err=as_json)
    if as_json:
        click.echo(msgspec.json.encode(QuestionsAnswer(ok=True, questions=tuple(found))).decode())


async def waiting(settings: Settings) -> list[FeedbackRequest]:
    """Open questions, and those of parked tasks."""
    async with open_store(settings) as db:
        return await feedback.waiting(db, DEFAULT_TENANT_ID)


def line(one: FeedbackRequest, now_ms: int) -> str:
    """For a person: how urgent, the question, what to choose from."""
    if one.state is FeedbackState.OPEN and one.deadline_ms > now_ms:
        urgent = f"callee waits, {(one.deadline_ms - now_ms) // 1000} s left"
    else:
        urgent = "task is parked"
    choices = f" [{' | '.join(one.suggestions)}]" if one.suggestions else ""
    return f"{one.id}  {urgent}: {one.question}{choices}"
