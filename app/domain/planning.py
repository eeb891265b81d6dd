"""The conversation with the planner: its turns, and what a reply carries. Pure."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from app.domain.fields import Value
from app.domain.follow_up import News
from app.domain.plan import Plan
from app.domain.plan_diff import PlanDiff
from app.domain.plan_forecast import Forecast
from app.domain.plan_form import Question

TurnRole = Literal["user", "assistant"]
TurnKind = Literal["message", "answers", "questions", "plan", "failure"]
"""answers: a form that was sent back. failure: the honest sentence when no usable reply came."""
PlanState = Literal["open", "superseded", "confirmed"]
MAX_MESSAGE = 20_000
MAX_TABLE = 2_000_000
MAX_TABLES = 8_000_000
"""Characters of all tables of a conversation: each reply reads them all."""
"""Characters of one message and of one table in it."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A table that came with a message, as CSV text; `name` is unique in the conversation."""

    name: str
    text: str


class LookedUp(msgspec.Struct, frozen=True, kw_only=True):
    """One function of a reply: what was asked, and the entries (title, ref, text) or the problem.

    Entries are sources of numbers and facts. `told` is JSON text for the model that is no source: what a function
    prepared, or what others said.
    """

    name: str
    arguments: str
    entries: tuple[tuple[str, str, str, bool], ...] = ()
    problem: str = ""
    told: str = ""


class TurnContent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a turn carries beside its text; each kind fills its own fields."""

    questions: tuple[Question, ...] = ()
    answers: dict[str, Value] = {}
    tables: tuple[Attachment, ...] = ()
    plan_id: str = ""
    plan: Plan | None = None
    forecast: Forecast | None = None
    changes: PlanDiff | None = None
    missing: tuple[str, ...] = ()
    """Of a failure: what no plan could be made without."""
    news: News | None = None
    """Of a reply: calls that ended, told with it."""
    spoken: bool = False
    """Said aloud; of the user's words the text is what a transcription made of them."""
    interrupted: bool = False
    """Of spoken words of the assistant: the user broke in; the text is what was heard until then."""


class PlannerTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One side's words. Costs and tokens are those of the replies it took; cost None: a price is not known."""

    seq: int
    role: TurnRole
    kind: TurnKind
    text: str
    content: TurnContent = TurnContent()
    lookups: tuple[LookedUp, ...] = ()
    client_key: str | None = None
    model: str = ""
    prompt_version: str = ""
    asked: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_micro_usd: int | None = 0
    price_table: str = ""
    created_ms: int = 0

    @property
    def remark(self) -> bool:
        """Words spoken along with what the page shows: a form before them stays open."""
        return self.role == "assistant" and self.kind == "message" and self.content.spoken


def open_form(turns: Sequence[PlannerTurn]) -> PlannerTurn | None:
    """The questions that can be answered now: nothing but remarks was said since."""
    last = next((turn for turn in reversed(turns) if not turn.remark), None)
    return last if last is not None and last.kind == "questions" else None


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """A person or business the user may name. `zone` is IANA or empty."""

    name: str
    number: str
    zone: str = ""
    note: str = ""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Who is speaking. `zone` is the user's own, never that of a callee."""

    name: str
    zone: str = "UTC"
    company: str = ""
    preferences: str = ""
    contacts: tuple[Contact, ...] = ()
