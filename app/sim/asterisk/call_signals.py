"""What goes into a callee's flow (inputs) and what comes out of it (effects).

The phone turns packets, keys and time into inputs and carries effects out; see call_flow.py.
"""

import msgspec

from app.sim.asterisk.script import Samples


class Invited(msgspec.Struct, frozen=True):
    """The INVITE arrived."""


class Joined(msgspec.Struct, frozen=True):
    """Somebody is at the other end of the line now, or no longer."""

    there: bool


class AgentSaid(msgspec.Struct, frozen=True):
    """The agent finished an utterance."""

    text: str


class AgentSpeaks(msgspec.Struct, frozen=True):
    """The agent became audible or silent."""

    audible: bool


class AgentPressed(msgspec.Struct, frozen=True):
    """A DTMF digit from the agent ended."""

    digit: str


class Spoken(msgspec.Struct, frozen=True):
    """The last packet of what the callee says was sent."""


class Gone(msgspec.Struct, frozen=True):
    """The other side cancelled or hung up."""


class Tick(msgspec.Struct, frozen=True):
    """Time passed."""


Input = Invited | Joined | AgentSaid | AgentSpeaks | AgentPressed | Spoken | Gone | Tick


class SendRinging(msgspec.Struct, frozen=True):
    """180."""


class SendProgress(msgspec.Struct, frozen=True):
    """183."""


class SendAnswer(msgspec.Struct, frozen=True):
    """200."""


class SendRefusal(msgspec.Struct, frozen=True):
    """A final SIP answer that is not 200."""

    sip_status: int


class SendBye(msgspec.Struct, frozen=True):
    """BYE, with a Q.850 reason or without."""

    cause: int | None


class Speak(msgspec.Struct, frozen=True):
    """Start speaking; the phone answers Spoken."""

    text: str
    samples: Samples | None = None


class PressKeys(msgspec.Struct, frozen=True):
    """Send these keys, KEY_S each with KEY_GAP_S between."""

    digits: str


class Note(msgspec.Struct, frozen=True):
    """For the callee's log: a wait that ended by its timeout."""

    text: str


Effect = SendRinging | SendProgress | SendAnswer | SendRefusal | SendBye | Speak | PressKeys | Note
