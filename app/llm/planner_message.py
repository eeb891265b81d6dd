"""What a user sends to the planner: whether it can be taken, and whether it has been answered before. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from app.domain.plan_form import read_answers
from app.domain.plan_sources import read_table
from app.domain.planning import (
    MAX_MESSAGE,
    MAX_TABLE,
    MAX_TABLES,
    Attachment,
    PlannerTurn,
    TurnContent,
    open_form,
)
from app.errors import ValidationFailed

MAX_TURNS = 400


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Words, a filled-in form, tables as CSV texts; `client_key` makes it one message.

    `again`: nothing new, but the turn with this number is to be answered once more: a failure, or a message whose
    reply never came.
    """

    text: str = ""
    answers: Mapping[str, object] | None = None
    tables: tuple[str, ...] = ()
    client_key: str | None = None
    again: int | None = None


def given_before(turns: Sequence[PlannerTurn], said: Said) -> PlannerTurn | None:
    """The reply this message, or this wish for another reply, has got already."""
    if said.again is not None:
        since = said.again
    else:
        known = known_turn(turns, said)
        if known is None:
            return None
        since = known.seq
    return next((one for one in turns if one.seq > since and one.role == "assistant"), None)


def known_turn(turns: Sequence[PlannerTurn], said: Said) -> PlannerTurn | None:
    """The turn this message became when it was sent before."""
    if not said.client_key:
        return None
    return next((one for one in turns if one.client_key == said.client_key), None)


def turn_of(turns: Sequence[PlannerTurn], said: Said) -> PlannerTurn | None:
    """The stored turn of this message, or the one it wants answered again; None: it was never stored."""
    if said.again is not None:
        return next((one for one in turns if one.seq == said.again), None)
    if said.client_key:
        return known_turn(turns, said)
    last = next((one for one in reversed(turns) if one.role == "user"), None)
    return last if last is not None and not last.client_key and last.text == said.text.strip() else None


def without_failures(turns: Sequence[PlannerTurn]) -> list[PlannerTurn]:
    """The conversation up to what the user said last: failures after it are not shown to the model."""
    heard = list(turns)
    while heard and heard[-1].kind == "failure":
        heard.pop()
    return heard


def check_again(turns: Sequence[PlannerTurn], said: Said) -> None:
    """Raises ValidationFailed when there is nothing to be answered again."""
    last = turns[-1] if turns else None
    heard = without_failures(turns)
    if last is None or last.seq != said.again or not heard or heard[-1].role != "user":
        raise ValidationFailed("There is nothing to answer again; write a message.")


def user_turn(
    turns: Sequence[PlannerTurn], said: Said, *, region: str, fictional: bool, now_ms: int
) -> PlannerTurn:
    """The message as a turn. Raises ValidationFailed."""
    if len(said.text) > MAX_MESSAGE:
        raise ValidationFailed(f"The message is longer than {MAX_MESSAGE} characters; send a table as CSV.")
    if len(turns) >= MAX_TURNS:
        raise ValidationFailed("This conversation has grown too long; begin a new one.")
    answers = None
    if said.answers is not None:
        form = open_form(turns)
        if form is None:
            raise ValidationFailed("No questions are open in this conversation.")
        answers = read_answers(form.content.questions, said.answers, region=region, fictional=fictional)
    sent = [one for turn in turns for one in turn.content.tables]
    there, held = len(sent), sum(len(one.text) for one in sent)
    tables: list[Attachment] = []
    for n, text in enumerate(said.tables, there + 1):
        if len(text) > MAX_TABLE:
            raise ValidationFailed(f"The table is larger than {MAX_TABLE} characters.")
        if (held := held + len(text)) > MAX_TABLES:
            raise ValidationFailed("The tables of this conversation are too large together; begin a new one.")
        read_table(f"table {n}", text)
        tables.append(Attachment(name=f"table {n}", text=text))
    if not said.text.strip() and not answers and not tables:
        raise ValidationFailed("The message is empty.")
    return PlannerTurn(
        seq=len(turns) + 1,
        role="user",
        kind="answers" if answers is not None else "message",
        text=said.text.strip(),
        content=TurnContent(answers=answers or {}, tables=tuple(tables)),
        client_key=said.client_key,
        created_ms=now_ms,
    )
