"""`python -m scripts.benchmarks [answer|audio|media] [--json]`: see `scripts/bench --help`."""

import sys

import click

from app.figures import Result, answer
from scripts.benchmarks import answer as answers
from scripts.benchmarks import audio, media

NAMES = ("media", "answer", "audio")


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on the last line.")
@click.option("--calls", default=20, show_default=True, help="Calls of the audio benchmark.")
@click.option(
    "--batch", default=50, show_default=True, help="Calls in one batch of the media and answer benchmarks."
)
def main(names: tuple[str, ...], as_json: bool, calls: int, batch: int) -> None:
    """Measure and print figures with the machine they were taken on."""
    results: list[Result] = []
    for name in names or NAMES:
        runs = {
            "media": lambda: media.run(batch),
            "answer": lambda: answers.run(batch),
            "audio": lambda: audio.run(calls),
        }
        results += runs[name]()
    for result in results:
        figures = ", ".join(f"{key} {value}" for key, value in result.figures.items())
        click.echo(f"{result.name} (n={result.n}): {result.not_run or figures}", err=as_json)
    done = answer("bench", tuple(results))
    if as_json:
        click.echo(done.to_json())
    sys.exit(0 if done.ok else 1)


if __name__ == "__main__":
    main()
