"""How long a call may stay in each state, and how long answers that should come may take. Used by `call`."""

from typing import assert_never

from stasis.call_model import PREPARE_S, CallPlan, CallState
from stasis.outcome import EndedBy

RING_GRACE_S = 5.0
"""Our watchdog behind Asterisk's own dial timeout."""
BRIDGE_S = 5.0
"""From answer to bridged; milliseconds in practice. Longer, and somebody listens to nothing."""
REPAIR_S = 10.0
"""From the death of a media worker to a new media channel in the bridge; about one second in practice."""
LAST_LOOK_S = 3.0
"""From the ring deadline to the answer about a callee channel nobody has heard of."""
HANGUP_S = 5.0
"""From the far side's hangup request to ChannelDestroyed."""
ENDING_S = 30.0
"""After that a call ends with whatever is known; the sweep and Asterisk's own timers clean up."""
OVERDUE: dict[CallState, tuple[EndedBy, str]] = {
    CallState.PREPARE: (EndedBy.SYSTEM_FAILURE, "not prepared in time, missing: "),
    CallState.DIALING: (EndedBy.SYSTEM_TIMEOUT, "neither answer nor end in time"),
    CallState.RINGING: (EndedBy.SYSTEM_TIMEOUT, "neither answer nor end in time"),
    CallState.ANSWERED: (EndedBy.SYSTEM_FAILURE, "answered, but not in the bridge in time"),
    CallState.BRIDGED: (EndedBy.SYSTEM_TIMEOUT, "maximum duration"),
    CallState.HANDED_OVER: (EndedBy.SYSTEM_TIMEOUT, "maximum duration"),
    CallState.REPAIRING: (EndedBy.SYSTEM_FAILURE, "no media again in time"),
}
"""Who ends a call whose state lasted too long, and what the record says."""


def ring_deadline(plan: CallPlan, dialed_at: float) -> float:
    """When a call that was not answered is over, whatever Asterisk says or does not say."""
    return dialed_at + plan.ring_timeout_s + RING_GRACE_S


class StateLimit:
    """How long the present state may last: `at`, None once nothing is waited for."""

    def __init__(self, plan: CallPlan) -> None:
        self.at: float | None = None
        self.ring_until = 0.0
        """One limit for dialing and ringing, counted from the dial."""
        self._plan = plan
        self._bridged_at: float | None = None
        self._last_look = False

    def dialed(self, now: float) -> None:
        """The originate leaves now."""
        self.ring_until = ring_deadline(self._plan, now)

    def enter(self, state: CallState, now: float) -> None:
        """Neither a repair nor a transfer makes a talk longer: its limit counts from the first time it began."""
        if state in {CallState.BRIDGED, CallState.HANDED_OVER}:
            now = self._bridged_at = now if self._bridged_at is None else self._bridged_at
        self.at = state_deadline(self._plan, state, now, self.ring_until)

    def over(self, now: float) -> bool:
        return self.at is not None and now >= self.at

    def last_look(self, now: float) -> bool:
        """True once, when the ring time is over and nothing was heard: a 404 is proof from now on."""
        if self._last_look:
            return False
        self._last_look, self.at = True, now + LAST_LOOK_S
        return True


def state_deadline(plan: CallPlan, state: CallState, now: float, ring_deadline_at: float) -> float | None:
    """The limit of a state entered at `now`; `ring_deadline_at` is one for two states, counted from the dial."""
    match state:
        case CallState.PREPARE:
            return now + PREPARE_S
        case CallState.DIALING | CallState.RINGING:
            return ring_deadline_at
        case CallState.ANSWERED:
            return now + BRIDGE_S
        case CallState.BRIDGED | CallState.HANDED_OVER:
            return now + plan.max_duration_s
        case CallState.REPAIRING:
            return now + REPAIR_S
        case CallState.ENDING:
            return now + ENDING_S
        case CallState.ENDED:
            return None
        case _:
            assert_never(state)
