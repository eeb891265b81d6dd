"""Pure: what a row of the store looks like on the page. Numbers are masked here, so no full number leaves.

The words for states and outcomes live in this file only; templates and script show strings as they come.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from app.domain.call import CallState, Turn
from app.domain.number import mask_number, mask_numbers
from app.domain.people import Permission, Person
from app.store.calls import WallCall
from app.store.inbox import Inbox
from web.badges import Badge, badges

WORDS_SHOWN = 160
STATE_WORDS: dict[CallState, str] = {
    CallState.PREPARE: "○ preparing",
    CallState.DIALING: "◔ dialing",
    CallState.RINGING: "◑ ringing",
    CallState.ANSWERED: "◕ answered",
    CallState.BRIDGED: "● talking",
    CallState.ENDING: "◌ ending",
    CallState.ENDED: "■ ended",
}
OUTCOME_WORDS: dict[str, str] = {
    "completed": "✓ answered",
    "busy": "busy",
    "no_answer": "no answer",
    "rejected": "rejected",
    "bad_number": "no such number",
    "unreachable": "not reachable",
    "network": "network fault",
    "trunk_fault": "trunk refused",
    "canceled": "taken back",
    "lost": "lost",
    "failed": "fault on our side",
}
ENDED_BY_WORDS: dict[str, str] = {
    "callee": "callee hung up",
    "agent": "agent hung up",
    "operator": "operator hung up",
    "system_timeout": "time was up",
    "system_complete": "done",
    "system_failure": "a fault ended it",
    "network": "the network ended it",
}


VOICES: dict[str, str] = {"agent": "Agent", "operator": "Person"}
"""Who speaks on our side."""
QUICK_MS, SLOW_MS = 800, 1_500
"""An answer that begins sooner than the first feels like talking; later than the second, people ask "hello?"."""
DOTS: dict[str, str] = {"quick": "●", "slow": "◐", "late": "○"}


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table, as the template and the script show it. Timer: from..to, `to` None while it runs."""

    id: str
    state: str
    state_label: str
    alive: bool
    number: str
    callee: str
    agent: str
    callee_words: str
    agent_words: str
    outcome: str
    detail: str
    cost: str
    created_ms: int
    timer_from_ms: int
    timer_to_ms: int | None
    task_id: str = ""
    campaign: str = ""
    campaign_id: str = ""
    badges: tuple[Badge, ...] = ()
    voice: str = "Agent"
    """Whose `agent_words` are."""
    delay: str = ""
    """How long the callee waited for the last answer, in words; `delay_grade`: quick, slow or late."""
    delay_grade: str = ""

    @property
    def need(self) -> int:
        """How urgently a person is needed: the most urgent badge."""
        return max((badge.need for badge in self.badges), default=0)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a transcript. `at` is the position on the call's own time line, m:ss."""

    item_id: str
    speaker: str
    text: str
    at: str
    interrupted: bool = False


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question of an agent, as the inbox shows it. `parked`: nobody is on the line any more."""

    id: str
    question: str
    suggestions: tuple[str, ...]
    parked: bool
    deadline_ms: int
    call_id: str
    number: str
    callee: str
    objective: str


def asked(row: Inbox) -> Asked:
    """The entry of a question."""
    return Asked(
        id=row.id,
        question=row.question,
        suggestions=row.suggestions,
        parked=row.parked,
        deadline_ms=row.deadline_ms,
        call_id=row.call_id,
        number=mask_number(row.number),
        callee=row.callee_name,
        objective=tail(row.objective),
    )


def card(call: WallCall) -> Card:
    """The row of a call."""
    grade = "" if call.delay_ms is None else delay_grade(call.delay_ms)
    redirected = call.number_dialed != call.number_requested
    number = mask_number(call.number_requested)
    return Card(
        id=call.id,
        state=call.state,
        state_label=STATE_WORDS[call.state],
        alive=call.state is not CallState.ENDED,
        number=f"{number} → {mask_number(call.number_dialed)}" if redirected else number,
        callee=mask_numbers(call.callee_name),
        agent=call.agent_name,
        callee_words=words_on_a_wall(call.callee_words or ""),
        agent_words=words_on_a_wall(call.agent_words or ""),
        outcome=_outcome(call),
        detail=mask_numbers(call.detail),
        cost=money(call.cost_micro_usd),
        created_ms=call.created_ms,
        timer_from_ms=call.answered_ms or call.created_ms,
        timer_to_ms=call.ended_ms,
        task_id=call.task_id,
        campaign=call.campaign_name,
        campaign_id=call.campaign_id,
        badges=badges(call),
        voice=VOICES[call.speaker],
        delay=f"{DOTS[grade]} {grade}: answers after {(call.delay_ms or 0) / 1000:.1f} s" if grade else "",
        delay_grade=grade,
    )


def line(turn: Turn, mask: Callable[[str], str]) -> Line:
    """A turn of a transcript; `mask` makes its words fit to be shown."""
    return Line(
        item_id=turn.item_id,
        speaker=turn.speaker,
        text=mask(turn.text),
        at=clock_face(turn.start_audio_ms),
        interrupted=turn.interrupted,
    )


def delay_grade(delay_ms: int) -> str:
    """How an answer that begins after so long feels: quick, slow or late."""
    return "quick" if delay_ms <= QUICK_MS else "slow" if delay_ms <= SLOW_MS else "late"


def shown_number(person: Person, number: str) -> str:
    """A number as this person may see it: in full, or masked."""
    return number if person.may(Permission.SEE_NUMBERS) else mask_number(number)


def words_on_a_wall(text: str) -> str:
    """The last words, with telephone numbers masked: a wall is seen by everybody in the room."""
    return tail(mask_numbers(text))


def tail(text: str) -> str:
    """The last words of a text, cut at a blank."""
    if len(text) <= WORDS_SHOWN:
        return text
    return "… " + text[-WORDS_SHOWN:].split(" ", 1)[-1]


def money(micro_usd: int) -> str:
    """US dollars with four digits, enough to see a single turn; nothing for nothing."""
    return f"${micro_usd / 1_000_000:.4f}" if micro_usd else ""


def moment(ms: int) -> str:
    """An instant in UTC, as tables show it."""
    return datetime.fromtimestamp(ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def clock_face(ms: int) -> str:
    """m:ss, hours when there are any."""
    seconds = max(0, ms) // 1000
    minutes, hours = seconds // 60 % 60, seconds // 3600
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def _outcome(call: WallCall) -> str:
    if call.outcome is None:
        return ""
    words = OUTCOME_WORDS.get(call.outcome, call.outcome)
    if call.outcome in {"completed", "canceled", "failed"} and call.ended_by is not None:
        words += f", {ENDED_BY_WORDS.get(call.ended_by, call.ended_by)}"
    return f"{words} (cause {call.hangup_cause})" if call.hangup_cause not in {None, 16} else words
