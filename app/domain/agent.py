"""The persona that speaks on a call (not a text-model job; those are named by the job)."""

from typing import Literal

import msgspec

TurnPresetName = Literal["", "natural", "phone", "noisy", "digits"]
"""How turns are taken, see `media.realtime.presets`; empty: the configured default."""
Opening = Literal["greet_first", "wait_for_hello"]
"""Who says the first word after the callee answered."""


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """Who speaks. Empty `voice` means the configured default; `tools` are the function names it may call."""

    id: str
    tenant_id: str
    name: str
    prompt: str = ""
    greeting: str = ""
    voice: str = ""
    language: str = "en"
    opening: Opening = "wait_for_hello"
    tools: tuple[str, ...] = ("send_dtmf", "end_call")
    turn_preset: TurnPresetName = ""
