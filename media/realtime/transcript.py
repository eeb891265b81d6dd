"""Turns of one call, keyed by item id: what the agent said and how much of it was heard, what the callee said.

A turn is reported once: an agent turn when its last frame was sent or it was interrupted, a callee turn when its
transcript arrived, which may be late and out of order. Called by `media.realtime.conversation`.
"""

import re

from media.realtime.notifications import Partial, Turn, TurnLatency
from media.realtime.session_model import HeardItem

MS_PER_CHAR = 66.0
"""Of spoken English, until `PACE_CHARS` of this call's own turns tell better."""
MS_PER_SIGN = 180.0
"""The same where a sign is a syllable or a word: Chinese, Japanese, Korean, Thai."""
PACE_CHARS = 40
AHEAD = 0.6
"""Where the audio covers less of the words than this, they were written far ahead of it."""
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
PARTIAL_PERIOD_S = 0.25


class AgentItem:
    """One spoken item of a response. `cut`: the playout threw the rest away; `audio_open`: more may come."""

    def __init__(self, item_id: str, response_id: str, session_number: int) -> None:
        self.item_id = item_id
        self.response_id = response_id
        self.session_number = session_number
        self.content_bytes: dict[int, int] = {}
        self.ignored_bytes = 0
        self.first_delta_at: float | None = None
        self.response_created_at = 0.0
        self.texts: dict[int, str] = {}
        self.text_done = False
        self.audio_open = True
        self.cut = False
        self.voice_lost = False
        self.started_ms: int | None = None
        self.latency: TurnLatency | None = None
        self.ended_ms: int | None = None
        self.reported = False
        self.heard_share = 1.0
        self.partial_at = float("-inf")

    @property
    def text(self) -> str:
        """Transcript so far."""
        return "".join(self.texts[index] for index in sorted(self.texts))

    @property
    def shortened(self) -> bool:
        """Its words and its audio are not of the same length."""
        return self.cut or self.voice_lost or self.ignored_bytes > 0

    @property
    def received_bytes(self) -> int:
        """Speech received and queued, all content parts."""
        return sum(self.content_bytes.values())

    @property
    def unplayed(self) -> bool:
        """Some of its audio is still queued, or was when last heard of."""
        return self.received_bytes > 0 and self.ended_ms is None and not self.cut


class CalleeItem:
    """One turn of the callee."""

    def __init__(self, item_id: str, start_ms: int) -> None:
        self.item_id = item_id
        self.start_ms = start_ms
        self.end_ms = start_ms
        self.over = False
        self.text = ""
        self.reported = False
        self.partial_at = float("-inf")


