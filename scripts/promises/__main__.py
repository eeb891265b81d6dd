"""`python -m scripts.promises [promise ...] [--seed N] [--mutant NAME] [--json]`: see `scripts/prove --help`."""

import sys

import click

from app.figures import Result, answer
from scripts.promises import commands, session, windows

PROMISES = {"commands": commands, "session": session, "windows": windows}
SEED = 20261121


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(PROMISES)))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on the last line.")
@click.option("--seed", default=SEED, show_default=True, help="Seed of everything random.")
@click.option("--mutant", default="", help="Check a deliberately wrong product instead; must find violations.")
def main(names: tuple[str, ...], as_json: bool, seed: int, mutant: str) -> None:
    """Try to break the promises; exit status 0 exactly when none was broken."""
    results: list[Result] = []
    for name in names or sorted(PROMISES):
        promise = PROMISES[name]
        if mutant and mutant not in promise.MUTANTS:
            raise click.BadParameter(f"{name} has {', '.join(promise.MUTANTS)}", param_hint="--mutant")
        result = promise.run(seed, mutant)
        results.append(result)
        figures = ", ".join(f"{key} {value}" for key, value in result.figures.items())
        found = (
            result.not_run or f"{result.violations} violations, seed {result.seed}, {result.seconds} s; {figures}"
        )
        click.echo(f"{result.name}: n={result.n}, {found}", err=as_json)
    done = answer("prove", tuple(results))
    if as_json:
        click.echo(done.to_json())
    sys.exit(0 if done.ok else 1)


if __name__ == "__main__":
    main()
