"""What a text model can do wrong, as one tree under `AppError`; bodies of requests never stand in a message.

- TextModelError
  - TextModelUnavailable (retryable): rate limit, server error, no connection, timeout, cut stream
  - TextModelRefused: the request is not taken as it is (400, 404, 422), or key and quota are not in order (401,
    403, 429 insufficient_quota): `setup` True means that somebody must change a setting or pay
  - BadReply: an answer came and cannot be used
    - ReplyCutOff: it ended at the token limit
    - ModelDeclined: the model or a filter refused to answer
"""

from typing import TYPE_CHECKING

from app.errors import AppError

if TYPE_CHECKING:
    from app.llm.model import Reply


class TextModelError(AppError):
    """A text model gave no answer. `replies`: what it answered, and was paid for, before that in the same case."""

    code = "text_model"
    replies: tuple["Reply", ...] = ()


class TextModelUnavailable(TextModelError):
    """Worth asking again later; `retry_after_s` when the server said when."""

    code = "text_model_unavailable"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TextModelRefused(TextModelError):
    """Asking the same again does not help."""

    code = "text_model_refused"

    def __init__(self, message: str, *, setup: bool = False) -> None:
        super().__init__(message)
        self.setup = setup


class BadReply(TextModelError):
    """The answer does not fit the schema that was asked for."""

    code = "bad_reply"


class ReplyCutOff(BadReply):
    """The answer ended at its token limit."""

    code = "reply_cut_off"


class ModelDeclined(BadReply):
    """The model refused, or a content filter did."""

    code = "model_declined"
