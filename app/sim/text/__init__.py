"""SimText, the strict twin of the Responses and Chat Completions APIs behind real HTTP, and its minds."""

from app.sim.text.faults import TextFault, TextFaultKind, TextFaults
from app.sim.text.mind import Mind, MinimalMind, Route, ScriptedMind, TextAnswer, TextQuestion
from app.sim.text.server import SimText

__all__ = [
    "Mind",
    "MinimalMind",
    "Route",
    "ScriptedMind",
    "SimText",
    "TextAnswer",
    "TextFault",
    "TextFaultKind",
    "TextFaults",
    "TextQuestion",
]
