"""What follows a call: the table of the module, case by case."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import retry
from app.domain.call import ORDER, CallState, earlier, may_follow
from app.domain.messages import CallChanged, CallLevels, CallWords, ConnectionChanged, TaskChanged, decode, encode
from app.domain.retry import MINUTE_MS, Attempt, conclude, not_dialed_delay_ms
from app.domain.task import STEPS, TaskEvent, TaskState
from stasis.outcome import EndedBy, Outcome

NOW = 1_000_000
FIRST = Attempt(
    outcome=Outcome.BUSY,
    ended_by=EndedBy.CALLEE,
    dialed=True,
    answered=False,
    attempts=1,
    max_attempts=3,
    not_dialed_count=0,
)


def attempt(**changes: object) -> Attempt:
    return msgspec.structs.replace(FIRST, **changes)


@pytest.mark.parametrize(
    ("outcome", "minutes"),
    [
        (Outcome.BUSY, 10),
        (Outcome.NO_ANSWER, 60),
        (Outcome.UNREACHABLE, 30),
        (Outcome.NETWORK, 2),
        (Outcome.LOST, 2),
        (Outcome.TRUNK_FAULT, 2),
        (Outcome.FAILED, 2),
        (Outcome.CANCELED, 2),
    ],
)
def test_unanswered_calls_are_repeated_after_their_pause(outcome: Outcome, minutes: int) -> None:
    conclusion = conclude(attempt(outcome=outcome), NOW)
    assert conclusion.event is TaskEvent.RETRY
    assert conclusion.retry_at_ms == NOW + minutes * MINUTE_MS


@pytest.mark.parametrize("outcome", [Outcome.BUSY, Outcome.NO_ANSWER, Outcome.NETWORK, Outcome.LOST])
def test_the_last_attempt_is_the_last(outcome: Outcome) -> None:
    conclusion = conclude(attempt(outcome=outcome, attempts=3), NOW)
    assert (conclusion.event, conclusion.retry_at_ms) == (TaskEvent.FAIL, None)
    assert "all 3 attempts" in conclusion.reason


@pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.NETWORK, Outcome.FAILED])
def test_an_answered_call_that_was_lost_is_for_a_person_to_judge(outcome: Outcome) -> None:
    conclusion = conclude(attempt(outcome=outcome, answered=True), NOW)
    assert (conclusion.event, conclusion.needs_review) == (TaskEvent.FAIL, True)


def test_a_talk_is_complete_unless_something_cut_it_off() -> None:
    talked = attempt(outcome=Outcome.COMPLETED, answered=True)
    for ended_by in (EndedBy.CALLEE, EndedBy.AGENT, EndedBy.OPERATOR, EndedBy.SYSTEM_TIMEOUT):
        assert conclude(msgspec.structs.replace(talked, ended_by=ended_by), NOW).event is TaskEvent.COMPLETE
    for ended_by in (EndedBy.NETWORK, EndedBy.SYSTEM_FAILURE):
        cut = conclude(msgspec.structs.replace(talked, ended_by=ended_by), NOW)
        assert (cut.event, cut.needs_review) == (TaskEvent.FAIL, True)


@pytest.mark.parametrize("answered_by", ["machine", "beep"])
def test_a_machine_that_took_the_call_is_no_talk(answered_by: str) -> None:
    left = attempt(
        outcome=Outcome.COMPLETED, answered=True, ended_by=EndedBy.SYSTEM_COMPLETE, answered_by=answered_by
    )
    assert not retry.needs_judgement(left)
    conclusion = conclude(left, NOW)
    assert (conclusion.event, conclusion.retry_at_ms) == (TaskEvent.RETRY, NOW + 240 * MINUTE_MS)
    assert conclude(msgspec.structs.replace(left, attempts=3), NOW).event is TaskEvent.FAIL


@pytest.mark.parametrize("answered_by", ["fax", "network_tone"])
def test_a_number_without_a_person_is_not_called_again(answered_by: str) -> None:
    heard = attempt(outcome=Outcome.COMPLETED, answered=True, answered_by=answered_by)
    assert not retry.needs_judgement(heard)
    assert conclude(heard, NOW).event is TaskEvent.FAIL


@pytest.mark.parametrize(
    "answered_by", ["", "human", "uncertain", "ivr", "silence", "hold_music", "call_screening"]
)
def test_whoever_else_answered_may_have_talked(answered_by: str) -> None:
    talked = attempt(outcome=Outcome.COMPLETED, answered=True, answered_by=answered_by)
    assert retry.needs_judgement(talked)
    assert conclude(talked, NOW).event is TaskEvent.COMPLETE


def test_a_call_back_is_a_talk_when_somebody_answered_it() -> None:
    """Nobody was dialed for it, and none is said to have been."""
    back = attempt(outcome=Outcome.COMPLETED, answered=True, dialed=False, called_back=True)
    assert retry.needs_judgement(back)
    conclusion = conclude(back, NOW)
    assert (conclusion.event, conclusion.reason) == (
        TaskEvent.COMPLETE,
        "They called back. The call was answered and ended by callee.",
    )
    assert not retry.needs_judgement(msgspec.structs.replace(back, answered=False))


def test_a_silence_in_which_no_packet_came_is_not_done() -> None:
    """Answered, and not one packet of audio came until our patience was over."""
    deaf = attempt(outcome=Outcome.COMPLETED, answered=True, ended_by=EndedBy.SYSTEM_TIMEOUT, received=False)
    conclusion = conclude(deaf, NOW)
    assert (conclusion.event, conclusion.needs_review) == (TaskEvent.FAIL, True)
    assert "no audio" in conclusion.reason


def test_final_answers_of_the_network_and_the_callee() -> None:
    for outcome in (Outcome.BAD_NUMBER, Outcome.REJECTED):
        assert conclude(attempt(outcome=outcome), NOW).event is TaskEvent.FAIL
    assert conclude(attempt(outcome=Outcome.BAD_NUMBER, dialed=False), NOW).event is TaskEvent.FAIL
    taken_back = attempt(outcome=Outcome.CANCELED, ended_by=EndedBy.OPERATOR)
    assert conclude(taken_back, NOW).event is TaskEvent.CANCEL


def test_answered_while_we_were_away_is_no_talk_and_is_tried_again() -> None:
    missed = attempt(outcome=Outcome.CANCELED, ended_by=EndedBy.SYSTEM_FAILURE, answered=True)
    again = conclude(missed, NOW)
    assert (again.event, again.retry_at_ms) == (TaskEvent.RETRY, NOW + 2 * MINUTE_MS)
    assert "while we were away" in again.reason
    assert not again.needs_review


def test_an_attempt_that_dialed_nobody_is_repeated_with_growing_pauses_and_an_end() -> None:
    pauses = []
    for count in range(1, retry.NOT_DIALED_LIMIT):
        again = conclude(
            attempt(outcome=Outcome.TRUNK_FAULT, dialed=False, not_dialed_count=count, attempts=0), NOW
        )
        assert again.event is TaskEvent.RETRY
        assert again.retry_at_ms is not None
        pauses.append((again.retry_at_ms - NOW) // MINUTE_MS)
    assert pauses == [2, 4, 8, 16, 30, 30, 30]
    last = attempt(outcome=Outcome.FAILED, dialed=False, not_dialed_count=retry.NOT_DIALED_LIMIT, attempts=0)
    assert (conclude(last, NOW).event, conclude(last, NOW).needs_review) == (TaskEvent.FAIL, True)
    assert not_dialed_delay_ms(10**6) == retry.NOT_DIALED_DELAY_MAX_MS


@given(
    st.builds(
        Attempt,
        outcome=st.sampled_from(Outcome),
        ended_by=st.sampled_from(EndedBy),
        dialed=st.booleans(),
        answered=st.booleans(),
        attempts=st.integers(0, 5),
        max_attempts=st.integers(1, 5),
        not_dialed_count=st.integers(0, 20),
    )
)
def test_every_conclusion_is_possible_dated_and_bounded(facts: Attempt) -> None:
    conclusion = conclude(facts, NOW)
    assert conclusion.event in STEPS[TaskState.ANALYZING]
    assert (conclusion.retry_at_ms is not None) == (conclusion.event is TaskEvent.RETRY)
    assert conclusion.reason
    if conclusion.event is TaskEvent.RETRY:
        assert facts.attempts < facts.max_attempts or not facts.dialed
        assert not facts.answered or not facts.dialed or facts.outcome not in {Outcome.LOST, Outcome.NETWORK}


@pytest.mark.parametrize(
    ("facts", "wished_ms", "at_ms"),
    [
        ({"outcome": Outcome.COMPLETED, "ended_by": EndedBy.OPERATOR, "answered": True}, None, 60),
        ({"outcome": Outcome.COMPLETED, "ended_by": EndedBy.OPERATOR, "answered": True}, 90, 90),
        ({"outcome": Outcome.COMPLETED, "ended_by": EndedBy.OPERATOR, "answered": True, "attempts": 3}, None, 60),
        ({"outcome": Outcome.COMPLETED, "ended_by": EndedBy.OPERATOR, "answered": True, "attempts": 3}, 90, 90),
        ({"outcome": Outcome.CANCELED, "ended_by": EndedBy.OPERATOR}, 90, 90),
        ({"outcome": Outcome.CANCELED, "ended_by": EndedBy.OPERATOR, "attempts": 3}, 90, None),
        ({"outcome": Outcome.COMPLETED, "answered": True, "answered_by": "machine"}, None, 240),
        ({"outcome": Outcome.COMPLETED, "answered": True, "answered_by": "machine"}, 90, 90),
        ({"outcome": Outcome.COMPLETED, "answered": True, "answered_by": "machine", "attempts": 3}, None, 240),
        ({"outcome": Outcome.COMPLETED, "answered": True, "answered_by": "fax", "attempts": 3}, 90, None),
        ({"outcome": Outcome.BUSY}, 90, 90),
        ({"outcome": Outcome.BUSY, "dialed": False}, 90, 2),
        ({"outcome": Outcome.BUSY, "attempts": 3}, 90, None),
        ({"outcome": Outcome.LOST, "answered": True}, 90, None),
        ({"outcome": Outcome.REJECTED}, 90, None),
    ],
    ids=str,
)
def test_the_time_an_operator_named_counts(
    facts: dict[str, object], wished_ms: int | None, at_ms: int | None
) -> None:
    """Minutes from now; None: not called again."""
    one = attempt(**facts)
    wished = None if wished_ms is None else NOW + wished_ms * MINUTE_MS
    conclusion = retry.rescheduled(one, conclude(retry.ordered(one), NOW), wished, NOW)
    assert conclusion.owed == (one.answered and at_ms is not None), "who had answered was promised another call"
    assert conclusion.retry_at_ms == (None if at_ms is None else NOW + at_ms * MINUTE_MS)


def test_calls_only_move_forward() -> None:
    assert may_follow(CallState.PREPARE, CallState.DIALING)
    assert not may_follow(CallState.BRIDGED, CallState.RINGING)
    assert not may_follow(CallState.ENDED, CallState.ENDED)
    assert earlier(CallState.RINGING) == (CallState.PREPARE, CallState.DIALING)
    assert ORDER[0] is CallState.PREPARE


@pytest.mark.parametrize(
    "message",
    [
        CallChanged(tenant_id="default", call_id="c"),
        CallWords(tenant_id="default", call_id="c", speaker="agent", item_id="i", text="zwölf <b>", final=True),
        CallLevels(tenant_id="default", call_id="c", callee_dbov=-30.5, agent_dbov=-99),
        TaskChanged(tenant_id="default", task_id="t"),
        ConnectionChanged(name="ari", state="lost", detail="why"),
    ],
)
def test_messages_survive_the_wire(message: object) -> None:
    assert decode(encode(message)) == message  # type: ignore[arg-type]
