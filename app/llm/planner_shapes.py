"""What the planner's model fills in; its fields are those of the structs in `app.domain.plan` and `plan_form`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from app.domain.fields import FieldType
from app.domain.plan import SourceKind
from app.domain.plan_form import QuestionType
from app.domain.policy.pack import CalleeKind, ConsentLevel, Purpose

ReplyKind = Literal["message", "questions", "plan"]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class QuestionShape(_Closed):
    name: str
    type: QuestionType
    label: str
    help: str
    required: bool
    options: list[str]
    default: str


class FactShape(_Closed):
    statement: str
    source: SourceKind
    quote: str


class WindowShape(_Closed):
    earliest: str
    latest: str
    zone: str


class ConsentShape(_Closed):
    level: ConsentLevel
    quote: str


class CallShape(_Closed):
    callee_name: str
    number: str
    objective: str
    window: WindowShape
    callee_kind: CalleeKind
    business_quote: str
    consent: ConsentShape | None


class ListShape(_Closed):
    table: str
    number_column: str
    name_column: str
    objective: str
    window: WindowShape
    callee_kind: CalleeKind
    business_quote: str
    consent: ConsentShape | None


class BriefShape(_Closed):
    language: str
    purpose: str
    opening_line: str
    limits: list[str]
    stop_when: list[str]


class FieldShape(_Closed):
    name: str
    type: FieldType
    label: str
    help: str
    required: bool
    options: list[str]


class PlanShape(_Closed):
    title: str
    purpose: Purpose
    agent: BriefShape
    facts: list[FactShape]
    fields: list[FieldShape]
    calls: list[CallShape]
    lists: list[ListShape]


class PlannerReply(_Closed):
    """`kind` says which of the others counts; `text` is what the user reads, streamed while it is written."""

    kind: ReplyKind
    text: str
    questions: list[QuestionShape]
    plan: PlanShape | None
