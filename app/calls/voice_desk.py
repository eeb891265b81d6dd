"""The sound of one living call: who listens in, and the voice of an operator who has taken over.

The bus brings what browsers want and say, checked by `app.domain.voice`; the media worker does it. Nothing here
waits for anybody: a wish that is lost is said again, a voice that is late is lost. Started by `app.calls.run`.
"""

from collections.abc import Callable
from contextlib import suppress

from app.calls.board import CallOrder, Switchboard
from app.domain.messages import ListenWanted, OperatorVoice, voice_topic
from app.domain.voice import LISTEN_FOR_MS, VoiceCheck
from media import protocol as media
from media.client import WorkerLost


class VoiceDesk:
    """Of one call. `mic_id`: whose voice is let in now; empty: nobody's."""

    def __init__(self, board: Switchboard, order: CallOrder, mic_id: Callable[[], str]) -> None:
        self._board = board
        self._call_id = order.call_id
        self._mic_id = mic_id
        self._check = VoiceCheck(board.command_key, order.tenant_id, order.call_id)

    async def run(self) -> None:
        """Serve until cancelled."""
        with self._board.bus.subscribe(voice_topic(self._call_id)) as messages:
            async for message in messages:
                if isinstance(message, ListenWanted | OperatorVoice):
                    await self._take(message)

    async def _take(self, message: ListenWanted | OperatorVoice) -> None:
        now_ms = self._board.clock.unix_ms()
        if not self._check.accepts(message, now_ms, self._mic_id()):
            return
        with suppress(WorkerLost):  # the call is told by the link
            if isinstance(message, ListenWanted):
                for_ms = min(message.until_ms - now_ms, LISTEN_FOR_MS)
                await self._board.media.send(media.Listen(call_id=self._call_id, for_ms=for_ms))
            else:
                await self._board.media.send(media.OperatorAudio(call_id=self._call_id, audio=message.audio))
