"""Errors of the programs' routes as problem details (RFC 9457), and which status each of our errors has."""

import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from app.domain.plan_form import AnswersRefused
from app.errors import AppError, ConflictError, NotFoundError, StoreError, ValidationFailed
from app.llm.errors import TextModelError
from app.people.door import NotLetIn
from web.auth import NotAllowed, NotSignedIn

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
    return body


def app_problem(_request: Asked, error: AppError) -> Response[dict[str, object]]:
    """Exception handler for our errors."""
    body, status = problem_of(error), status_of(error)
    if status >= 500:
        log.error("request failed", code=error.code, error=error.message)
    return Response(body, status_code=status, media_type=MEDIA_TYPE)


def http_problem(_request: Asked, error: HTTPException) -> Response[dict[str, object]]:
    """Exception handler for what the framework refuses: a body that does not fit, a wrong method."""
    body: dict[str, object] = {"type": "about:blank", "status": error.status_code, "code": "request"}
    body["detail"] = (
        "The body is not the JSON that this route takes." if error.status_code == 400 else error.detail
    )
    return Response(body, status_code=error.status_code, media_type=MEDIA_TYPE)
