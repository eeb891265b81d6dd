"""The media leg of one call as its shell sees it: opened, lost with its worker, opened again, closed.

Owned by `app.calls.run`. A command that finds no worker is dropped: the link tells every call that its worker is
gone, once, and the call machine decides. What the model is to say or to know waits for the next leg.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from app.calls.board import CallOrder, Switchboard
from app.calls.plan import open_leg
from app.calls.second_leg import SecondLeg
from media import protocol as media
from media.client import WorkerLost


class MediaSide:
    """`is_open` while a leg of this call lives in a worker. `tell` is the call's inbox."""

    def __init__(self, board: Switchboard, order: CallOrder, tell: Callable[[WorkerLost], None]) -> None:
        self.is_open = order.adopted and not order.media_gone
        self._board = board
        self._order = order
        self._tell = tell
        self._second = SecondLeg(board, order)
        self._reopening: asyncio.Task[None] | None = None
        self._kept: list[media.Say | media.InjectText] | None = [] if order.media_gone else None

    def observe(self, report: media.NumberedReport) -> None:
        """Every report of this call, before anything is done about it."""
        match report:
            case media.LegOpened():
                self.is_open = True
            case media.LegClosed():
                self.is_open = False
            case _:
                self._second.observe(report)

    async def open(self) -> None:
        """The first leg. Without a worker nobody else would tell the call: it was not waiting yet."""
        try:
            await self._board.media.send(open_leg(self._board.settings, self._order))
        except WorkerLost as lost:
            self._tell(lost)

    async def send(self, command: media.Command) -> None:
        if self._kept is not None and isinstance(command, media.Say | media.InjectText):
            self._kept.append(command)
            return
        with suppress(WorkerLost):
            await self._board.media.send(command)

    def lost(self) -> None:
        """The worker is gone, and the leg with it."""
        self.is_open = False
        self._kept = self._kept or []

    async def restored(self) -> None:
        """Another leg goes on with the talk: its model hears what was told to nobody meanwhile."""
        kept, self._kept = self._kept or [], None
        for command in kept:
            await self.send(command)

    def reopen(self, group: asyncio.TaskGroup) -> None:
        """Ask the next worker for a leg that goes on with the talk, as soon as there is one."""
        if self._reopening is not None:
            self._reopening.cancel()
        self._reopening = group.create_task(self._reopen())

    def give_up(self) -> None:
        """The call is over: nothing is opened any more."""
        if self._reopening is not None:
            self._reopening.cancel()

    async def _reopen(self) -> None:
        opening = await self._second.opening(self._second.cut_off())
        await self._board.media.connection()
        await self.send(opening)
