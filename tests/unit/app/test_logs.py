"""What may not be in a log line is not in it."""

import pytest

from app.logs import redact, redact_text


@pytest.mark.parametrize("secret", ["+12025550123", "sk-proj-abc_DEF-123", "12025550123", "hunter2"])
def test_numbers_and_keys_are_hidden_wherever_they_stand(secret: str) -> None:
    event = {
        "event": f"dialing {secret} now" if secret != "hunter2" else "x",
        "nested": {"deep": [f"to {secret}"] if secret != "hunter2" else [], "password": secret},
        "url": "redis://user:hunter2@host/0",
        "api_key": secret,
    }
    assert secret not in str(redact(None, "info", event))


def test_ids_counts_and_times_stay_readable() -> None:
    event = {"event": "call state", "call_id": "0" * 31 + "1", "seq": 7, "at_ms": 1_795_247_475_855}
    assert redact(None, "info", dict(event)) == event


def test_a_line_stays_one_line() -> None:
    assert redact_text("a\r\nlevel=error forged") == "a\\r\\nlevel=error forged"
