"""Why a function of somebody else's system gave no result. Sentences name hosts and statuses, never secrets."""

from app.errors import AppError


class ToolFailed(AppError):
    """Asked, or not even that, and no usable result came. `status`: HTTP status or a word, for the record."""

    code = "tool_failed"

    def __init__(self, message: str, *, status: str) -> None:
        super().__init__(message)
        self.status = status


class SessionGone(ToolFailed):
    """The MCP server does not know our session any more; nothing was done."""
