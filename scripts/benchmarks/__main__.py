"""`python -m scripts.benchmarks [answer|audio|console|dialer|media] [--json]`: see `scripts/bench --help`."""

import sys
from typing import Any

import click

from app.figures import Result, answer
from scripts.benchmarks import answer as answers
from scripts.benchmarks import audio, console, dialer, media

NAMES = ("media", "answer", "audio", "dialer", "console")


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on the last line.")
@click.option("--calls", default=20, show_default=True, help="Calls of the audio benchmark.")
@click.option(
    "--batch", default=50, show_default=True, help="Calls in one batch of the media and answer benchmarks."
)
@click.option(
    "--tasks",
    default=dialer.TASKS,
    show_default=True,
    help="Tasks in the table of the dialer and console benchmarks; 0: no claims, no first paints.",
)
@click.option("--rate", default=dialer.RATE_PER_S, show_default=True, help="Tasks falling due per second.")
@click.option(
    "--seconds",
    default=dialer.SECONDS,
    show_default=True,
    help="How long the dialer benchmark dials; 0: not at all.",
)
@click.option(
    "--live", default=console.SECONDS, show_default=True, help="Seconds of events of the console; 0: none."
)
@click.option("--store", type=click.Choice(dialer.STORES), multiple=True, default=dialer.STORES, show_default=True)
def main(names: tuple[str, ...], as_json: bool, **sizes: Any) -> None:
    """Measure and print figures with the machine they were taken on."""
    results: list[Result] = []
    for name in names or NAMES:
        results += _run(name, **sizes)
    for result in results:
        figures = ", ".join(f"{key} {value}" for key, value in result.figures.items())
        click.echo(f"{result.name} (n={result.n}): {result.not_run or figures}", err=as_json)
    done = answer("bench", tuple(results))
    if as_json:
        click.echo(done.to_json())
    sys.exit(0 if done.ok else 1)


def _run(
    name: str, *, calls: int, batch: int, tasks: int, rate: int, seconds: int, live: int, store: tuple[str, ...]
) -> tuple[Result, ...]:
    match name:
        case "media":
            return tuple(media.run(batch))
        case "answer":
            return tuple(answers.run(batch))
        case "audio":
            return audio.run(calls)
        case "console":
            return console.run(tasks, live)
        case _:
            return dialer.run(tasks, rate, seconds, store)


if __name__ == "__main__":
    main()
