"""Every message of the bus. A message is a nudge: the store is the truth, and losing one loses nothing.

What moves on a call or task says whose it is, so that a reader who shows one tenant drops the rest unread.

Topics: `calls` (what moves on a call), `tasks`, `feedback` (questions to people), `lists` (everything else a page
shows), `system` (connections), read by the web; and for each call `call_commands:{call_id}` and
`call_voice:{call_id}`, read by whoever runs the call, and `call_audio:{call_id}`, read by who listens in. What is
said on the last two is worth nothing a moment later.
"""

from typing import Annotated, Literal, NewType

import msgspec

from app.domain.tryout import TryoutStep

CommandTopic = NewType("CommandTopic", str)
VoiceTopic = NewType("VoiceTopic", str)
AudioTopic = NewType("AudioTopic", str)
Topic = Literal["calls", "tasks", "feedback", "lists", "system"] | CommandTopic | VoiceTopic | AudioTopic
SHARED_TOPICS: tuple[Topic, ...] = ("calls", "tasks", "feedback", "lists", "system")
COMMANDS_PREFIX = "call_commands:"
VOICE_PREFIX = "call_voice:"
AUDIO_PREFIX = "call_audio:"
ConnectionName = Literal["ari", "media", "realtime", "store", "bus"]
ConnectionState = Literal["connecting", "connected", "lost", "replaced", "off"]


class CallChanged(msgspec.Struct, frozen=True, kw_only=True, tag="call_changed"):
    """The row of this call changed: read it again."""

    tenant_id: str
    call_id: str


class CallWords(msgspec.Struct, frozen=True, kw_only=True, tag="call_words"):
    """Words of one turn so far (`final` False) or as stored; `text` is the whole turn."""

    tenant_id: str
    call_id: str
    speaker: Literal["callee", "agent", "operator"]
    item_id: str
    text: str
    final: bool


class CallLevels(msgspec.Struct, frozen=True, kw_only=True, tag="call_levels"):
    """Loudness both ways, dBov (0 = full scale), about once a second."""

    tenant_id: str
    call_id: str
    callee_dbov: float
    agent_dbov: float


class TaskChanged(msgspec.Struct, frozen=True, kw_only=True, tag="task_changed"):
    """The row of this task changed, or (`task_id` empty) tasks or campaigns of this tenant changed."""

    tenant_id: str
    task_id: str


class FeedbackChanged(msgspec.Struct, frozen=True, kw_only=True, tag="feedback_changed"):
    """A question of an agent to people was asked, answered or given up: read it again."""

    tenant_id: str
    request_id: str


class ListChanged(msgspec.Struct, frozen=True, kw_only=True, tag="list_changed"):
    """Something of this kind changed for a tenant ("contacts", "agents", "dnc"): who shows it, reads it
    again. "tryouts" goes to the engines too: a test call is wanted, or left.
    """

    tenant_id: str
    kind: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,32}$")]


class ConnectionChanged(msgspec.Struct, frozen=True, kw_only=True, tag="connection_changed"):
    """A connection of the engine `node` came up, went down, or stands as before (said again every few seconds).

    `detail` is a sentence for people; `node` is empty for what is no engine's. `again`: nothing has changed, it is
    only said again; a change that came meanwhile counts more.
    """

    name: ConnectionName
    state: ConnectionState
    detail: str = ""
    node: str = ""
    again: bool = False


class CommandQueued(msgspec.Struct, frozen=True, kw_only=True, tag="command_queued"):
    """A command for a call is in the table. `mac` and its check: `app.domain.command`."""

    tenant_id: str
    call_id: str
    command_id: str
    seq: int
    expires_ms: int
    mac: str


class ListenWanted(msgspec.Struct, frozen=True, kw_only=True, tag="listen_wanted"):
    """Somebody listens in on this call until `until_ms` (UTC). `mac` and its check: `app.domain.voice`."""

    tenant_id: str
    call_id: str
    until_ms: int
    mac: str


class OperatorVoice(msgspec.Struct, frozen=True, kw_only=True, tag="operator_voice"):
    """What an operator who has taken over says: 16 bit little-endian PCM at 16 kHz. `seq` grows per `mic_id`."""

    tenant_id: str
    call_id: str
    mic_id: str
    seq: int
    audio: bytes
    mac: str


class CallAudio(msgspec.Struct, frozen=True, kw_only=True, tag="call_audio"):
    """20 ms of a call somebody listens in on, both directions; pcm16 is 16 kHz, the laws are 8 kHz."""

    call_id: str
    codec: Literal["ulaw", "alaw", "pcm16"]
    callee: bytes
    agent: bytes


class TryoutNews(msgspec.Struct, frozen=True, kw_only=True, tag="tryout_news"):
    """Something happened in a test call in the browser; goes where its sound goes."""

    call_id: str
    step: TryoutStep


class Resync(msgspec.Struct, frozen=True, kw_only=True, tag="resync"):
    """Put into a subscription that missed messages: read the store again. `dropped` of them went because the
    reader was too slow; 0: nobody can say how many, a connection was away.
    """

    dropped: int


Voice = ListenWanted | OperatorVoice
"""From a listener or an operator to whoever runs the call."""
Message = (
    CallChanged
    | CallWords
    | CallLevels
    | TaskChanged
    | FeedbackChanged
    | ListChanged
    | ConnectionChanged
    | CommandQueued
    | ListenWanted
    | OperatorVoice
    | CallAudio
    | TryoutNews
)


def command_topic(call_id: str) -> CommandTopic:
    """Where commands for one call are announced."""
    return CommandTopic(COMMANDS_PREFIX + call_id)


def voice_topic(call_id: str) -> VoiceTopic:
    """Where operators say that they listen, and speak."""
    return VoiceTopic(VOICE_PREFIX + call_id)


def audio_topic(call_id: str) -> AudioTopic:
    """Where a call is listened in on."""
    return AudioTopic(AUDIO_PREFIX + call_id)


def encode(message: Message) -> bytes:
    """Wire form, for a bus that leaves the process."""
    return msgspec.json.encode(message)


def decode(data: bytes) -> Message:
    """Back from the wire. Raises msgspec.DecodeError."""
    return msgspec.json.decode(data, type=Message)
