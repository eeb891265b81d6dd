"""The scripted briefs hold; with a check taken out of the planner they no longer do."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import sim, sim_plan
from app.config import load_settings
from app.domain import plan_check
from app.domain.follow_up import CallNews
from app.domain.plan import Origin
from app.domain.plan_sources import Sources
from app.domain.policy.windows import CallingWindow
from app.errors import AppError
from app.figures import Result
from app.llm import planner
from app.sim.text import Route, ScriptedMind, SimText, TextAnswer
from app.sim.text.briefs import load_briefs
from app.store import conversations, dnd, follow_up

BRIEFS = load_briefs()


def run(kinds: set[str]) -> Result:
    return asyncio.run(sim_plan.simulated([brief for brief in BRIEFS if brief.kind in kinds], "responses"))


def test_there_are_enough_of_every_kind() -> None:
    assert len(BRIEFS) >= 30
    kinds = {brief.kind for brief in BRIEFS}
    wanted = {"single", "batch", "lookup", "missing", "correction", "window", "invented", "injection", "language"}
    assert wanted | {"rules", "trouble", "follow_up"} <= kinds
    every = [turn.expect.kind for brief in BRIEFS for turn in brief.turns if turn.expect is not None]
    assert set(every) == {"message", "questions", "plan", "failure"}


def test_every_brief_becomes_what_is_expected() -> None:
    result = asyncio.run(sim_plan.simulated(BRIEFS, "chat"))
    assert not result.violations, result.figures["first_violation"]
    assert result.n == len(BRIEFS)


def any_number_is_supplied(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Sources, "of_number", lambda *_: Origin(kind="user", ref="your message 1"))


def quotes_need_not_occur(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Sources, "of_quote", lambda *_: Origin(kind="user", ref="your message 1"))


def always_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallingWindow, "next_open", lambda _self, at_ms, _hold=0: at_ms)


def lists_are_not_asked(patch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: Any) -> frozenset[str]:
        return frozenset()

    patch.setattr(dnd, "listed_of", nobody)


def nobody_need_say_what_it_is(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan_check, "discloses", lambda *_: True)


def plans_stay_open(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None:
        return None

    patch.setattr(conversations, "supersede", nothing)


def what_a_callee_said_is_a_source(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallNews, "sentence", lambda self, _zone="": self.summary)


def news_are_never_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(follow_up, "told", nobody_is_told)


def prepared_calls_are_dropped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planner, "with_prepared", lambda outcome, _plan: outcome)


async def nobody_is_told(*_: Any) -> int:
    return 0


MUTANTS: list[tuple[Callable[[pytest.MonkeyPatch], None], set[str]]] = [
    (any_number_is_supplied, {"invented"}),
    (quotes_need_not_occur, {"injection", "invented"}),
    (always_open, {"window"}),
    (lists_are_not_asked, {"rules"}),
    (nobody_need_say_what_it_is, {"rules"}),
    (plans_stay_open, {"correction"}),
    (what_a_callee_said_is_a_source, {"follow_up"}),
    (news_are_never_told, {"follow_up"}),
    (prepared_calls_are_dropped, {"follow_up"}),
]


@pytest.mark.parametrize(("mutant", "kinds"), MUTANTS)
def test_a_mutant_is_caught(
    monkeypatch: pytest.MonkeyPatch, mutant: Callable[[pytest.MonkeyPatch], None], kinds: set[str]
) -> None:
    mutant(monkeypatch)
    try:
        found = run(kinds).violations
    except* AppError:  # a product that breaks down is noticed as well
        found = 1
    assert found


def test_the_command_answers_in_the_form_of_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [brief for brief in BRIEFS if brief.id == "single-call"]
    monkeypatch.setattr(sim_plan, "load_briefs", lambda: few)
    done = CliRunner().invoke(sim.sim_command, ["plan", "--json"])
    assert done.exit_code == 0, done.output
    assert '"not_run":"no server given' in done.output.splitlines()[-1]


def test_another_server_is_measured_by_its_agreement() -> None:
    """Played by SimText with a mind that only talks: our client cannot tell."""
    talk = TextAnswer(text='{"kind": "message", "text": "I plan calls.", "questions": [], "plan": null}')

    async def measure() -> Result:
        routes = [
            Route(schema="PlannerReply", mind=ScriptedMind([talk])),
            Route(mind=ScriptedMind([TextAnswer(text="none")])),
        ]
        async with SimText(routes=routes, models=["other"]) as there:
            changes = {"text_base_url": there.base_url, "text_model": "other", "text_api": "chat"}
            settings = load_settings(overrides={"simulate": True, **changes})
            return await sim_plan.at_server([one for one in BRIEFS if one.kind in {"message", "window"}], settings)

    result = asyncio.run(measure())
    assert not result.violations
    assert result.figures["cost_micro_usd"] is None
    assert 0 < int(result.figures["agree"] or 0) < result.n
