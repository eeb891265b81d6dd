"""Frames carry only what changed, numbers follow each other, words being spoken are not lost to a reload."""

import pytest

from app.domain.call import CallState, Turn
from app.domain.messages import CallWords, ConnectionChanged
from app.store.calls import WallCall
from web.live import VIEWER_QUEUE, Viewer
from web.view import OUTCOME_WORDS, STATE_WORDS, Card, card, clock_face, line, money, tail
from web.wall import Wall

ROW = WallCall(
    id="c1",
    state=CallState.BRIDGED,
    outcome=None,
    ended_by=None,
    hangup_cause=None,
    detail="",
    number_requested="+12025550123",
    number_dialed="+12025550123",
    attempt_number=1,
    created_ms=1_000,
    answered_ms=3_000,
    ended_ms=None,
    cost_micro_usd=12_345,
    callee_name="Luigi",
    objective="x",
    agent_name="Ann",
    callee_words=None,
    agent_words=None,
)


def row(**changes: object) -> Card:
    return card(WallCall(**{name: getattr(ROW, name) for name in ROW.__struct_fields__} | changes))


def said(text: str, *, final: bool = False, call_id: str = "c1") -> CallWords:
    return CallWords(tenant_id="default", call_id=call_id, speaker="agent", item_id="i", text=text, final=final)


def test_a_card_shows_no_full_number_and_says_where_test_mode_sends_it() -> None:
    assert row().number == "+1202•••0123"
    assert row(number_dialed="+12025550199").number == "+1202•••0123 → +1202•••0199"
    assert "2025550" not in str(row(number_dialed="+12025550199"))


def test_numbers_in_words_on_a_wall_are_masked() -> None:
    shown = row(callee_words="call +1 202 555 0177", agent_words="+12025550178?", detail="no +12025550179")
    assert not any(part in str(shown) for part in ("555 0177", "5550177", "5550178", "5550179"))
    assert "0177" in shown.callee_words, "masked, not dropped"
    wall = Wall()
    wall.replace_all([row()])
    wall.snapshot(1)
    wall.speak(said("call me at +12025550177"))
    assert "5550177" not in str(wall.frame(2))
    assert "5550177" not in str(wall.snapshot(3))


def test_outcomes_are_words() -> None:
    ended = {"state": CallState.ENDED, "ended_ms": 5_000}
    assert row(**ended, outcome="busy", ended_by="callee", hangup_cause=17).outcome == "busy (cause 17)"
    done = row(**ended, outcome="completed", ended_by="agent", hangup_cause=16)
    assert done.outcome == "✓ answered, agent hung up"
    assert (done.alive, done.timer_from_ms, done.timer_to_ms, done.cost) == (False, 3_000, 5_000, "$0.0123")
    assert STATE_WORDS.keys() == set(CallState)


def test_every_outcome_has_words() -> None:
    from stasis.outcome import EndedBy, Outcome
    from web.view import ENDED_BY_WORDS

    assert OUTCOME_WORDS.keys() == set(Outcome)
    assert ENDED_BY_WORDS.keys() == set(EndedBy)


def test_small_texts() -> None:
    assert [clock_face(ms) for ms in (-5, 0, 61_999, 3_600_000)] == ["0:00", "0:00", "1:01", "1:00:00"]
    assert (money(0), money(1_234_567)) == ("", "$1.2346")
    assert tail("short") == "short"
    assert len(tail("word " * 200)) <= 163
    assert line(Turn(speaker="agent", item_id="i", text="x", start_audio_ms=61_000), str).at == "1:01"


def test_a_frame_carries_each_changed_call_once_and_only_those() -> None:
    wall = Wall()
    wall.replace_all([row(), row(id="c2")])
    first = wall.frame(1)
    assert first is not None
    assert ([c.id for c in first.calls], first.seq) == (["c1", "c2"], 1)
    assert wall.frame(2) is None
    wall.put(row())
    assert wall.frame(3) is None, "the same again is no change"
    wall.put(row(state=CallState.ENDING))
    wall.put(row(state=CallState.ENDED, outcome="busy", ended_by="callee", ended_ms=9))
    second = wall.frame(4)
    assert second is not None
    assert ([c.state for c in second.calls], second.seq) == (["ended"], 2)
    assert wall.snapshot(5).seq == 2


def test_words_coalesce_and_survive_a_reload_until_they_are_stored() -> None:
    wall = Wall()
    wall.replace_all([row()])
    wall.frame(1)
    for text in ("Hel", "Hello", "Hello there"):
        assert wall.speak(said(text))
    assert not wall.speak(said("x", call_id="unknown"))
    frame = wall.frame(2)
    assert frame is not None
    assert [w.text for w in frame.words] == ["Hello there"]
    assert frame.calls == (), "words travel without their call"
    assert wall.snapshot(2).calls[0].agent_words == "Hello there"
    wall.replace_all([row()])
    assert wall.frame(3) is None
    wall.speak(said("Hello there.", final=True))
    wall.replace_all([row(agent_words="Hello there.")])
    last = wall.frame(4)
    assert last is not None
    assert [(w.text, w.final) for w in last.words] == [("Hello there.", True)]
    assert wall.snapshot(4).calls[0].agent_words == "Hello there."


