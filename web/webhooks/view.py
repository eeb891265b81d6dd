"""Pure: webhooks and their messages as people and programs see them; a secret is shown once and never again."""

import msgspec

from app.domain.webhook import Endpoint
from app.store.webhooks import Delivery
from web.view import moment

STATE_WORDS = {"waiting": "… waiting", "delivered": "✓ delivered", "failed": "✕ given up"}
KIND_WORDS: dict[str, str] = {
    "call.initiated": "a call is dialed",
    "call.ringing": "the phone rings",
    "call.answered": "somebody answered",
    "call.completed": "a call has ended",
    "recording.ready": "a recording is ready",
    "call.outcome": "a call was judged",
    "report.ready": "a campaign's report is ready",
    "number.opted_out": "somebody opted out",
}


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook without its secret. Times are UTC epoch milliseconds."""

    id: str
    url: str
    kinds: list[str]
    show_numbers: bool
    state: str
    reason: str
    failures: int
    both_secrets_until_ms: int | None
    created_ms: int


class WebhookWithSecret(msgspec.Struct, frozen=True, kw_only=True):
    """As answered once, when it was made or its secret changed; a repetition of the request gets no secret."""

    webhook: Webhook
    secret: str | None


def without_secret(answer: WebhookWithSecret) -> WebhookWithSecret:
    """What of it may be kept for a repetition."""
    return msgspec.structs.replace(answer, secret=None)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one webhook. `id` is what the receiver sees behind `msg_`."""

    id: str
    webhook_id: str
    kind: str
    subject: str
    sequence: int
    state: str
    tries: int
    next_try_ms: int
    status: int | None
    error: str
    created_ms: int
    delivered_ms: int | None


class MessageLine(msgspec.Struct, frozen=True, kw_only=True):
    """A message on the page."""

    id: str
    webhook_id: str
    url: str
    kind: str
    subject: str
    call_id: str
    state: str
    word: str
    detail: str
    at: str


def webhook(endpoint: Endpoint, now_ms: int) -> Webhook:
    """Without the secret."""
    both = endpoint.old_secret != "" and now_ms < endpoint.old_until_ms
    return Webhook(
        id=endpoint.id,
        url=endpoint.url,
        kinds=[str(kind) for kind in endpoint.wanted],
        show_numbers=endpoint.show_numbers,
        state=endpoint.state,
        reason=endpoint.reason,
        failures=endpoint.failures,
        both_secrets_until_ms=endpoint.old_until_ms if both else None,
        created_ms=endpoint.created_ms,
    )


def message(row: Delivery) -> Message:
    """A message for programs."""
    return Message(
        id=row.event_id,
        webhook_id=row.endpoint_id,
        kind=row.kind,
        subject=row.subject,
        sequence=row.seq,
        state=row.state,
        tries=row.tries,
        next_try_ms=row.next_try_ms,
        status=row.status,
        error=row.error,
        created_ms=row.created_ms,
        delivered_ms=row.delivered_ms,
    )


def message_line(row: Delivery) -> MessageLine:
    """A message for people."""
    tries = f"{row.tries} tries" if row.tries != 1 else "1 try"
    detail = row.error or (f"HTTP {row.status}" if row.status else "")
    following = f", again {moment(row.next_try_ms)}" if row.state == "waiting" and row.tries else ""
    return MessageLine(
        id=row.event_id,
        webhook_id=row.endpoint_id,
        url=row.url,
        kind=row.kind,
        subject=row.subject,
        call_id=row.subject if row.kind.startswith(("call.", "recording.")) else "",
        state=row.state,
        word=STATE_WORDS[row.state],
        detail=f"{tries}{following}. {detail}".strip() if row.tries else "",
        at=moment(row.created_ms),
    )
