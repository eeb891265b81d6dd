"""The shell of one phone call: connects the channel machine, the talk rules, ARI, the media worker and the store.

One inbox takes ARI events, worker reports and REST answers in order; the two pure machines decide; this file only
carries out. It ends when the channel machine says `Ended`; `app.calls.supervise` writes the end down.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, assert_never

import structlog

from app.calls import orders
from app.calls.away import ASTERISK_GONE_S, Away
from app.calls.board import CallOrder, Switchboard
from app.calls.commands import CommandDesk, Ordered
from app.calls.conversation import (
    Conversation,
    Note,
    PressKeys,
    TalkEffect,
    TalkLimits,
    ToMedia,
    WantHangUp,
)
from app.calls.diary import Diary
from app.calls.plan import call_plan, open_leg
from app.errors import StoreError
from app.store import attempts
from app.store.attempts import DialRefusal
from media import protocol as media
from media.client import WorkerLost
from stasis import call_model as channel
from stasis.call import CallMachine
from stasis.call_model import CallState
from stasis.errors import AriError, NotSent
from stasis.outcome import CallResult, EndedBy
from stasis.requests import Originate
from stasis.runner import run_effect

log = structlog.get_logger()

Inbox = channel.Input | media.NumberedReport | WorkerLost | Ordered
LEG_CLOSE_LIMIT_S = 5.0


class PhoneCall:
    """One attempt from prepared media to the last teardown answer."""

    def __init__(self, board: Switchboard, order: CallOrder) -> None:
        self.board = board
        self.order = order
        self.call_id = order.call_id
        self.machine = CallMachine(call_plan(board.settings, order))
        self.talk = Conversation(
            order.call_id,
            TalkLimits(
                no_input_s=board.settings.no_input_s,
                no_input_prompts=board.settings.no_input_prompts,
                max_talk_s=board.settings.max_call_duration_s,
                max_cost_micro_usd=round(board.settings.max_call_cost_usd * 1e6) or None,
            ),
        )
        self.result: CallResult | None = None
        self._away = Away()
        self._diary = Diary(board, order)
        self._leg_open = False
        self._inbox: asyncio.Queue[Inbox] = asyncio.Queue()
        self._desk = CommandDesk(board, order, self._inbox.put_nowait)
        self._log = log.bind(call_id=order.call_id)

    async def run(self) -> CallResult:
        """Make the call. Returns its result; a cancelled run raises and leaves the rest to reconciliation."""
        with (
            self.board.ari.router.open(self.call_id) as ari_events,
            self.board.media.open(self.call_id) as reports,
        ):
            self.board.calls[self.call_id] = self
            try:
                async with asyncio.TaskGroup() as group:
                    pumps = [
                        group.create_task(self._pump(ari_events)),
                        group.create_task(self._pump(reports)),
                        group.create_task(self._diary.run()),
                        group.create_task(self._desk.run()),
                    ]
                    result = await self._live(group)
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

    async def _live(self, group: asyncio.TaskGroup) -> CallResult:
        now = self.board.clock.monotonic()
        if not self.board.ari.gate.is_open:  # adopted, or the stream broke after the claim
            self._away.lost(now)
        if self.order.adopted:
            self._leg_open = True
            await self._channel_effects(self.machine.resume(now, conversing=self.order.conversing), group)
            if self.order.conversing:
                resumed = self.talk.resumed(now, agent_speaking=self.order.agent_speaking)
                await self._talk_effects(resumed, group)
        else:
            await self._send_media(open_leg(self.board.settings, self.order))
            await self._channel_effects(self.machine.start(now), group)
        while self.result is None:
            await self._step(group)
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
        match item:
            case media.LegOpened(rtp_host=host, rtp_port=port):
                self._leg_open = True
                given = channel.MediaOpened(rtp_host=host, rtp_port=port)
            case media.LegReady():
                given = channel.MediaReady()
            case media.LegClosed():
                self._leg_open = False
                given = channel.MediaLost(reason="the media leg closed")
            case media.LegFailed(code=code, message=message) if self.machine.state is not CallState.BRIDGED:
                given = channel.MediaLost(reason=f"{code}: {message}")
            case WorkerLost():
                self._leg_open = False
                given = channel.MediaLost(reason=f"media worker: {item}")
            case Ordered():
                await self._carry_out(item, group)
                return
            case media.Report():
                await self._talk_effects(self.talk.handle(item, now), group)
                return
            case _:
                given = item
                self._watch_stream(item, now)
        await self._channel_effects(self.machine.handle(given, now), group)

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
                    self._log.info("call state", state=str(state))
                    self._diary.state(state)
                case channel.ConnectMediaPeer(host=host, port=port):
                    await self._send_media(media.ConnectPeer(call_id=self.call_id, host=host, port=port))
                case channel.StartConversation():
                    await self._talk_effects(self.talk.answered(self.board.clock.monotonic()), group)
                case channel.DtmfReceived(digit=digit):
                    keys = self.talk.key_pressed(digit, self.board.clock.monotonic())
                    await self._talk_effects(keys, group)
                case channel.Ended(result=result):
                    self.result = result
                case Originate():
                    await self._originate(effect, group)
                case _:
                    group.create_task(self._rest(effect))

    async def _talk_effects(self, effects: Sequence[TalkEffect], group: asyncio.TaskGroup) -> None:
        for effect in effects:
            match effect:
                case ToMedia(command):
                    await self._send_media(command)
                case PressKeys(digits):
                    group.create_task(self._press(digits))
                case WantHangUp(ended_by, reason):
                    self.hang_up(ended_by, reason)
                case Note(kind, detail):
                    self._diary.note(kind, detail)
                case _:
                    assert_never(effect)

    async def _originate(self, effect: Originate, group: asyncio.TaskGroup) -> None:
        """The only road to a ringing phone: the intent is committed (fence, DNC, deadline) before the POST."""
        try:
            async with self.board.db.tx() as tx:
                committed = await attempts.begin_call(
                    tx,
                    self.order.tenant_id,
                    self.order.new,
                    self.order.lease_token,
                    self.board.clock.unix_ms(),
                )
        except StoreError as error:
            committed = DialRefusal(code="store", sentence=f"The intent could not be stored: {error.message}")
        if isinstance(committed, DialRefusal):
            # Not sent, so the machine knows that nobody was called and takes everything down.
            self._diary.note("dial_refused", committed.sentence)
            self._inbox.put_nowait(channel.Failed(effect=effect, error=NotSent(committed.sentence)))
            return
        group.create_task(self._rest(effect))

    async def _rest(self, effect: channel.RestEffect) -> None:
        self._inbox.put_nowait(await run_effect(self.board.ari.client, effect, self.board.ari.gate))

    async def _press(self, digits: str) -> AriError | None:
        try:
            await self.board.ari.client.channels.dtmf(self.machine.plan.ids.callee, digits)
        except AriError as error:
            self._diary.note("dtmf_failed", str(error))
            return error
        self._diary.note("dtmf_out", digits)
        return None

    async def _carry_out(self, ordered: Ordered, group: asyncio.TaskGroup) -> None:
        """Do what an operator ordered, as far as the talk allows it now."""
        if self.machine.state in {CallState.ENDING, CallState.ENDED}:
            ordered.settle(orders.ENDING, refused=True)
            return
        done = orders.carry_out(self.talk, ordered.payload, self.board.clock.monotonic())
        self._diary.note("command", f"{ordered.kind} by {ordered.issued_by}: {done.sentence or 'keys'}")
        await self._talk_effects(done.effects, group)
        if done.keys:
            group.create_task(self._press_ordered(ordered, done.keys))
        else:
            ordered.settle(done.sentence, refused=done.refused)

    async def _press_ordered(self, ordered: Ordered, digits: str) -> None:
        failure = await self._press(digits)
        ordered.settle(f"Asterisk refused the keys: {failure}" if failure else "Pressed.", refused=bool(failure))

    async def _send_media(self, command: media.Command) -> None:
        try:
            await self.board.media.send(command)
        except WorkerLost as lost:
            self._inbox.put_nowait(lost)

    async def _close_leg(self, group: asyncio.TaskGroup) -> None:
        """End the media leg and wait until its last report (statistics, recording) is stored.

        A callee channel that turns up only now is still taken down.
        """
        await self._send_media(media.CloseLeg(call_id=self.call_id))
        try:
            async with asyncio.timeout(LEG_CLOSE_LIMIT_S):
                while self._leg_open:
                    item = await self._inbox.get()
                    if isinstance(item, media.LegClosed | WorkerLost) or not isinstance(item, media.Report):
                        await self._take(item, group)
        except TimeoutError:
            self._log.warning("the media leg did not confirm its end")
