"""`opendeep sim plan`: scripted briefs through the planner, at the simulated text model or at a server."""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import click
from pydantic import SecretStr

from app.config import Settings, load_settings
from app.figures import Figure, Result, answer
from app.llm.connect import text_model
from app.llm.orchestrator import FUNCTION
from app.llm.plan_trial import Before, TriedPlan, try_brief
from app.sim.text import Route, SimText
from app.sim.text.briefs import Brief, Turn, load_briefs
from app.sim.text.lookups import SimLookups
from app.sim.text.orchestrator import BatchMind


@click.command(name="plan")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
@click.option("--brief", "only", default="", help="Only briefs whose id contains this.")
@click.option("--base-url", default="", help="Also ask this OpenAI-compatible server; its key: TEXT_API_KEY.")
@click.option("--model", default="", help="Model to ask there.")
@click.option("--api", type=click.Choice(["responses", "chat"]), default="chat", show_default=True)
@click.option("--quirks", default="", help="What that server lacks, as TEXT_QUIRKS.")
def plan_command(*, as_json: bool, only: str, base_url: str, model: str, api: str, quirks: str) -> None:
    """Plan scripted briefs and compare forms, look-ups, plans and batches with what is expected.

    \b
    opendeep sim plan --json
    opendeep sim plan --base-url http://127.0.0.1:11434/v1 --model qwen3

    Exit status 0 when every expectation holds. Of another server's model only the kind of its first reply is
    told, and an invented number counts as a violation.
    """
    briefs = [brief for brief in load_briefs() if only in brief.id]
    results = [asyncio.run(simulated(briefs, "responses")), asyncio.run(simulated(briefs, "chat"))]
    if base_url and model:
        given = {"text_base_url": base_url, "text_model": model, "text_api": api, "text_quirks": quirks}
        results.append(asyncio.run(at_server(briefs, load_settings(overrides={"simulate": True, **given}))))
    else:
        results.append(Result(name="plan at a server", not_run="no server given: --base-url URL --model NAME"))
    done = answer("sim plan", tuple(results))
    for result in done.results:
        figures = ", ".join(f"{name} {value}" for name, value in result.figures.items())
        found = result.not_run or f"n={result.n}, {result.violations} violations, {result.seconds} s; {figures}"
        click.echo(f"{result.name}: {found}", err=as_json)
    if as_json:
        click.echo(done.to_json())
    sys.exit(0 if done.ok else 1)


class Minds(Before):
    """Sets the simulated model to what the file says before each message."""

    def __init__(self, sim: SimText) -> None:
        self._sim = sim

    def __call__(self, turn: Turn | None) -> None:
        if turn is None:
            self._sim.routes[:] = [Route(tool=FUNCTION, mind=BatchMind())]
            return
        routes = [Route(tool="search_internet", mind=turn.looking())]
        if turn.replies:
            routes.append(Route(schema="PlannerReply", mind=turn.mind()))
        self._sim.routes[:] = routes


async def simulated(briefs: list[Brief], api: str) -> Result:
    """Against SimText, which answers each brief as its file says."""
    started = time.perf_counter()
    async with SimText() as sim:
        changes = {"text_base_url": sim.base_url, "text_api_key": SecretStr("simulated"), "text_api": api}
        settings = load_settings(overrides={"simulate": True}).model_copy(update={**changes, "text_quirks": ""})
        tried = await _try(briefs, settings, Minds(sim), whole=True)
    wrong = [f"{one.brief}: {line}" for one in tried for line in one.wrong]
    for line in wrong:
        click.echo(line, err=True)
    kinds = Counter(kind for one in tried for kind in one.kinds)
    figures: dict[str, Figure] = {
        **dict(sorted(kinds.items())),
        "look_ups": sum(one.lookups for one in tried),
        "sent_back": sum(one.sent_back for one in tried),
        "campaigns": sum(one.calls > 0 for one in tried),
        "calls": sum(one.calls for one in tried),
        "first_violation": wrong[0] if wrong else None,
    }
    return Result(
        name=f"plan by simulated model ({api})",
        n=len(tried),
        violations=len(wrong),
        seconds=round(time.perf_counter() - started, 1),
        figures=figures,
    )


async def at_server(briefs: list[Brief], settings: Settings) -> Result:
    """Against a real model: the kind of its first reply, and that no number is invented."""
    started = time.perf_counter()
    asked = [brief for brief in briefs if brief.turns[0].expect is not None]
    tried = await _try(asked, settings, Before(), whole=False)
    costs = [one.cost_micro_usd for one in tried]
    figures: dict[str, Figure] = {
        "model": settings.text_model,
        "agree": sum(one.agrees for one in tried),
        "sent_back": sum(one.sent_back for one in tried),
        "cost_micro_usd": None if None in costs else sum(cost for cost in costs if cost is not None),
    }
    return Result(
        name="plan at a server",
        n=len(tried),
        violations=sum("invented" in line for one in tried for line in one.wrong),
        seconds=round(time.perf_counter() - started, 1),
        figures=figures,
    )


async def _try(briefs: list[Brief], settings: Settings, before: Before, *, whole: bool) -> list[TriedPlan]:
    tried: list[TriedPlan] = []
    with tempfile.TemporaryDirectory(prefix="od-") as folder:
        async with SimLookups() as found, text_model(settings) as model:
            for brief in briefs:
                one = await try_brief(
                    brief, Path(folder), found=found, model=model, settings=settings, before=before, whole=whole
                )
                tried.append(one)
    return tried
