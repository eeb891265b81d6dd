"""When a media worker dies in the middle of a talk: what a new leg must know to go on with it.

The turns come from the store, where all reports of the dead worker are by then; the words it was in the middle of
are known here alone, from its last partial reports, and are stored as cut off. Fed by `app.calls.run`.
"""

import asyncio
from contextlib import suppress

import msgspec
import structlog

from app.calls.board import CallOrder, Switchboard
from app.calls.plan import open_leg
from app.domain.call import Turn
from app.errors import StoreError
from app.store import transcripts
from media import protocol as media

log = structlog.get_logger()

STORED_S = 1.5
"""How long the callee waits for a slow disk; then the agent remembers what it can."""
SPEECH_MS_PER_CHARACTER = 65
"""Usual pace of speech: how much of a sentence was heard when the words are known and the sound is gone."""
TURNS_TOLD = 40
PRIMING = (
    "For a moment neither of you heard the other. If you were speaking, go on from the word where you stopped. If "
    "it was the callee's turn, say in a few words that you did not hear them. Never say again what you have said."
)


class SecondLeg:
    """`observe` every report; `opening` when the worker is gone and there is another one."""

    def __init__(self, board: Switchboard, order: CallOrder) -> None:
        self._board = board
        self._order = order
        self._partial: dict[str, media.TurnPartial] = {}
        self._began: dict[str, tuple[int, float]] = {}
        self._known_ms, self._known_at = 0, board.clock.monotonic()
        self._legs = 1

    def observe(self, report: media.NumberedReport) -> None:
        """Keep where the call is on its time line, and the words of turns that are not over."""
        match report:
            case media.Levels(audio_ms=at_ms) | media.SpeechStarted(audio_ms=at_ms):
                self._known_ms, self._known_at = at_ms, self._board.clock.monotonic()
            case media.AgentSpeaking(item_id=item_id):
                self._began[item_id] = self.position_ms, self._board.clock.monotonic()
            case media.TurnPartial():
                self._partial[report.item_id] = report
            case media.TurnSpoken(item_id=item_id):
                self._partial.pop(item_id, None)
                self._began.pop(item_id, None)
            case _:
                pass

    @property
    def position_ms(self) -> int:
        """Where the call is on its own time line now."""
        return self._known_ms + round((self._board.clock.monotonic() - self._known_at) * 1000)

    def cut_off(self) -> list[Turn]:
        """The turns the dead worker was in the middle of; answered once.

        How long one was heard is told by our clock since it began: the call's time line is set back by a report of
        a worker that had fallen behind, and a sentence half heard would count as not heard at all.
        """
        at_ms, now_s, partial, began = self.position_ms, self._board.clock.monotonic(), self._partial, self._began
        self._partial, self._began = {}, {}
        cut: list[Turn] = []
        for one in partial.values():
            start_ms, began_s = began.get(one.item_id, (at_ms, now_s))
            if one.text.strip() and (one.speaker != "agent" or one.item_id in began):
                cut.append(_cut(one, start_ms, round((now_s - began_s) * 1000)))
        return cut

    async def opening(self, cut: list[Turn]) -> media.OpenLeg:
        """What the next worker is asked for. Waits until the former one's reports are stored."""
        turns = await self._turns(cut)
        self._legs += 1
        order = open_leg(self._board.settings, self._order, leg=self._legs)
        at_ms = max([self.position_ms, *(turn.end_audio_ms for turn in turns)])
        past = tuple(_past(turn) for turn in turns[-TURNS_TOLD:])
        return msgspec.structs.replace(
            order,
            realtime=msgspec.structs.replace(order.realtime, priming=PRIMING),
            continued=media.Continuation(audio_ms=at_ms, turns=past),
        )

    async def _turns(self, cut: list[Turn]) -> list[Turn]:
        board, order = self._board, self._order
        stored: list[Turn] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(STORED_S):
                await board.media.stored()
        try:
            now_ms = board.clock.unix_ms()
            for turn in cut:
                await transcripts.add(board.db, order.tenant_id, order.call_id, turn, now_ms)
            stored = await transcripts.list_turns(board.db, order.tenant_id, order.call_id)
        except StoreError as error:
            log.warning("a new media leg goes on without its turns", call_id=order.call_id, error=error.message)
        return stored or cut


def _cut(partial: media.TurnPartial, began_ms: int, heard_ms: int) -> Turn:
    return Turn(
        speaker=partial.speaker,
        item_id=partial.item_id,
        text=partial.text,
        start_audio_ms=began_ms,
        end_audio_ms=began_ms + heard_ms,
        interrupted=True,
        heard_ms=heard_ms,
        generated_ms=max(heard_ms, len(partial.text) * SPEECH_MS_PER_CHARACTER),
    )


def _past(turn: Turn) -> media.PastTurn:
    """An operator spoke for our side; the model's memory knows two."""
    return media.PastTurn(
        speaker="callee" if turn.speaker == "callee" else "agent",
        text=f"(a person of your own side) {turn.text}" if turn.speaker == "operator" else turn.text,
        start_audio_ms=turn.start_audio_ms,
        interrupted=turn.interrupted and turn.speaker == "agent",
        heard_ms=turn.heard_ms,
        generated_ms=turn.generated_ms,
    )
