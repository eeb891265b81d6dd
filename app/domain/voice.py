"""Listening in and speaking on the bus: who may ask for the sound of a call, and whose voice is let in. Pure.

A bus can be reached by others (Redis), so what goes to a call is signed like the wake-ups of commands: a message
that is forged, of another call, old or said before is nobody's.
"""

import hashlib
import hmac

import msgspec

from app.domain.messages import ListenWanted, OperatorVoice, Voice

LISTEN_FOR_MS = 6_000
"""How long one wish to listen is good for."""
LISTEN_AGAIN_S = 2.0
FRAME_BYTES = 640
"""20 ms of an operator's voice: 16 bit PCM at 16 kHz."""
MAX_FRAMES = 5
_PURPOSE = "opendeep voice 1"


def signed(message: Voice, key: bytes) -> Voice:
    """The message with its signature."""
    return msgspec.structs.replace(message, mac=_mac(message, key))


class VoiceCheck:
    """Judges what comes for one call. A new microphone begins counting anew."""

    def __init__(self, key: bytes, tenant_id: str, call_id: str) -> None:
        self._key = key
        self._whose = (tenant_id, call_id)
        self._mic_id = ""
        self._newest = 0

    def accepts(self, message: Voice, now_ms: int, mic_id: str) -> bool:
        """Whether it counts; of voices only that of the microphone `mic_id`, each frame once."""
        if not hmac.compare_digest(_mac(message, self._key).encode(), message.mac.encode()):
            return False
        if (message.tenant_id, message.call_id) != self._whose:
            return False
        if isinstance(message, ListenWanted):
            return now_ms < message.until_ms <= now_ms + LISTEN_FOR_MS * 2
        return self._is_next(message, mic_id)

    def _is_next(self, voice: OperatorVoice, mic_id: str) -> bool:
        if not mic_id or voice.mic_id != mic_id:
            return False
        if len(voice.audio) % 2 or not 0 < len(voice.audio) <= MAX_FRAMES * FRAME_BYTES:
            return False
        if mic_id != self._mic_id:
            self._mic_id, self._newest = mic_id, 0
        if voice.seq <= self._newest:
            return False
        self._newest = voice.seq
        return True


def _mac(message: Voice, key: bytes) -> str:
    """HMAC-SHA256 over everything the message says."""
    said = msgspec.json.encode((_PURPOSE, msgspec.structs.replace(message, mac="")))
    return hmac.new(key, said, hashlib.sha256).hexdigest()
