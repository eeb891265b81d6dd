"""The playout queue: every byte once, in order, in whole frames, and an exact account of what was heard."""

import time
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from media.playout import SILENT_SLOT, Heard, OutFrame, Playout

FRAME = 160


def audio(milliseconds: int, first: int = 0) -> bytes:
    """Bytes 0..250 in turn: never 0xFF, the silence byte, and different at each position of a frame."""
    return bytes((first + n) % 251 for n in range(milliseconds * 8))


def playing(**options: Any) -> Playout:
    return Playout(held=False, **options)


def take(playout: Playout, count: int, now: float = 0.0) -> list[OutFrame]:
    return [playout.next_frame(now) for _ in range(count)]


def speech(frames: list[OutFrame]) -> bytes:
    return b"".join(frame.payload for frame in frames if frame.payload is not None)


def test_an_item_leaves_in_frames_with_one_marker() -> None:
    playout = playing()
    playout.enqueue("a", 0, audio(30))
    playout.enqueue("a", 0, audio(30, first=30 * 8))
    playout.finish_item("a")
    assert playout.queued_ms == 60
    frames = take(playout, 5)
    assert speech(frames) == audio(60)
    assert [frame.marker for frame in frames] == [True, False, False, False, False]
    assert [frame.item_id for frame in frames] == ["a", "a", "a", None, None]
    assert [frame.finished_items for frame in frames] == [(), (), ("a",), (), ()]
    assert frames[4] is SILENT_SLOT
    assert playout.drained


def test_the_last_partial_frame_is_padded_with_the_silence_byte() -> None:
    playout = playing(silence=b"\xd5")
    playout.enqueue("a", 0, audio(25))
    playout.finish_item("a")
    playout.enqueue("b", 0, audio(20))
    playout.finish_item("b")
    frames = take(playout, 3)
    assert frames[1].payload == audio(25)[FRAME:] + b"\xd5" * 120
    assert frames[2].payload == audio(20)
    assert [frame.finished_items for frame in frames] == [(), ("a",), ("b",)]
    assert [frame.marker for frame in frames] == [True, False, False]


def test_pcm_frames_are_counted_in_their_own_bytes() -> None:
    playout = playing(frame_bytes=960, bytes_per_ms=48, silence=b"\x00")
    playout.enqueue("a", 0, bytes(960 * 3))
    assert len(playout.next_frame(0.0).payload or b"") == 960
    assert playout.flush() == [Heard(item_id="a", content_index=0, heard_ms=20, received_ms=60, finished=False)]


def test_flush_tells_what_was_heard_of_each_item_and_nothing_of_them_comes_out() -> None:
    playout = playing()
    for item in ("a", "b", "c"):
        playout.enqueue(item, 0, audio(60))
    playout.finish_item("a")
    playout.finish_item("b")
    take(playout, 5)
    assert playout.flush() == [
        Heard(item_id="b", content_index=0, heard_ms=40, received_ms=60, finished=True),
        Heard(item_id="c", content_index=0, heard_ms=0, received_ms=60, finished=False),
    ]
    playout.enqueue("b", 0, audio(40))
    playout.enqueue("c", 1, audio(40))
    playout.finish_item("c")
    assert set(take(playout, 5)) == {SILENT_SLOT}
    assert (playout.drained, playout.queued_ms, playout.dropped_bytes) == (True, 0, 640)
    playout.enqueue("d", 0, audio(20))
    assert playout.next_frame(0.0).marker
    assert playout.flush()[0].item_id == "d"


def test_a_fully_sent_item_is_listed_until_it_is_finished() -> None:
    playout = playing()
    playout.enqueue("a", 0, audio(40))
    take(playout, 2)
    assert playout.flush() == [Heard(item_id="a", content_index=0, heard_ms=40, received_ms=40, finished=False)]
    playout.enqueue("b", 0, audio(40))
    take(playout, 2)
    playout.finish_item("b")
    assert playout.next_frame(0.0).finished_items == ("b",)
    assert playout.flush() == []


def test_the_cut_off_frame_fades_and_counts_nowhere() -> None:
    playout = playing()
    playout.enqueue("a", 0, audio(50))
    take(playout, 1)
    assert playout.flush(fade=True)[0].heard_ms == 20
    assert not playout.drained
    fading, *rest = take(playout, 3)
    assert fading == OutFrame(payload=audio(50)[FRAME : 2 * FRAME], fade=True)
    assert set(rest) == {SILENT_SLOT}


