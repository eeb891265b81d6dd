"""Where the parts of a session put their effects, in order, until `RealtimeSession.handle` hands them out.

Numbers the client events and keeps faults from flooding: one report per code and `FAULT_PERIOD_S`.
"""

from media.realtime.client_events import ClientEvent
from media.realtime.notifications import Fault, Notification
from media.realtime.session_model import Counters, Effect, Notify, Send

FAULT_PERIOD_S = 5.0
_FAULT_CODES_KEPT = 64


class Outbox:
    """Effects of the step in progress, the session's counters, and the clock of that step."""

    def __init__(self) -> None:
        self.counters = Counters()
        self._effects: list[Effect] = []
        self._event_number = 0
        self._fault_at: dict[str, float] = {}

    def event_id(self) -> str:
        """A new id for a client event, unique in the session."""
        self._event_number += 1
        return f"od-{self._event_number}"

    def put(self, effect: Effect) -> None:
        """Add one effect to this step."""
        self._effects.append(effect)

    def send(self, event: ClientEvent) -> None:
        """Add the sending of one client event."""
        self._effects.append(Send(event=event))

    def notify(self, report: Notification) -> None:
        """Add one report to the control process."""
        self._effects.append(Notify(report=report))

    def fault(self, code: str, message: str, now: float) -> None:
        """Report that something was wrong and the call goes on, unless the same code was just reported."""
        last = self._fault_at.pop(code, None)
        if last is not None and now - last < FAULT_PERIOD_S:
            self._fault_at[code] = last
            return
        if len(self._fault_at) >= _FAULT_CODES_KEPT:
            del self._fault_at[next(iter(self._fault_at))]
        self._fault_at[code] = now
        self.notify(Fault(code=code, message=message[:500]))

    def drain(self) -> list[Effect]:
        """All effects since the last call."""
        effects, self._effects = self._effects, []
        return effects
