"""`opendeep sim analyze`: labelled talks through the analyzer, at the simulated text model or at a server."""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click
from pydantic import SecretStr

from app.cli.sim_plan import plan_command
from app.config import Settings, load_settings
from app.figures import Answer, Figure, Result, answer
from app.llm.connect import text_model
from app.llm.trial import Tried, try_talk
from app.policy_packs import enabled_packs, load_packs
from app.sim.text import Route, SimText
from app.sim.text.talks import Talk, load_talks


@click.group(name="sim")
def sim_command() -> None:
    """Try parts of OpenDeep on labelled data; nothing real is dialed."""


sim_command.add_command(plan_command)


@sim_command.command(name="run")
@click.option("--personas", "names", default="all", show_default=True, help="Names by commas, or all.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
@click.option("--on", type=click.Choice(["sim", "asterisk"]), default="sim", show_default=True)
@click.option(
    "--media", type=click.Choice(["process", "in_process"]), default="process", show_default=True, help="Worker."
)
def run_command(*, names: str, as_json: bool, on: str, media: str) -> None:
    """Call every persona with the whole product, and compare outcome, functions, fields and words with the plan.

    \b
    opendeep sim run --personas all --json
    opendeep sim run --personas polite,voicemail
    opendeep sim run --on asterisk          a real Asterisk and SIPp, as root, in a checkout

    Exit status 0 when every expectation holds.
    """
    from app.cli.sim_run import chosen, rehearsed  # noqa: PLC0415 - the engine; analyze does without it

    done = answer("sim run", (rehearsed(chosen(names), on=on, media_mode=media),))
    _tell(done, as_json=as_json)


@sim_command.command(name="rehearse")
def rehearse_command() -> None:
    """Rehearse the agent whose JSON comes on stdin; a line of JSON for every step. Run by the console's button."""
    from app.cli.sim_rehearse import rehearse  # noqa: PLC0415 - the engine; analyze does without it

    rehearse()


@sim_command.command(name="story")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def story_command(*, as_json: bool) -> None:
    """Tell the whole story offline: brief, form, plan, confirm, calls, retries at their times, report.

    \b
    opendeep sim story --json

    One callee is busy, one has a machine, one says "tomorrow at four", one agrees, one wants no more calls. The
    clock is set ahead between the calls. The report is printed; its numbers are counted again from the rows, and
    its words must say nothing the numbers do not. Exit status 0 when everything came as it must.
    """
    from app.cli.sim_story import tell  # noqa: PLC0415 - the engine; analyze does without it

    _tell(answer("sim story", asyncio.run(tell(lambda line: click.echo(line, err=as_json)))), as_json=as_json)


@sim_command.command(name="analyze")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
@click.option("--talk", "only", default="", help="Only talks whose id contains this.")
@click.option("--base-url", default="", help="Also ask this OpenAI-compatible server; its key: TEXT_API_KEY.")
@click.option("--model", default="", help="Model to ask there.")
@click.option("--api", type=click.Choice(["responses", "chat"]), default="chat", show_default=True)
@click.option("--quirks", default="", help="What that server lacks, as TEXT_QUIRKS.")
def analyze_command(*, as_json: bool, only: str, base_url: str, model: str, api: str, quirks: str) -> None:
    """Judge labelled talks and compare action, time, fields and evidence with what is expected.

    \b
    opendeep sim analyze --json
    opendeep sim analyze --base-url http://127.0.0.1:11434/v1 --model qwen3

    Exit status 0 when every expectation holds. Of another server's model only the agreement is told: it does not
    count as a violation, broken evidence does.
    """
    talks = [talk for talk in load_talks() if only in talk.id]
    results = [asyncio.run(simulated(talks, "responses")), asyncio.run(simulated(talks, "chat"))]
    if base_url and model:
        given = {"text_base_url": base_url, "analysis_model": model, "text_api": api, "text_quirks": quirks}
        settings = load_settings(overrides={"simulate": True, **given})
        results.append(asyncio.run(at_server(talks, settings)))
    else:
        why = "no server given: --base-url URL --model NAME"
        results.append(Result(name="analyze at a server", not_run=why))
    _tell(answer("sim analyze", tuple(results)), as_json=as_json)


def _tell(done: Answer, *, as_json: bool) -> None:
    """Print an answer and leave with its exit status."""
    for result in done.results:
        figures = ", ".join(f"{name} {value}" for name, value in result.figures.items())
        found = result.not_run or f"n={result.n}, {result.violations} violations, {result.seconds} s; {figures}"
        click.echo(f"{result.name}: {found}", err=as_json)
    if as_json:
        click.echo(done.to_json())
    sys.exit(0 if done.ok else 1)


async def simulated(talks: list[Talk], api: str) -> Result:
    """Against SimText, which answers each talk as its file says."""
    started = time.perf_counter()
    async with SimText() as sim:
        changes = {"text_base_url": sim.base_url, "text_api_key": SecretStr("simulated"), "text_api": api}
        settings = load_settings(overrides={"simulate": True}).model_copy(update={**changes, "text_quirks": ""})

        def set_mind(talk: Talk) -> None:
            sim.routes[:] = [Route(schema="CallJudgement", mind=talk.mind())] if talk.answers else []

        tried = await _try(talks, settings, before=set_mind)
    wrong = [f"{one.talk}: {line}" for one in tried for line in one.wrong]
    for line in wrong:
        click.echo(line, err=True)
    actions = Counter(one.action for one in tried)
    figures: dict[str, Figure] = {
        **dict(sorted(actions.items())),
        "proofs": sum(one.proofs for one in tried),
        "sent_back": sum(one.asked > 1 for one in tried),
        "first_violation": wrong[0] if wrong else None,
    }
    return Result(
        name=f"analyze by simulated model ({api})",
        n=len(tried),
        violations=len(wrong),
        seconds=round(time.perf_counter() - started, 1),
        figures=figures,
    )


async def at_server(talks: list[Talk], settings: Settings) -> Result:
    """Against a real model: how often it agrees with the label, and that no proof is invented."""
    started = time.perf_counter()
    asked = [talk for talk in talks if talk.answers]
    tried = await _try(asked, settings)
    broken = sum("proof" in line or "without words" in line for one in tried for line in one.wrong)
    undecided = sum(not one.action for one in tried)
    costs = [one.cost_micro_usd for one in tried]
    figures: dict[str, Figure] = {
        "model": settings.analysis_model,
        "agree": sum(one.agrees for one in tried),
        "undecided": undecided,
        "sent_back": sum(one.asked > 1 for one in tried),
        "cost_micro_usd": None if None in costs else sum(cost for cost in costs if cost is not None),
    }
    return Result(
        name="analyze at a server",
        n=len(tried),
        violations=broken + undecided,
        seconds=round(time.perf_counter() - started, 1),
        figures=figures,
    )


async def _try(
    talks: list[Talk], settings: Settings, before: Callable[[Talk], None] = lambda _: None
) -> list[Tried]:
    packs = enabled_packs(load_packs())
    tried: list[Tried] = []
    with tempfile.TemporaryDirectory(prefix="od-") as folder:
        async with text_model(settings) as model:
            for talk in talks:
                before(talk)
                tried.append(await try_talk(talk, Path(folder), model=model, settings=settings, packs=packs))
    return tried
