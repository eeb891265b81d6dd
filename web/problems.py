"""What goes wrong, as an answer: problem details (RFC 9457) for programs, a page for people, JSON for scripts.

Everything under `/api/` answers `application/problem+json`, also for paths and methods that do not exist and for
faults of ours. A stack trace goes into the log and never into an answer.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from litestar import MediaType, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.exceptions.responses import (
    create_exception_response,  # pyright: ignore[reportUnknownVariableType] - an unparametrised generic of theirs
)
from litestar.response import Redirect

from app.domain.agent_file import AgentFileInvalid
from app.domain.plan_form import AnswersRefused
from app.errors import AppError, ConflictError, NotFoundError, StoreError, ValidationFailed
from app.llm.errors import TextModelError
from app.people.door import NotLetIn
from web.auth import NotAllowed, NotSignedIn, person_of
from web.render import Templates
from web.sign_in import local

log = structlog.get_logger()

Asked = Request[object, object, State]
MEDIA_TYPE = "application/problem+json"
STATUS: tuple[tuple[type[AppError], int], ...] = (
    (NotSignedIn, 401),
    (NotLetIn, 401),
    (NotAllowed, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (ValidationFailed, 422),
    (StoreError, 503),
    (TextModelError, 502),
)
SENTENCES: dict[int, str] = {
    400: "The body is not the JSON that this route takes.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The body is too large.",
    429: "Too many requests; the header Retry-After says in how many seconds the next one is welcome.",
    415: "This route takes JSON; say so in the Content-Type.",
}
FORM_REFUSED = "What was sent does not fit this form: something is missing, or longer than it may be."
OUR_FAULT = "Something failed on our side; it is in the log. Nothing was answered, so look before you repeat it."


def status_of(error: AppError) -> int:
    """503 instead of 502 for what may work later."""
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    return 503 if status == 502 and error.retryable else status


def problem_of(error: AppError) -> dict[str, object]:
    """The body: `detail` is a sentence for people, `code` for programs."""
    status = status_of(error)
    body: dict[str, object] = {
        "type": "about:blank",
        "status": status,
        "code": error.code,
        "detail": error.message,
    }
    if isinstance(error, AnswersRefused):
        body["fields"] = error.fields
    if isinstance(error, AgentFileInvalid) and error.key:
        body["errors"] = [{"field": error.key, "in": "body", "detail": error.message}]
    return body


def for_programs(request: Asked) -> bool:
    """Whether a program asks: it gets problem details."""
    return request.url.path.startswith("/api/")


def for_people(request: Asked) -> bool:
    """Whether a browser goes to an address or sends a form: its person reads what comes."""
    return not for_programs(request) and "text/html" in request.headers.get("accept", "")


def sign_in_for(address: str) -> str:
    """Where to sign in, to come to an address of ours afterwards."""
    return f"/sign-in?following={quote(address, safe='')}"


class Problems:
    """The exception handlers of the application."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates

    def handlers(self) -> dict[Any, Any]:
        """Which errors go to which handler."""
        return {AppError: self.app_error, HTTPException: self.http_error, Exception: self.unexpected}

    def app_error(self, request: Asked, error: AppError) -> Response[Any]:
        """Our errors. A browser that is not signed in is sent to the sign-in."""
        status = status_of(error)
        if status >= 500:
            log.error("request failed", code=error.code, error=error.message)
        wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
        if isinstance(error, NotSignedIn) and wants_page:
            return Redirect(sign_in_for(_address(request.url.path, request.url.query)), status_code=303)
        if for_people(request):
            return self._page(request, status, error.message)
        if not for_programs(request):
            return Response({"code": error.code, "message": error.message}, status_code=status)
        return _problem(problem_of(error), _more_headers(error, status))

    def http_error(self, request: Asked, error: HTTPException) -> Response[Any]:
        """What the framework refuses: a body that does not fit, an address, a method."""
        status = error.status_code
        headers = dict(error.headers or {})
        if status == 429 and "RateLimit-Reset" in headers:
            headers["retry-after"] = headers["RateLimit-Reset"]
        if not for_programs(request):
            if status == 429:
                told = f"Too many tries. Wait {headers.get('retry-after', 'some')} s and try again."
                return Response(told, status_code=status, media_type=MediaType.TEXT, headers=headers)
            if for_people(request):
                known = SENTENCES | {400: FORM_REFUSED, 415: FORM_REFUSED}
                return self._page(request, status, known.get(status, error.detail if status < 500 else OUR_FAULT))
            return create_exception_response(request, error)  # pyright: ignore[reportUnknownVariableType]
        code = "too_many_requests" if status == 429 else "request"
        body: dict[str, object] = {"type": "about:blank", "status": status, "code": code}
        body["detail"] = SENTENCES.get(status, error.detail if status < 500 else OUR_FAULT)
        if status == 400 and (wrong := _wrong_fields(error)):
            body["errors"] = wrong
            if all(one["in"] != "body" for one in wrong):
                which = "; ".join(f"{one['field']}: {one['detail']}" for one in wrong)
                body["detail"] = f"A parameter of the address does not fit: {which}."
        return _problem(body, headers)

    def unexpected(self, request: Asked, error: Exception) -> Response[Any]:
        """A fault of ours."""
        log.error("a request met a fault of ours", path=request.url.path, exc_info=error)
        if for_people(request):
            return self._page(request, 500, OUR_FAULT)
        if not for_programs(request):
            return Response({"code": "fault", "message": OUR_FAULT}, status_code=500)
        return _problem({"type": "about:blank", "status": 500, "code": "fault", "detail": OUR_FAULT}, {})

    def _page(self, request: Asked, status: int, sentence: str) -> Response[str]:
        """The sentence, and a way back; who is not signed in any more comes back by the sign-in."""
        back = _before(request)
        text = self._templates.render(
            "problem.html",
            person_of(request),
            sentence=sentence,
            back=back,
            sign_in=sign_in_for(back) if status == 401 else "",
        )
        return Response(text, status_code=status, media_type=MediaType.HTML)


def _address(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _before(request: Asked) -> str:
    """The page of ours that the browser came from; the first page when it names none, or this very address."""
    try:
        parts = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return "/"
    again = request.method == "GET" and parts.path == request.url.path
    if again or parts.netloc != request.headers.get("host", ""):
        return "/"
    return local(_address(parts.path, parts.query))


def _problem(body: dict[str, object], headers: Mapping[str, str]) -> Response[dict[str, object]]:
    status = body["status"]
    assert isinstance(status, int)
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers))


def _more_headers(error: AppError, status: int) -> dict[str, str]:
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    return headers | ({"retry-after": "1"} if error.retryable else {})


def _wrong_fields(error: HTTPException) -> list[dict[str, str]]:
    """Where the framework's validation says that it does not fit."""
    extra: Any = error.extra
    if not isinstance(extra, list):
        return []
    return [
        {
            "field": str(one.get("key", "")),  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            "in": str(one.get("source", "body")),  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            "detail": str(one.get("message", "")),  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        }
        for one in extra  # pyright: ignore[reportUnknownVariableType]
        if isinstance(one, dict)
    ]
