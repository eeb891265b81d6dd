"""What the model is told about itself; the order, the frames and the shared beginning are in test_frames."""

import msgspec

from app.calls.instructions import RULES, CallContext, Matter, session_instructions
from tests.unit.app.store_world import AGENT


def test_empty_parts_are_left_out() -> None:
    agent = msgspec.structs.replace(AGENT, prompt="  \n", language="de")
    text = session_instructions(agent, CallContext(), Matter(objective=" Ask. ", callee_name=" "))
    assert text.startswith(RULES)
    for part in ("About you", "You are calling", "It is", "documents", "find out", "first thing", "prefer"):
        assert part not in text.removeprefix(RULES)
    assert "Language of the call: de." in text
    assert text.endswith("achieve:\nAsk.")


def test_it_never_claims_to_be_human() -> None:
    assert "automated assistant" in RULES
    assert "Never claim to be a human" in RULES
