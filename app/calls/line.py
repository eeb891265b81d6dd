"""Who is not heard on the line of a talk: the agent (mute), or neither side (hold, and aside of a transfer). Pure.

Part of `app.calls.conversation`: another media worker, or another control process, closes it just as it was.
"""

from app.calls.talk_model import TalkEffect, ToMedia
from app.domain.line import LineState
from media import protocol as media


class Line:
    """Of one talk; open until it is closed."""

    def __init__(self, call_id: str) -> None:
        self.muted = False
        """The agent is not heard."""
        self._held = False  # nor does it hear the callee
        self._call_id = call_id

    def close(self, *, agent: bool, callee: bool) -> TalkEffect:
        """Who is not heard from now on; with False twice it is open."""
        self.muted, self._held = agent, callee
        return self._command()

    def open(self) -> list[TalkEffect]:
        """For words that have to be heard."""
        return [self.close(agent=False, callee=False)] if self.muted else []

    def aside(self, *, on: bool) -> None:
        """The callee waits for somebody else, or does no more; `app.calls.hand_over` says so to the worker."""
        self.muted = self._held = on

    def again(self) -> list[TalkEffect]:
        """Another media worker, whose line is open, has the call."""
        return [self._command()] if self.muted else []

    def inherit(self, left: LineState) -> TalkEffect:
        """A former process left it so, as far as the orders of operators tell."""
        return self.close(agent=left != "open", callee=left == "held")

    def _command(self) -> TalkEffect:
        return ToMedia(media.Mute(call_id=self._call_id, agent=self.muted, callee=self._held))
