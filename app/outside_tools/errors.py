"""Why a function of somebody else's system gave no result. Sentences name hosts and statuses, never secrets."""

from app.errors import AppError
from app.outside_tools.answer import visible


class ToolFailed(AppError):
    """Asked, or not even that, and no usable result came. `status`: HTTP status or a word, for the record.

    `said`: what the other side wrote about it, without secrets. It is never part of the sentence: the call's model
    takes the sentence for ours.
    """

    code = "tool_failed"

    def __init__(self, message: str, *, status: str, said: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.said = said

    @property
    def shown(self) -> str:
        """For people: the sentence, and the other side's words with nothing hidden in them."""
        return f"{self.message} It said: {visible(self.said)}" if self.said else self.message


class SessionGone(ToolFailed):
    """The MCP server does not know our session any more; nothing was done."""
