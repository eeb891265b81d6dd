"""What can go wrong with an ARI request, as one tree.

- AriError: any failed request
  - BadRequest 400, Unauthorized 401 and 403, NotFound 404, Conflict 409, InvalidState 412, Unprocessable 422
  - ServerError 5xx
  - MalformedReply: success, but the body is not what rest-api documents
  - NotSent: held back on our side
  - AriUnreachable: no HTTP answer at all
    - AriTimeout: no answer in time

The question a caller has after a failed POST is `maybe_executed`: can Asterisk have done it all the same?
"""


class AriError(Exception):
    """A request Asterisk did not fulfil: HTTP `status` (None without an answer), Asterisk's own `message`."""

    def __init__(self, status: int | None, message: str, method: str = "", path: str = "") -> None:
        where = ", ".join(
            part for part in (f"{method} {path}".strip(), f"HTTP {status}" if status else "") if part
        )
        super().__init__(f"{message or type(self).__name__}{f' ({where})' if where else ''}")
        self.status = status
        self.message = message
        self.method = method
        self.path = path

    @property
    def maybe_executed(self) -> bool:
        """True when the request may have taken effect although it failed for us."""
        return False


class BadRequest(AriError):
    """400: a malformed endpoint, format or parameter."""


class Unauthorized(AriError):
    """401, 403: wrong user or password, or a read-only user."""


class NotFound(AriError):
    """404: no such channel, bridge or application. For a removal that is success."""


class Passed(NotFound):
    """404 for a channel that certainly was there: whatever it did is over."""


class NeverMade(NotFound):
    """404 for a channel that certainly was never made: nobody was rung."""


class Conflict(AriError):
    """409: the id is in use (originate), or the channel is not in Stasis (most verbs)."""


class InvalidState(AriError):
    """412: the channel is still down or ringing."""


class Unprocessable(AriError):
    """422: the channel is not in the Stasis application."""


class ServerError(AriError):
    """5xx. On originate, 500 "Allocation failed" means an unknown endpoint or one without a contact."""

    @property
    def maybe_executed(self) -> bool:
        # Asterisk itself refuses with 500 and 501. The others come from something that stands in between.
        return self.status not in {500, 501}


class MalformedReply(AriError):
    """Success with a body we cannot read: it was executed."""

    @property
    def maybe_executed(self) -> bool:
        return True


class NotSent(AriError):
    """Held back on our side before anything was sent: the event stream is away, or the dial policy says no."""

    def __init__(self, message: str) -> None:
        super().__init__(None, message)


class AriUnreachable(AriError):
    """No HTTP answer. `sent` is False when the connection was never made, so nothing can have happened."""

    def __init__(self, message: str, method: str = "", path: str = "", *, sent: bool = True) -> None:
        super().__init__(None, message, method, path)
        self.sent = sent

    @property
    def maybe_executed(self) -> bool:
        return self.sent


class AriTimeout(AriUnreachable):
    """No answer in time."""


_BY_STATUS: dict[int, type[AriError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    409: Conflict,
    412: InvalidState,
    422: Unprocessable,
}


def error_for(status: int, message: str, method: str, path: str) -> AriError:
    """The error of an HTTP status that is not 2xx."""
    kind = ServerError if status >= 500 else _BY_STATUS.get(status, AriError)
    return kind(status, message, method, path)
