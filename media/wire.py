"""Framing of the control socket: 4 byte big-endian length, then one MessagePack body of `media.protocol`.

Pure bytes in, messages out; used by the worker process and by the control client. A frame that is too long
cannot be skipped (the stream is lost); a body that does not decode can, so the two errors are told apart.
"""

import struct

import msgspec

from media.errors import MediaError
from media.protocol import MAX_FRAME_BYTES, Command, WorkerMessage

_LENGTH = struct.Struct(">I")
_encoder = msgspec.msgpack.Encoder()
_command_decoder: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_message_decoder: msgspec.msgpack.Decoder[WorkerMessage] = msgspec.msgpack.Decoder(WorkerMessage)


class FrameTooLong(MediaError):
    """The peer announced a frame above MAX_FRAME_BYTES: not our protocol, the stream is of no use any more."""


class MalformedMessage(MediaError):
    """One frame's body is not a message of `media.protocol`; the next frame may be."""


class FrameSplitter:
    """Cuts a byte stream into frame bodies; keeps the unfinished rest between calls."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Bodies completed by `data`, in order. Raises FrameTooLong."""
        self._rest += data
        bodies: list[bytes] = []
        offset = 0
        while len(self._rest) - offset >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._rest, offset)
            if length > MAX_FRAME_BYTES:
                raise FrameTooLong(
                    f"a frame of {length} bytes was announced; at most {MAX_FRAME_BYTES} are allowed"
                )
            end = offset + _LENGTH.size + length
            if end > len(self._rest):
                break
            bodies.append(bytes(self._rest[offset + _LENGTH.size : end]))
            offset = end
        del self._rest[:offset]
        return bodies


def frame(message: Command | WorkerMessage) -> bytes:
    """One message as it goes on the socket."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


def decode_command(body: bytes) -> Command:
    """Body of a frame from control. Raises MalformedMessage."""
    try:
        return _command_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessage(f"not a command: {error}") from error


def decode_message(body: bytes) -> WorkerMessage:
    """Body of a frame from the worker. Raises MalformedMessage."""
    try:
        return _message_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessage(f"not a message of the worker: {error}") from error
