"""What the functions of an agent do in a test call: nothing outside the talk. Pure.

Each answer says to the model, and to the person who tries it, that it was not done for real. Used by
`app.calls.tryout`.
"""

from typing import assert_never

from app.calls.errands import OPTED_OUT_NEXT
from app.calls.talk_model import Errand
from app.calls.tools import OutsideCall, RecordOptOut, TransferCall

NO_TRANSFER = (
    "This is a test call in a browser: there is no phone in it and nobody can be connected. Say so in one "
    "sentence and go on with the matter."
)
NOT_ASKED = "Test call: nobody is asked. After the usual wait the agent goes on as it does without an answer."
NOT_PRESSED = "Test call: there is no phone, no key was pressed."


def answered(errand: Errand) -> tuple[dict[str, object], str]:
    """What the model is told, and what is noted for people."""
    match errand.request:
        case RecordOptOut(words):
            told: dict[str, object] = {"listed": True, "simulated": True, "next": OPTED_OUT_NEXT}
            return told, f"Test call: nobody was put on the do-not-call list ({words!r})."
        case TransferCall():
            return {"error": NO_TRANSFER}, "Test call: the transfer was refused, nobody was rung."
        case OutsideCall(name):
            told = {
                "simulated": True,
                "result": None,
                "detail": "This is a test call: the function was not called. Go on without it.",
            }
            return told, f"Test call: {name} was not called, the other system was not asked."
        case _:
            assert_never(errand.request)
