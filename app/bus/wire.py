"""What travels between processes: channel names, and messages with the name of who sent them. Pure.

Anybody who can reach Redis can publish, so what arrives is checked: known channel, bounded size, a message that
belongs there. Used by `app.bus.redis`.
"""

from typing import NamedTuple

import msgspec

from app.domain.messages import (
    AUDIO_PREFIX,
    COMMANDS_PREFIX,
    SHARED_TOPICS,
    VOICE_PREFIX,
    AudioTopic,
    CallAudio,
    CommandQueued,
    ListenWanted,
    Message,
    OperatorVoice,
    Resync,
    Topic,
    TryoutNews,
    VoiceTopic,
    command_topic,
)

CHANNEL_PREFIX = "opendeep:"
MAX_MESSAGE_BYTES = 65_536


class Wire(msgspec.Struct, frozen=True):
    """`origin` names the sending process, so that it does not hear itself."""

    origin: str
    message: Message | Resync


class Arrived(NamedTuple):
    """A message that fits its channel."""

    topic: Topic
    origin: str
    message: Message | Resync


def channel_of(topic: Topic) -> str:
    """`opendeep:<topic>`; commands keep the name `call_commands:{call_id}`."""
    return topic if topic.startswith(COMMANDS_PREFIX) else CHANNEL_PREFIX + topic


def topic_of(channel: str) -> Topic | None:
    """The topic of one of our channels."""
    if channel.startswith(COMMANDS_PREFIX):
        return command_topic(channel.removeprefix(COMMANDS_PREFIX))
    name = channel.removeprefix(CHANNEL_PREFIX)
    if name != channel and name.startswith(VOICE_PREFIX):
        return VoiceTopic(name)
    if name != channel and name.startswith(AUDIO_PREFIX):
        return AudioTopic(name)
    return next((topic for topic in SHARED_TOPICS if channel_of(topic) == channel), None)


def encode(origin: str, message: Message | Resync) -> bytes:
    """What is published."""
    return msgspec.json.encode(Wire(origin, message))


def decode(channel: bytes, data: bytes) -> Arrived | None:
    """What was received; None: nobody of ours can have sent that."""
    if len(data) > MAX_MESSAGE_BYTES:
        return None
    topic = topic_of(channel.decode(errors="replace"))
    try:
        wire = msgspec.json.decode(data, type=Wire)
    except (msgspec.DecodeError, UnicodeError):
        return None
    if topic is None or not _belongs(topic, wire.message):
        return None
    return Arrived(topic, wire.origin, wire.message)


def _belongs(topic: Topic, message: Message | Resync) -> bool:
    """Whether this is said there."""
    match message:
        case CommandQueued():
            return topic.startswith(COMMANDS_PREFIX)
        case ListenWanted() | OperatorVoice():
            return topic.startswith(VOICE_PREFIX)
        case CallAudio() | TryoutNews():
            return topic.startswith(AUDIO_PREFIX)
        case _:
            return topic in SHARED_TOPICS