class TurnLedger:
    """All items of the call; reports come out as values, the caller passes them on."""

    def __init__(self, bytes_per_ms: int) -> None:
        self.agent: dict[str, AgentItem] = {}
        self.callee: dict[str, CalleeItem] = {}
        self._bytes_per_ms = bytes_per_ms
        self._unplayed: dict[str, AgentItem] = {}
        self.before: tuple[Turn, ...] = ()
        """Turns of an earlier leg of this call; never reported again."""

    # --- agent --------------------------------------------------------------------------------------------------
    @property
    def unplayed(self) -> list[AgentItem]:
        """Items with audio that was queued and neither played out nor thrown away."""
        return list(self._unplayed.values())

    def agent_item(self, item_id: str, response_id: str, session_number: int) -> AgentItem:
        """The item, made when it is new."""
        item = self.agent.get(item_id)
        if item is None:
            item = self.agent[item_id] = AgentItem(item_id, response_id, session_number)
        return item

    def queued(self, item: AgentItem, content_index: int, audio_bytes: int) -> None:
        """Audio of this item goes to the playout."""
        item.content_bytes[content_index] = item.content_bytes.get(content_index, 0) + audio_bytes
        if item.unplayed:
            self._unplayed[item.item_id] = item

    def received_ms(self, item: AgentItem) -> int:
        """Length of the speech received."""
        return item.received_bytes // self._bytes_per_ms

    def played(self, item: AgentItem, audio_ms: int) -> None:
        """The last frame of this item was sent."""
        self._unplayed.pop(item.item_id, None)
        if item.ended_ms is None:
            item.ended_ms = audio_ms

    def heard_ms(self, item: AgentItem, heard: HeardItem) -> int:
        """What was heard of one content part, never more than was received of it."""
        received_ms = item.content_bytes.get(heard.content_index, 0) // self._bytes_per_ms
        return max(0, min(heard.heard_ms, heard.received_ms, received_ms))

    def cut(self, item: AgentItem, heard_ms: int, audio_ms: int) -> None:
        """The rest of this item was thrown away after `heard_ms` of it."""
        self.played(item, audio_ms)
        item.cut = True
        received_ms = self.received_ms(item)
        item.heard_share = heard_ms / received_ms if received_ms else 0.0

    def voice_lost(self, item: AgentItem) -> None:
        """No more of its audio comes, and nobody said that this was all: only words that are surely in it stay.

        Words are written ahead of the voice; the last one is cut anyhow. Where no blanks stand between words, only
        the pace tells.
        """
        received_ms, text = self.received_ms(item), item.text.rstrip()
        covered = int(received_ms / self._ms_per_char(text))
        head, blank, _ = text.rpartition(" ")
        if covered < AHEAD * len(text):
            head, blank, _ = text[:covered].rpartition(" ")
        item.voice_lost = True
        item.texts = {0: head if blank or not _UNSPACED.search(text) else text[: min(covered, len(text) - 1)]}

    def _ms_per_char(self, text: str) -> float:
        whole = [one for one in self.agent.values() if one.text_done and one.received_bytes and not one.shortened]
        chars = sum(len(one.text) for one in whole)
        if chars >= PACE_CHARS:
            return sum(self.received_ms(one) for one in whole) / chars
        return MS_PER_SIGN if _UNSPACED.search(text) else MS_PER_CHAR

    def complete_turn(self, item: AgentItem) -> Turn | None:
        """The turn, once it was played to its end and its text is whole."""
        if item.reported or item.ended_ms is None or item.cut or not item.text_done:
            return None
        if not item.text and item.voice_lost:
            return None
        length_ms = self.received_ms(item)
        return self._agent_turn(item, length_ms, interrupted=False)

    def interrupted_turn(self, item: AgentItem, heard_ms: int) -> Turn | None:
        """The turn of an item that was cut, with its whole text so far."""
        empty = item.voice_lost and not item.text
        return None if item.reported or empty else self._agent_turn(item, heard_ms, interrupted=True)

    def _agent_turn(self, item: AgentItem, heard_ms: int, *, interrupted: bool) -> Turn:
        item.reported = True
        end_ms = item.ended_ms or 0
        return Turn(
            speaker="agent",
            item_id=item.item_id,
            text=item.text,
            start_audio_ms=end_ms if item.started_ms is None else item.started_ms,
            end_audio_ms=end_ms,
            interrupted=interrupted,
            heard_ms=heard_ms,
            generated_ms=self.received_ms(item),
            latency=item.latency,
        )

    # --- callee -------------------------------------------------------------------------------------------------
    def callee_item(self, item_id: str, position_ms: int) -> CalleeItem:
        """The item, made at this position when it is new."""
        item = self.callee.get(item_id)
        if item is None:
            item = self.callee[item_id] = CalleeItem(item_id, position_ms)
        return item

    def callee_turn(self, item: CalleeItem, text: str) -> Turn | None:
        """The finished turn; None if it was reported before, or no word of it is known: that is no turn."""
        if item.reported:
            return None
        item.text = text
        item.reported = True
        if not text.strip():
            return None
        return Turn(
            speaker="callee",
            item_id=item.item_id,
            text=text,
            start_audio_ms=item.start_ms,
            end_audio_ms=max(item.start_ms, item.end_ms),
        )

    @property
    def awaited(self) -> list[CalleeItem]:
        """Turns of the callee whose transcript has not come."""
        return [item for item in self.callee.values() if not item.reported]

    # --- both ---------------------------------------------------------------------------------------------------
    def partial(self, item: AgentItem | CalleeItem, now: float) -> Partial | None:
        """Words so far, unless some were reported a moment ago."""
        if item.reported or now - item.partial_at < PARTIAL_PERIOD_S:
            return None
        item.partial_at = now
        speaker = "agent" if isinstance(item, AgentItem) else "callee"
        return Partial(speaker=speaker, item_id=item.item_id, text=item.text)

    def recent(self, count: int) -> list[Turn]:
        """The last turns in order of time, for a new session; those still being played are counted as heard."""
        turns = list(self.before)
        turns += [self._as_told(item) for item in self.agent.values() if item.text and item.heard_share > 0]
        turns += [
            Turn(
                speaker="callee",
                item_id=item.item_id,
                text=item.text,
                start_audio_ms=item.start_ms,
                end_audio_ms=item.end_ms,
            )
            for item in self.callee.values()
            if item.text
        ]
        return sorted(turns, key=lambda turn: turn.start_audio_ms)[-count:]

    def _as_told(self, item: AgentItem) -> Turn:
        received_ms = self.received_ms(item)
        later = 10**9 if item.started_ms is None else item.started_ms
        return Turn(
            speaker="agent",
            item_id=item.item_id,
            text=item.text,
            start_audio_ms=later,
            end_audio_ms=later,
            interrupted=item.cut,
            heard_ms=round(received_ms * item.heard_share),
            generated_ms=received_ms,
        )
