"""Ready made callees, and the rule that picks one from the last digits of a number.

The rule lets a demo or a rehearsal choose behaviour by number alone: a number that ends in a Q.850-like code
(017 busy, 021 rejects, ...) behaves accordingly, every other number is polite.
"""

from collections.abc import Callable, Mapping
from itertools import chain

from app.sim.asterisk.script import (
    Answer,
    Busy,
    CalleeScript,
    Congestion,
    DeadPeer,
    EarlyMedia,
    HangUp,
    Interrupt,
    NoAnswer,
    NotFound,
    Press,
    Reject,
    Ring,
    Say,
    WaitForAgent,
    WaitForAgentAudio,
)

Directory = Mapping[str, CalleeScript] | Callable[[str], CalleeScript | None]
"""Number -> script. A mapping without the number, or None, leaves the choice to `by_number`."""

RING_S = 0.05
ANSWER_S = 0.05
POLITE_REPLIES = ("yes, speaking", "that is fine", "yes", "no, thank you")


def polite(
    replies: tuple[str, ...] = POLITE_REPLIES, *, ring_s: float = RING_S, answer_s: float = ANSWER_S
) -> CalleeScript:
    """Says hello, answers each utterance of the agent with the next reply, then says goodbye and hangs up."""
    turns = chain.from_iterable((WaitForAgent(None, 30.0), Say(reply)) for reply in replies)
    closing = (WaitForAgent(None, 30.0), Say("goodbye"), HangUp(0.3))
    return CalleeScript((Ring(ring_s), Answer(answer_s), Say("hello"), *turns, *closing))


def busy() -> CalleeScript:
    """486 while ringing."""
    return CalleeScript((Ring(RING_S), Busy(0.02)))


def rejects(sip_status: int = 603) -> CalleeScript:
    """Rings, then the callee declines."""
    return CalleeScript((Ring(RING_S), Reject(sip_status, 0.05)))


def no_answer() -> CalleeScript:
    """Rings for ever."""
    return CalleeScript((Ring(RING_S), NoAnswer()))


def wrong_number() -> CalleeScript:
    """The carrier answers 404."""
    return CalleeScript((NotFound(0.02),))


def unreachable() -> CalleeScript:
    """No answer to the INVITE at all."""
    return CalleeScript((DeadPeer(),))


def congested() -> CalleeScript:
    """The carrier answers 503."""
    return CalleeScript((Congestion(0.02),))


def hangs_up_mid_sentence(after_agent_ms: int = 400) -> CalleeScript:
    """Hangs up while the agent is speaking."""
    return CalleeScript(
        (Ring(RING_S), Answer(ANSWER_S), Say("hello"), WaitForAgentAudio(after_agent_ms, 30.0), HangUp())
    )


def silent() -> CalleeScript:
    """Picks up and never makes a sound; its phone sends no packets."""
    return CalleeScript((Ring(RING_S), Answer(ANSWER_S)))


def interrupter(text: str = "wait, who is this?", after_agent_ms: int = 400) -> CalleeScript:
    """Talks over the agent's first utterance, then listens and hangs up."""
    return CalleeScript(
        (
            Ring(RING_S),
            Answer(ANSWER_S),
            Say("hello"),
            Interrupt(after_agent_ms, text, 30.0),
            WaitForAgent(None, 30.0),
            Say("all right, goodbye"),
            HangUp(0.2),
        )
    )


def presses_digits(digits: str = "1", reply: str = "hello") -> CalleeScript:
    """Says `reply`, waits for the agent's first utterance and presses keys."""
    return CalleeScript(
        (Ring(RING_S), Answer(ANSWER_S), Say(reply), WaitForAgent(None, 30.0), Press(digits), WaitForAgent(None))
    )


def early_media(text: str = "please hold the line") -> CalleeScript:
    """Plays an announcement before the answer (183), then is polite."""
    return CalleeScript((EarlyMedia(text), Answer(ANSWER_S), *polite().steps[2:]))


def calls_back(replies: tuple[str, ...] = POLITE_REPLIES) -> CalleeScript:
    """Somebody who calls us and waits to be spoken to, for `SimAsterisk.call_in`; then as `polite`."""
    turns = chain.from_iterable((WaitForAgent(None, 30.0), Say(reply)) for reply in replies)
    return CalleeScript((Answer(0.0), *turns, WaitForAgent(None, 30.0), Say("goodbye"), HangUp(0.3)))


PERSONAS: dict[str, Callable[[], CalleeScript]] = {
    "polite": polite,
    "busy": busy,
    "rejects": rejects,
    "no_answer": no_answer,
    "wrong_number": wrong_number,
    "unreachable": unreachable,
    "congested": congested,
    "hangs_up_mid_sentence": hangs_up_mid_sentence,
    "silent": silent,
    "interrupter": interrupter,
    "presses_digits": presses_digits,
    "early_media": early_media,
}

NUMBER_RULE: dict[str, Callable[[], CalleeScript]] = {
    "001": wrong_number,
    "016": hangs_up_mid_sentence,
    "017": busy,
    "018": unreachable,
    "019": no_answer,
    "021": rejects,
    "034": congested,
    "040": silent,
    "041": interrupter,
    "042": presses_digits,
    "183": early_media,
}
"""Last three digits of a number -> persona; anything else is polite."""


def by_number(number: str) -> CalleeScript:
    """The default directory."""
    return NUMBER_RULE.get(number[-3:], polite)()


def look_up(directory: Directory, number: str) -> CalleeScript:
    """The script of the callee at `number`."""
    found = directory(number) if callable(directory) else directory.get(number)
    return found or by_number(number)
