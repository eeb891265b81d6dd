"""Pure: the calls all viewers look at, and the frames that bring them up to date.

Changes collect until somebody asks for a frame; a frame carries only the calls that changed, each once, and a
sequence number. A viewer that misses one asks for a snapshot, which is always right by itself.
"""

from collections.abc import Iterable

import msgspec

from app.domain.messages import CallLevels, CallWords, ConnectionChanged
from app.domain.number import mask_numbers
from web.badges import ASKS, WAITING
from web.figures import Day, Figures, figures
from web.lights import Light, lights
from web.view import VOICES, Asked, Card, tail

SILENT_MS = 20_000
"""An engine says again every 5 s how its connections stand (`app.calls.lights`)."""
CHANGED_MS = 2_000
"""How long a change counts more than what is only said again, which may have been on its way."""
EVERYTHING = "*"
"""Stands for all kinds of things in `changed`: messages were lost, nobody knows which."""


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """A turn of the selected call's transcript while it is spoken."""

    call_id: str
    item_id: str
    speaker: str
    text: str
    final: bool


class Level(msgspec.Struct, frozen=True, array_like=True):
    """How loud a call is just now, dBov (0 = full scale)."""

    call_id: str
    callee_dbov: int
    agent_dbov: int


class Frame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="frame"):
    """What changed since the frame before (`seq` - 1)."""

    seq: int
    now_ms: int
    calls: tuple[Card, ...]
    removed: tuple[str, ...]
    words: tuple[Words, ...]
    connections: tuple[Light, ...]
    questions: tuple[Asked, ...] | None = None
    """All that wait for an answer, when that changed."""
    changed: tuple[str, ...] = ()
    """Kinds of things that a page which shows them should read again."""
    levels: tuple[Level, ...] = ()
    figures: Figures | None = None
    """The header, when it changed."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="snapshot"):
    """Everything; the next frame has `seq` + 1."""

    seq: int
    now_ms: int
    calls: tuple[Card, ...]
    connections: tuple[Light, ...]
    questions: tuple[Asked, ...] = ()
    figures: Figures | None = None


def arranged(cards: Iterable[Card]) -> list[Card]:
    """Living calls as tiles stand: whoever needs a person first, then the oldest, so that few tiles ever move."""
    alive = [card for card in cards if card.alive]
    return sorted(alive, key=lambda card: (-card.need, card.created_ms, card.id))


def _saying(card: Card, speaker: str, words: str) -> Card:
    """The card with words that are being spoken; on our side it also shows whose they are."""
    if speaker == "callee":
        return msgspec.structs.replace(card, callee_words=words)
    return msgspec.structs.replace(card, agent_words=words, voice=VOICES.get(speaker, VOICES["agent"]))


class Wall:
    """Cards by call id, newest first, and what changed since the last frame."""

    def __init__(self) -> None:
        self.seq = 0
        self._cards: dict[str, Card] = {}
        self._connections: dict[tuple[str, str], tuple[ConnectionChanged, int]] = {}
        self._changed: set[str] = set()
        self._removed: set[str] = set()
        self._words: dict[tuple[str, str, str], Words] = {}
        self._partial: dict[tuple[str, str], tuple[str, str]] = {}  # by call and side: speaker and words
        self._questions: tuple[Asked, ...] = ()
        self._questions_told: tuple[Asked, ...] = ()
        self._lights_told: tuple[Light, ...] = ()
        self._kinds: set[str] = set()
        self._waiting: frozenset[str] = frozenset()
        self._levels: dict[str, Level] = {}
        self._day: Day | None = None
        self._figures_told: Figures | None = None

    def replace_all(self, cards: Iterable[Card]) -> None:
        """The store as it is now; what differs becomes part of the next frame."""
        fresh = {card.id: card for card in cards}
        self._removed |= self._cards.keys() - fresh.keys()
        for card in fresh.values():
            self.put(card)
        self._cards = {call_id: self._cards[call_id] for call_id in fresh}
        self._partial = {key: text for key, text in self._partial.items() if key[0] in fresh}

    def put(self, card: Card) -> None:
        """One call as it is in the store; words that are being spoken and not stored yet stay on it."""
        if card.alive:
            for side in ("callee", "agent"):
                if (partial := self._partial.get((card.id, side))) is not None:
                    card = _saying(card, *partial)
        self._show(card)

    def _show(self, card: Card) -> None:
        card = self._marked(card)
        if self._cards.get(card.id) != card:
            self._cards[card.id] = card
            self._changed.add(card.id)
            self._removed.discard(card.id)

    def _marked(self, card: Card) -> Card:
        waits = card.alive and card.id in self._waiting
        badges = tuple(badge for badge in card.badges if badge.kind != WAITING)
        return msgspec.structs.replace(card, badges=(ASKS, *badges) if waits else badges)

    def speak(self, said: CallWords) -> bool:
        """Words as they are spoken; they travel without their call. False: it is not on the wall (yet)."""
        card = self._cards.get(said.call_id)
        if card is None:
            return False
        text = mask_numbers(said.text)  # one frame goes to everybody, whatever they may see
        self._words[said.call_id, said.item_id, said.speaker] = Words(
            call_id=said.call_id, item_id=said.item_id, speaker=said.speaker, text=text, final=said.final
        )
        side = said.call_id, "callee" if said.speaker == "callee" else "agent"
        words = tail(text)
        if not said.final:
            self._partial[side] = said.speaker, words
        elif self._partial.get(side, (said.speaker, ""))[0] == said.speaker:
            self._partial.pop(side, None)
        self._cards[card.id] = _saying(card, said.speaker, words)
        return True

    def forget_words(self) -> None:
        """Nobody followed what was spoken meanwhile: what the store has is newer."""
        self._partial, self._words, self._levels = {}, {}, {}

    def measure(self, loud: CallLevels) -> None:
        """How loud a call is; only the newest before a frame is told."""
        if loud.call_id in self._cards:
            self._levels[loud.call_id] = Level(loud.call_id, round(loud.callee_dbov), round(loud.agent_dbov))

    def today(self, day: Day) -> None:
        """What the store says for the header."""
        self._day = day

    def connection(self, change: ConnectionChanged, now_ms: int = 0) -> None:
        """A connection of an engine, or the console's own to the store, changed or stands as before."""
        if change.again:
            change = msgspec.structs.replace(change, again=False)
            known, at_ms = self._connections.get((change.name, change.node), (change, 0))
            if known != change and now_ms < at_ms + CHANGED_MS:
                return  # it was on its way when the change happened
        self._connections[change.name, change.node] = (change, now_ms)

    def note(self, *kinds: str) -> None:
        """Things of these kinds changed; pages that show them are told with the next frame."""
        self._kinds.update(kinds)

    def ask(self, questions: Iterable[Asked]) -> None:
        """Everything that waits for an answer now."""
        self._questions = tuple(questions)
        before, self._waiting = self._waiting, frozenset(one.call_id for one in self._questions if not one.parked)
        for call_id in before ^ self._waiting:
            if call_id in self._cards:
                self._show(self._cards[call_id])

    def frame(self, now_ms: int, *, anyway: bool = False) -> Frame | None:
        """What changed since the last one, None when nothing did (`anyway`: an empty one). Forgets the changes."""
        shown = self._lights(now_ms)
        connections = () if shown == self._lights_told else shown
        asked = None if self._questions == self._questions_told else self._questions
        header = self._figures()
        changed = self._changed or self._removed or self._words or self._kinds or self._levels
        new = changed or connections or header != self._figures_told or asked is not None
        if not new and not anyway:
            return None
        self.seq += 1
        frame = Frame(
            seq=self.seq,
            now_ms=now_ms,
            calls=tuple(card for card in self._cards.values() if card.id in self._changed),
            removed=tuple(sorted(self._removed)),
            words=tuple(self._words.values()),
            connections=connections,
            questions=asked,
            changed=tuple(sorted(self._kinds)),
            levels=tuple(self._levels.values()),
            figures=None if header == self._figures_told else header,
        )
        self._questions_told = self._questions
        self._lights_told, self._figures_told = shown, header
        self._levels = {}
        self._changed, self._removed, self._words, self._kinds = set(), set(), {}, set()
        return frame

    def snapshot(self, now_ms: int) -> Snapshot:
        """Everything, as of the last frame's number; changes not framed yet come again in the next one."""
        return Snapshot(
            seq=self.seq,
            now_ms=now_ms,
            calls=tuple(self._cards.values()),
            connections=self._lights(now_ms),
            questions=self._questions,
            figures=self._figures(),
        )

    def _figures(self) -> Figures | None:
        return None if self._day is None else figures(self._day, self._cards.values())

    def _lights(self, now_ms: int) -> tuple[Light, ...]:
        """An engine that has said nothing for a while is gone: what it last said is not true any more."""
        known = self._connections.values()
        return lights([change for change, at_ms in known if not change.node or at_ms >= now_ms - SILENT_MS])