def test_whoever_speaks_on_our_side_is_named() -> None:
    wall = Wall()
    wall.replace_all([row(agent_words="Hello.")])
    assert wall.snapshot(1).calls[0].voice == "Agent"
    person = CallWords(
        tenant_id="default", call_id="c1", speaker="operator", item_id="o", text="It is me", final=False
    )
    wall.speak(person)
    (shown,) = wall.snapshot(2).calls
    assert (shown.voice, shown.agent_words, shown.callee_words) == ("Person", "It is me", "")
    wall.speak(said("Hello.", final=True))  # the agent's last words, written down late
    wall.replace_all([row(agent_words="Hello.")])
    (shown,) = wall.snapshot(3).calls
    assert (shown.voice, shown.agent_words) == ("Person", "It is me"), "they are still speaking"
    wall.speak(
        CallWords(tenant_id="default", call_id="c1", speaker="operator", item_id="o", text="It is me.", final=True)
    )
    wall.replace_all([row(agent_words="It is me.", speaker="operator")])
    assert wall.snapshot(4).calls[0].voice == "Person"
    wall.speak(said("I go on"))
    (shown,) = wall.snapshot(5).calls
    assert (shown.voice, shown.agent_words) == ("Agent", "I go on")


@pytest.mark.parametrize(
    ("delay_ms", "shown"),
    [
        (None, ("", "")),
        (800, ("● quick: answers after 0.8 s", "quick")),
        (801, ("◐ slow: answers after 0.8 s", "slow")),
        (1_500, ("◐ slow: answers after 1.5 s", "slow")),
        (1_501, ("○ late: answers after 1.5 s", "late")),
    ],
)
def test_how_long_callees_wait_is_said_in_words(delay_ms: int | None, shown: tuple[str, str]) -> None:
    made = row(delay_ms=delay_ms)
    assert (made.delay, made.delay_grade) == shown


def test_a_state_that_is_only_said_again_does_not_undo_a_change() -> None:
    def mark(now_ms: int) -> str:
        return next(one.mark for one in wall.snapshot(now_ms).connections if one.name == "ari")

    wall = Wall()
    up, down = (ConnectionChanged(name="ari", state=state, node="a") for state in ("connected", "lost"))
    again = ConnectionChanged(name="ari", state="connected", node="a", again=True)
    wall.connection(again, 1_000)
    assert mark(1_000) == "ok", "who begins to look learns it"
    wall.connection(down, 4_000)
    wall.connection(again, 4_100)  # was on its way
    assert mark(4_100) == "bad"
    wall.connection(again, 9_000)  # the change back was lost on the way here
    assert mark(9_000) == "ok"
    wall.connection(down, 9_100)
    wall.connection(up, 9_200)
    assert mark(9_200) == "ok", "a change is always taken"


def test_calls_that_leave_and_connections_that_change_are_told_once() -> None:
    wall = Wall()
    wall.replace_all([row(), row(id="c2")])
    wall.frame(1)
    wall.replace_all([row()])
    wall.connection(ConnectionChanged(name="ari", state="lost"))
    frame = wall.frame(2)
    assert frame is not None
    assert frame.removed == ("c2",)
    assert [(c.name, c.mark) for c in frame.connections if c.mark != "unknown"] == [("ari", "bad")]
    wall.connection(ConnectionChanged(name="ari", state="lost"))
    assert wall.frame(3) is None
    assert [c.id for c in wall.snapshot(4).calls] == ["c1"]


@pytest.mark.anyio
async def test_a_slow_browser_is_owed_a_snapshot_instead_of_old_frames() -> None:
    viewer = Viewer()
    assert await viewer.next() is None, "a snapshot comes first"
    viewer.put(b"1")
    assert await viewer.next() == b"1"
    for number in range(VIEWER_QUEUE + 3):
        viewer.put(b"%d" % number)
    assert await viewer.next() is None
    viewer.put(b"new")
    assert await viewer.next() == b"new"


def test_kinds_that_changed_are_told_once_and_a_quiet_wall_says_so_when_asked() -> None:
    wall = Wall()
    wall.frame(1)
    for _ in range(3):
        wall.note("tasks", "campaigns")
    told = wall.frame(2)
    assert told is not None
    assert told.changed == ("campaigns", "tasks")
    assert wall.frame(3) is None
    quiet = wall.frame(4, anyway=True)
    assert quiet is not None
    assert (quiet.seq, quiet.calls, quiet.changed, quiet.connections) == (told.seq + 1, (), (), ())
