"""The task's states: every step of the table, nothing else, and the two rules of leases."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.task import (
    LEASED,
    SETTLED,
    STEPS,
    TRANSITIONS,
    CallTask,
    TaskEvent,
    TaskState,
    advance,
    after,
)
from app.errors import IllegalTransition

TASK = CallTask(
    id="t",
    tenant_id="default",
    campaign_id=None,
    agent_id="a",
    number="+12025550123",
    callee_name="",
    objective="ask",
    generated_agent_prompt="",
    state=TaskState.PENDING,
    priority=50,
    next_action_time=0,
    current_attempt_count=0,
    max_attempts=3,
    not_dialed_count=0,
    overall_conclusion="",
    lease_owner="me",
    lease_token=1,
    lease_until=9,
    created_ms=0,
    updated_ms=0,
)


@pytest.mark.parametrize("state", TaskState)
@pytest.mark.parametrize("event", TaskEvent)
def test_the_table_is_the_law(state: TaskState, event: TaskEvent) -> None:
    if event in STEPS[state]:
        assert advance(state, event) in TRANSITIONS[state]
    else:
        with pytest.raises(IllegalTransition):
            advance(state, event)


def test_a_lost_lease_before_dialing_is_pending_and_during_a_call_is_never_a_redial() -> None:
    assert advance(TaskState.CLAIMED, TaskEvent.LEASE_EXPIRED) is TaskState.PENDING
    assert advance(TaskState.IN_CALL, TaskEvent.LEASE_EXPIRED) is TaskState.ANALYZING
    assert TRANSITIONS[TaskState.IN_CALL] == {TaskState.ANALYZING}


def test_every_state_is_reached_and_settled_ones_end() -> None:
    reached = frozenset().union(*TRANSITIONS.values())
    assert reached | {TaskState.PENDING} == set(TaskState)
    assert {TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED, TaskState.SUPPRESSED} == SETTLED


@given(st.lists(st.sampled_from(TaskEvent), max_size=30))
def test_dialing_is_only_reached_through_a_claim_and_leases_end_with_their_states(events: list[TaskEvent]) -> None:
    task = msgspec.structs.replace(TASK, lease_owner=None, lease_until=None)
    claimed = False
    for event in events:
        try:
            task = after(task, event, 5)
        except IllegalTransition:
            continue
        if event is TaskEvent.CLAIM:
            claimed, task = True, msgspec.structs.replace(task, lease_owner="me", lease_until=9)
        if event is TaskEvent.BEGIN_CALL:
            assert claimed
        if task.state not in LEASED:
            claimed = False
            assert task.lease_owner is None
            assert task.lease_until is None


def test_refusals_are_sentences() -> None:
    with pytest.raises(IllegalTransition, match="end the call first"):
        advance(TaskState.IN_CALL, TaskEvent.CANCEL)
    with pytest.raises(IllegalTransition, match="settled"):
        advance(TaskState.COMPLETED, TaskEvent.RETRY)
    with pytest.raises(IllegalTransition, match="pending cannot"):
        advance(TaskState.PENDING, TaskEvent.FINISH_CALL)
