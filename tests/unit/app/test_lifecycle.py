"""The rules of the lifecycle agent: what is granted, what is refused, and that undoing gives back what was."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.lifecycle.digest import digest, keyed
from app.domain.lifecycle.judge import MOST, MOST_A_DAY, judge, may
from app.domain.lifecycle.model import ACTOR, Action, Grant, OpenTask, Past, Stand, Wish, stand_of
from app.domain.lifecycle.undo import Decided, undo
from app.domain.lifecycle.words import words
from app.domain.task import TaskState
from app.domain.task_change import TaskHold
from app.errors import ConflictError
from tests.unit.app.lifecycle_world import HOUR_MS, NIGHT, NOON, a_task, seen, wants
from tests.unit.app.store_world import NOW

DAY_MS = 24 * HOUR_MS
HOLD = TaskHold(
    task_id="",
    tenant_id="default",
    until_ms=NOW + 9 * HOUR_MS,
    before_ms=NOW + HOUR_MS,
    reason="x",
    placed_by=ACTOR,
    since_ms=NOW,
)


def held(by: str = ACTOR) -> OpenTask:
    task = a_task(next_action_time=HOLD.until_ms)
    return seen(task, hold=msgspec.structs.replace(HOLD, task_id=task.id, placed_by=by))


def hopeless() -> OpenTask:
    return seen(a_task(current_attempt_count=2, lease_token=2))


def one(known: OpenTask, action: Action, **changes: object) -> Grant | str:
    """The grant of a single wish, or the code of its refusal."""
    judged = judge([wants("T1", action, **changes)], {"T1": known}, NOW)
    return judged.grants[0] if judged.grants else judged.refusals[0].code


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("state", TaskState)
def test_only_a_task_that_waits_is_touched(state: TaskState, action: Action) -> None:
    known = hopeless()
    known = msgspec.structs.replace(known, task=msgspec.structs.replace(known.task, state=state))
    granted = isinstance(one(known, action), Grant)
    assert granted is (state is TaskState.PENDING and action is not Action.RELEASE)
    if state is not TaskState.PENDING:
        assert may(known, NOW) == frozenset()


@pytest.mark.parametrize(
    ("known", "action", "changes", "code"),
    [
        (seen(), Action.SET_PRIORITY, {"priority": None}, "bad_value"),
        (seen(), Action.SET_PRIORITY, {"priority": 101}, "bad_value"),
        (seen(), Action.SET_PRIORITY, {"priority": 50}, "no_change"),
        (seen(), Action.SET_PRIORITY, {"reason": " \n"}, "no_reason"),
        (seen(), Action.HOLD, {"at": "tomorrow"}, "bad_value"),
        (seen(), Action.HOLD, {"at": "2027-01-16T17:00:00"}, "bad_value"),
        (seen(), Action.HOLD, {"at": "9999-12-31T23:59:59-23:59"}, "bad_value"),
        (seen(), Action.HOLD, {"at": "2027-03-16T17:00:00Z"}, "bad_value"),
        (seen(), Action.HOLD, {"at": "2027-01-15T08:30:00Z"}, "bad_value"),  # before its own time
        (seen(a_task(until_ms=NOW + 2 * HOUR_MS)), Action.HOLD, {}, "bad_value"),
        (seen(promised=True), Action.HOLD, {}, "not_allowed"),
        (seen(promised=True), Action.MOVE, {}, "not_allowed"),
        (seen(promised=True), Action.CLOSE, {}, "not_allowed"),
        (seen(), Action.MOVE, {"at": NIGHT}, "bad_value"),
        (seen(reach=msgspec.structs.replace(seen().reach, window=None)), Action.MOVE, {}, "bad_value"),
        (seen(), Action.RELEASE, {}, "not_allowed"),
        (held("user:a"), Action.RELEASE, {}, "not_allowed"),
        (held("user:a"), Action.MOVE, {}, "not_allowed"),
        (held(), Action.HOLD, {}, "not_allowed"),
        (seen(), Action.SET_PHASE, {"phase": ""}, "bad_value"),
        (seen(), Action.SET_PHASE, {"phase": "x" * 81}, "bad_value"),
        (seen(phase="second attempt"), Action.SET_PHASE, {}, "no_change"),
        (seen(), Action.ASK_USER, {"question": " "}, "bad_value"),
        (seen(), Action.ASK_USER, {"question": "?" * 501}, "bad_value"),
        (seen(past=Past(asked=True)), Action.ASK_USER, {}, "not_allowed"),
        (
            seen(promised=True),
            Action.ASK_USER,
            {},
            "not_allowed",
        ),  # it would park a call whose time is still ahead
        (seen(), Action.CLOSE, {}, "not_allowed"),  # nothing says that it is hopeless
        (seen(past=Past(today=MOST_A_DAY)), Action.SET_PRIORITY, {}, "not_allowed"),
        (seen(past=Past(undone=frozenset({Action.SET_PRIORITY}))), Action.SET_PRIORITY, {}, "not_allowed"),
    ],
)
def test_what_breaks_a_rule_is_refused(
    known: OpenTask, action: Action, changes: dict[str, object], code: str
) -> None:
    assert one(known, action, **changes) == code


def granted(known: OpenTask, action: Action, **changes: object) -> Grant:
    grant = one(known, action, **changes)
    assert isinstance(grant, Grant), grant
    return grant


def test_a_promised_call_whose_time_came_is_asked_about() -> None:
    overdue = seen(a_task(next_action_time=NOW), promised=True)
    assert granted(overdue, Action.ASK_USER).task.state is TaskState.WAITING_USER
    ahead = seen(a_task(next_action_time=NOW + 1), promised=True)
    assert one(ahead, Action.ASK_USER) == "not_allowed"


def test_what_is_granted_changes_what_it_says_and_nothing_else() -> None:
    noon_ms = 1_800_118_800_000
    assert granted(seen(), Action.SET_PRIORITY).task.priority == 80
    moved = granted(seen(), Action.MOVE)
    assert (moved.task.next_action_time, moved.hold) == (noon_ms, None)
    hold = granted(seen(), Action.HOLD)
    assert hold.hold is not None
    assert (hold.task.next_action_time, hold.hold.placed_by) == (noon_ms, ACTOR)
    assert granted(held(), Action.RELEASE).task.next_action_time == HOLD.before_ms
    closed = granted(hopeless(), Action.CLOSE)
    assert closed.task.state is TaskState.FAILED
    assert closed.task.overall_conclusion == "Closed by the lifecycle agent: A reason."
    asked = granted(seen(), Action.ASK_USER)
    assert (asked.task.state, asked.suggestions) == (TaskState.WAITING_USER, ("Yes", "No"))
    phase = granted(seen(), Action.SET_PHASE)
    assert (phase.phase, phase.task) == ("second attempt", phase.task)


def test_two_decisions_about_one_task_are_both_refused_and_a_phase_may_stand_beside_one() -> None:
    shown = keyed([seen(), seen()])
    wishes = [
        wants("T1", Action.SET_PRIORITY, priority=1),
        wants("T1", Action.SET_PRIORITY, priority=99),
        wants("T2", Action.MOVE),
        wants("T2", Action.SET_PHASE),
        wants("T3", Action.CLOSE),
    ]
    judged = judge(wishes, shown, NOW)
    assert [grant.action for grant in judged.grants] == [Action.MOVE, Action.SET_PHASE]
    assert Counter(one.code for one in judged.refusals) == {"contradicting": 2, "unknown_task": 1}


def test_a_round_has_its_limits() -> None:
    shown = keyed([hopeless() for _ in range(60)])
    closes = judge([wants(key, Action.CLOSE) for key in shown], shown, NOW)
    assert (len(closes.grants), {one.code for one in closes.refusals}) == (3, {"too_many"})
    every = judge([wants(key, Action.SET_PRIORITY) for key in shown], shown, NOW)
    assert len(every.grants) == MOST


WISHES = st.builds(
    Wish,
    task=st.sampled_from(["T1", "T2", "T3", "T4", "T9", "", "' OR 1=1"]),
    action=st.sampled_from(Action),
    priority=st.one_of(st.none(), st.integers(-(2**70), 2**70)),
    at=st.one_of(st.none(), st.sampled_from([NOON, NIGHT, "2027-01-20T17:00:00Z"]), st.text(max_size=30)),
    question=st.text(max_size=30),
    suggestions=st.lists(st.text(max_size=8), max_size=12).map(tuple),
    phase=st.text(max_size=12),
    reason=st.text(max_size=12),
)
KNOWN = (
    seen(),
    held(),
    hopeless(),
    seen(promised=True, phase="first"),
)


@given(st.lists(WISHES, max_size=30))
def test_whatever_a_model_says_keeps_the_rules_and_can_be_undone(wishes: list[Wish]) -> None:
    shown = keyed(KNOWN)
    judged = judge(wishes, shown, NOW)
    assert len(judged.grants) + len(judged.refusals) == len(wishes)
    made = Counter((grant.task.id, grant.action is Action.SET_PHASE) for grant in judged.grants)
    assert not made or max(made.values()) == 1
    for grant in judged.grants:
        before, task = grant.seen, grant.task
        assert before.state is TaskState.PENDING
        assert task.state in {TaskState.PENDING, TaskState.WAITING_USER, TaskState.FAILED}
        assert task.lease_token == before.lease_token
        assert 0 <= task.priority <= 100
        if grant.action is not Action.RELEASE:
            assert task.next_action_time >= before.next_action_time, "never earlier than planned"
        after = stand_of(task, grant.hold, grant.phase)
        back = undo(Decided(action=grant.action, before=before, after=after), task, after, NOW + 1)
        assert stand_of(back.task, back.hold, back.phase) == before
        assert words(grant.action, before, after)


FIELDS: dict[str, object] = {
    "state": TaskState.COMPLETED,
    "priority": 3,
    "next_action_time": NOW + 5,
    "attempts": 1,
    "lease_token": 7,
    "conclusion": "another",
    "phase": "third",
    "hold": HOLD,
}
GUARDED: dict[Action, set[str]] = {
    Action.SET_PRIORITY: {"state", "priority"},
    Action.HOLD: {"state", "next_action_time", "hold"},
    Action.RELEASE: {"state", "next_action_time", "hold"},
    Action.MOVE: {"state", "next_action_time", "hold"},
    Action.SET_PHASE: {"phase"},
    Action.ASK_USER: {"state"},
    Action.CLOSE: {"state", "conclusion"},
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("action", Action)
def test_what_has_moved_since_is_not_undone(action: Action, field: str) -> None:
    known = {Action.RELEASE: held(), Action.CLOSE: hopeless()}.get(action, seen())
    grant = granted(known, action)
    after = stand_of(grant.task, grant.hold, grant.phase)
    decided = Decided(action=action, before=grant.seen, after=after)
    now: Stand = msgspec.structs.replace(after, **{field: FIELDS[field]})
    if field in GUARDED[action] | {"attempts", "lease_token"}:
        with pytest.raises(ConflictError, match="any more"):
            undo(decided, grant.task, now, NOW)
    else:
        assert undo(decided, grant.task, now, NOW)


@pytest.mark.parametrize("state", [TaskState.CLAIMED, TaskState.IN_CALL, TaskState.ANALYZING])
def test_nothing_is_undone_while_a_call_is_made_or_judged(state: TaskState) -> None:
    grant = granted(seen(), Action.SET_PRIORITY)
    after = stand_of(grant.task, grant.hold)
    task = msgspec.structs.replace(grant.task, state=state)
    with pytest.raises(ConflictError, match="cannot be undone now"):
        undo(Decided(action=grant.action, before=grant.seen, after=after), task, after, NOW)


def test_a_closed_task_is_not_opened_in_a_campaign_that_is_over_nor_a_question_that_was_answered() -> None:
    closed, asked = granted(hopeless(), Action.CLOSE), granted(seen(), Action.ASK_USER)
    for grant, more in ((closed, {"campaign": "completed"}), (asked, {"answered": True})):
        after = stand_of(grant.task, grant.hold)
        decided = Decided(action=grant.action, before=grant.seen, after=after)
        with pytest.raises(ConflictError):
            undo(decided, grant.task, after, NOW, **more)  # type: ignore[arg-type]
    after = stand_of(closed.task, None)
    decided = Decided(action=Action.CLOSE, before=closed.seen, after=after)
    assert undo(decided, closed.task, after, NOW, campaign="active").task.state is TaskState.PENDING


def test_the_model_sees_no_number_no_id_and_no_more_text_than_it_may() -> None:
    secret = a_task(objective="x" * 9_000, overall_conclusion="y" * 9_000, number="+12025550123")
    shown = keyed([seen(secret), held()])
    text = msgspec.json.encode(digest(shown, NOW)).decode()
    assert "2025550123" not in text
    assert secret.id not in text
    assert len(text) < 3_000
    assert '"may":["ask_user","release","set_phase","set_priority"]' in text
