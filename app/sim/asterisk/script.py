"""What a simulated callee does, as data: a list of steps carried out one after another.

Steps before `Answer` decide how the phone rings or refuses; steps after it speak, listen, press keys and hang up.
A script that runs out leaves the callee as it is: ringing for ever, or silent on the line.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]


class Ring(msgspec.Struct, frozen=True):
    """180 Ringing, `after_s` after the previous step."""

    after_s: float = 0.05


class Answer(msgspec.Struct, frozen=True):
    """200 OK: the callee picks up."""

    after_s: float = 0.05


class Busy(msgspec.Struct, frozen=True):
    """486 Busy Here."""

    after_s: float = 0.0


class Reject(msgspec.Struct, frozen=True):
    """403 Forbidden or 603 Decline: cause 21."""

    sip_status: int = 603
    after_s: float = 0.0


class NotFound(msgspec.Struct, frozen=True):
    """404: the carrier does not know the number."""

    after_s: float = 0.0


class Congestion(msgspec.Struct, frozen=True):
    """503 from the carrier."""

    after_s: float = 0.0


class NoAnswer(msgspec.Struct, frozen=True):
    """Rings (if a `Ring` came before) until the caller gives up."""


class DeadPeer(msgspec.Struct, frozen=True):
    """The network swallows the INVITE: no answer of any kind."""


class EarlyMedia(msgspec.Struct, frozen=True):
    """183 Session Progress, then `text` spoken before the answer. An originated call cannot hear it."""

    text: str


class Say(msgspec.Struct, frozen=True):
    """Speaks `text` in the tone voice, or plays `samples` (int16 at 8 kHz); done when all of it was sent."""

    text: str = ""
    samples: Samples | None = None


class WaitForAgent(msgspec.Struct, frozen=True):
    """Until the agent finished an utterance that contains `text`, or any when None. Each utterance counts once;
    with `anew` those do not that were finished before the wait began.
    """

    text: str | None = None
    timeout_s: float = 10.0
    anew: bool = False


class WaitForLine(msgspec.Struct, frozen=True):
    """Until the call has been in a bridge for `for_s`. A word before is lost, as on a real line."""

    for_s: float = 0.35
    timeout_s: float = 10.0


class WaitForAgentAudio(msgspec.Struct, frozen=True):
    """Until the agent has been audible for `ms` without a pause."""

    ms: int = 0
    timeout_s: float = 10.0


class WaitForSilence(msgspec.Struct, frozen=True):
    """Until the agent has been silent for `silence_s`."""

    silence_s: float = 0.6
    timeout_s: float = 10.0


class WaitForDigits(msgspec.Struct, frozen=True):
    """Until the agent has sent these DTMF digits."""

    digits: str
    timeout_s: float = 10.0


class Menu(msgspec.Struct, frozen=True):
    """An automated menu: `text`, then `pause_s` for the keys `digits`; said again up to `times`, then left."""

    text: str
    digits: str
    times: int = 3
    pause_s: float = 2.0


class Converse(msgspec.Struct, frozen=True):
    """To the end of the call: each sentence of the agent gets the reply of the first key in it (an empty one:
    silence), and one without a key `otherwise`.
    """

    replies: tuple[tuple[str, str], ...]
    otherwise: str = ""


class Interrupt(msgspec.Struct, frozen=True):
    """Waits until the agent has been talking for `after_agent_ms`, then talks over it."""

    after_agent_ms: int
    text: str
    timeout_s: float = 10.0


class Press(msgspec.Struct, frozen=True):
    """Presses keys, 100 ms each with 100 ms between."""

    digits: str


class HangUp(msgspec.Struct, frozen=True):
    """BYE with a Q.850 reason; `cause` None sends a BYE without a reason."""

    after_s: float = 0.0
    cause: int | None = 16


class StaySilent(msgspec.Struct, frozen=True):
    """Does nothing for `s` seconds."""

    s: float


Refusal = Busy | Reject | NotFound | Congestion
BeforeAnswer = Ring | Answer | Refusal | NoAnswer | DeadPeer | EarlyMedia | StaySilent
Wait = WaitForAgent | WaitForLine | WaitForAgentAudio | WaitForSilence | WaitForDigits
Talking = Say | Wait | Menu | Converse | Interrupt | Press | HangUp | StaySilent
Step = BeforeAnswer | Talking


class CalleeScript(msgspec.Struct, frozen=True):
    """One callee: what happens, and how its phone sends audio.

    `ptime_ms` is the length of its RTP packets. With `comfort` it sends packets of digital silence while it does
    not speak; without, it sends none, and then Asterisk sends none to the media engine either.
    """

    steps: tuple[Step, ...]
    ptime_ms: int = 20
    comfort: bool = False

    def __post_init__(self) -> None:
        answered = False
        for step in self.steps:
            if isinstance(step, Answer):
                answered = True
            elif not answered and not isinstance(step, BeforeAnswer):
                raise ValueError(f"{type(step).__name__} comes before Answer in a callee's script")
            elif answered and not isinstance(step, Talking):
                raise ValueError(f"{type(step).__name__} comes after Answer in a callee's script")
        if self.ptime_ms not in (10, 20, 30, 40, 60):
            raise ValueError(f"ptime_ms must be 10, 20, 30, 40 or 60, not {self.ptime_ms}")


def sip_status_of(step: Refusal) -> int:
    """The SIP final answer of a refusal."""
    match step:
        case Busy():
            return 486
        case Reject():
            return step.sip_status
        case NotFound():
            return 404
        case Congestion():
            return 503
