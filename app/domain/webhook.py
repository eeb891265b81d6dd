"""Webhooks: what is told, how it is signed (Standard Webhooks 1.0), and when it is told again. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC
from typing import Literal, get_args

import msgspec

from app.domain.number import mask_numbers, with_texts
from app.domain.policy.windows import local_time

Kind = Literal[
    "call.initiated",
    "call.ringing",
    "call.answered",
    "call.completed",
    "recording.ready",
    "call.outcome",
    "report.ready",
    "number.opted_out",
    "webhook.test",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
SECRET_BYTES = 32
ROTATION_MS = 24 * 3_600_000
"""How long the former secret signs as well."""
RETRY_S = (5, 30, 120, 600, 1_800, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600, 24 * 3_600)
"""Pauses between the tries of one message; after the last it is given up and can be replayed by hand."""
QUIET_AFTER = 3
"""Failures in a row after which an endpoint is left alone for a while, whatever waits."""
QUIET_S = (5, 15, 60, 300, 900)
DISABLE_AFTER_MS = 3 * 24 * 3_600_000
DISABLE_AFTER_FAILURES = 10
GONE = 410
"""An endpoint that answers so wants nothing more."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `kinds` is JSON text. `next_try_ms`: it is left alone until then. `reason`: why it is disabled."""

    id: str
    tenant_id: str
    url: str
    kinds: str
    secret: str
    old_secret: str
    old_until_ms: int
    show_numbers: bool
    state: Literal["active", "disabled"]
    reason: str
    failures: int
    failing_since_ms: int | None
    next_try_ms: int
    sender: int
    sender_until_ms: int
    created_ms: int

    @property
    def wanted(self) -> tuple[Kind, ...]:
        """What it is told of."""
        return msgspec.json.decode(self.kinds, type=tuple[Kind, ...])


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happened. `data` is JSON text; numbers in it are whole, and masked on their way out."""

    id: str
    tenant_id: str
    kind: Kind
    subject: str
    seq: int
    data: str
    created_ms: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: an HTTP status, or a sentence about why there is none."""

    status: int | None
    error: str = ""

    @property
    def taken(self) -> bool:
        """The endpoint has it."""
        return self.status is not None and 200 <= self.status < 300


def secret_of(random: bytes) -> str:
    """A secret in its written form."""
    return SECRET_PREFIX + base64.b64encode(random).decode()


def body_of(event: Event, *, show_numbers: bool) -> bytes:
    """The message; without `show_numbers` every telephone number in its data is masked, however deep it stands."""
    data: object = msgspec.json.decode(event.data)
    told = {
        "type": event.kind,
        "timestamp": _instant(event.created_ms),
        "sequence": event.seq,
        "data": data if show_numbers else with_texts(data, mask_numbers),
    }
    return msgspec.json.encode(told)


def headers_of(endpoint: Endpoint, event_id: str, body: bytes, now_ms: int) -> Mapping[str, str]:
    """Id, time and signature; while a secret is being changed, one signature of each."""
    message_id, stamp = f"msg_{event_id}", str(now_ms // 1000)
    secrets = [endpoint.secret]
    if endpoint.old_secret and now_ms < endpoint.old_until_ms:
        secrets.append(endpoint.old_secret)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(signature(secret, message_id, stamp, body) for secret in secrets),
    }


def signature(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def again_ms(tries: int, now_ms: int, luck: float) -> int | None:
    """When a message that failed `tries` times is sent again; None: it is given up. `luck` in 0..1 spreads it."""
    if tries > len(RETRY_S):
        return None
    return now_ms + round(RETRY_S[tries - 1] * 1000 * (0.8 + 0.4 * luck))


def after(endpoint: Endpoint, answer: Answer, now_ms: int, luck: float) -> Endpoint:
    """The endpoint after one try."""
    if answer.taken:
        return msgspec.structs.replace(endpoint, failures=0, failing_since_ms=None, next_try_ms=0, reason="")
    failures = endpoint.failures + 1
    since_ms = now_ms if endpoint.failing_since_ms is None else endpoint.failing_since_ms
    quiet_ms = 0
    if failures >= QUIET_AFTER:
        step = min(failures - QUIET_AFTER, len(QUIET_S) - 1)
        quiet_ms = now_ms + round(QUIET_S[step] * 1000 * (0.8 + 0.4 * luck))
    endpoint = msgspec.structs.replace(
        endpoint, failures=failures, failing_since_ms=since_ms, next_try_ms=quiet_ms
    )
    said = answer.error or f"it answered {answer.status}"
    if answer.status == GONE:
        return msgspec.structs.replace(
            endpoint, state="disabled", reason="It answered 410: it wants nothing more."
        )
    if failures >= DISABLE_AFTER_FAILURES and now_ms - since_ms >= DISABLE_AFTER_MS:
        days = (now_ms - since_ms) // 86_400_000
        told = f"It failed for {days} days, {failures} times in a row; the last: {said}"
        return msgspec.structs.replace(endpoint, state="disabled", reason=told)
    return endpoint


def _instant(at_ms: int) -> str:
    return local_time(at_ms, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
