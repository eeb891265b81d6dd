"""A call told event by event: drives `CallMachine` as the shell would and keeps everything it asked for."""

from typing import TypeVar

from stasis import call_model as m
from stasis import events as e
from stasis.call import CallMachine
from stasis.errors import AriError, NotFound
from stasis.ids import CallIds
from stasis.model import Bridge, Channel, DialplanCEP
from stasis.outcome import CallResult
from stasis.requests import CreateExternalMedia, Originate

IDS = CallIds(node="n1", call_id="0190")
PLAN = m.CallPlan(
    ids=IDS,
    endpoint="PJSIP/+15550100@trunk",
    app="opendeep-n1",
    format="ulaw",
    caller_id="+15550199",
    ring_timeout_s=30,
    max_duration_s=600,
    variables={"OD_TASK": "t1"},
)
BRIDGE = Bridge(id=IDS.bridge)
MEDIA = Channel(
    id=IDS.media,
    state="Up",
    channelvars={"UNICASTRTP_LOCAL_ADDRESS": "127.0.0.1", "UNICASTRTP_LOCAL_PORT": "17002"},
)
T = TypeVar("T")


def callee(state: str = "Up", *, in_stasis: bool = False) -> Channel:
    dialplan = DialplanCEP(app_name="Stasis" if in_stasis else "AppDial2")
    return Channel(id=IDS.callee, state=state, protocol_id="sip-1", dialplan=dialplan)


def dial(status: str) -> e.Dial:
    return e.Dial(peer=callee("Down"), dialstatus=status)


def state(word: str) -> e.ChannelStateChange:
    return e.ChannelStateChange(channel=callee(word))


def hangup_request(cause: int | None = None, tech_cause: int | None = None, *, soft: bool = False) -> e.Event:
    return e.ChannelHangupRequest(channel=callee(), cause=cause, tech_cause=tech_cause, soft=soft)


def destroyed(cause: int, tech_cause: int | None = None) -> e.ChannelDestroyed:
    return e.ChannelDestroyed(channel=callee(), cause=cause, cause_txt=f"cause {cause}", tech_cause=tech_cause)


RINGING = (state("Ringing"), dial("RINGING"))
ANSWER = (state("Up"), dial("ANSWER"), e.StasisStart(channel=callee(in_stasis=True), args=("callee", "0190")))
JOINED = e.ChannelEnteredBridge(bridge=BRIDGE, channel=callee())
MEDIA_JOINED = e.ChannelEnteredBridge(bridge=BRIDGE, channel=MEDIA)
MEDIA_START = e.StasisStart(channel=MEDIA, args=("media", "0190"))
LEFT = (e.ChannelLeftBridge(bridge=BRIDGE, channel=callee()), e.StasisEnd(channel=callee()))
MEDIA_OPENED = m.MediaOpened(rtp_host="127.0.0.1", rtp_port=41000)


class Story:
    """`now` moves only when told; `effects` is all the machine ever asked for, in order."""

    def __init__(self, plan: m.CallPlan = PLAN) -> None:
        self.machine = CallMachine(plan)
        self.now = 1000.0
        self.effects: list[m.Effect] = []
        self.fed: list[m.Input] = []
        self.known_when_dialing: list[m.Input] = []
        """All that was fed when the originate was asked for."""
        self.answered: list[m.RestEffect] = []

    @property
    def state(self) -> m.CallState:
        return self.machine.state

    def start(self) -> list[m.Effect]:
        return self._keep(self.machine.start(self.now))

    def feed(self, *inputs: m.Input) -> list[m.Effect]:
        new: list[m.Effect] = []
        for given in inputs:
            self.fed.append(given)
            effects = self._keep(self.machine.handle(given, self.now))
            if any(isinstance(effect, Originate) for effect in effects):
                self.known_when_dialing = list(self.fed)
            new += effects
        return new

    def _keep(self, effects: list[m.Effect]) -> list[m.Effect]:
        self.effects += effects
        return effects

    def asked(self, kind: type[T]) -> list[T]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def waiting(self) -> list[m.RestEffect]:
        """REST effects that have no answer yet."""
        open_effects: list[m.RestEffect] = [effect for effect in self.effects if isinstance(effect, m.RestEffect)]
        for effect in self.answered:
            open_effects.remove(effect)
        return open_effects

    def complete(self, kind: type[m.RestEffect], channel: Channel | None = None) -> list[m.Effect]:
        effect = next(effect for effect in self.waiting if isinstance(effect, kind))
        self.answered.append(effect)
        return self.feed(m.Completed(effect=effect, channel=channel))

    def fail(self, kind: type[m.RestEffect], error: AriError) -> list[m.Effect]:
        effect = next(effect for effect in self.waiting if isinstance(effect, kind))
        self.answered.append(effect)
        return self.feed(m.Failed(effect=effect, error=error))

    def tick(self) -> list[m.Effect]:
        """Jump to the next deadline."""
        deadline = self.machine.next_deadline
        assert deadline is not None
        self.now = max(self.now, deadline)
        return self.feed(m.Tick())

    def prepare(self) -> "Story":
        """Up to the emitted originate."""
        self.start()
        self.feed(MEDIA_OPENED, m.MediaReady())
        self.complete(m.CreateBridge)
        self.complete(CreateExternalMedia, MEDIA)
        self.feed(MEDIA_START)
        self.complete(m.AddToBridge)
        assert self.asked(Originate)
        return self

    def dialed(self) -> "Story":
        """Originate answered, dialing has begun."""
        self.prepare().complete(Originate, callee("Down"))
        self.feed(dial(""))
        return self

    def talking(self) -> "Story":
        self.dialed().feed(*RINGING, *ANSWER)
        self.complete(m.AddToBridge)
        assert self.state is m.CallState.BRIDGED
        return self

    def tear_down(self, error: AriError | None = None) -> "Story":
        """Answer every removal asked for: done, or `error`."""
        while any(isinstance(effect, m.RemovalEffect) for effect in self.waiting):
            effect = next(effect for effect in self.waiting if isinstance(effect, m.RemovalEffect))
            if error is None:
                self.complete(type(effect))
            else:
                self.fail(type(effect), error)
        return self

    @property
    def result(self) -> CallResult:
        (ended,) = self.asked(m.Ended)
        assert self.state is m.CallState.ENDED
        assert self.machine.next_deadline is None
        return ended.result


GONE = NotFound(404, "Channel not found", "DELETE", "/channels/x")
