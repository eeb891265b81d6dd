"""The seat of an operator: who is heard when, and that the agent always comes back, knowing what was said."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from media.commands import TakeOver
from media.operator_seat import (
    AT_LEAST_S,
    FRAME_BYTES,
    LAST_WORDS_S,
    LOST_S,
    MOST_FRAMES,
    NOT_WRITTEN,
    PREFILL_FRAMES,
    TRANSITIONS,
    Joined,
    Left,
    OperatorSeat,
    Quiet,
    SeatState,
    TellAgent,
    WriteDown,
)

TAKE = TakeOver(call_id="c", told_back="back: {words}", told_lost="lost: {words}")
ONE = b"\x01\x00" * (FRAME_BYTES // 2)


def seated(now: float = 100.0) -> OperatorSeat:
    seat = OperatorSeat()
    assert seat.take(TAKE, now) == [Quiet(on=True), WriteDown(on=True), Joined()]
    return seat


def after(seat: OperatorSeat, now: float) -> list[Any]:
    """What follows once so much time has passed, slot by slot."""
    while seat.frame() is not None:
        pass
    return seat.tick(now)


def test_the_agent_goes_on_with_what_was_said() -> None:
    seat = seated()
    seat.speaks()
    seat.said("we open at nine ")
    seat.said("see you then")
    assert seat.hand_back(101.0) == []
    assert seat.tick(101.0 + AT_LEAST_S / 2) == []
    assert after(seat, 101.0 + AT_LEAST_S) == [
        WriteDown(on=False),
        Quiet(on=False),
        TellAgent("back: we open at nine / see you then"),
        Left("handed_back", 0),
    ]
    assert seat.state is SeatState.EMPTY
    assert seat.tick(500.0) == []


def test_last_words_are_waited_for_and_not_for_ever() -> None:
    for words in ("one moment", None):
        seat = seated()
        seat.speaks()
        seat.hand_back(101.0)
        assert after(seat, 101.0 + LAST_WORDS_S - 0.01) == []
        if words:
            seat.said(words)
            assert TellAgent(f"back: {words}") in after(seat, 101.0 + LAST_WORDS_S - 0.01)
        else:
            assert TellAgent("back: nothing") in after(seat, 101.0 + LAST_WORDS_S)


def test_a_microphone_that_is_silent_for_good_gives_the_call_back() -> None:
    seat = seated()
    for at in range(50):
        seat.hear(ONE, 100.0 + at * 0.02)
        assert seat.tick(100.0 + at * 0.02) == []
    assert after(seat, 100.98 + LOST_S - 0.01) == []
    assert after(seat, 100.98 + LOST_S) == []
    effects = after(seat, 100.98 + LOST_S + AT_LEAST_S)
    assert effects[2:] == [TellAgent("lost: nothing"), Left("lost", seat.spoke_ms)]


def test_somebody_who_never_speaks_gives_the_call_back_too() -> None:
    seat = seated()
    after(seat, 100.0 + LOST_S)
    assert Left("lost", 0) in after(seat, 100.0 + LOST_S + AT_LEAST_S)


def test_words_that_cannot_be_written_down_are_owned_up_to() -> None:
    seat = seated()
    seat.speaks()
    seat.unwritten()
    seat.hand_back(101.0)
    assert TellAgent(f"back: {NOT_WRITTEN}") in after(seat, 101.0 + AT_LEAST_S)


def test_who_comes_back_before_the_agent_spoke_keeps_the_call() -> None:
    seat = seated()
    seat.hand_back(101.0)
    assert seat.take(TAKE, 101.1) == [Joined()]
    assert after(seat, 102.0) == []
    assert seat.state is SeatState.SEATED


def test_a_stretch_of_speech_waits_for_60_ms_and_is_whole() -> None:
    seat = seated()
    pieces = [bytes([at, 0]) * 320 for at in range(1, 8)]
    heard: list[bytes | None] = []
    for piece in pieces:
        seat.hear(piece[:100], 100.0)
        seat.hear(piece[100:], 100.0)
        heard.append(seat.frame())
    heard += [seat.frame() for _ in range(5)]
    assert heard == [None] * (PREFILL_FRAMES - 1) + pieces + [None] * 3
    assert seat.spoke_ms == 20 * len(pieces)


def test_a_voice_that_comes_too_fast_is_cut_at_its_oldest() -> None:
    seat = seated()
    for at in range(100):
        seat.hear(bytes([at, 0]) * 320, 100.0)
    heard = [frame for _ in range(100) if (frame := seat.frame()) is not None]
    assert [frame[0] for frame in heard] == list(range(100 - MOST_FRAMES, 100))


def test_nobody_who_has_no_seat_is_heard() -> None:
    seat = OperatorSeat()
    seat.hear(ONE * 10, 1.0)
    assert (seat.frame(), seat.hand_back(2.0), seat.tick(3.0)) == (None, [], [])
    seat = seated()
    seat.hand_back(101.0)
    seat.hear(ONE * 10, 101.0)
    assert seat.frame() is None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "hand_back", "hear", "speaks", "said", "unwritten", "wait"]),
        st.floats(min_value=0, max_value=6, allow_nan=False),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_quiet_and_words_come_in_pairs_and_the_agent_comes_back(
    steps: list[tuple[str, float]],
) -> None:
    seat, now, effects, states = OperatorSeat(), 100.0, [], [SeatState.EMPTY]
    for step, passed in steps:
        match step:
            case "take":
                effects += seat.take(TAKE, now)
            case "hand_back":
                effects += seat.hand_back(now)
            case "hear":
                seat.hear(ONE, now)
            case "speaks":
                seat.speaks()
            case "said":
                seat.said("x")
            case "unwritten":
                seat.unwritten()
            case _:
                now += passed
        states.append(seat.state)
        frame = seat.frame()
        assert frame is None or (len(frame) == FRAME_BYTES and seat.state is not SeatState.EMPTY)
        effects += seat.tick(now)
        states.append(seat.state)
    for _ in range(3):
        now += LOST_S + LAST_WORDS_S
        effects += after(seat, now)
    assert seat.state is SeatState.EMPTY, "everybody leaves"
    for kind in (Quiet, WriteDown):
        turned = [one.on for one in effects if isinstance(one, kind)]
        assert turned == [True, False] * (len(turned) // 2)
    told = [one for one in effects if isinstance(one, TellAgent)]
    left = [one for one in effects if isinstance(one, Left)]
    assert len(told) == len(left) == len([one for one in effects if one == Quiet(on=False)])
    assert all(b == a or b in TRANSITIONS[a] for a, b in pairwise(states))
