"""Why nothing was fetched. Messages name the host, never the path or query: those may carry secrets."""

from app.errors import AppError


class UrlRefused(AppError):
    """The address may not be asked, now or ever."""

    code = "url_refused"


class FetchFailed(AppError):
    """The address may be asked, and no usable answer came."""

    code = "fetch_failed"
    retryable = True


class Unreachable(FetchFailed):
    """There was no connection, or it broke before an answer began: what changes nothing may be asked again."""

    code = "unreachable"
