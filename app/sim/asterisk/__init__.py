"""SimAsterisk, the strict twin of Asterisk 22's ARI and chan_rtp, and the people it can call."""

from app.sim.asterisk.callee import Callee
from app.sim.asterisk.outbound import OutboundWebsocket
from app.sim.asterisk.script import (
    Answer,
    Busy,
    CalleeScript,
    Congestion,
    Converse,
    DeadPeer,
    EarlyMedia,
    HangUp,
    Interrupt,
    Menu,
    NoAnswer,
    NotFound,
    Press,
    Reject,
    Ring,
    Say,
    StaySilent,
    WaitForAgent,
    WaitForAgentAudio,
    WaitForDigits,
    WaitForLine,
    WaitForSilence,
)
from app.sim.asterisk.server import SimAsterisk
from app.sim.asterisk.settings import ExchangeSettings

__all__ = [
    "Answer",
    "Busy",
    "Callee",
    "CalleeScript",
    "Congestion",
    "Converse",
    "DeadPeer",
    "EarlyMedia",
    "ExchangeSettings",
    "HangUp",
    "Interrupt",
    "Menu",
    "NoAnswer",
    "NotFound",
    "OutboundWebsocket",
    "Press",
    "Reject",
    "Ring",
    "Say",
    "SimAsterisk",
    "StaySilent",
    "WaitForAgent",
    "WaitForAgentAudio",
    "WaitForDigits",
    "WaitForLine",
    "WaitForSilence",
]
