"""Turns of the guarded mode that the server heard over our own speech: echo, "mm-hm", or words after all (pure).

Nothing but their transcript can tell. Called by `media.realtime.turn_taking`.
"""

from media.realtime import events as ev
from media.realtime.callee import CalleeTurns
from media.realtime.client_events import ConversationItemDelete
from media.realtime.outbox import Outbox
from media.realtime.speech import AgentSpeech
from media.realtime.words import Verdict, judge

Transcribed = ev.TranscriptionCompleted | ev.TranscriptionFailed


def words_of(event: Transcribed) -> str:
    """What was understood; nothing of a transcription that failed."""
    return event.transcript if isinstance(event, ev.TranscriptionCompleted) else ""


class DoubtedTurns:
    """Item ids whose words have not come. An echo leaves no trace, neither in the transcript nor in the model."""

    def __init__(self, outbox: Outbox, callee: CalleeTurns, speech: AgentSpeech) -> None:
        self._items: dict[str, None] = {}
        self._outbox = outbox
        self._callee = callee
        self._speech = speech

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    def add(self, item_id: str) -> None:
        """This turn began while the agent was heard."""
        self._items[item_id] = None

    def drop(self, item_id: str) -> None:
        """No doubt any more."""
        self._items.pop(item_id, None)

    def clear(self) -> None:
        """The agent has stopped for it, or the session is gone."""
        self._items.clear()

    def judge(self, event: Transcribed, now: float) -> Verdict:
        """The words have come: say what they are and report the turn, unless it is none."""
        self.drop(event.item_id)
        verdict = judge(words_of(event), self._speech.recent_words)
        if verdict == "echo":
            self._outbox.counters.echoes += 1
            self._callee.forget(event.item_id)
            self._outbox.send(ConversationItemDelete(event_id=self._outbox.event_id(), item_id=event.item_id))
            return verdict
        self._callee.event(event, now)
        self._outbox.counters.backchannels += verdict == "backchannel"
        return verdict
