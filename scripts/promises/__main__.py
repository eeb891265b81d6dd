"""`python -m scripts.promises [promise ...] [--seed N] [--mutant NAME] [--json]`: see `scripts/prove --help`."""

import sys
from typing import Any

import click

from app.figures import Result, answer
from scripts.promises import (
    caps,
    commands,
    confirm,
    dial,
    dnc,
    erasure,
    faults,
    injection,
    latedial,
    restart,
    session,
    tenancy,
    testmode,
    windows,
)

PROMISES = {
    "caps": caps,
    "commands": commands,
    "confirm": confirm,
    "dial": dial,
    "dnc": dnc,
    "erasure": erasure,
    "faults": faults,
    "injection": injection,
    "latedial": latedial,
    "restart": restart,
    "session": session,
    "tenancy": tenancy,
    "testmode": testmode,
    "windows": windows,
}
SEED = 20261121


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(PROMISES)))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on the last line.")
@click.option("--seed", default=SEED, show_default=True, help="Seed of everything random.")
@click.option("--mutant", default="", help="Check a deliberately wrong product instead; must find violations.")
@click.option(
    "--kills", type=click.IntRange(min=1), help="Of confirm, dial and restart: how often a process is killed."
)
@click.option("--only", default=(), multiple=True, metavar="ROW", help="One row of `faults`; may be repeated.")
def main(names: tuple[str, ...], *, as_json: bool, seed: int, mutant: str, **options: Any) -> None:
    """Try to break the promises; exit status 0 exactly when none was broken."""
    results: list[Result] = []
    for name in names or sorted(PROMISES):
        promise = PROMISES[name]
        if mutant and mutant not in promise.MUTANTS:
            raise click.BadParameter(f"{name} has {', '.join(promise.MUTANTS)}", param_hint="--mutant")
        found = _run(name, seed, mutant, options)
        results += found
        for result in found:
            _tell(result, as_json)
    done = answer("prove", tuple(results))
    if as_json:
        click.echo(done.to_json())
    sys.exit(0 if done.ok else 1)


def _run(name: str, seed: int, mutant: str, options: dict[str, Any]) -> tuple[Result, ...]:
    """One promise: a line, or a line for each of its rows."""
    promise: Any = PROMISES[name]
    if name == "faults":
        try:
            return faults.run(seed, mutant, options["only"])
        except ValueError as unknown:
            raise click.BadParameter(str(unknown), param_hint="--only") from unknown
    if options["kills"] is not None and hasattr(promise, "KILLS"):
        return (promise.run(seed, mutant, kills=options["kills"]),)
    return (promise.run(seed, mutant),)


def _tell(result: Result, as_json: bool) -> None:
    figures = ", ".join(f"{key} {value}" for key, value in result.figures.items())
    found = result.not_run or f"{result.violations} violations, seed {result.seed}, {result.seconds} s; {figures}"
    click.echo(f"{result.name}: n={result.n}, {found}", err=as_json)


if __name__ == "__main__":
    main()
