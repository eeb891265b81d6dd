"""Agent minds: what the simulated model says and which tools it calls.

A brain is asked once per response with what happened and a view of the session, and answers with one `Step`.
It is plain synchronous code without clocks; `responder` turns the step into events. One brain per session.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import msgspec

from app.sim.realtime.faults import Fault


class Cause(StrEnum):
    """Why a response is made."""

    TURN = "turn"
    """The callee said something (audio or a text item) that nobody has answered."""
    RESPONSE_CREATE = "response_create"
    """The client asked for one without a new turn: greeting, say this, out-of-band question."""
    IDLE = "idle"
    """`idle_timeout_ms` passed without speech."""
    TOOL_OUTPUT = "tool_output"
    """The newest item is the result of a tool call."""


class BrainEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What the brain answers."""

    cause: Cause
    text: str = ""
    """The callee's words, or the tool's output."""
    instructions: str = ""
    """`response.create.instructions`, when given."""
    out_of_band: bool = False
    metadata: Mapping[str, str] = {}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One item of the conversation as text; role is user, assistant, system, call or output."""

    role: str
    text: str


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function the model may call in this response; `parameters` is its JSON schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = {}


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """What the brain may know."""

    model: str
    instructions: str
    """Of the session; a response's own instructions are in the event."""
    tools: tuple[Tool, ...] = ()
    """Empty when `tool_choice` is none."""
    transcript: tuple[Line, ...] = ()

    def offers(self, name: str) -> bool:
        """Whether the tool may be called now."""
        return any(tool.name == name for tool in self.tools)


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A function call; text arguments are sent as they are, even when they are not JSON."""

    name: str
    arguments: Mapping[str, Any] | str = {}


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One response: first `preamble`, then `say`, each a spoken item of its own, then the calls."""

    say: str = ""
    preamble: str = ""
    call: tuple[ToolCall, ...] = ()
    latency_ms: int | None = None
    """From response.created to the first delta; None is the simulator's default."""
    fail: str = ""
    """Error code of a failed response instead of an answer."""
    close: int = 0
    """Close code sent after the response."""
    faults: tuple[Fault, ...] = ()
    on: Cause | None = None
    """For scripts: only answers this cause."""


class Brain(Protocol):
    """The mind of one session."""

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        """The response to `event`; an empty step is a completed response without output."""
        ...


@runtime_checkable
class Guesser(Protocol):
    """A mind that takes speech nobody can read here, like that of a person, for words of its own choice."""

    def guess(self, instructions: str) -> str:
        """The words of the next such turn; empty: none. `instructions` are the session's."""
        ...


class ScriptedBrain:
    """Plays its steps in order; a step with `on` waits for that cause. `asked` keeps what it was given."""

    def __init__(self, steps: Iterable[Step], otherwise: Step | None = None) -> None:
        self._steps = list(steps)
        self._otherwise = otherwise or Step(say="Okay.")
        self.asked: list[tuple[BrainEvent, SessionView]] = []

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        """The first remaining step for this cause, or `otherwise`."""
        self.asked.append((event, view))
        for index, step in enumerate(self._steps):
            if step.on is None or step.on is event.cause:
                return self._steps.pop(index)
        return self._otherwise


class EchoBrain:
    """Repeats what it heard."""

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        """You said what you said."""
        match event.cause:
            case Cause.TURN:
                return Step(say=f"You said {event.text or 'nothing I understood'}.")
            case Cause.TOOL_OUTPUT:
                return Step(say=f"The tool said {event.text}.")
            case Cause.IDLE:
                return Step(say="Are you still there?")
            case Cause.RESPONSE_CREATE:
                return Step(say=f"Hello from {view.model}.")
