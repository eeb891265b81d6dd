"""The shell of one phone call: connects the channel machine, the talk rules, ARI, the media worker and the store.

One inbox takes ARI events, worker reports and REST answers in order; the two pure machines decide; this file only
carries out. It ends when the channel machine says `Ended`; `app.calls.supervise` writes the end down.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, assert_never

import structlog

from app.calls.board import CallOrder, Switchboard
from app.calls.conversation import (
    Conversation,
    Note,
    PressKeys,
    TalkEffect,
    TalkLimits,
    ToMedia,
    WantHangUp,
)
from app.calls.plan import call_plan, open_leg
from app.errors import StoreError
from app.store import attempts, calls, events
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

Inbox = channel.Input | media.NumberedReport | WorkerLost
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
            ),
        )
        self.result: CallResult | None = None
        self._leg_open = False
        self._inbox: asyncio.Queue[Inbox] = asyncio.Queue()
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
                    ]
                    result = await self._live(group)
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
        if self.order.adopted:
            self._leg_open = True
            await self._channel_effects(self.machine.resume(now, conversing=self.order.conversing), group)
            await self._talk_effects(self.talk.resumed(now) if self.order.conversing else [], group)
        else:
            await self._send_media(open_leg(self.board.settings, self.order))
            await self._channel_effects(self.machine.start(now), group)
        while self.result is None:
            await self._step(group)
        await self._close_leg()
        return self.result

    async def _pump(self, mailbox: "asyncio.Queue[Any]") -> None:
        while True:
            self._inbox.put_nowait(await mailbox.get())

    async def _step(self, group: asyncio.TaskGroup) -> None:
        """Wait for the next input or deadline and carry out what follows from it."""
        deadlines = [d for d in (self.machine.next_deadline, self.talk.next_deadline) if d is not None]
        wait_s = max(0.0, min(deadlines) - self.board.clock.monotonic()) if deadlines else None
        try:
            async with asyncio.timeout(wait_s):
                item = await self._inbox.get()
        except TimeoutError:
            now = self.board.clock.monotonic()
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
            case media.Report():
                await self._talk_effects(self.talk.handle(item, now), group)
                return
            case _:
                given = item
        await self._channel_effects(self.machine.handle(given, now), group)

    async def _channel_effects(self, effects: Sequence[channel.Effect], group: asyncio.TaskGroup) -> None:
        for effect in effects:
            match effect:
                case channel.Progress(state=state):
                    await self._progress(state)
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
                    await self._note(kind, detail)
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
            await self._note("dial_refused", committed.sentence)
            self._inbox.put_nowait(channel.Failed(effect=effect, error=NotSent(committed.sentence)))
            return
        group.create_task(self._rest(effect))

    async def _rest(self, effect: channel.RestEffect) -> None:
        self._inbox.put_nowait(await run_effect(self.board.ari.client, effect, self.board.ari.gate))

    async def _press(self, digits: str) -> None:
        try:
            await self.board.ari.client.channels.dtmf(self.machine.plan.ids.callee, digits)
        except AriError as error:
            await self._note("dtmf_failed", str(error))
        else:
            await self._note("dtmf_out", digits)

    async def _send_media(self, command: media.Command) -> None:
        try:
            await self.board.media.send(command)
        except WorkerLost as lost:
            self._inbox.put_nowait(lost)

    async def _progress(self, state: CallState) -> None:
        self._log.info("call state", state=str(state))
        try:
            if state is not CallState.DIALING:  # begin_call stores that one, together with the intent
                now_ms = self.board.clock.unix_ms()
                await calls.set_state(self.board.db, self.order.tenant_id, self.call_id, state, now_ms)
        except StoreError as error:
            self._log.warning("call state not stored", error=error.message)
        await self.board.announce(self.order)

    async def _note(self, kind: str, detail: str) -> None:
        at_ms = self.board.clock.unix_ms()
        try:
            await events.add(
                self.board.db, self.order.tenant_id, self.call_id, kind, {"detail": detail}, at_ms=at_ms
            )
        except StoreError as error:
            self._log.warning("call event not stored", kind=kind, error=error.message)

    async def _close_leg(self) -> None:
        """End the media leg and wait until its last report (statistics, recording) is stored."""
        await self._send_media(media.CloseLeg(call_id=self.call_id))
        try:
            async with asyncio.timeout(LEG_CLOSE_LIMIT_S):
                while self._leg_open:
                    if isinstance(await self._inbox.get(), media.LegClosed | WorkerLost):
                        self._leg_open = False
        except TimeoutError:
            self._log.warning("the media leg did not confirm its end")
