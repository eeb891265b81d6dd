"""Where the parts of a session put their effects, in order, until `RealtimeSession.handle` hands them out.

Numbers the client events and keeps faults from flooding: in `FAULT_PERIOD_S` one report per code, and only
`FAULTS_PER_PERIOD` in all, because codes come from the server.
"""

from collections import deque

from media.realtime.client_events import ClientEvent
from media.realtime.notifications import Fault, Notification
from media.realtime.session_model import Counters, Effect, Notify, Send

FAULT_PERIOD_S = 5.0
FAULTS_PER_PERIOD = 10
CODE_LENGTH = 64
MESSAGE_LENGTH = 500


class Outbox:
    """Effects of the step in progress, the session's counters, and the clock of that step."""

    def __init__(self) -> None:
        self.counters = Counters()
        self._effects: list[Effect] = []
        self._event_number = 0
        self._faults: deque[tuple[float, str]] = deque()

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
        """Report that something was wrong and the call goes on; too many are only counted."""
        code = code[:CODE_LENGTH]
        while self._faults and now - self._faults[0][0] >= FAULT_PERIOD_S:
            self._faults.popleft()
        if len(self._faults) >= FAULTS_PER_PERIOD or any(code == told for _, told in self._faults):
            self.counters.faults_withheld += 1
            return
        self._faults.append((now, code))
        self.notify(Fault(code=code, message=message[:MESSAGE_LENGTH]))

    def drain(self) -> list[Effect]:
        """All effects since the last call."""
        effects, self._effects = self._effects, []
        return effects
