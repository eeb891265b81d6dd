"""Conversation items that rebuild context in a new session: after a reconnect, a rotation, or a continued call.

One system item carries the state; the last turns follow as text. Few assistant texts on purpose: many of them
make the model answer in text instead of speech. Called by `media.realtime.session`.
"""

from collections.abc import Sequence
from typing import Protocol

from media.realtime.client_events import ConversationItem, MessageItem, ResponseConfig, TextPart
from media.realtime.notifications import Turn
from media.realtime.settings import RealtimeSettings
from media.realtime.tool_calls import ToolCalls

TURNS_PRIMED = 6
PAIRS_PRIMED = 6
CALL_GOES_ON = (
    "This phone call is already in progress; the line dropped for a moment and is back. Go on where it "
    "stopped: do not greet again, do not introduce yourself again, do not mention the interruption unless "
    "asked. Keep answering in speech."
)


def opening(greeting: str) -> str:
    """What makes the model speak first, with `greeting` when there is one."""
    begin = "The call begins now and you speak first."
    return (
        f"{begin} Open it with this greeting, word for word: {greeting}"
        if greeting
        else f"{begin} Greet the callee."
    )


def system_item(text: str) -> MessageItem:
    """One system message."""
    return MessageItem(role="system", content=(TextPart(type="input_text", text=text),))


class Played(Protocol):
    """Words, and how much of them was played; ms."""

    @property
    def text(self) -> str: ...
    @property
    def interrupted(self) -> bool: ...
    @property
    def heard_ms(self) -> int: ...
    @property
    def generated_ms(self) -> int: ...


def heard_text(turn: Played) -> str:
    """The words of an agent turn the callee can have heard: cut in proportion, at the end of a word."""
    if not turn.interrupted or turn.heard_ms >= turn.generated_ms:
        return turn.text
    length = len(turn.text) * turn.heard_ms // max(1, turn.generated_ms)
    head, space, _ = turn.text[: length + 1].rpartition(" ")
    return (head if space else turn.text[:length]).rstrip()


def resume_items(turns: Sequence[Turn], tools: ToolCalls, settings: RealtimeSettings) -> list[ConversationItem]:
    """What a session must know that takes over a call in progress."""
    told = [(turn, heard_text(turn)) for turn in turns]
    told = [(turn, text) for turn, text in told if text]
    items: list[ConversationItem] = [system_item(_summary(told, settings))]
    items += tools.answered_pairs(PAIRS_PRIMED)
    items += [message(turn) for turn, _ in told[-TURNS_PRIMED:]]
    return items


def message(turn: Turn) -> MessageItem:
    """One turn, as far as it was heard."""
    text = heard_text(turn)
    if turn.speaker == "agent":
        return MessageItem(role="assistant", content=(TextPart(type="output_text", text=text),))
    return MessageItem(role="user", content=(TextPart(type="input_text", text=text),))


def _summary(told: Sequence[tuple[Turn, str]], settings: RealtimeSettings) -> str:
    lines = [settings.priming] if settings.priming else []
    lines.append(settings.resumed or CALL_GOES_ON)
    if retold := told[-settings.retold_turns :] if settings.retold_turns else ():
        lines.append("What was said last, word for word:")
        lines += [f"{'you' if turn.speaker == 'agent' else 'they'}: {text}" for turn, text in retold]
    for speaker, label in (("agent", "You last said"), ("callee", "The callee last said")):
        last = next((text for turn, text in reversed(told) if turn.speaker == speaker), None)
        if last is not None:
            lines.append(f'{label}: "{last}"')
    return "\n".join(lines)


def spoken_only(instructions: str, addition: str) -> ResponseConfig:
    """A response that calls no tool. Its instructions replace the session's, so these go first."""
    return ResponseConfig(instructions=f"{instructions}\n\n{addition}".strip(), tool_choice="none")
