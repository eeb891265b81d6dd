"""`python -m app.sim.realtime`: the simulated Realtime API as a program, for developing a client by hand."""

import asyncio
from pathlib import Path

import click

from app.sim.realtime.brain import EchoBrain
from app.sim.realtime.options import SimOptions
from app.sim.realtime.polite import PoliteBrain
from app.sim.realtime.server import SimRealtime
from app.sim.voice import EspeakVoice, ToneVoice

BRAINS = {"polite": PoliteBrain, "echo": EchoBrain}
VOICES = {"tone": ToneVoice, "espeak": EspeakVoice}


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=9010, show_default=True, help="0 picks a free one.")
@click.option("--brain", type=click.Choice(list(BRAINS)), default="polite", show_default=True)
@click.option("--voice", type=click.Choice(list(VOICES)), default="tone", show_default=True)
@click.option("--speed", default=5.0, show_default=True, help="Audio is generated this many times real time.")
@click.option("--api-key", help="The only key that is let in; without it any.")
@click.option("--seed", default=0, show_default=True)
@click.option("--journal-dir", type=click.Path(path_type=Path, file_okay=False), help="JSONL per session.")
def main(
    *,
    host: str,
    port: int,
    brain: str,
    voice: str,
    speed: float,
    api_key: str | None,
    seed: int,
    journal_dir: Path | None,
) -> None:
    """Play the OpenAI Realtime API until interrupted; prints the address to connect to."""
    if journal_dir is not None:
        journal_dir.mkdir(parents=True, exist_ok=True)
    options = SimOptions(speed=speed, api_key=api_key)

    async def run() -> None:
        async with SimRealtime(
            host,
            port,
            brain=BRAINS[brain],
            voice=VOICES[voice](),
            seed=seed,
            options=options,
            journal_dir=journal_dir,
        ) as sim:
            click.echo(f"{sim.url}?model=gpt-realtime-2.1")
            await asyncio.Event().wait()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


if __name__ == "__main__":
    main()
