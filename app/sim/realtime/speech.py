"""A spoken sentence cut into the deltas the API would send: audio and the words that go with it."""

from collections.abc import Iterator
from random import Random

import msgspec

from app.sim.realtime import codec
from app.sim.voice import Voice


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """One audio delta and the transcript delta before it."""

    audio: bytes
    duration_ms: int
    words: str


def chunks(
    text: str, audio: bytes, audio_format: str, *, span_ms: tuple[int, int], random: Random
) -> Iterator[Chunk]:
    """`audio` in pieces of 200 to 400 ms (`span_ms`) with the share of `text` that is spoken in each."""
    per_ms = codec.bytes_per_ms(audio_format)
    offset, letters = 0, 0
    while offset < len(audio):
        end = min(offset + random.randint(*span_ms) * per_ms, len(audio))
        until = len(text) if end == len(audio) else _word_end(text, len(text) * end // len(audio))
        yield Chunk(audio=audio[offset:end], duration_ms=(end - offset) // per_ms, words=text[letters:until])
        offset, letters = end, until


def spoken(voice: Voice, text: str, audio_format: str) -> bytes:
    """`text` in the voice and in the wire format; may block, so callers use a thread."""
    return codec.encode(audio_format, voice.speak(text, codec.rate_hz(audio_format)))


def pieces(text: str, letters: int = 24) -> Iterator[str]:
    """`text` as the deltas of a text answer or of tool arguments."""
    return (text[start : start + letters] for start in range(0, len(text), letters))


def _word_end(text: str, position: int) -> int:
    """The end of the word at `position`, with the space after it."""
    space = text.find(" ", position)
    return len(text) if space < 0 else space + 1
