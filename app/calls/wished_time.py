"""The other time that a callee asked the agent for, where no text model is asked: kept when it is legal, otherwise
a person decides. Used by `app.calls.conclude`.
"""

import msgspec

from app.calls.tools import Reschedule
from app.domain.analysis.decide import DELAYS_MS
from app.domain.analysis.judgement import RetryWish
from app.domain.analysis.when import AskTime, BadTime, Reach, earliest, instant_of, names_zone
from app.domain.local_time import told
from app.domain.policy.zones import Zones
from app.domain.retry import Attempt, Conclusion, repeated
from app.domain.task import TaskEvent
from app.store.events import CallEvent

KIND = "callback_wished"
"""The event in which the talk notes the wish."""


def wished(event: CallEvent | None, attempt: Attempt, reach: Reach) -> Conclusion | None:
    """What follows from the wish; None when there was none."""
    if event is None:
        return None
    wish = msgspec.json.decode(str(event.data.get("detail", "{}")), type=Reschedule)
    if wish.wished_local is None or not isinstance(reach.zones, Zones):
        delay_ms = DELAYS_MS["callback_requested"]
        return repeated(
            attempt, f"The callee said {wish.wished_words!r}", earliest(reach.now_ms + delay_ms, reach)
        )
    keys = reach.zones.keys
    said = next((key for key in keys if names_zone(wish.wished_words, key)), None)
    zone = said or keys[0]
    named = RetryWish(local_time=wish.wished_local, zone=zone, quote=wish.wished_words, turn=0)
    at = instant_of(named, reach, sure_zone=said is not None)
    if isinstance(at, BadTime | AskTime):
        return Conclusion(event=TaskEvent.ASK_USER, reason=at.sentence)
    return repeated(attempt, f"The callee said {wish.wished_words!r}", at, told(at, keys))
