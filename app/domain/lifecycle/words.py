"""A decision of the lifecycle agent in words, for pages and the command line. Pure."""

from collections.abc import Sequence

from app.domain.lifecycle.model import Action, Stand
from app.domain.local_time import told


def words(action: Action, before: Stand, after: Stand, zones: Sequence[str] = ()) -> str:
    """What was, and what is."""
    was, is_ = told(before.next_action_time, zones), told(after.next_action_time, zones)
    match action:
        case Action.SET_PRIORITY:
            return f"Priority {before.priority} → {after.priority}"
        case Action.HOLD:
            return f"On hold until {is_}; was due {was}"
        case Action.RELEASE:
            return f"Hold released: due {is_}"
        case Action.MOVE:
            return f"Next attempt {was} → {is_}"
        case Action.SET_PHASE:
            return f"Phase {before.phase or '(none)'} → {after.phase}"
        case Action.ASK_USER:
            return f"{after.conclusion}; was due {was}"
        case Action.CLOSE:
            return f"Closed; was due {was}"
