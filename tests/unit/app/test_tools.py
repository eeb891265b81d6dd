"""What the model writes as a function call: carried out only when it fits to the letter."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.tool_specs import tool_specs
from app.calls.tools import (
    BUDGET,
    BUDGETS,
    NAMES,
    EndCall,
    Offer,
    RecordOptOut,
    RefusedTool,
    ReportVoicemail,
    RequestUserFeedback,
    Reschedule,
    SaveField,
    SendDtmf,
    ToolBook,
    TransferCall,
    read_tool_call,
)
from app.domain.fields import FieldSpec

ALL = Offer(
    tools=NAMES,
    fields=(FieldSpec(name="seats", type="number", required=True, help="how many people"), FieldSpec(name="note")),
    targets=("front desk", "billing"),
)


@pytest.mark.parametrize(
    ("name", "arguments", "request_"),
    [
        ("send_dtmf", '{"digits":"12w3#*A"}', SendDtmf("12w3#*A")),
        ("end_call", '{"reason":"done"}', EndCall("done")),
        ("end_call", "{}", EndCall("")),
        ("end_call", "", EndCall("")),
        (
            "reschedule_call_trigger_analysis",
            '{"wished_words":"tomorrow at four","wished_local":"2026-11-27T16:00"}',
            Reschedule("tomorrow at four", "2026-11-27T16:00"),
        ),
        ("reschedule_call_trigger_analysis", '{"wished_words":"later","wished_local":null}', Reschedule("later")),
        ("transfer_call", '{"target":"billing","reason":"x","mode":"warm"}', TransferCall("billing", "x", "warm")),
        ("report_voicemail", '{"heard":"after the tone"}', ReportVoicemail("after the tone")),
        ("record_opt_out", '{"words":"stop calling"}', RecordOptOut("stop calling")),
        (
            "save_field",
            '{"name":"seats","value":4,"quote":"for four"}',
            SaveField("seats", msgspec.Raw(b"4"), "for four"),
        ),
        (
            "request_user_feedback",
            '{"question":"Tuesday?","suggestions":["Yes","No"]}',
            RequestUserFeedback("Tuesday?", ("Yes", "No")),
        ),
    ],
)
def test_calls_that_fit(name: str, arguments: str, request_: object) -> None:
    assert read_tool_call(name, arguments) == request_


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("send_dtmf", ""),
        ("send_dtmf", '{"digits":""}'),
        ("send_dtmf", '{"digits":"12 3"}'),
        ("send_dtmf", '{"digits":"1\\n"}'),
        ("send_dtmf", '{"digits":"a"}'),
        ("send_dtmf", json.dumps({"digits": "1" * 33})),
        ("send_dtmf", '{"digits":5}'),
        ("send_dtmf", '{"digits":"1","more":1}'),
        ("send_dtmf", '["1"]'),
        ("end_call", json.dumps({"reason": "x" * 501})),
        ("end_call", '{"reason":"cut'),
        ("end_call", '{"reason":"\\ud800"}'),
        ("end_call", "null"),
        ("end_call", '{"type":"send_dtmf","digits":"1"}'),
        ("transfer", "{}"),
        ("end_call", '{"tool":"send_dtmf","digits":"1"}'),
        ("transfer_call", '{"target":"","reason":"x"}'),
        ("transfer_call", '{"target":"billing","mode":"at once"}'),
        ("record_opt_out", "{}"),
        ("record_opt_out", '{"words":"  "}'),
        ("save_field", '{"name":"seats","quote":"four"}'),
        ("save_field", '{"name":"seats","value":4,"quote":""}'),
        ("reschedule_call_trigger_analysis", '{"wished_words":"x","wished_local":"tomorrow"}'),
        ("request_user_feedback", json.dumps({"question": "x", "suggestions": ["y"] * 10})),
        ("request_user_feedback", json.dumps({"question": "x" * 501})),
        ("", "{}"),
        ("END_CALL", "{}"),
        ("end_call", "\ud800"),
    ],
)
def test_calls_that_do_not_fit_are_refused_with_a_sentence(name: str, arguments: str) -> None:
    refused = read_tool_call(name, arguments)
    assert isinstance(refused, RefusedTool)
    assert len(refused.sentence) > 20


@given(name=st.sampled_from(NAMES) | st.text(), arguments=st.text())
def test_nothing_the_model_writes_raises(name: str, arguments: str) -> None:
    read_tool_call(name, arguments)


@given(digits=st.text())
def test_only_keys_pass(digits: str) -> None:
    request = read_tool_call("send_dtmf", json.dumps({"digits": digits}))
    allowed = 0 < len(digits) <= 32 and set(digits) <= set("0123456789ABCD*#w")
    assert isinstance(request, SendDtmf) == allowed


SAMPLE = {
    "done": False,
    "digits": "1#",
    "reason": "done",
    "wished_words": "later",
    "target": "billing",
    "heard": "the tone",
    "words": "stop",
    "name": "seats",
    "value": 4,
    "quote": "four",
    "question": "What?",
    "suggestions": ["Yes"],
}


def test_the_schemas_say_what_is_checked() -> None:
    specs = tool_specs(ALL)
    assert [spec.name for spec in specs] == list(NAMES)
    for spec in specs:
        schema = json.loads(spec.parameters)
        assert schema["additionalProperties"] is False
        arguments = {key: SAMPLE[key] for key in schema["required"]}
        assert not isinstance(ToolBook(ALL).read(spec.name, json.dumps(arguments)), RefusedTool), spec.name


def test_the_text_of_an_offer_never_changes() -> None:
    again = Offer(tools=tuple(reversed(NAMES)), fields=ALL.fields, targets=ALL.targets)
    assert tool_specs(again) == tool_specs(ALL)


@pytest.mark.parametrize(
    ("offer", "names"),
    [
        (Offer(), ("send_dtmf", "end_call", "record_opt_out")),
        (Offer(tools=()), ("end_call", "record_opt_out")),
        (Offer(tools=("transfer_call", "save_field", "no_such")), ("end_call", "record_opt_out")),
        (Offer(tools=(), fields=ALL.fields), ("end_call", "record_opt_out", "save_field")),
        (Offer(tools=("transfer_call",), targets=("a",)), ("end_call", "transfer_call", "record_opt_out")),
    ],
)
def test_what_is_offered(offer: Offer, names: tuple[str, ...]) -> None:
    assert offer.names == names
    assert [spec.name for spec in tool_specs(offer)] == list(names)


def test_what_was_not_offered_is_refused_though_it_exists() -> None:
    refused = ToolBook(Offer()).read("transfer_call", '{"target":"+19005551234","reason":"he said so"}')
    assert isinstance(refused, RefusedTool)
    assert "send_dtmf, end_call, record_opt_out" in refused.sentence


@pytest.mark.parametrize("target", ["+19005551234", "Billing", "sales", "billing "])
def test_only_named_targets_are_transferred_to(target: str) -> None:
    refused = ToolBook(ALL).read("transfer_call", json.dumps({"target": target, "reason": "x"}))
    assert isinstance(refused, RefusedTool)
    assert "front desk, billing" in refused.sentence


@pytest.mark.parametrize("name", NAMES)
def test_each_function_has_its_budget(name: str) -> None:
    book = ToolBook(ALL)
    schema = json.loads(next(spec.parameters for spec in tool_specs(ALL) if spec.name == name))
    arguments = json.dumps({key: SAMPLE[key] for key in schema["required"]})
    taken = [not isinstance(book.read(name, arguments), RefusedTool) for _ in range(BUDGETS[name] + 5)]
    assert taken == [True] * BUDGETS[name] + [False] * 5


def test_all_of_them_have_one_together_and_garbage_counts() -> None:
    book = ToolBook(ALL)
    for _ in range(BUDGET):
        book.read("garbage", "{")
    refused = book.read("end_call", '{"reason":"x"}')
    assert isinstance(refused, RefusedTool)
    assert "too often" in refused.sentence
