"""Pure: what happened between answer and end, as entries on one time line: turns, tools, keys, people, orders."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from app.domain.call import Turn
from app.domain.command import Command
from app.domain.feedback import FeedbackRequest, FeedbackState, asks_way
from app.domain.fields import Collected
from app.domain.transfer import CallTransfer
from app.store.events import CallEvent
from web.call_page.facts import CallFacts
from web.call_page.words import COMMANDS, HAPPENED, TRANSFER_STATES, in_words
from web.view import OUTCOME_WORDS, clock_face, delay_grade

BAR_MS = 2_000
"""Length of a whole latency bar."""
ANSWERS = frozenset({"tool_refused", "field_saved", "outside_tool", "errand_failed", "opt_out_listed", "dtmf_out"})
"""Events that say what came of the function the agent used last."""
ALONE: Mapping[str, str] = {
    "dtmf_in": "callee",
    "dtmf_out": "agent",
    "dtmf_failed": "system",
    "voicemail_reported": "agent",
    "callback_wished": "callee",
    "opt_out": "callee",
    "no_input": "system",
    "feedback_unanswered": "system",
    "feedback_withdrawn": "system",
    "handed_over": "system",
    "media_gone": "system",
    "media_back": "system",
    "cost_limit": "system",
    "fault": "system",
}
"""Events with an entry of their own, and whose side they are on."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a latency bar; `x` and `width` in percent of BAR_MS."""

    name: str
    ms: int
    x: float
    width: float


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """From the end of the callee's speech to the first packet of the answer; `grade` quick, slow or late."""

    ms: int
    grade: str
    parts: tuple[Part, ...]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. `key` stays the same while the call goes on; `*_ms` count from the answer. `cut`: generated, and
    not heard. `facts` are pairs of a name and what it says.
    """

    key: str
    kind: str
    side: str
    who: str
    at_ms: int
    end_ms: int
    at: str
    text: str = ""
    cut: str = ""
    note: str = ""
    item_id: str = ""
    delay: Delay | None = None
    refused: bool = False
    facts: tuple[tuple[str, str], ...] = ()


def entries(facts: CallFacts) -> list[Entry]:
    """All of a call, in the order it happened."""
    zero_ms = zero_of(facts)
    found = [
        *_turns(facts.turns, facts.collected),
        *happened(facts.events, zero_ms),
        *(_question(one, facts.names, zero_ms) for one in facts.questions),
        *(_order(one, facts.names, zero_ms) for one in facts.commands),
        *(_transfer(one, zero_ms) for one in facts.transfers),
    ]
    return sorted(found, key=lambda one: one.at_ms)


def zero_of(facts: CallFacts) -> int:
    """The instant that is 0 on the call's time line, UTC epoch milliseconds: the answer."""
    call = facts.call
    return call.answered_ms or call.dialing_ms or call.created_ms


def split_heard(text: str, heard_ms: int, generated_ms: int) -> tuple[str, str]:
    """The words of an interrupted turn that can have been heard, and the rest; in proportion, cut at a blank."""
    if generated_ms <= 0 or heard_ms >= generated_ms:
        return text, ""
    length = len(text) * max(0, heard_ms) // generated_ms
    head, blank, _ = text[: length + 1].rpartition(" ")
    heard = head if blank else text[:length]
    return heard.rstrip(), text[len(heard) :].lstrip()


def delay_of(turn: Turn) -> Delay | None:
    """Where an agent's turn lost its time; None where it was not measured."""
    total = turn.delay_ms
    if total is None:
        return None
    parts: list[Part] = []
    x = 0.0
    for name, ms in (
        ("turn detection", turn.stop_to_response_ms or 0),
        ("model", turn.response_to_delta_ms or 0),
        ("playout", turn.delta_to_rtp_ms or 0),
    ):
        width = min(100.0 - x, 100.0 * ms / BAR_MS)
        parts.append(Part(name=name, ms=ms, x=round(x, 2), width=round(width, 2)))
        x += width
    return Delay(ms=total, grade=delay_grade(total), parts=tuple(parts))


def _turns(turns: Sequence[Turn], found: Sequence[Collected]) -> Iterable[Entry]:
    proves: dict[str, list[str]] = {}
    for one in found:
        proves.setdefault(one.evidence.item_id, []).append(one.name)
    for turn in turns:
        text, cut, note = turn.text, "", ""
        if turn.interrupted:
            note = "interrupted"
            if turn.speaker == "agent" and turn.generated_ms > 0:
                text, cut = split_heard(turn.text, turn.heard_ms, turn.generated_ms)
                note = f"interrupted: {seconds(turn.heard_ms)} of {seconds(turn.generated_ms)} heard"
        yield Entry(
            key=f"turn-{turn.seq}",
            kind="turn",
            side=turn.speaker,
            who={"callee": "Callee", "operator": "Operator"}.get(turn.speaker, "Agent"),
            at_ms=turn.start_audio_ms,
            end_ms=max(turn.start_audio_ms, turn.end_audio_ms),
            at=clock_face(turn.start_audio_ms),
            text=text,
            cut=cut,
            note=note,
            item_id=turn.item_id,
            delay=delay_of(turn) if turn.speaker == "agent" else None,
            facts=tuple(("proves", name) for name in proves.get(turn.item_id, ()) if turn.speaker == "callee"),
        )


