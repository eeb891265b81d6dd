"""Presses keys on the callee's channel: for the agent, or as an operator ordered. Used by `app.calls.run`."""

from app.calls.board import Switchboard
from app.calls.commands import Ordered
from app.calls.diary import Diary
from stasis.errors import AriError


class Keypad:
    """Of one call; `channel_id` is the callee's."""

    def __init__(self, board: Switchboard, channel_id: str, diary: Diary) -> None:
        self._board = board
        self._channel_id = channel_id
        self._diary = diary

    async def press(self, digits: str) -> AriError | None:
        """The error is noted in the call's events as well."""
        try:
            await self._board.ari.client.channels.dtmf(self._channel_id, digits)
        except AriError as error:
            self._diary.note("dtmf_failed", str(error))
            return error
        self._diary.note("dtmf_out", digits)
        return None

    async def press_ordered(self, ordered: Ordered, digits: str) -> None:
        """Press, and tell whoever ordered it what came of it."""
        failure = await self.press(digits)
        ordered.settle(f"Asterisk refused the keys: {failure}" if failure else "Pressed.", refused=bool(failure))