def test_nothing_fades_when_nothing_was_being_said() -> None:
    playout = playing()
    playout.enqueue("a", 0, audio(50))
    playout.flush(fade=True)
    assert playout.next_frame(0.0) is SILENT_SLOT


def test_nothing_is_played_before_the_answer() -> None:
    playout = Playout()
    playout.enqueue("a", 0, audio(40))
    playout.finish_item("a")
    assert set(take(playout, 10)) == {SILENT_SLOT}
    assert playout.held
    playout.release()
    assert [f.marker for f in take(playout, 2)] == [True, False]
    playout.hold()
    assert playout.next_frame(0.0) is SILENT_SLOT


def test_a_hold_sends_silence_and_counts_nothing_as_heard() -> None:
    playout = playing()
    playout.enqueue("a", 0, audio(100))
    playout.next_frame(1.0)
    playout.hold_until(1.05)
    playout.hold_until(1.03)
    assert [playout.next_frame(t).payload for t in (1.02, 1.04)] == [None, None]
    resumed = playout.next_frame(1.06)
    assert (resumed.payload, resumed.marker) == (audio(100)[FRAME : 2 * FRAME], True)
    assert playout.flush()[0].heard_ms == 40
    assert playout.underruns == 0


def test_after_an_underrun_playing_waits_for_40_ms() -> None:
    playout = playing()
    playout.enqueue("a", 0, audio(20))
    take(playout, 1)
    assert playout.next_frame(0.0) is SILENT_SLOT
    playout.enqueue("a", 0, audio(30))
    assert playout.next_frame(0.0) is SILENT_SLOT
    assert playout.underruns == 1
    playout.enqueue("a", 0, audio(10))
    resumed = take(playout, 2)
    assert [frame.marker for frame in resumed] == [True, False]


def test_after_an_underrun_the_end_of_the_item_is_enough() -> None:
    playout = playing()
    playout.enqueue("a", 0, audio(30))
    first = take(playout, 2)
    assert [frame.payload is None for frame in first] == [False, True]
    playout.finish_item("a")
    last = playout.next_frame(0.0)
    assert last.payload == audio(30)[FRAME:] + b"\xff" * 80
    assert last.finished_items == ("a",)


def test_a_next_item_does_not_wait_for_the_underrun_of_the_last() -> None:
    playout = playing()
    playout.enqueue("a", 0, audio(20))
    take(playout, 2)
    playout.enqueue("b", 0, audio(20))
    assert playout.next_frame(0.0).item_id == "b"


def test_an_item_that_was_never_finished_does_not_hold_up_the_next() -> None:
    playout = playing()
    playout.enqueue("a", 0, audio(30))
    playout.enqueue("b", 0, audio(20))
    frames = take(playout, 3)
    assert [frame.item_id for frame in frames] == ["a", "a", "b"]
    assert frames[1].payload == audio(30)[FRAME:] + b"\xff" * 80


def test_a_first_piece_below_a_frame_waits_for_more() -> None:
    playout = playing()
    playout.enqueue("a", 0, audio(10))
    assert playout.next_frame(0.0) is SILENT_SLOT
    assert playout.underruns == 0
    playout.enqueue("a", 0, audio(10, first=80))
    assert playout.next_frame(0.0).payload == audio(20)


def test_the_end_of_an_unknown_item_means_nothing() -> None:
    playout = playing()
    playout.finish_item("ghost")
    assert playout.next_frame(0.0) is SILENT_SLOT


def test_parts_of_one_item_are_told_apart_and_finish_together() -> None:
    playout = playing()
    playout.enqueue("a", 0, audio(30))
    playout.enqueue("a", 1, audio(20))
    playout.finish_item("a")
    frames = take(playout, 2)
    assert [h.heard_ms for h in playout.flush()] == [30, 0]
    assert frames[-1].finished_items == ()


def test_a_frame_costs_the_same_however_much_is_queued() -> None:
    """A queue that shifts its bytes per frame would need over a minute here."""
    playout = playing()
    playout.enqueue("a", 0, bytes(8 * 1000 * 3600))  # an hour in one piece
    started = time.perf_counter()
    take(playout, 20_000)
    assert time.perf_counter() - started < 1.0


