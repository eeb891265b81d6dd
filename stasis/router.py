"""One ordered mailbox per call: events find it by the call id inside our ids.

A mailbox is opened before the call's first POST, so no event comes too early. Putting never waits: the reader of
the event stream must not stall. Other word for a call (media reports, commands) goes through the same mailbox,
which keeps everything about one call in one order. Shell of `app`'s calls; knows no event type but by its ids.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager

from stasis.call_model import Input
from stasis.events import Event, MalformedEvent, StasisStart, UnknownEvent
from stasis.ids import parse
from stasis.inbound import Caller, caller_of

log = logging.getLogger(__name__)

Mailbox = asyncio.Queue[Input]

DEEP = 200
"""A mailbox this deep means that its call's task does not keep up. Nothing is dropped: events are facts."""


class Router:
    """`counters`: delivered, callers, unknown (type), malformed, foreign (no id of this node), stray (ours, but no
    such call; the tail of an ended call is usual). `on_stray` gets the id of a channel that enters Stasis for a
    call nobody runs: somebody has to hang it up. `on_caller` gets everybody who calls us.
    """

    def __init__(
        self,
        node: str,
        on_stray: Callable[[str], None] | None = None,
        on_caller: Callable[[Caller], None] | None = None,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._node = node
        self._on_stray = on_stray
        self._on_caller = on_caller
        self._mailboxes: dict[str, Mailbox] = {}
        self._callers: dict[str, str] = {}  # call by the channel of whoever called
        self._left: set[str] = set()

    @contextmanager
    def open(self, call_id: str, caller_channel: str = "") -> Generator[Mailbox, None, None]:
        """The mailbox of a call while it runs; an inbound call's also gets the events of its caller's channel.
        Raises ValueError when the call has one already.
        """
        if call_id in self._mailboxes:
            raise ValueError(f"call {call_id} has a mailbox already")
        self._mailboxes[call_id] = mailbox = Mailbox()
        if caller_channel:
            self._callers[caller_channel] = call_id
        try:
            yield mailbox
        finally:
            del self._mailboxes[call_id]
            if call_id not in self._left:
                self._callers.pop(caller_channel, None)

    def leave(self, call_id: str) -> None:
        """The next process goes on with this call: nothing of it is a stray here, and nobody here follows it."""
        self._left.add(call_id)

    @property
    def call_ids(self) -> frozenset[str]:
        """The calls somebody runs now, and those that were left to the next process."""
        return frozenset(self._mailboxes) | self._left

    @property
    def caller_channels(self) -> dict[str, str]:
        """The caller's channel of each inbound call among them."""
        return {call_id: channel for channel, call_id in self._callers.items()}

    def dispatch(self, event: Event) -> None:
        """Hand an event to its call; `on_event` of the stream."""
        if isinstance(event, UnknownEvent):
            self.counters["unknown"] += 1
        elif isinstance(event, MalformedEvent):
            self.counters["malformed"] += 1
            log.warning("ARI event %s is malformed: %s", event.type, event.reason)
        else:
            self._route(event)

    def send(self, call_id: str, given: Input) -> bool:
        """Put anything into a call's mailbox; False when there is no such call."""
        mailbox = self._mailboxes.get(call_id)
        if mailbox is None:
            return False
        mailbox.put_nowait(given)
        if mailbox.qsize() >= DEEP and mailbox.qsize() % DEEP == 0:
            log.warning("call %s: %d inputs are waiting", call_id, mailbox.qsize())
        return True

    def broadcast(self, given: Input) -> None:
        """To every call, e.g. `StreamLost`."""
        for call_id in self._mailboxes:
            self.send(call_id, given)

    def _route(self, event: Event) -> None:
        # dict and not set: an event of two channels of one call goes there once, of two calls to both in order.
        found = (self._call_of(channel_id) for channel_id in event.channel_ids())
        calls = dict.fromkeys(call_id for call_id in found if call_id is not None)
        if not calls and self._on_caller is not None and (caller := caller_of(event)) is not None:
            self.counters["callers"] += 1
            self._on_caller(caller)
        elif not calls:
            self.counters["foreign"] += 1
        for call_id in calls:
            if self.send(call_id, event):
                self.counters["delivered"] += 1
            else:
                self.counters["stray"] += 1
                if isinstance(event, StasisStart) and self._on_stray is not None and call_id not in self._left:
                    self._on_stray(event.channel.id)

    def _call_of(self, channel_id: str) -> str | None:
        ours = parse(channel_id)
        if ours is not None:
            return ours.call_id if ours.node == self._node else None
        return self._callers.get(channel_id)
