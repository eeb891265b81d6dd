"""What every call of this process shares, and what one call is ordered to do."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import msgspec

from app.bus import Bus
from app.calls.ari_link import AriLink
from app.calls.closing import Inherited
from app.calls.dial_guard import DialGuard
from app.calls.held import Held
from app.calls.instructions import CallContext
from app.calls.media_link import MediaLink
from app.calls.readiness import Readiness
from app.clock import Clock
from app.config import Settings, tool_environment
from app.config.site import load_site
from app.documents.library import Library
from app.domain.admission_site import Site
from app.domain.agent import Agent
from app.domain.call import NewCall
from app.domain.command import Verdict
from app.domain.feedback import FeedbackRequest
from app.domain.fields import Collected, Said
from app.domain.messages import CallChanged, TaskChanged
from app.domain.outside_tool import OutsideTool, environment_of
from app.domain.transfer import JOINED, CallTransfer
from app.guarded_http import trusted_origins
from app.metrics import Metrics
from app.outside_tools import Toolbox, Way
from app.store.db import Database
from stasis.outcome import EndedBy
from stasis.transfer_model import EarlierTransfer


class CallOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to make. `lease_token` fences every write; `new.number_dialed` has passed test mode's redirect.

    `adopted`: a former process dialed it and it is still alive; `conversing`: its talk had begun;
    `left`: what is known of that talk; `media_gone`: its media worker died too.
    `dialed_ms`: wall clock when the intent of an adopted call was committed.

    A call-back has a `new.caller_channel`. `leased` False: its task is settled and stays so, no claim is held;
    `opted_out`: they are not to be persuaded; `earlier`: what was said before, for the model; `context`: what else
    it is told, loaded once; `outside`: functions of the agent's own that can be called now. Of an adopted call:
    `said` the callee's turns so far, `collected` what they proved, `open_question` which the agent waits for,
    `transfer_row` the transfer that was under way or is still in force, `disclosed` whether what the calling rules
    demand had been heard, `recorded` whether the recording had begun or was stopped (None: neither).
    """

    new: NewCall
    tenant_id: str
    lease_token: int
    objective: str
    callee_name: str
    agent: Agent
    adopted: bool = False
    conversing: bool = False
    left: Inherited = Inherited()
    media_gone: bool = False
    dialed_ms: int | None = None
    leased: bool = True
    opted_out: bool = False
    earlier: str = ""
    outside: tuple[OutsideTool, ...] = ()
    context: CallContext = CallContext()
    said: tuple[Said, ...] = ()
    collected: tuple[Collected, ...] = ()
    open_question: FeedbackRequest | None = None
    transfer_row: CallTransfer | None = None
    disclosed: bool = False
    recorded: bool | None = None

    @property
    def transfer(self) -> EarlierTransfer | None:
        """What an adopted call has to be told of its transfer."""
        row = self.transfer_row
        return None if row is None else EarlierTransfer(seq=row.seq, joined=row.state == JOINED)

    @property
    def handed_over(self) -> bool:
        """The callee of an adopted call talks with somebody else already."""
        return self.transfer_row is not None and self.transfer_row.state == JOINED

    @property
    def leg_wanted(self) -> bool:
        """Its talk needs another media leg."""
        return self.media_gone and not self.handed_over

    @property
    def inbound(self) -> bool:
        """They call us."""
        return bool(self.new.caller_channel)

    @property
    def call_id(self) -> str:
        """Attempt id; part of every ARI id of this call."""
        return self.new.id


class LivingCall(Protocol):
    """A call in progress, as far as others may touch it."""

    def hang_up(self, ended_by: EndedBy, reason: str) -> None:
        """End it at once, from any state."""
        ...

    def say_goodbye(self, reason: str) -> None:
        """End a talk after a farewell; what is not a talk yet is taken back."""
        ...

    def let_go(self) -> None:
        """Leave it to the media worker and to the next control process."""
        ...


@dataclass(frozen=True)
class Switchboard:
    """The connections of the control process, made once by `app.engine`."""

    settings: Settings
    clock: Clock
    db: Database
    bus: Bus
    ari: AriLink
    media: MediaLink
    calls: dict[str, LivingCall] = field(default_factory=dict[str, LivingCall])
    """Calls of this process by id, while they live."""
    held: Held = field(default_factory=Held)
    """Tasks this process is working on, from the claim to the conclusion."""
    wakes: Counter[Verdict] = field(default_factory=Counter[Verdict])
    """Wake-ups on the bus about commands, and what they were worth."""
    metrics: Metrics = field(default_factory=Metrics)
    """What this engine counts."""
    _toolboxes: dict[str, Toolbox] = field(default_factory=dict[str, Toolbox])

    @property
    def command_key(self) -> bytes:
        """Signs and checks wake-ups; the same in every process."""
        return self.settings.command_key.get_secret_value().encode()

    @cached_property
    def site(self) -> Site:
        """What the settings say to admission. Raises ConfigError at the first look."""
        return load_site(self.settings)

    @cached_property
    def guard(self) -> DialGuard:
        """The wall that every originate of this process passes."""
        return DialGuard(self.site, self.settings.trunk_endpoint)

    def toolbox(self, tenant_id: str) -> Toolbox:
        """How a tenant's agents reach their own functions: with its secrets only, and with lists of its own."""
        found = self._toolboxes.get(tenant_id)
        if found is None:
            environment = environment_of(tenant_id, tool_environment())
            way = Way(trusted=trusted_origins(self.settings.outside_tool_hosts), environment=environment)
            found = self._toolboxes[tenant_id] = Toolbox(way, self.clock)
        return found

    @cached_property
    def library(self) -> Library:
        """The documents of agents."""
        return Library(
            folder=self.settings.documents_folder,
            kept=self.settings.home / "documents-text",
            s3_endpoint=self.settings.s3_endpoint,
            clock=self.clock,
        )

    @cached_property
    def readiness(self) -> Readiness:
        """Why this process dials nobody just now."""
        return Readiness(self.clock, self.media, self.settings.media_late_limit_ms)

    def leave(self, order: CallOrder) -> None:
        """The next process goes on with this call: nobody here touches it or takes it up again."""
        self.ari.router.leave(order.call_id)
        self.held.leave(order.new.task_id)

    async def announce(self, order: CallOrder) -> None:
        """Tell screens that a call (and so its task) changed."""
        whose = order.tenant_id
        await self.bus.publish("calls", CallChanged(tenant_id=whose, call_id=order.call_id))
        await self.bus.publish("tasks", TaskChanged(tenant_id=whose, task_id=order.new.task_id))
