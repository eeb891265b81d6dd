"""The persona that speaks on a call (not a text-model job; those are named by the job)."""

from typing import Annotated, Literal

import msgspec

from app.domain.feedback import Unanswered
from app.domain.fields import FieldSpec
from app.domain.outside_tool import HttpTool, McpServer

TurnPresetName = Literal["", "natural", "phone", "noisy", "digits"]
"""How turns are taken, see `media.realtime.presets`; empty: the configured default."""
Opening = Literal["greet_first", "wait_for_hello"]
"""Who says the first word after the callee answered."""
Voicemail = Literal["leave", "none"]
"""What an answering machine gets: a message after its beep, or nothing."""
TransferMode = Literal["cold", "warm"]
"""cold: connected at once; warm: the other side is asked first while the callee waits."""

FUNCTIONS: tuple[str, ...] = (
    "send_dtmf",
    "end_call",
    "reschedule_call_trigger_analysis",
    "transfer_call",
    "report_voicemail",
    "record_opt_out",
    "save_field",
    "request_user_feedback",
)
"""What `tools` may name; `app.calls.tools` has a shape for each, in this order."""


class Example(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One exchange that shows the agent how to answer."""

    callee: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    agent: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class TransferTarget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Somebody a call may be handed to. The model knows the name only; `number` is E.164."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    number: Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{5,14}\Z")]
    mode: TransferMode = "cold"


PLANNED_TOOLS = (
    "send_dtmf",
    "end_call",
    "reschedule_call_trigger_analysis",
    "report_voicemail",
    "record_opt_out",
    "save_field",
    "request_user_feedback",
)
"""What the agent of a planned call may do: everything that needs no list of its own, as a transfer does."""


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """Who speaks. Empty `voice` means the configured default; `tools` are the function names it may call.

    `data_to_fill` is what each call shall find out; `s3_file_paths` are documents it knows (files, http(s) or s3
    URLs); `unanswered` what it does when its question to a person is not answered within `feedback_wait_s`.
    `max_talk_s` shortens MAX_CALL_DURATION_S. Every change makes a new `version`; a call keeps its own.
    """

    id: str
    tenant_id: str
    name: Annotated[str, msgspec.Meta(max_length=200)]
    prompt: str = ""
    greeting: str = ""
    voice: str = ""
    language: str = "en"
    opening: Opening = "wait_for_hello"
    tools: tuple[str, ...] = ("send_dtmf", "end_call")
    turn_preset: TurnPresetName = ""
    few_shot: tuple[Example, ...] = ()
    data_to_fill: tuple[FieldSpec, ...] = ()
    http_tools: tuple[HttpTool, ...] = ()
    mcp: tuple[McpServer, ...] = ()
    s3_file_paths: tuple[str, ...] = ()
    transfer_targets: tuple[TransferTarget, ...] = ()
    voicemail: Voicemail = "leave"
    voicemail_message: str = ""
    unanswered: Unanswered = "close_and_call_back"
    feedback_wait_s: Annotated[int, msgspec.Meta(ge=5, le=600)] = 45
    max_talk_s: Annotated[int, msgspec.Meta(ge=10, le=7200)] | None = None
    version: int = 1
