"""Listening without answering: a session whose turn detection makes no responses, and back (pure).

While a machine speaks its greeting the model hears and transcribes; nothing it would say is generated or billed.
Called by `media.realtime.conversation`; a session that takes over is configured the same way.
"""

import msgspec

from media.realtime.client_events import SessionConfig, SessionUpdate
from media.realtime.outbox import Outbox


class Listening:
    """The session's configuration, of which `only` is the one part that changes in a call."""

    def __init__(self, config: SessionConfig, outbox: Outbox) -> None:
        self.only = False
        self._config = config
        self._outbox = outbox
        self._told = False

    def configure(self) -> str:
        """Send the configuration to a new session; the answer is the event's id."""
        self._told = self.only
        event_id = self._outbox.event_id()
        self._outbox.send(SessionUpdate(event_id=event_id, session=self.config))
        return event_id

    def turn(self, *, only: bool, live: bool) -> bool:
        """Listen only, or answer again. False when it is so already."""
        if only is self.only:
            return False
        self.only = only
        if live:
            self.configure()
        return True

    def confirmed(self) -> None:
        """The session is configured: what has changed since is told now."""
        if self._told is not self.only:
            self.configure()

    @property
    def config(self) -> SessionConfig:
        """What the session shall be like now."""
        sound = self._config.audio.input
        detection = msgspec.structs.replace(sound.turn_detection, create_response=not self.only)
        audio = msgspec.structs.replace(
            self._config.audio, input=msgspec.structs.replace(sound, turn_detection=detection)
        )
        return msgspec.structs.replace(self._config, audio=audio)