def happened(events: Sequence[CallEvent], zero_ms: int) -> Iterable[Entry]:
    """Entries of events; what came of a function of the agent stands with it."""
    tool: Entry | None = None
    for event in events:
        detail = str(event.data.get("detail", "")) or str(event.data.get("message", ""))
        if event.kind == "tool_call":
            if tool is not None:
                yield tool
            tool = _tool(event, detail, zero_ms)
        elif tool is not None and event.kind in ANSWERS:
            result = (in_words(HAPPENED, event.kind), _outside(detail) if event.kind == "outside_tool" else detail)
            refused = event.kind in {"tool_refused", "errand_failed"}
            tool = msgspec.structs.replace(tool, facts=(*tool.facts, result), refused=tool.refused or refused)
        elif event.kind in ALONE:
            side = ALONE[event.kind]
            yield _entry(
                event,
                zero_ms,
                kind="dtmf" if event.kind.startswith("dtmf") else "note",
                side=side,
                who={"callee": "Callee", "agent": "Agent", "system": "System"}[side],
                note=in_words(HAPPENED, event.kind),
                text=detail,
            )
    if tool is not None:
        yield tool


def _tool(event: CallEvent, detail: str, zero_ms: int) -> Entry:
    name, _, arguments = detail.partition(" ")
    facts = tuple(("with", one) for one in _arguments(arguments))
    return _entry(event, zero_ms, kind="tool", side="agent", who="Agent used", text=name, facts=facts)


def _arguments(text: str) -> list[str]:
    """`name: value` for each argument; text that is no JSON object (or was cut) as it is."""
    try:
        given = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return [text] if text else []
    if not isinstance(given, dict):
        return [text]
    pairs: dict[str, object] = given  # pyright: ignore[reportUnknownVariableType] - any JSON
    return [
        f"{name}: {value if isinstance(value, str) else msgspec.json.encode(value).decode()}"
        for name, value in pairs.items()
    ]


def _outside(detail: str) -> str:
    try:
        record = msgspec.json.decode(detail, type=dict[str, object])
    except (msgspec.DecodeError, msgspec.ValidationError):
        return detail
    said = " ".join(str(record[name]) for name in ("error", "said") if record.get(name))
    answer = f"{record.get('where', '')} answered {record.get('status', '')} in {record.get('duration_ms', 0)} ms"
    return f"{answer}: {said}" if said else answer


def _entry(event: CallEvent, zero_ms: int, **fields: object) -> Entry:
    at_ms = event.at_ms - zero_ms
    placed = {"key": f"event-{event.seq}", "at_ms": at_ms, "end_ms": at_ms, "at": clock_face(at_ms)}
    return msgspec.convert({**placed, **fields}, Entry)


def _question(asked: FeedbackRequest, names: Mapping[str, str], zero_ms: int) -> Entry:
    at_ms = asked.created_ms - zero_ms
    facts: list[tuple[str, str]] = [("suggested", one) for one in asked.suggestions]
    if asked.answer is not None:
        after = f" after {seconds((asked.answered_ms or asked.created_ms) - asked.created_ms)}"
        facts.append((f"answered by {names.get(asked.answered_by or '', 'somebody')}{after}", asked.answer))
    elif asks_way(asked):
        facts.append(("unanswered", "nobody has decided"))
    elif asked.state is FeedbackState.TIMED_OUT:
        facts.append(("nobody answered", f"within {seconds(asked.deadline_ms - asked.created_ms)}"))
    else:
        facts.append(("open", "waits for an answer"))
    return Entry(
        key=f"question-{asked.id}",
        kind="question",
        side="people",
        who="Asked after the call" if asks_way(asked) else "Agent asked us",
        at_ms=at_ms,
        end_ms=at_ms,
        at=clock_face(at_ms),
        text=asked.question,
        facts=tuple(facts),
    )


def _order(order: Command, names: Mapping[str, str], zero_ms: int) -> Entry:
    at_ms = order.created_ms - zero_ms
    facts = [("with", one) for one in _arguments(order.payload if order.payload != "{}" else "")]
    if order.result or order.state not in {"queued", "taken"}:
        facts.append((str(order.state), order.result))
    return Entry(
        key=f"order-{order.id}",
        kind="order",
        side="people",
        who=f"{names.get(order.issued_by, order.issued_by)} ordered",
        at_ms=at_ms,
        end_ms=at_ms,
        at=clock_face(at_ms),
        text=in_words(COMMANDS, str(order.kind)),
        note="" if order.state not in {"queued", "taken"} else "under way",
        refused=order.state in {"refused", "expired"},
        facts=tuple(facts),
    )


def _transfer(one: CallTransfer, zero_ms: int) -> Entry:
    at_ms = one.dialing_ms - zero_ms
    came = in_words(OUTCOME_WORDS, one.outcome) if one.outcome else in_words(TRANSFER_STATES, one.state)
    facts = [("why", one.reason), ("wanted by", one.wanted_by), ("came of it", f"{came} {one.detail}".strip())]
    return Entry(
        key=f"transfer-{one.seq}",
        kind="transfer",
        side="people",
        who="Warm transfer" if one.mode == "warm" else "Transfer",
        at_ms=at_ms,
        end_ms=max(at_ms, (one.ended_ms or one.dialing_ms) - zero_ms),
        at=clock_face(at_ms),
        text=f"{one.target} ({one.number_dialed})",
        refused=one.outcome not in {None, "connected"},
        facts=tuple(pair for pair in facts if pair[1]),
    )


def seconds(ms: int) -> str:
    """Like 1.2 s."""
    return f"{max(0, ms) / 1000:.1f} s"
