"""Listening without answering: a session whose turn detection makes no responses, and back (pure).

While a machine speaks its greeting the model hears and transcribes; nothing it would say is generated or billed.
In guarded mode the server makes no responses anyway: there `media.realtime.turn_taking` asks for none. A session
that takes over is configured the same way. Called by `media.realtime.conversation` and `media.realtime.takeover`.
"""

from msgspec.structs import replace

from media.realtime.client_events import SemanticVadConfig, ServerVadConfig, SessionConfig, SessionUpdate
from media.realtime.outbox import Outbox


class Listening:
    """The session's configuration, of which `only` is the one part that changes in a call."""

    def __init__(self, config: SessionConfig, outbox: Outbox) -> None:
        self.only = False
        self.missed = False
        """Somebody spoke and got no answer because of it."""
        self._config = config
        self._outbox = outbox
        self._told = False

    def configure(self, *, deaf: bool = False) -> str:
        """Send the configuration to a session; `deaf`: nothing is taken for a turn by itself. The event's id."""
        self._told = self.only
        event_id = self._outbox.event_id()
        config = _with_turns(self._config, None) if deaf else self.config
        self._outbox.send(SessionUpdate(event_id=event_id, session=config))
        return event_id

    def turn(self, *, only: bool, live: bool) -> bool:
        """Listen only, or answer again. False when it is so already."""
        if only is self.only:
            return False
        self.only = only
        if live:
            self.configure()
        return True

    def heard(self) -> None:
        """A turn of the callee came to its end."""
        self.missed = self.missed or self.only

    def confirmed(self) -> None:
        """The session is configured: what has changed since is told now."""
        if self._told is not self.only:
            self.configure()

    @property
    def config(self) -> SessionConfig:
        """What the session shall be like now: the server never makes more responses than its settings say."""
        detection = self._config.audio.input.turn_detection
        if detection is None or not self.only:
            return self._config
        return _with_turns(self._config, replace(detection, create_response=False))


def _with_turns(config: SessionConfig, detection: ServerVadConfig | SemanticVadConfig | None) -> SessionConfig:
    sound = replace(config.audio.input, turn_detection=detection)
    return replace(config, audio=replace(config.audio, input=sound))
