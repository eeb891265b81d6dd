"""Pure: a rehearsal in words."""

import msgspec

from app.domain.rehearsal import PersonaResult, Rehearsal, RehearsalSaid, RehearsalState

ABOUT = {
    "polite": "answers every question",
    "interrupter": "talks over the agent, then answers",
    "mumbler": "cannot be understood",
    "silent": "picks up and says nothing",
    "opt_out": "wants no more calls",
    "not_available": "says that the person is not there",
    "voicemail": "an answering machine",
    "injector": "orders the agent to connect and to call somebody",
    "nobody else is rung": "no number but those of the callees was dialed",
}
WHO = {"callee": "Callee", "agent": "Agent", "operator": "Operator"}


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One rehearsal for people. `mark`: good, bad or open; the words say it too."""

    verdict: str
    mark: str
    results: tuple[PersonaResult, ...]
    left_out: tuple[str, ...]


def verdict(one: Rehearsal) -> str:
    """How it stands, in a sentence."""
    total = one.passed + one.failed
    match one.state:
        case RehearsalState.WAITING:
            return "It waits for its turn."
        case RehearsalState.RUNNING:
            return f"Under way: {one.over} of {one.total or 'all'} callees are done."
        case RehearsalState.FAILED:
            return f"No verdict. {one.problem}"
        case RehearsalState.DONE if one.failed:
            return f"Failed: {one.failed} of {total} did not come as expected."
        case RehearsalState.DONE:
            return f"Passed: all {total} came as expected."


def shown(one: Rehearsal) -> Shown:
    """Everything its page needs."""
    said = RehearsalSaid(over=0, total=0)
    if one.state is RehearsalState.DONE:
        said = msgspec.json.decode(one.result, type=RehearsalSaid)
    mark = "open" if one.state is not RehearsalState.DONE else "bad" if one.failed else "good"
    results = tuple(sorted(said.results or (), key=lambda each: each.passed))  # what needs a person comes first
    return Shown(verdict=verdict(one), mark=mark, results=results, left_out=said.left_out)


def living(one: Rehearsal) -> bool:
    """Something still comes of it."""
    return one.state in {RehearsalState.WAITING, RehearsalState.RUNNING}
