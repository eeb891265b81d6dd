"""Vocabulary of answer supervision: who or what answered, what is fed in, what is asked for. Frozen values.

Times are ms since the answer on the call's own audio time line; levels dBov.
"""

from enum import StrEnum
from typing import Literal

import msgspec

from media.answer.features import FrameFeatures


class Verdict(StrEnum):
    """Who is there. `LISTENING` and `UNCERTAIN` mean: talk as if it were a person."""

    LISTENING = "listening"
    HUMAN = "human"
    MACHINE = "machine"
    BEEP = "beep"
    IVR = "ivr"
    CALL_SCREENING = "call_screening"
    HOLD_MUSIC = "hold_music"
    SILENCE = "silence"
    FAX = "fax"
    NETWORK_TONE = "network_tone"
    UNCERTAIN = "uncertain"


ENDS = frozenset({Verdict.BEEP, Verdict.FAX, Verdict.NETWORK_TONE})
"""Nothing follows these."""
_PASSED_ON = frozenset({Verdict.HUMAN, Verdict.MACHINE, Verdict.NETWORK_TONE})
UNDECIDED = frozenset({Verdict.LISTENING, Verdict.SILENCE, Verdict.UNCERTAIN})

PROGRESS: dict[Verdict, frozenset[Verdict]] = {
    Verdict.HUMAN: frozenset({Verdict.HOLD_MUSIC, Verdict.NETWORK_TONE}),
    Verdict.MACHINE: frozenset({Verdict.BEEP, Verdict.NETWORK_TONE}),
    Verdict.IVR: _PASSED_ON | {Verdict.HOLD_MUSIC, Verdict.CALL_SCREENING},
    Verdict.CALL_SCREENING: _PASSED_ON | {Verdict.HOLD_MUSIC, Verdict.IVR},
    Verdict.HOLD_MUSIC: _PASSED_ON | {Verdict.CALL_SCREENING, Verdict.IVR},
}
"""What may follow a final verdict because the call itself went on, not because the verdict was wrong."""


class AnswerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Thresholds and treatment. The defaults were tuned on two thirds of `scripts/bench answer`'s clips."""

    hello_pause_ms: int = 180
    """Silence after a word or two (`hello_ms` of speech) that makes them a person's answer."""
    hello_ms: int = 700
    human_pause_ms: int = 240
    """The same after a short utterance (`short_speech_ms`)."""
    short_speech_ms: int = 1_300
    sentence_pause_ms: int = 400
    """The same after a longer one: greetings of machines pause between sentences."""
    company_pause_ms: int = 800
    """The same after more than `sentence_ms` of speech, typical of a company's telephone."""
    long_pause_ms: int = 1_200
    """A longer pause ends a greeting; shorter ones are part of it."""
    sentence_ms: int = 2_600
    long_speech_ms: int = 4_800
    """Speech without a long pause, before anybody has spoken with it: it may be a recorded greeting."""
    silence_ms: int = 3_000
    """Nobody says anything."""
    beep_min_ms: int = 140
    message_after_beep_ms: int = 300
    message_after_silence_ms: int = 4_500
    """Some machines beep too softly or not at all: silence after the greeting counts as one. Beeps come more than
    3 s after the last word, the end of which may be too quiet to be heard."""
    music_ms: int = 3_000
    wake_ms: int = 700
    """Speech of this length ends a hold."""
    decision_timeout_ms: int = 12_000
    final_after_ms: int = 20_000
    """A person nobody doubted for so long stays one."""
    voicemail: Literal["leave", "none"] = "leave"
    hold_patience_ms: int = 600_000
    """All hold of the call together; longer is given up."""
    ivr_repeats: int = 3
    """The same menu heard this often ends the call."""


# --- inputs -----------------------------------------------------------------------------------------------------
class Heard(msgspec.Struct, frozen=True):
    """The next 20 ms of the callee."""

    features: FrameFeatures


class Words(msgspec.Struct, frozen=True):
    """What the transcription says the callee said in one turn; `final` False: so far."""

    text: str
    final: bool = True


class ModelSays(msgspec.Struct, frozen=True):
    """The model called `report_voicemail`."""


class AmdSays(msgspec.Struct, frozen=True):
    """`AMDSTATUS` of Asterisk's AMD(): only MACHINE is worth anything, silence makes it guess."""

    status: str


class KeyHeard(msgspec.Struct, frozen=True):
    """The callee pressed a key."""

    digit: str


class AgentHeard(msgspec.Struct, frozen=True):
    """The agent finished a turn that the callee heard: from here long answers are answers."""


class Tick(msgspec.Struct, frozen=True):
    """`next_deadline_ms` has passed, or audio does not come."""


Input = Heard | Words | ModelSays | AmdSays | KeyHeard | AgentHeard | Tick


# --- effects ----------------------------------------------------------------------------------------------------
class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict. A final one is only followed along `PROGRESS`. `evidence` names what it rests on."""

    verdict: Verdict
    final: bool
    at_ms: int
    evidence: str


class ListenOnly(msgspec.Struct, frozen=True):
    """The model hears, and makes no response (`on`), or answers again; `owed`: and what it let pass as well."""

    on: bool
    owed: bool = False


class Deafen(msgspec.Struct, frozen=True):
    """The model hears nothing while music plays (`on`): nothing of it is billed. Off: wake, somebody speaks."""

    on: bool


class LeaveMessage(msgspec.Struct, frozen=True):
    """The machine records now."""

    evidence: str


class SayIdentity(msgspec.Struct, frozen=True):
    """A screening robot asked: one sentence who calls and why, then wait."""


class HangUp(msgspec.Struct, frozen=True):
    """The policy ends the call. `mark_number` says what the number is, when that is certain."""

    reason: str
    mark_number: Literal["fax"] | None = None


Effect = Decided | ListenOnly | Deafen | LeaveMessage | SayIdentity | HangUp
