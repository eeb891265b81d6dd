"""The shell of one phone call: connects the channel machine, the talk rules, ARI, the media worker and the store.

One inbox takes ARI events, worker reports and REST answers in order; the two pure machines decide; this file only
carries out. It ends when the channel machine says `Ended`; `app.calls.supervise` writes the end down.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from app.calls import orders
from app.calls.away import ASTERISK_GONE_S, Away
from app.calls.board import CallOrder, Switchboard
from app.calls.commands import CommandDesk, Ordered
from app.calls.dial import Dialing, crash_at_state
from app.calls.diary import Diary
from app.calls.field_desk import FieldDesk
from app.calls.media_side import MediaSide
from app.calls.plan import call_machine, conversation
from app.calls.talk_model import (
    SAY_GOODBYE_STOPPING,
    ErrandDone,
    NobodyAnswered,
    PeopleAnswered,
    TalkAnswer,
    TalkEffect,
    TalkState,
)
from app.calls.talk_side import TalkSide
from app.calls.voice_desk import VoiceDesk
from app.calls.wishes import Farewell, LetGo
from app.domain.fields import FieldBook
from media import protocol as media
from media.client import WorkerLost
from stasis import call_model as channel
from stasis.call_model import CallState
from stasis.outcome import CallResult, EndedBy
from stasis.requests import Originate

log = structlog.get_logger()

Inbox = channel.Input | media.NumberedReport | WorkerLost | Ordered | Farewell | LetGo | Originate | TalkAnswer
LEG_CLOSE_LIMIT_S = 5.0


class PhoneCall:
    """One attempt from prepared media to the last teardown answer."""

    def __init__(self, board: Switchboard, order: CallOrder) -> None:
        self.board = board
        self.order = order
        self.call_id = order.call_id
        self.machine = call_machine(board.settings, order)
        fields = FieldDesk(FieldBook(order.agent.data_to_fill, order.collected), order.said)
        self.talk = conversation(board.settings, order, fields)
        self.result: CallResult | None = None
        self.let_gone = False
        """Left alive for the next control process; its row and task stay as they are."""
        self._away = Away()
        self._diary = Diary(board, order)
        self._inbox: asyncio.Queue[Inbox] = asyncio.Queue()
        self._dialing = Dialing(board, order, self._inbox.put_nowait, self._diary.note)
        self._media = MediaSide(board, order, self._inbox.put_nowait)
        self._desk = CommandDesk(board, order, self._inbox.put_nowait)
        self._side = TalkSide(
            board,
            order,
            put=self._inbox.put_nowait,
            media=self._media,
            diary=self._diary,
            callee_channel=self.machine.plan.ids.callee,
            talking=lambda: self.talk.state is TalkState.TALKING,
        )
        self._log = log.bind(call_id=order.call_id)

    async def run(self) -> CallResult | None:
        """Make the call. Returns its result, None when it was let go. A cancelled run raises and leaves the rest
        to reconciliation.
        """
        with (
            self.board.ari.router.open(self.call_id, self.order.new.caller_channel) as ari_events,
            self.board.media.open(self.call_id, self.order.tenant_id) as reports,
        ):
            self.board.calls[self.call_id] = self
            try:
                async with asyncio.TaskGroup() as group:
                    pumps = [
                        group.create_task(self._pump(ari_events)),
                        group.create_task(self._pump(reports)),
                        group.create_task(self._diary.run()),
                        group.create_task(self._desk.run()),
                        group.create_task(self._side.people.run()),
                        group.create_task(VoiceDesk(self.board, self.order, lambda: self.talk.operator.mic).run()),
                    ]
                    result = await self._live(group)
                    await self._side.close()
                    await self._desk.close()
                    await self._diary.written()
                    for pump in pumps:
                        pump.cancel()
            finally:
                del self.board.calls[self.call_id]
        return result

    def hang_up(self, ended_by: EndedBy, reason: str) -> None:
        """End the call at once, from any state."""
        self._inbox.put_nowait(channel.HangUp(by=ended_by, reason=reason))

    def say_goodbye(self, reason: str) -> None:
        """End the talk after a farewell; a call that is no talk yet is taken back."""
        self._inbox.put_nowait(Farewell(reason))

    def let_go(self) -> None:
        """Leave a call that was dialed to the media worker and the next control process; take back any other."""
        self._inbox.put_nowait(LetGo())

    async def _live(self, group: asyncio.TaskGroup) -> CallResult | None:
        now = self.board.clock.monotonic()
        if not self.board.ari.gate.is_open:  # adopted, or the stream broke after the claim
            self._away.lost(now)
        if (order := self.order).adopted:
            resuming = self.machine.resume(now, conversing=order.conversing, transfer=order.transfer)
            await self._channel_effects(resuming, group)
            if order.conversing and not order.handed_over:
                resumed = self.talk.resumed(now, order.left)
                self._side.adopt_question(self.talk, now)
                await self._talk_effects(resumed, group)
        else:
            await self._media.open()
            await self._channel_effects(self.machine.start(now), group)
        while self.result is None and not self.let_gone:
            await self._step(group)
        self._media.give_up()
        if self.let_gone:
            self.board.leave(self.order)
        else:
            await self._close_leg(group)
        return self.result

    async def _pump(self, mailbox: "asyncio.Queue[Any]") -> None:
        while True:
            self._inbox.put_nowait(await mailbox.get())

    async def _step(self, group: asyncio.TaskGroup) -> None:
        """Wait for the next input or deadline and carry out what follows from it."""
        due = (self.machine.next_deadline, self.talk.next_deadline, self._away.next_deadline)
        deadline = min((at for at in due if at is not None), default=None)
        wait_s = None if deadline is None else max(0.0, deadline - self.board.clock.monotonic())
        try:
            async with asyncio.timeout(wait_s):
                item = await self._inbox.get()
        except TimeoutError:
            now = self.board.clock.monotonic()
            if self._away.overdue(now):
                self.hang_up(EndedBy.SYSTEM_FAILURE, f"Asterisk has been away for {ASTERISK_GONE_S:.0f} s")
            await self._channel_effects(self.machine.handle(channel.Tick(), now), group)
            await self._talk_effects(self.talk.tick(now), group)
        else:
            await self._take(item, group)

    async def _take(self, item: Inbox, group: asyncio.TaskGroup) -> None:
        now = self.board.clock.monotonic()
        if isinstance(item, media.Report):
            self._media.observe(item)
        match item:
            case media.LegOpened(rtp_host=host, rtp_port=port):
                given = channel.MediaOpened(rtp_host=host, rtp_port=port)
            case media.LegReady():
                given = channel.MediaReady()
            case media.LegClosed():
                given = channel.MediaLost(reason="the media leg closed")
            case media.LegFailed(code=code, message=message) if self.machine.state is not CallState.BRIDGED:
                given = channel.MediaLost(reason=f"{code}: {message}")
            case WorkerLost():
                self._media.lost()
                if self.machine.state is CallState.BRIDGED:
                    await self._talk_effects(self.talk.media_gone(), group)
                given = channel.WorkerGone(reason=f"media worker: {item}")
            case Ordered() | Farewell() | LetGo():
                await self._obey(item, group)
                return
            case Originate():
                await self._originate(item, group)
                return
            case media.Report() | ErrandDone() | PeopleAnswered() | NobodyAnswered():
                await self._talk_effects(self.talk.handle(item, now), group)
                return
            case _:
                given = item
                self._watch_stream(item, now)
        await self._channel_effects(self.machine.handle(given, now), group)

    async def _obey(self, item: "Ordered | Farewell | LetGo", group: asyncio.TaskGroup) -> None:
        """What people want of this call: an operator, or whoever stops this process."""
        state = self.machine.state
        match item:
            case Ordered():
                await self._carry_out(item, group)
            case Farewell(reason=reason) if state in channel.HEARD:
                now, by = self.board.clock.monotonic(), EndedBy.SYSTEM_COMPLETE
                await self._talk_effects(self.talk.close(by, reason, now, farewell=SAY_GOODBYE_STOPPING), group)
            case Farewell() if state is CallState.HANDED_OVER:
                self.let_gone = True  # two people talk with each other: the next process looks after them
            case Farewell(reason=reason):
                self.hang_up(EndedBy.SYSTEM_COMPLETE, reason)
            case LetGo() if state is CallState.PREPARE:
                self.hang_up(EndedBy.SYSTEM_COMPLETE, "OpenDeep is being restarted")
            case LetGo():
                self.let_gone = state not in channel.OVER

    def _watch_stream(self, given: channel.Input, now: float) -> None:
        match given:
            case channel.StreamLost():
                self._away.lost(now)
                if self.board.ari.replaced and self.machine.state in channel.UNANSWERED:
                    # The answer would go to another process, and the callee would hear nothing.
                    self.hang_up(EndedBy.SYSTEM_FAILURE, "another client took our Stasis application")
            case channel.Reconciled():
                self._away.back()
            case _:
                pass

    async def _channel_effects(self, effects: Sequence[channel.Effect], group: asyncio.TaskGroup) -> None:
        for effect in effects:
            match effect:
                case channel.Progress(state=state):
                    self._progress(state)
                case channel.ConnectMediaPeer(host=host, port=port):
                    await self._media.send(media.ConnectPeer(call_id=self.call_id, host=host, port=port))
                case channel.ReopenMedia():
                    self._media.reopen(group)
                case channel.MediaRestored():
                    await self._talk_effects(self.talk.media_back(self.board.clock.monotonic()), group)
                    await self._media.restored()
                case channel.StartConversation():
                    await self._talk_effects(self.talk.answered(self.board.clock.monotonic()), group)
                case channel.DtmfReceived(digit=digit):
                    keys = self.talk.key_pressed(digit, self.board.clock.monotonic())
                    await self._talk_effects(keys, group)
                case channel.TransferChanged():
                    over = self.machine.state in channel.OVER
                    await self._side.transferred(effect, self.talk, group, over=over)
                case channel.Ended(result=result):
                    self.result = result
                case Originate(channel_id=self.machine.plan.ids.callee):
                    await self._originate(effect, group)
                case _:  # the target of a transfer too: its intent is committed
                    group.create_task(self._dialing.send(effect))

    async def _talk_effects(self, effects: Sequence[TalkEffect], group: asyncio.TaskGroup) -> None:
        await self._side.carry_out(effects, group)

    async def _originate(self, effect: Originate, group: asyncio.TaskGroup) -> None:
        await self._dialing.originate(effect, group, wanted=self.machine.state is CallState.DIALING)

    async def _carry_out(self, ordered: Ordered, group: asyncio.TaskGroup) -> None:
        """Do what an operator ordered, as far as the talk allows it now."""
        if self.machine.state in {CallState.ENDING, CallState.ENDED}:
            ordered.settle(orders.ENDING, refused=True)
            return
        done = orders.carry_out(self.talk, ordered.payload, self.board.clock.monotonic())
        if done.later:
            self._side.transfers.ordered = ordered
        self._diary.note("command", f"{ordered.kind} by {ordered.issued_by}: {done.sentence or 'keys'}")
        await self._talk_effects(done.effects, group)
        if done.keys:
            group.create_task(self._side.press_ordered(ordered, done.keys))
        elif not done.later:
            ordered.settle(done.sentence, refused=done.refused)

    def _progress(self, state: CallState) -> None:
        self._log.info("call state", state=str(state))
        crash_at_state(state)
        if state not in {CallState.REPAIRING, CallState.HANDED_OVER}:  # the row stays with the talk
            self._diary.state(state)
        if state is CallState.BRIDGED and self.order.leg_wanted and not self._media.is_open:
            self._inbox.put_nowait(WorkerLost("it died together with the control process"))

    async def _close_leg(self, group: asyncio.TaskGroup) -> None:
        """End the media leg and wait until its last report (statistics, recording) is stored. A callee channel
        that turns up only now is still taken down.
        """
        await self._media.send(media.CloseLeg(call_id=self.call_id))
        try:
            async with asyncio.timeout(LEG_CLOSE_LIMIT_S):
                while self._media.is_open:
                    item = await self._inbox.get()
                    if isinstance(item, media.LegClosed | WorkerLost) or not isinstance(item, media.Report):
                        await self._take(item, group)
        except TimeoutError:
            self._log.warning("the media leg did not confirm its end")
