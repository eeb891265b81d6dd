"""What must come of a persona, and the comparison with what came of it. Pure."""

from collections.abc import Mapping

import msgspec

from app.domain.call import Call, Turn
from app.domain.fields import Collected, plain
from app.domain.task import CallTask, TaskState
from app.sim import tonevoice
from app.sim.realtime.recognizer import Recognizer
from app.store.dnd import DoNotCall

ENDING = "The call is ending already"
"""How a function is refused while the agent says goodbye."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Of one persona. `calls` is how often it is rung; what is said of a call is said of the last."""

    state: TaskState | None
    """None: not looked at, like `tools` and `refused`."""
    ended_by: str
    answered_by: tuple[str, ...] = ("human",)
    """Verdicts of answer supervision that are right."""
    outcome: str = "completed"
    detail: str = ""
    """Part of the sentence stored as the reason of the end."""
    tools: tuple[str, ...] | None = ()
    """Functions the agent calls in all calls together, in order."""
    refused: int | None = 0
    """How many of them are refused."""
    fields: Mapping[str, str] = {}
    """Values (JSON text) that must be stored, each with its proof; and no others."""
    listed: bool = False
    """Whether the number is on the do-not-call list, by the callee's own words."""
    heard: tuple[str, ...] = ()
    """What the callee must have heard, in this order, as parts of whole sentences."""
    never_heard: tuple[str, ...] = ()
    keys: str = ""
    """Keys the callee's phone received."""
    noted: tuple[str, ...] = ()
    """Kinds of events of the call that must be there."""
    calls: int = 1
    again_hour: int | None = None
    """Hour on the callee's clock, tomorrow, at which they are called again."""
    told: tuple[str, ...] = ()
    """What the model session of the last call must have been told before the callee spoke."""


HEARD_CLOSE = 0.75
"""On a line that loses frames words lose letters; this many of them tell the word."""
FIELDS_DONE: Mapping[str, str] = {"attends": "true", "arrival": '"at ten"'}
SETTLED = ("save_field", "save_field", "end_call")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one persona; lists in the order of time."""

    task: CallTask
    calls: tuple[Call, ...]
    turns: tuple[Turn, ...]
    tools: tuple[str, ...]
    refusals: tuple[str, ...]
    kinds: frozenset[str]
    fields: Mapping[str, Collected]
    listed: DoNotCall | None
    heard: tuple[str, ...]
    keys: str
    invited: int
    session_text: str
    again_at: str
    """Time of the next call on the callee's clock, like 1 16:00 (days from now, clock); empty: none."""


def violations(expected: Expected, found: Found) -> list[str]:
    """Every expectation that does not hold, as a sentence."""
    return [*_ended(expected, found), *_did(expected, found), *_proven(expected, found), *_heard(expected, found)]


def _ended(expected: Expected, found: Found) -> list[str]:
    wrong: list[str] = []
    if len(found.calls) != expected.calls or found.invited != expected.calls:
        wrong.append(f"rung {found.invited} times, {len(found.calls)} calls, not {expected.calls}")
    if not found.calls:
        return wrong
    call = found.calls[-1]
    for name, want, got in (
        ("task", expected.state, found.task.state),
        ("outcome", expected.outcome, call.outcome),
        ("ended_by", expected.ended_by, call.ended_by),
    ):
        if want is not None and want != got:
            wrong.append(f"{name} is {got}, not {want} ({call.detail}; {found.task.overall_conclusion})")
    if call.answered_by not in expected.answered_by:
        who = " or ".join(expected.answered_by) or "nobody"
        wrong.append(f"whoever answered was taken for {call.answered_by or 'nobody'}, not for {who}")
    if expected.detail not in call.detail:
        wrong.append(f"the call ended for {call.detail!r}, not for {expected.detail!r}")
    if expected.again_hour is not None and found.again_at != f"1 {expected.again_hour:02d}:00":
        wrong.append(f"called again {found.again_at or 'never'}, not tomorrow at {expected.again_hour}:00")
    return wrong


def _did(expected: Expected, found: Found) -> list[str]:
    wrong: list[str] = []
    # Who says something into the goodbye is told goodbye again: that end is asked for twice, and refused once.
    refusals = [one for one in found.refusals if not one.startswith(ENDING)]
    if expected.tools is not None and _ended_once(found.tools) != _ended_once(expected.tools):
        wrong.append(f"functions called: {', '.join(found.tools)}; not {', '.join(expected.tools)}")
    if expected.refused is not None and len(refusals) != expected.refused:
        refused = "; ".join(refusals) or "none"
        wrong.append(f"{len(refusals)} functions were refused, not {expected.refused}: {refused}")
    if found.keys != expected.keys:
        wrong.append(f"keys {found.keys!r} reached the phone, not {expected.keys!r}")
    missing = sorted(set(expected.noted) - found.kinds)
    return [*wrong, *(f"no event {kind}" for kind in missing)]


def _ended_once(tools: tuple[str, ...]) -> list[str]:
    return [one for at, one in enumerate(tools) if one != "end_call" or tools[at - 1 : at] != ("end_call",)]


def _proven(expected: Expected, found: Found) -> list[str]:
    """Values and opt-outs stand on words of the callee that are in the transcript."""
    wrong: list[str] = []
    stored = {name: one.value for name, one in found.fields.items()}
    if stored != dict(expected.fields):
        wrong.append(f"found out: {_listed(stored)}; not {_listed(expected.fields)}")
    said = {turn.item_id: turn.text for turn in found.turns if turn.speaker == "callee"}
    for name, one in found.fields.items():
        if one.evidence.quote not in said.get(one.evidence.item_id, ""):
            wrong.append(f"{name} is not proven: {one.evidence.quote!r} is not in its turn")
    if (found.listed is not None) != expected.listed:
        was, should = ("on" if one else "not on" for one in (found.listed is not None, expected.listed))
        wrong.append(f"the number is {was} the do-not-call list, and should be {should} it")
    elif found.listed is not None and found.listed.evidence_item_id not in said:
        wrong.append("the do-not-call entry points to no turn of the callee")
    return wrong


def _listed(fields: Mapping[str, object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in sorted(fields.items())) or "nothing"


def _heard(expected: Expected, found: Found) -> list[str]:
    wrong: list[str] = []
    mended = Recognizer(expected.heard, close=HEARD_CLOSE)
    rest = [mended.read(line) for line in found.heard]
    for text in expected.heard:
        wanted = tonevoice.normalize(text)
        at = next((at for at, line in enumerate(rest) if wanted in line), None)
        if at is None:
            heard = " | ".join(found.heard) or "nothing"
            wrong.append(f"the callee did not hear {text!r} (in its place), but: {heard}")
            break
        rest = rest[at + 1 :]
    everything = " | ".join(found.heard)
    wrong += [f"the callee heard {text!r}" for text in expected.never_heard if text in everything]
    told = plain(found.session_text)  # signs are what a recognizer loses first
    wrong += [f"the session was not told {text!r}" for text in expected.told if plain(text) not in told]
    return wrong
