"""Payloads of commands, and wake-ups that cannot be forged, replayed, outlived or borrowed from another tenant."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import command as cmd
from app.domain.command import CommandKind, CommandState, Verdict, WakeCheck, read_kind, read_payload, wake_up
from app.domain.messages import CommandQueued, command_topic
from app.errors import ValidationFailed

KEY = b"k" * 32
NOW = 1_800_000_000_000
COMMAND = cmd.Command(
    id="c1",
    tenant_id="t1",
    call_id="a" * 32,
    seq=1,
    kind="say",
    payload='{"text":"hello"}',
    issued_by="lead",
    state=CommandState.QUEUED,
    result="",
    created_ms=NOW,
    expires_ms=NOW + 30_000,
    taken_ms=None,
    done_ms=None,
)


def check(tenant_id: str = "t1", call_id: str = COMMAND.call_id, key: bytes = KEY) -> WakeCheck:
    return WakeCheck(key, tenant_id, call_id)


@pytest.mark.parametrize(
    ("kind", "text", "payload"),
    [
        ("send_dtmf", '{"digits":"12w3#"}', cmd.SendDtmf(digits="12w3#")),
        ("end_call", "", cmd.EndCall()),
        ("end_call", '{"reason":"wrong person","polite":false}', cmd.EndCall(reason="wrong person", polite=False)),
        ("reschedule_call_trigger_analysis", '{"wished_ms":1800000000000}', cmd.Reschedule(wished_ms=NOW)),
        ("transfer", '{"target":"+12025550123"}', cmd.Transfer(target="+12025550123")),
        ("hold", "{}", cmd.Hold()),
        ("unmute", "{}", cmd.Unmute()),
        ("whisper", '{"text":"be brief","respond":true}', cmd.Whisper(text="be brief", respond=True)),
        ("take_over", '{"mic":"mic-of-a-page"}', cmd.TakeOver(mic="mic-of-a-page")),
        ("hand_back", "", cmd.HandBack()),
    ],
)
def test_payloads_that_fit(kind: str, text: str, payload: cmd.Payload) -> None:
    read = read_payload(read_kind(kind), text)
    assert read == payload
    assert read_payload(read_kind(kind), cmd.encode_payload(read)) == payload


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("send_dtmf", "{}"),
        ("send_dtmf", '{"digits":""}'),
        ("send_dtmf", '{"digits":"12x"}'),
        ("send_dtmf", f'{{"digits":"{"1" * 33}"}}'),
        ("say", '{"text":" \\n "}'),
        ("say", f'{{"text":"{"a" * 1_001}"}}'),
        ("say", '{"text":"x","shout":true}'),
        ("end_call", '{"polite":"no"}'),
        ("end_call", "[]"),
        ("end_call", "nonsense"),
        ("end_call", '{"reason":"\\ud800"}'),
        ("end_call", '{"reason":"\ud800"}'),
        ("transfer", '{"target":"PJSIP/x@y&Local/1@from-internal"}'),
        ("reschedule_call_trigger_analysis", '{"wished_ms":-1}'),
        ("hold", '{"x":1}'),
        ("hold", " " * 9_000),
    ],
)
def test_payloads_that_do_not_fit(kind: str, text: str) -> None:
    with pytest.raises(ValidationFailed):
        read_payload(read_kind(kind), text)


def test_every_kind_has_its_own_payload() -> None:
    assert set(cmd.PAYLOADS) == set(CommandKind)
    assert len(set(cmd.PAYLOADS.values())) == len(CommandKind)
    with pytest.raises(ValidationFailed, match="send_dtmf, end_call"):
        read_kind("originate")


@pytest.mark.parametrize(
    "changes",
    [
        {"expires_ms": NOW},
        {"expires_ms": NOW + cmd.MAX_LIFE_MS + 1},
        {"id": ""},
        {"id": "x" * 65},
        {"issued_by": ""},
        {"payload": cmd.Hold()},
    ],
)
def test_a_new_command_is_bounded(changes: dict[str, object]) -> None:
    fields = {"id": "c1", "call_id": "a", "kind": CommandKind.SAY, "payload": cmd.Say(text="x"), "issued_by": "me"}
    new = cmd.NewCommand(**{**fields, "expires_ms": NOW + 1, **changes})
    with pytest.raises(ValidationFailed):
        cmd.check_new(new, NOW)


def test_a_wake_up_counts_once() -> None:
    gate, message = check(), wake_up(COMMAND, KEY)
    assert gate.judge(message, NOW) is Verdict.ACCEPTED
    assert gate.judge(message, NOW) is Verdict.REPLAYED
    newer = wake_up(msgspec.structs.replace(COMMAND, id="c3", seq=3), KEY)
    older = wake_up(msgspec.structs.replace(COMMAND, id="c2", seq=2), KEY)
    assert [gate.judge(one, NOW) for one in (newer, older)] == [Verdict.ACCEPTED, Verdict.REPLAYED]


def test_a_wake_up_of_others_or_too_late_does_not_count() -> None:
    message = wake_up(COMMAND, KEY)
    assert check(tenant_id="t2").judge(message, NOW) is Verdict.FOREIGN
    assert check(call_id="b" * 32).judge(message, NOW) is Verdict.FOREIGN
    assert check(key=b"j" * 32).judge(message, NOW) is Verdict.FORGED
    assert check().judge(message, COMMAND.expires_ms) is Verdict.EXPIRED
    assert check().judge(message, COMMAND.expires_ms - 1) is Verdict.ACCEPTED


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "tenant_id": st.text(max_size=4),
        "call_id": st.text(max_size=4),
        "command_id": st.text(max_size=4),
        "seq": st.integers(0, 1 << 40),
        "expires_ms": st.integers(0, 1 << 47),
        "mac": st.text(max_size=70),
    },
)


@given(FIELDS)
def test_nothing_of_a_wake_up_can_be_edited(changes: dict[str, object]) -> None:
    message = wake_up(COMMAND, KEY)
    edited = msgspec.structs.replace(message, **changes)
    expected = Verdict.ACCEPTED if edited == message else Verdict.FORGED
    assert check().judge(edited, NOW) is expected


@given(
    st.lists(st.text(max_size=3), min_size=4, max_size=4), st.lists(st.text(max_size=3), min_size=4, max_size=4)
)
def test_no_two_messages_share_a_signature(one: list[str], other: list[str]) -> None:
    def signed(names: list[str]) -> CommandQueued:
        tenant_id, call_id, command_id, _ = names
        return wake_up(msgspec.structs.replace(COMMAND, tenant_id=tenant_id, call_id=call_id, id=command_id), KEY)

    assert (signed(one).mac == signed(other).mac) == (one[:3] == other[:3])


def test_the_channel_keeps_its_name() -> None:
    assert command_topic("abc") == "call_commands:abc"
