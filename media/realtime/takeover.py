"""From a new socket to a live session: configure, tell what has been said, hear again what was not written down.

A session that dies takes along the transcripts that were on their way. So the next one is first configured without
turn detection and given the audio of those turns with a commit each; then everything is switched on. Called by
`media.realtime.session`.
"""

from media.realtime.client_events import (
    ConversationItem,
    ConversationItemCreate,
    InputAudioBufferAppend,
    InputAudioBufferCommit,
)
from media.realtime.conversation import Conversation
from media.realtime.input_audio import InputAudio
from media.realtime.listening import Listening
from media.realtime.outbox import Outbox
from media.realtime.priming import PAIRS_PRIMED, TURNS_PRIMED, message, resume_items, system_item
from media.realtime.settings import RealtimeSettings


class Takeover:
    """One new session after the other; `update_id` is the id of the session.update that awaits its answer."""

    def __init__(
        self,
        settings: RealtimeSettings,
        outbox: Outbox,
        audio: InputAudio,
        *,
        talk: Conversation,
        listening: Listening,
    ) -> None:
        self.update_id: str | None = None
        self._settings = settings
        self._outbox = outbox
        self._audio = audio
        self._talk = talk
        self._listening = listening
        self._deaf = False
        self._said_again_bytes = 0
        self._answered: frozenset[str] = frozenset()  # calls, and notes, that the first step told of
        self._injected: tuple[str, ...] = ()

    def begin(self) -> None:
        """The server is there: configure it."""
        self._said_again_bytes = 0
        self._talk.callee.forget_old()
        self._deaf = bool(self._talk.callee.untold)
        self.update_id = self._listening.configure(deaf=self._deaf)

    def lost(self) -> None:
        """The socket is gone."""
        self.update_id = None

    def configured(self) -> bool:
        """The server confirmed. True: it is live now. False: it was only the first of two steps."""
        if self._deaf:
            self._deaf = False
            self._prime()
            self.update_id = self._listening.configure()
            return False
        if self._said_again_bytes:
            self._catch_up()
        else:
            self._prime()
        for audio in self._audio.open(self._said_again_bytes):
            self._append(audio)
        return True

    def _catch_up(self) -> None:
        """What the model was told between the two steps."""
        self._create([*self._talk.tools.answered_pairs(PAIRS_PRIMED, but=self._answered)])
        self._create([system_item(text) for text in _added(self._injected, self._talk.injected)])

    def _prime(self) -> None:
        """Everything said so far in its order, the turns to be heard again in their places."""
        self._answered, self._injected = self._talk.tools.answered, self._talk.injected
        untold = self._talk.callee.untold
        first_ms = untold[0].start_ms if untold else 10**9
        again = {item.item_id for item in untold}
        turns = [
            turn
            for turn in self._talk.ledger.recent(max(TURNS_PRIMED, self._settings.retold_turns))
            if turn.item_id not in again
        ]
        if self._audio.answered and (turns or untold):
            earlier = [turn for turn in turns if turn.start_audio_ms <= first_ms]
            self._create(resume_items(earlier, self._talk.tools, self._settings))
        elif self._settings.priming:
            self._create([system_item(self._settings.priming)])
        self._create([system_item(text) for text in self._talk.injected])
        for item in untold:
            words = self._talk.callee.untold_words(item)
            self._said_again_bytes += len(words)
            self._append(words)
            self._outbox.send(InputAudioBufferCommit(event_id=self._outbox.event_id()))
        self._create([message(turn) for turn in turns[-TURNS_PRIMED:] if turn.start_audio_ms > first_ms])

    def _create(self, items: list[ConversationItem]) -> None:
        for item in items:
            self._outbox.send(ConversationItemCreate(event_id=self._outbox.event_id(), item=item))

    def _append(self, audio: bytes) -> None:
        self._outbox.send(InputAudioBufferAppend(event_id=self._outbox.event_id(), audio=audio))


def _added(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    """The end of `now`, a list of the newest, that `before` did not have."""
    kept = next(n for n in range(len(before), -1, -1) if before[len(before) - n :] == now[:n])
    return now[kept:]
