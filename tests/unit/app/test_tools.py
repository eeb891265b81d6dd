"""What the model writes as a function call: carried out only when it fits to the letter."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.tools import TOOL_SPECS, EndCall, RefusedTool, SendDtmf, read_tool_call


@pytest.mark.parametrize(
    ("name", "arguments", "request_"),
    [
        ("send_dtmf", '{"digits":"12w3#*A"}', SendDtmf("12w3#*A")),
        ("end_call", '{"reason":"done"}', EndCall("done")),
        ("end_call", "{}", EndCall("")),
        ("end_call", "", EndCall("")),
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
        ("", "{}"),
        ("END_CALL", "{}"),
        ("end_call", "\ud800"),
    ],
)
def test_calls_that_do_not_fit_are_refused_with_a_sentence(name: str, arguments: str) -> None:
    refused = read_tool_call(name, arguments)
    assert isinstance(refused, RefusedTool)
    assert len(refused.sentence) > 20


@given(name=st.sampled_from([spec.name for spec in TOOL_SPECS]) | st.text(), arguments=st.text())
def test_nothing_the_model_writes_raises(name: str, arguments: str) -> None:
    assert isinstance(read_tool_call(name, arguments), SendDtmf | EndCall | RefusedTool)


@given(digits=st.text())
def test_only_keys_pass(digits: str) -> None:
    request = read_tool_call("send_dtmf", json.dumps({"digits": digits}))
    allowed = 0 < len(digits) <= 32 and set(digits) <= set("0123456789ABCD*#w")
    assert isinstance(request, SendDtmf) == allowed


def test_the_schemas_say_what_is_checked() -> None:
    for spec in TOOL_SPECS:
        schema = json.loads(spec.parameters)
        assert schema["additionalProperties"] is False
        sample = {"digits": "1#", "reason": "done"}
        arguments = {key: sample[key] for key in schema["required"]}
        assert not isinstance(read_tool_call(spec.name, json.dumps(arguments)), RefusedTool)
