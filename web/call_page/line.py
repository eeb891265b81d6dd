"""Pure: what the line did: the exchange, the audio path, the model session; in order of time."""

from collections.abc import Mapping

import msgspec

from app.domain.call import Call
from app.store.events import CallEvent
from web.call_page.facts import CallFacts
from web.call_page.timeline import seconds, zero_of
from web.call_page.words import HAPPENED, VERDICTS, cause_in_words, in_words
from web.view import ENDED_BY_WORDS, clock_face

UNTOLD = frozenset({"agent_speaking"})
"""Events that the turns tell better."""
DETAIL_SHOWN = 600


class LineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something of the line: the exchange, the audio path, the model session. `at` counts from the answer."""

    at_ms: int
    at: str
    instant_ms: int
    what: str
    detail: str
    kind: str


def line_events(facts: CallFacts) -> list[LineEvent]:
    """What the exchange, the audio path and the model session did, in order of time."""
    zero_ms, call = zero_of(facts), facts.call

    def made(at_ms: int, what: str, detail: str, kind: str) -> LineEvent:
        from_zero = at_ms - zero_ms
        at = f"-{clock_face(-from_zero + 999)}" if from_zero < 0 else clock_face(from_zero)
        return LineEvent(at_ms=from_zero, at=at, instant_ms=at_ms, what=what, detail=detail, kind=kind)

    arrived = f"from {call.number_requested}" if call.direction == "inbound" else f"to {call.number_dialed}"
    states = [
        (call.created_ms, "prepared", f"on {call.node}"),
        (call.dialing_ms, "dialed", arrived),
        (call.ringing_ms, "ringing", arrived if call.direction == "inbound" else ""),
        (call.answered_ms, "answered", in_words(VERDICTS, call.answered_by)),
        (call.ended_ms, "hung up", _end_sentence(call)),
    ]
    found = [made(at_ms, what, detail, "state") for at_ms, what, detail in states if at_ms is not None]
    for event in facts.events:
        if event.kind not in UNTOLD:
            what = in_words(HAPPENED, event.kind)
            if event.kind.startswith("transfer_"):
                what = f"transfer {event.kind.removeprefix('transfer_')}"
            found.append(made(event.at_ms, what, _event_detail(event), event.kind))
    return sorted(found, key=lambda one: one.at_ms)


def _end_sentence(call: Call) -> str:
    parts = [in_words(ENDED_BY_WORDS, call.ended_by), cause_in_words(call.hangup_cause)]
    if call.tech_cause:
        parts.append(f"SIP {call.tech_cause}")
    return ", ".join(part for part in parts if part)


def in_a_sentence(kind: str, data: Mapping[str, object]) -> str:
    """What the commonest events say; empty for all others, and for one that lacks a figure."""
    match kind, data:
        case "answer_verdict", {"verdict": str(verdict), "decision_ms": int(ms), "evidence": evidence}:
            sure = "decided" if data.get("final") else "assumed"
            return f"{in_words(VERDICTS, verdict)}, {sure} after {seconds(ms)}: {evidence}"
        case "barge_in", {"heard_ms": int(heard_ms), "generated_ms": int(generated_ms)}:
            return f"{seconds(heard_ms)} of {seconds(generated_ms)} had been heard"
        case "leg_ready", {"connect_ms": int(ms)}:
            return f"after {ms} ms"
        case "dtmf_heard", {"digit": str(digit), "duration_ms": int(ms)}:
            return f"{digit}, held for {ms} ms"
        case (("fault" | "leg_failed"), {"code": str(code), "message": str(message)}):
            return f"{message} ({code})"
        case "report_refused", {"report": str(report), "reason": str(reason)}:
            return f"{report}: {reason}"
        case _:
            return ""


def _event_detail(event: CallEvent) -> str:
    told = in_a_sentence(event.kind, event.data)
    if told:
        return told
    detail = event.data.get("detail")
    if isinstance(detail, str) and len(event.data) == 1:
        return detail[:DETAIL_SHOWN]
    pairs: list[str] = []
    for name, value in event.data.items():
        if value is None or value == "" or name in {"recording_path", "rtp_host"}:
            continue
        if name == "statistics" and isinstance(value, dict):
            counted: dict[str, object] = value  # pyright: ignore[reportUnknownVariableType] - any JSON
            pairs += [f"{one.replace('_', ' ')} {count}" for one, count in counted.items() if count]
            continue
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        pairs.append(f"{name.replace('_', ' ')} {text}")
    return ", ".join(pairs)[:DETAIL_SHOWN]
