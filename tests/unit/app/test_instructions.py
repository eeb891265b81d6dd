"""What the model is told: fixed rules first, what changes from call to call last."""

from app.calls.instructions import RULES, session_instructions


def test_the_changing_part_comes_last() -> None:
    one = session_instructions(agent_prompt="You are Ann.", objective="Book a table.", callee_name="Bob")
    two = session_instructions(agent_prompt="You are Ann.", objective="Cancel it.", callee_name="Eve")
    common = next(at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b)
    assert one.startswith(RULES)
    assert one[:common].endswith("You are Ann.\n\nYou are calling: ")
    assert one.endswith("What this call shall achieve:\nBook a table.")


def test_empty_parts_are_left_out() -> None:
    text = session_instructions(agent_prompt="  \n", objective=" Ask. ", callee_name=" ", language="de")
    assert "About you" not in text
    assert "You are calling" not in text
    assert "Language of the call: de." in text
    assert text.endswith("achieve:\nAsk.")


def test_it_never_claims_to_be_human() -> None:
    assert "automated assistant" in RULES
    assert "Never claim to be a human" in RULES
