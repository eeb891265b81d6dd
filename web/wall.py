"""Pure: the calls all viewers look at, and the frames that bring them up to date.

Changes collect until somebody asks for a frame; a frame carries only the calls that changed, each once, and a
sequence number. A viewer that misses one asks for a snapshot, which is always right by itself.
"""

from collections.abc import Iterable

import msgspec

from app.domain.messages import CallWords, ConnectionChanged
from web.lights import LABELS, Light, dark, light
from web.view import Asked, Card, tail

EVERYTHING = "*"
"""Stands for all kinds of things in `changed`: messages were lost, nobody knows which."""


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """A turn of the selected call's transcript while it is spoken."""

    call_id: str
    item_id: str
    speaker: str
    text: str
    final: bool


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


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="snapshot"):
    """Everything; the next frame has `seq` + 1."""

    seq: int
    now_ms: int
    calls: tuple[Card, ...]
    connections: tuple[Light, ...]
    questions: tuple[Asked, ...] = ()


class Wall:
    """Cards by call id, newest first, and what changed since the last frame."""

    def __init__(self) -> None:
        self.seq = 0
        self._cards: dict[str, Card] = {}
        self._lights: dict[str, Light] = {one.name: one for one in dark()}
        self._changed: set[str] = set()
        self._removed: set[str] = set()
        self._words: dict[tuple[str, str, str], Words] = {}
        self._partial: dict[tuple[str, str], str] = {}
        self._questions: tuple[Asked, ...] = ()
        self._questions_told: tuple[Asked, ...] = ()
        self._lights_told: tuple[Light, ...] = ()
        self._kinds: set[str] = set()

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
        self._show(
            msgspec.structs.replace(
                card,
                callee_words=self._partial.get((card.id, "callee"), card.callee_words),
                agent_words=self._partial.get((card.id, "agent"), card.agent_words),
            )
            if card.alive
            else card
        )

    def _show(self, card: Card) -> None:
        if self._cards.get(card.id) != card:
            self._cards[card.id] = card
            self._changed.add(card.id)
            self._removed.discard(card.id)

    def speak(self, said: CallWords) -> bool:
        """Words as they are spoken. False: the call is not on the wall (yet)."""
        card = self._cards.get(said.call_id)
        if card is None:
            return False
        self._words[said.call_id, said.item_id, said.speaker] = Words(
            call_id=said.call_id, item_id=said.item_id, speaker=said.speaker, text=said.text, final=said.final
        )
        words = tail(said.text)
        if said.final:
            self._partial.pop((said.call_id, said.speaker), None)
        else:
            self._partial[said.call_id, said.speaker] = words
        if said.speaker == "callee":
            self._show(msgspec.structs.replace(card, callee_words=words))
        else:
            self._show(msgspec.structs.replace(card, agent_words=words))
        return True

    def connection(self, change: ConnectionChanged) -> None:
        """A connection of the engine, or the console's own to the store, changed."""
        self._lights[change.name] = light(change)

    def note(self, *kinds: str) -> None:
        """Things of these kinds changed; pages that show them are told with the next frame."""
        self._kinds.update(kinds)

    def ask(self, questions: Iterable[Asked]) -> None:
        """Everything that waits for an answer now."""
        self._questions = tuple(questions)

    def frame(self, now_ms: int, *, anyway: bool = False) -> Frame | None:
        """What changed since the last one, None when nothing did (`anyway`: an empty one). Forgets the changes."""
        lights = self._all_lights()
        connections = () if lights == self._lights_told else lights
        asked = None if self._questions == self._questions_told else self._questions
        new = self._changed or self._removed or self._words or self._kinds or connections
        if asked is None and not new and not anyway:
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
        )
        self._questions_told = self._questions
        self._lights_told = lights
        self._changed, self._removed, self._words, self._kinds = set(), set(), {}, set()
        return frame

    def snapshot(self, now_ms: int) -> Snapshot:
        """Everything, as of the last frame's number; changes not framed yet come again in the next one."""
        return Snapshot(
            seq=self.seq,
            now_ms=now_ms,
            calls=tuple(self._cards.values()),
            connections=self._all_lights(),
            questions=self._questions,
        )

    def _all_lights(self) -> tuple[Light, ...]:
        return tuple(self._lights[name] for name in LABELS)
