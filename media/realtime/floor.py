"""What may be thought of a sound the callee makes, and how long each thought may take. Vocabulary of
`media.realtime.turn_taking`.
"""

from enum import StrEnum

REPLY_TIMEOUT_S = 4.0
"""A callee turn that gets no response from the server's turn detection within this gets one from us."""
PROTECTED_S = 0.6
"""The first words of the agent are not interrupted: callee and agent often begin at the same time."""
UNHEARD_S = 0.25
"""The server hears speech and the local gate nothing for so long: the server is right."""
DOUBT_LIMIT_S = 1.5
SPURN_S = 1.0
"""The server's own answer to "mm-hm" comes within this, or never."""
VERDICT_S = 3.0
"""A transcript that has not come by then is not waited for."""
ANSWER_TAIL_MS = 1_000
"""Who says "yes" over the end of a question answers it; who says it long before only listens."""


class Floor(StrEnum):
    """What is thought of the sound the callee makes while the agent speaks."""

    FREE = "free"
    WATCHED = "watched"
    """The agent talks on: its first words, or ducked."""
    PAUSED = "paused"
    BRIEF = "brief"
    """It was short, the agent talks on; the transcript has not come."""
