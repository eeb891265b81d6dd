"""A muted agent goes on talking and is not heard: its speech waits in the playout and is then thrown away (pure).

So the model's memory stays true: what nobody heard is truncated to nothing. Used by `media.realtime.conversation`.
"""

from media.realtime.outbox import Outbox
from media.realtime.sequencer import Sequencer
from media.realtime.session_model import FlushPlayback, HoldPlayback, ReleasePlayback


class Muting:
    """`on`: nobody hears the agent."""

    def __init__(self, outbox: Outbox, sequencer: Sequencer) -> None:
        self.on = False
        self._outbox = outbox
        self._sequencer = sequencer

    def turn(self, now: float, *, on: bool) -> None:
        """Mute, or be heard again from here."""
        if on is self.on:
            return
        self.on = on
        if on:
            self._outbox.put(HoldPlayback())
            return
        self._sequencer.cancel(now)
        self._outbox.put(FlushPlayback(fade=False))
        self._outbox.put(ReleasePlayback())
