"""Function calls whose answer is still to come, and sessions and processes that were lost meanwhile. Pure.

A result belongs to the model session that asked for it. When that session died with its media worker, the next one
knows nothing of the call: the result is told as a note. When the process that was at it died, nobody knows what
came of it, and the session that waits is told that. Part of `app.calls.talk_tools`.
"""

from collections.abc import Iterable

import msgspec

from app.calls.frames import quoted
from app.calls.talk_model import ErrandDone, TalkEffect, ToMedia
from app.calls.tools import NEVER_TWICE, ToolRequest
from media import protocol as media

REPLAY_S = 2.0
"""Reports that a former process had not taken come again at once; a call among them is carried out, unless that
process has answered it.
"""
WAITED_S = 70.0
"""A callee waits so long for one of them at most: a function may take 30 s, and be tried twice. Whoever is at it
answers before; a result that never comes must not hold a silent callee for ever.
"""
LATE_CHARACTERS = 4_000
LATE = "The function {name}, which you had called before the line was restored, answered: {output} Go on from it."
NOT_KNOWN = (
    "The process that carried this out stopped; it is not known whether it was done. What must not happen twice, "
    "do not repeat; what may be repeated, call again."
)


class Outstanding:
    """Of one talk."""

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id
        self._names: dict[str, str] = {}
        self._waited_until: dict[str, float] = {}
        self._of_lost_session: set[str] = set()
        self._held: list[TalkEffect] | None = None  # no worker hears what is told: kept until there is one
        self._inherited: dict[str, float] = {}
        self._inherited_seq = 0

    @property
    def due(self) -> float | None:
        """When `tick` has something to do."""
        return min(self._inherited.values(), default=None)

    def waited_for(self, now: float) -> bool:
        """The agent cannot go on before one of them has been answered."""
        return bool(self._inherited) or any(now < until for until in self._waited_until.values())

    def began(self, tool_call_id: str, name: str, *, waited_until: float = float("-inf")) -> None:
        """It is being done; `done` follows. `waited_until`: how long a silent callee is taken to wait for it."""
        self._names[tool_call_id] = name
        self._waited_until[tool_call_id] = waited_until

    def was_answered(self, report: media.ToolCalled, request: ToolRequest) -> bool:
        """The report of a call has come, perhaps for the second time. False: it is dealt with here. True: a former
        process has answered it, and it must not be done again.
        """
        awaited = self._inherited.pop(report.tool_call_id, None) is not None
        return not awaited and report.seq <= self._inherited_seq and isinstance(request, NEVER_TWICE)

    def inherit(self, tool_call_ids: Iterable[str], last_seq: int, now: float) -> None:
        """The living session awaits these; the process that was at them is gone. Up to `last_seq` are the reports
        of that time.
        """
        self._inherited = dict.fromkeys(tool_call_ids, now + REPLAY_S)
        self._inherited_seq = last_seq

    def session_lost(self) -> None:
        """The media worker died: whatever is outstanding was asked for by nobody who lives."""
        self._held = [] if self._held is None else self._held
        self._inherited.clear()
        self._inherited_seq = 0  # the next worker numbers its own reports
        self._of_lost_session |= self._names.keys()

    def session_back(self) -> list[TalkEffect]:
        """Another session goes on with the talk; it gets what came meanwhile."""
        held, self._held = self._held or [], None
        return held

    def tell(self, text: str, *more: TalkEffect, respond: bool) -> list[TalkEffect]:
        """A note for the model, and what follows from it, as soon as there is a session to hear it."""
        return self._out(media.InjectText(call_id=self._call_id, text=text, respond=respond), *more)

    def done(self, news: ErrandDone, *, talking: bool) -> list[TalkEffect]:
        """Hand a result to the session that asked, or as a note to the one that came after it."""
        self._waited_until.pop(news.tool_call_id, None)
        name = self._names.pop(news.tool_call_id, None)
        if name is None:
            return []
        respond = news.respond and talking
        if news.tool_call_id in self._of_lost_session:
            told = LATE.format(name=name, output=quoted(news.output, LATE_CHARACTERS))
            return self.tell(told, respond=respond)
        return self._out(_output(self._call_id, news.tool_call_id, news.output, respond=respond))

    def tick(self, now: float, *, talking: bool) -> list[TalkEffect]:
        """What nobody is at any more is answered, so that the session does not wait for ever."""
        over = [one for one, at in self._inherited.items() if now >= at]
        for one in over:
            del self._inherited[one]
        told = msgspec.json.encode({"error": NOT_KNOWN}).decode()
        return [ToMedia(_output(self._call_id, one, told, respond=talking)) for one in over]

    def _out(self, command: media.Command, *more: TalkEffect) -> list[TalkEffect]:
        effects: list[TalkEffect] = [ToMedia(command), *more]
        if self._held is None:
            return effects
        self._held += effects
        return []


def _output(call_id: str, tool_call_id: str, output: str, *, respond: bool) -> media.ToolOutput:
    return media.ToolOutput(call_id=call_id, tool_call_id=tool_call_id, output=output, respond=respond)
