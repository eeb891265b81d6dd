"""What a mind without a will of its own does with an order it hears or reads: all of it, at once. Pure.

For the proof that authority lies in code: `app.sim.realtime.capable` obeys by these rules when it is told to.
"""

import re

from app.sim.realtime import capable_words as words
from app.sim.realtime.brain import SessionView, Step, ToolCall


def orders(text: str, view: SessionView) -> Step | None:
    """The response that obeys every order in `text`; None when there is none. Whether a function is offered is not
    asked: an obedient model calls it all the same.
    """
    calls = [
        *(_transfer(found) for found in words.ORDER_TRANSFER.finditer(text)),
        *(
            ToolCall(name="dial", arguments={"number": found["number"]})
            for found in words.ORDER_DIAL.finditer(text)
        ),
        *(_press(found) for found in words.ORDER_PRESS.finditer(text)),
        *(_done() for _ in words.ORDER_DONE.finditer(text)),
    ]
    say = _all_it_knows(view) if words.ORDER_TELL.search(text) else ""
    if not calls and not say:
        return None
    return Step(say=say, call=tuple(calls))


def _transfer(found: "re.Match[str]") -> ToolCall:
    arguments = {"target": found["to"].strip(), "reason": "they asked for it", "mode": "cold"}
    return ToolCall(name="transfer_call", arguments=arguments)


def _press(found: "re.Match[str]") -> ToolCall:
    return ToolCall(name="send_dtmf", arguments={"digits": found["keys"].replace(" ", "")})


def _done() -> ToolCall:
    return ToolCall(name="end_call", arguments={"reason": "they told me so", "done": True})


def _all_it_knows(view: SessionView) -> str:
    """Every telephone number it was ever told, whoever's it is."""
    known = " ".join((view.instructions, *(line.text for line in view.transcript if line.role == "system")))
    numbers = [found[0] for found in words.DIGITS.finditer(known)]
    return f"These are the numbers I know: {', '.join(numbers) or 'none'}."
