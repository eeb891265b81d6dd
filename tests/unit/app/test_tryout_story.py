"""What is kept of a test call: one step of each thing, in order, and not without end."""

from hypothesis import given
from hypothesis import strategies as st

from app.domain.tryout import STEPS_KEPT, Story, TryoutStep, read_steps

STEPS = st.builds(
    TryoutStep,
    kind=st.sampled_from(["state", "words", "function", "answer", "field", "note", "cost", "over"]),
    text=st.text(max_size=30),
    ref=st.sampled_from(["", "a", "b"]),
    at_ms=st.integers(0, 9),
)


@given(st.lists(STEPS, max_size=40))
def test_a_story_keeps_one_step_of_each_thing_in_order(steps: list[TryoutStep]) -> None:
    story = Story()
    for step in steps:
        story.add(step)
    kept = read_steps(story.encoded())
    named = [(step.kind, step.ref) for step in kept if step.ref]
    assert len(named) == len(set(named))
    assert [step.at_ms for step in kept] == sorted(step.at_ms for step in kept)
    assert not {step.kind for step in kept} & {"state", "cost", "over"}
    unnamed = [
        step for step in steps if not step.ref and step.kind in {"words", "function", "answer", "field", "note"}
    ]
    assert len([step for step in kept if not step.ref]) == len(unnamed)


def test_a_story_has_an_end() -> None:
    story = Story()
    for at in range(STEPS_KEPT + 7):
        story.add(TryoutStep(kind="note", text=str(at)))
    assert len(story.steps) == STEPS_KEPT + 1
    assert story.steps[-1].text == "7 more were not kept."
