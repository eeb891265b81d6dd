"""What is signed and how, and when a message is sent again."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.webhook import (
    DISABLE_AFTER_MS,
    QUIET_AFTER,
    RETRY_S,
    Answer,
    Endpoint,
    Event,
    after,
    again_ms,
    body_of,
    headers_of,
    secret_of,
    signature,
)

NOW = 1_800_000_000_000
ENDPOINT = Endpoint(
    id="e",
    tenant_id="default",
    url="https://hooks.example.org/x",
    kinds='["call.completed"]',
    secret=secret_of(bytes(32)),
    old_secret="",
    old_until_ms=0,
    show_numbers=False,
    state="active",
    reason="",
    failures=0,
    failing_since_ms=None,
    next_try_ms=0,
    sender=0,
    sender_until_ms=0,
    created_ms=NOW,
)


def event(**data: object) -> Event:
    return Event(
        id="0" * 32,
        tenant_id="default",
        kind="call.completed",
        subject="c",
        seq=3,
        data=json.dumps(data),
        created_ms=NOW,
    )


def test_the_example_of_the_specification() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_message_says_what_when_and_in_which_order() -> None:
    told = json.loads(body_of(event(number="+12025550123", summary="Call +12025550123 back"), show_numbers=False))
    assert (told["type"], told["timestamp"], told["sequence"]) == ("call.completed", "2027-01-15T08:00:00.000Z", 3)
    assert "+12025550123" not in json.dumps(told)
    whole = json.loads(body_of(event(number="+12025550123"), show_numbers=True))
    assert whole["data"]["number"] == "+12025550123"


def test_no_number_leaves_whole_unless_that_is_wanted() -> None:
    data = {
        "number": "+12025550123",
        "summary": "Reach her on +44 20 7946 0958, not on +1 202-555-0123.",
        "collected": {"callback": "+12025550199", "others": ["+1 (202) 555-0144", 7, None, True]},
        "found": [{"value": {"quote": "it is +12025550177"}}],
    }
    told = json.loads(body_of(event(**data), show_numbers=False))["data"]
    assert told == {
        "number": "+1202•••0123",
        "summary": "Reach her on +4420••••0958, not on +1202•••0123.",
        "collected": {"callback": "+1202•••0199", "others": ["+1202•••0144", 7, None, True]},
        "found": [{"value": {"quote": "it is +1202•••0177"}}],
    }
    without = json.loads(body_of(event(to={"text": "+12025550123"}), show_numbers=False))["data"]
    assert without == {"to": {"text": "+1202•••0123"}}
    assert json.loads(body_of(event(**data), show_numbers=True))["data"] == data


def test_while_a_secret_is_changed_both_sign() -> None:
    old = secret_of(b"o" * 32)
    changing = Endpoint(
        **{name: getattr(ENDPOINT, name) for name in Endpoint.__struct_fields__}
        | {"old_secret": old, "old_until_ms": NOW + 1}
    )
    both = headers_of(changing, "i", b"{}", NOW)["webhook-signature"].split(" ")
    assert len(both) == 2
    assert signature(old, "msg_i", str(NOW // 1000), b"{}") == both[1]
    assert len(headers_of(changing, "i", b"{}", NOW + 1)["webhook-signature"].split(" ")) == 1


@given(st.integers(1, 30), st.floats(0, 1))
def test_pauses_grow_and_end(tries: int, luck: float) -> None:
    at = again_ms(tries, NOW, luck)
    if tries > len(RETRY_S):
        assert at is None
    else:
        assert at is not None
        assert 0.8 * RETRY_S[tries - 1] * 1000 - 1 <= at - NOW <= 1.2 * RETRY_S[tries - 1] * 1000 + 1


def test_an_endpoint_that_fails_is_left_alone_and_at_last_disabled() -> None:
    endpoint, now = ENDPOINT, NOW
    for n in range(1, 9):
        endpoint = after(endpoint, Answer(status=500), now, 0.5)
        assert (endpoint.next_try_ms > now) == (n >= QUIET_AFTER)
    assert endpoint.state == "active"
    for _ in range(3):
        now = NOW + DISABLE_AFTER_MS + 1
        endpoint = after(endpoint, Answer(status=None, error="No answer."), now, 0.5)
    assert endpoint.state == "disabled"
    assert "3 days" in endpoint.reason
    assert "No answer." in endpoint.reason


def test_a_success_forgets_failures_and_410_is_the_end() -> None:
    failing = after(ENDPOINT, Answer(status=500), NOW, 0)
    assert after(failing, Answer(status=200), NOW, 0) == ENDPOINT
    gone = after(ENDPOINT, Answer(status=410), NOW, 0)
    assert (gone.state, "410" in gone.reason) == ("disabled", True)


@pytest.mark.parametrize("status", [100, 301, 302, 307, 400, 404, 429, 500, 503])
def test_only_2xx_is_taken(status: int) -> None:
    assert not Answer(status=status).taken


def test_a_secret_has_a_form() -> None:
    text = secret_of(b"x" * 32)
    assert text.startswith("whsec_")
    assert base64.b64decode(text[6:]) == b"x" * 32
