"""The agent's speech: from audio deltas to the playout, and back from the playout to turns and truncations.

The server never knows on a WebSocket what was played, so every item that was cut is truncated here to what was
sent. Called by `media.realtime.conversation`.
"""

from collections.abc import Callable

from media.realtime.client_events import ConversationItemTruncate
from media.realtime.events import OutputAudioDelta, OutputTranscriptDelta, OutputTranscriptDone, Response
from media.realtime.notifications import AgentSpeaking, BargeIn, Drained, Turn, TurnLatency
from media.realtime.outbox import Outbox
from media.realtime.session_model import (
    FinishItem,
    HeardItem,
    Play,
    PlaybackFinished,
    PlaybackFlushed,
    PlaybackStarted,
)
from media.realtime.transcript import AgentItem, TurnLedger
from media.realtime.wants import ActiveResponse


class AgentSpeech:
    """Plays, finishes, cuts and reports agent items. `session_number` counts server sessions of this call."""

    def __init__(self, outbox: Outbox, ledger: TurnLedger, path_ms: int) -> None:
        self.session_number = 0
        self._outbox = outbox
        self._ledger = ledger
        self._path_ms = path_ms
        self._open: dict[str, AgentItem] = {}
        self._drained_item: str | None = None
        self._speaking_since: float | None = None

    @property
    def speaking_since(self) -> float | None:
        """When the callee began to hear this stretch of speech; None while nothing of ours is heard."""
        return self._speaking_since if self.playing else None

    @property
    def recent_words(self) -> str:
        """Words of what the callee can be hearing an echo of."""
        return " ".join(item.text for item in list(self._ledger.agent.values())[-3:])

    @property
    def playing(self) -> bool:
        """Speech is queued or being sent."""
        return bool(self._ledger.unplayed)

    # --- from the server ----------------------------------------------------------------------------------------
    def delta(self, response: ActiveResponse, event: OutputAudioDelta, now: float) -> None:
        """Queue a piece of speech, unless its response or item was cut."""
        item = self._item(response, event.item_id)
        if response.muted or item.cut or not item.audio_open:
            item.ignored_bytes += len(event.delta)
            self._outbox.counters.late_audio_deltas += 1
            return
        if not event.delta:
            return
        response.has_audio = True
        if item.first_delta_at is None:
            item.first_delta_at = now
            item.response_created_at = response.created_at
        self._ledger.queued(item, event.content_index, len(event.delta))
        self._outbox.put(Play(item_id=item.item_id, content_index=event.content_index, audio=event.delta))

    def finish(self, item_id: str) -> None:
        """No more audio of this item."""
        item = self._open.get(item_id)
        if item is None or not item.audio_open:
            return
        item.audio_open = False
        if item.unplayed:
            self._outbox.put(FinishItem(item_id=item_id))

    def transcript_delta(self, response: ActiveResponse, event: OutputTranscriptDelta, now: float) -> None:
        """More words of what is being said."""
        item = self._item(response, event.item_id)
        if item.text_done or item.reported:
            return
        item.texts[event.content_index] = item.texts.get(event.content_index, "") + event.delta
        partial = None if response.muted else self._ledger.partial(item, now)
        if partial is not None:
            self._outbox.notify(partial)

    def transcript_done(self, response: ActiveResponse, event: OutputTranscriptDone) -> None:
        """The whole words of one content part."""
        item = self._item(response, event.item_id)
        if not item.reported:
            item.texts[event.content_index] = event.transcript

    def item_done(self, item_id: str) -> None:
        """The item is whole: audio and text."""
        self.finish(item_id)
        item = self._open.pop(item_id, None)
        if item is not None:
            item.text_done = True
            self._report(self._ledger.complete_turn(item))

    def response_done(self, response: Response) -> None:
        """Of a completed one all items are whole, whatever events were left out."""
        mine = [item for item in self._open.values() if item.response_id == response.id]
        for item in mine if response.status == "completed" else ():
            self.item_done(item.item_id)

    def close_items(self, is_active: Callable[[str], bool]) -> None:
        """Nothing more comes for items of responses that are over, whatever was or was not said about them."""
        for item in [item for item in self._open.values() if not is_active(item.response_id)]:
            if item.audio_open:
                self._ledger.voice_lost(item)
            self.item_done(item.item_id)

    def forget_unheard(self, response_id: str) -> None:
        """A muted response is over: what came of it after the cut must not stay in the server's memory."""
        for item in self._ledger.agent.values():
            if item.response_id == response_id and item.ignored_bytes and not item.cut:
                self._truncate(item, 0, self._ledger.received_ms(item))

    # --- from the playout ---------------------------------------------------------------------------------------
    def started(self, event: PlaybackStarted, now: float, *, answered_at: float, stopped_at: float | None) -> bool:
        """The first frame of an item left; True if this was news."""
        item = self._ledger.agent.get(event.item_id)
        if item is None or item.started_ms is not None or item.first_delta_at is None:
            return False
        item.started_ms = event.audio_ms
        self._drained_item = None
        if self._speaking_since is None:
            self._speaking_since = now
        report = AgentSpeaking(
            item_id=item.item_id,
            response_to_first_delta_ms=_ms(item.first_delta_at - item.response_created_at),
            first_delta_to_rtp_ms=_ms(now - max(item.first_delta_at, answered_at)),
            speech_stop_to_rtp_ms=None if stopped_at is None else _ms(now - stopped_at),
        )
        self._outbox.notify(report)
        item.latency = TurnLatency(
            response_id=item.response_id,
            stop_to_response_ms=None if stopped_at is None else _ms(item.response_created_at - stopped_at),
            response_to_delta_ms=report.response_to_first_delta_ms,
            delta_to_rtp_ms=report.first_delta_to_rtp_ms,
        )
        return True

    def finished(self, event: PlaybackFinished) -> None:
        """All of an item was sent."""
        item = self._ledger.agent.get(event.item_id)
        if item is None or item.ended_ms is not None:
            return
        self._played_to_end(item, event.audio_ms)

    def flushed(self, event: PlaybackFlushed, *, answered: bool) -> None:
        """The playout threw its queue away: truncate what was not heard, report what was interrupted."""
        barge_in: BargeIn | None = None
        self._speaking_since = None
        for item_id, parts in _by_item(event.items).items():
            item = self._ledger.agent.get(item_id)
            if item is None or item.ended_ms is not None:
                continue
            if all(part.finished for part in parts):
                self._played_to_end(item, event.audio_ms)
                continue
            heard_ms = self._cut(item, parts, event.audio_ms)
            if not answered:
                item.reported = True
                continue
            self._report(self._ledger.interrupted_turn(item, heard_ms))
            if barge_in is None:
                generated_ms = self._ledger.received_ms(item)
                barge_in = BargeIn(item_id=item_id, heard_ms=heard_ms, generated_ms=generated_ms)
        if barge_in is not None:
            self._outbox.notify(barge_in)

    def tell_drained(self) -> None:
        """Nothing is generated or wanted: say so once after the last item was sent."""
        if self._drained_item is not None and not self.playing:
            self._outbox.notify(Drained(item_id=self._drained_item))
            self._drained_item = None

    # --- end of a session or of the call ------------------------------------------------------------------------
    def new_session(self) -> None:
        """The server session is gone and its items with it; what is queued is still played."""
        self.close_items(lambda _: False)
        self.session_number += 1

    def close(self, unplayed: tuple[HeardItem, ...], audio_ms: int) -> None:
        """The call is over: report items of which something was said and that were not reported yet.

        What the playout did not tell about (the session is lost, the leg goes on) is judged by the time it had.
        """
        self.close_items(lambda _: False)
        held = _by_item(unplayed)
        for item in self._ledger.agent.values():
            if item.reported or item.started_ms is None or item.ended_ms is not None:
                continue
            parts = held.get(item.item_id)
            had_ms = audio_ms - item.started_ms if parts is None else sum(part.heard_ms for part in parts)
            heard_ms = max(0, min(had_ms, self._ledger.received_ms(item)))
            self._ledger.cut(item, heard_ms, audio_ms)
            self._report(self._ledger.interrupted_turn(item, heard_ms))

    # --- inside -------------------------------------------------------------------------------------------------
    def _item(self, response: ActiveResponse, item_id: str) -> AgentItem:
        item = self._ledger.agent.get(item_id)
        if item is None:
            item = self._ledger.agent_item(item_id, response.response_id, self.session_number)
            self._open[item_id] = item
        return item

    def _played_to_end(self, item: AgentItem, audio_ms: int) -> None:
        self._ledger.played(item, audio_ms)
        if not self.playing:
            self._speaking_since = None
        self._drained_item = item.item_id
        self._report(self._ledger.complete_turn(item))

    def _cut(self, item: AgentItem, parts: list[HeardItem], audio_ms: int) -> int:
        heard_ms = 0
        for part in parts:
            part_ms = self._ledger.heard_ms(item, part)
            heard_ms += part_ms
            if not part.finished:
                self._truncate(item, part.content_index, max(0, part_ms - self._path_ms))
        heard_ms = min(heard_ms, self._ledger.received_ms(item))
        self._ledger.cut(item, heard_ms, audio_ms)
        return heard_ms

    def _truncate(self, item: AgentItem, content_index: int, audio_end_ms: int) -> None:
        if item.session_number != self.session_number:
            return
        self._outbox.send(
            ConversationItemTruncate(
                event_id=self._outbox.event_id(),
                item_id=item.item_id,
                content_index=content_index,
                audio_end_ms=audio_end_ms,
            )
        )

    def _report(self, turn: Turn | None) -> None:
        if turn is not None:
            self._outbox.notify(turn)


def _by_item(items: tuple[HeardItem, ...]) -> dict[str, list[HeardItem]]:
    grouped: dict[str, list[HeardItem]] = {}
    for item in items:
        grouped.setdefault(item.item_id, []).append(item)
    return grouped


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1_000))
