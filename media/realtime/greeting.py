"""Who speaks first (pure): the agent at once, or after a callee who says nothing. Used by the conversation."""

from media.realtime.priming import opening, spoken_only
from media.realtime.sequencer import Sequencer
from media.realtime.settings import RealtimeSettings
from media.realtime.wants import Want


class Greeting:
    """`due`: when the agent greets of its own accord. Said once, by whoever is first."""

    def __init__(self, settings: RealtimeSettings, sequencer: Sequencer) -> None:
        self.due: float | None = None
        self._settings = settings
        self._sequencer = sequencer
        self._done = False

    def early(self, now: float) -> None:
        """A session is there and the phone still rings: the first words are made meanwhile."""
        if self._settings.opening == "greet_first" and not self._done:
            self._greet(now)

    def answered(self, now: float) -> None:
        """Who waits for a hello waits from here."""
        if not self._done:
            greet_first = self._settings.opening == "greet_first"
            self.due = now if greet_first else now + self._settings.greet_after_silence_ms / 1_000

    def off(self) -> None:
        """Somebody has spoken: nobody has to greet."""
        self.due = None
        self._done = True

    def wait(self) -> None:
        """Not now."""
        self.due = None

    def lost(self) -> None:
        """What was made for a callee who has not answered yet went with its session."""
        self._done = False

    def again(self, now: float) -> None:
        """The first words went with their session before anybody had said anything."""
        self.due = now

    def advance(self, now: float) -> None:
        """Greet when it is time."""
        if self.due is not None and now >= self.due:
            self._greet(now)

    def _greet(self, now: float) -> None:
        self.off()
        config = spoken_only(self._settings.instructions, opening(self._settings.greeting))
        self._sequencer.ask(Want(kind="greeting", asked_at=now, config=config))