class PlayoutMachine(RuleBasedStateMachine):
    """Any order of calls against a model that keeps every byte."""

    @initialize()
    def begin(self) -> None:
        self.playout = playing()
        self.received: dict[str, bytes] = {}
        self.sent: dict[str, bytes] = {}
        self.frames: dict[str, int] = {}
        self.gone: set[str] = set()
        self.finished: set[str] = set()
        self.reported: set[str] = set()
        self.items = 0
        self.now = 0.0
        self.speaking = False
        self.fading = False

    @rule(milliseconds=st.integers(0, 90), extra=st.integers(0, 7), fresh=st.booleans())
    def enqueue(self, milliseconds: int, extra: int, fresh: bool) -> None:
        self.items += fresh or self.items == 0 or f"i{self.items}" in self.finished
        item = f"i{self.items}"
        piece = audio(milliseconds, first=len(self.received.get(item, b""))) + b"\x01" * extra
        self.playout.enqueue(item, 0, piece)
        if item not in self.gone:
            self.received[item] = self.received.get(item, b"") + piece

    @rule(back=st.integers(0, 2))
    def finish(self, back: int) -> None:
        item = f"i{self.items - back}"
        if item in self.received and item not in self.gone:
            self.finished.add(item)
        self.playout.finish_item(item)

    @rule(slots=st.integers(1, 6))
    def play(self, slots: int) -> None:
        for _ in range(slots):
            self.now += 0.02
            self.account(self.playout.next_frame(self.now))

    def account(self, frame: OutFrame) -> None:
        assert frame.marker == (frame.payload is not None and not self.speaking and not frame.fade)
        assert frame.fade == self.fading
        self.speaking, self.fading = frame.payload is not None and not frame.fade, False
        assert frame.payload is None or len(frame.payload) == FRAME
        self.reported.update(frame.finished_items)
        if frame.payload is None or frame.item_id is None:
            assert frame.payload is None or frame.fade
            return
        item = frame.item_id
        assert item not in self.gone
        rest = self.received[item][len(self.sent.get(item, b"")) :][:FRAME]
        assert rest
        assert frame.payload == rest.ljust(FRAME, b"\xff")
        self.sent[item] = self.sent.get(item, b"") + rest

    @rule(fade=st.booleans())
    def flush(self, fade: bool) -> None:
        was_speaking = self.speaking
        waiting = any(
            len(self.received[item]) > len(self.sent.get(item, b"")) for item in self.received.keys() - self.gone
        )
        for heard in self.playout.flush(fade=fade):
            assert heard.heard_ms == len(self.sent.get(heard.item_id, b"")) // 8
            assert heard.received_ms == len(self.received[heard.item_id]) // 8
            assert 0 <= heard.heard_ms <= heard.received_ms
            assert heard.finished == (heard.item_id in self.finished)
            assert heard.item_id not in self.reported
        self.gone |= self.received.keys()
        self.fading = fade and was_speaking and waiting

    @rule(milliseconds=st.integers(0, 60))
    def hold_until(self, milliseconds: int) -> None:
        self.playout.hold_until(self.now + milliseconds / 1000)

    @precondition(lambda self: not self.playout.held)
    @rule()
    def hold(self) -> None:
        self.playout.hold()

    @precondition(lambda self: self.playout.held)
    @rule()
    def release(self) -> None:
        self.playout.release()

    @rule()
    def drain(self) -> None:
        """Everything finished and released must come out, and be reported exactly then."""
        for item in self.received.keys() - self.gone:
            self.playout.finish_item(item)
            self.finished.add(item)
        self.playout.release()
        self.now += 1.0
        slots = 0
        while not self.playout.drained:
            self.now += 0.02
            self.account(self.playout.next_frame(self.now))
            slots += 1
            assert slots < 3000
        self.now += 0.02
        self.account(self.playout.next_frame(self.now))
        assert {item for item in self.finished if item not in self.gone} <= self.reported
        assert self.playout.queued_ms == 0

    @invariant()
    def queued_is_what_is_missing(self) -> None:
        if hasattr(self, "playout"):
            live = self.received.keys() - self.gone
            missing = sum(len(self.received[item]) - len(self.sent.get(item, b"")) for item in live)
            assert self.playout.queued_ms == missing // 8


TestPlayoutMachine = PlayoutMachine.TestCase
