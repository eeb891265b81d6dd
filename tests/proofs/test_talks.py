"""The labelled talks hold; with a check taken out of the analyzer they no longer do."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import sim
from app.domain.analysis import decide, evidence, when
from app.domain.analysis.judgement import Action
from app.domain.policy.windows import CallingWindow
from app.figures import Result
from app.sim.text.talks import Talk, load_talks
from app.store import dnd

TALKS = load_talks()


def run(kinds: set[str]) -> Result:
    return asyncio.run(sim.simulated([talk for talk in TALKS if talk.kind in kinds], "responses"))


def test_there_are_enough_of_every_kind() -> None:
    assert len(TALKS) >= 60
    kinds = {talk.kind for talk in TALKS}
    wanted = {"success", "partial", "busy", "voicemail", "callback", "opt_out", "wrong_person", "cut_off", "liar"}
    assert wanted | {"injection", "empty", "angry", "language"} <= kinds
    assert {talk.expect.action for talk in TALKS} == set(Action)
    assert len({talk.number for talk in TALKS}) >= 10


def test_every_talk_becomes_what_is_expected() -> None:
    result = asyncio.run(sim.simulated(TALKS, "chat"))
    assert not result.violations, result.figures["first_violation"]
    assert result.n == len(TALKS)


def quote_check_off(patch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = evidence.prove
    patch.setattr(decide, "prove", lambda quote, turn, turns, speaker=None: real(turns[0].text, 1, turns))


def window_check_off(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallingWindow, "is_open", lambda *_: True)


def zone_check_off(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(when, "_same_clock", lambda *_: True)


def list_not_written(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> list[str]:
        return []

    patch.setattr(dnd, "add", nothing)


def rule_is_deaf(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decide, "opt_out", lambda _: None)


def attempts_without_end(patch: pytest.MonkeyPatch) -> None:
    real = decide._retry

    def mutant(judgement: Any, facts: Any) -> Any:
        import msgspec

        attempt = msgspec.structs.replace(facts.attempt, attempts=0)
        return real(judgement, msgspec.structs.replace(facts, attempt=attempt))

    patch.setitem(decide._ACTIONS, Action.RETRY, mutant)


@pytest.mark.parametrize(
    ("mutant", "kinds"),
    [
        (quote_check_off, {"liar"}),
        (window_check_off, {"callback"}),
        (zone_check_off, {"liar"}),
        (list_not_written, {"opt_out"}),
        (rule_is_deaf, {"opt_out"}),
        (attempts_without_end, {"voicemail"}),
    ],
)
def test_a_mutant_is_caught(
    monkeypatch: pytest.MonkeyPatch, mutant: Callable[[pytest.MonkeyPatch], None], kinds: set[str]
) -> None:
    mutant(monkeypatch)
    assert run(kinds).violations


def test_the_command_answers_in_the_form_of_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    few: list[Talk] = [talk for talk in TALKS if talk.id == "tomorrow-at-four"]
    monkeypatch.setattr(sim, "load_talks", lambda: few)
    done = CliRunner().invoke(sim.sim_command, ["analyze", "--json"])
    assert done.exit_code == 0, done.output
    assert '"not_run":"no server given' in done.output.splitlines()[-1]


def test_another_server_is_measured_by_its_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Played by SimText with a plausible mind: our client cannot tell."""
    from app.config import load_settings
    from app.sim.text import Route, SimText
    from app.sim.text.analyst import PlausibleAnalyst

    async def measure() -> Result:
        async with SimText(routes=[Route(mind=PlausibleAnalyst())], models=["other"]) as there:
            changes = {"text_base_url": there.base_url, "analysis_model": "other", "text_api": "chat"}
            settings = load_settings(overrides={"simulate": True, **changes})
            return await sim.at_server([talk for talk in TALKS if talk.number.startswith("+1202")], settings)

    result = asyncio.run(measure())
    assert not result.violations
    assert result.figures["cost_micro_usd"] is None
    assert 10 <= int(result.figures["agree"] or 0) < result.n
