"""`opendeep doctor`: what is wrong with this installation and what to do about it."""

import sys
from pathlib import Path

import click
import msgspec

from app.doctor.asterisk_config import lint
from app.doctor.asterisk_files import Severity
from app.doctor.check import Check
from app.doctor.checks import run_checks

MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@click.command(name="doctor")
@click.option(
    "--asterisk-config",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of Asterisk configuration files to check, for example /etc/asterisk.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def doctor_command(asterisk_config: Path | None, as_json: bool) -> None:
    """Check settings, database, Asterisk and its configuration; say what to do.

    \b
    opendeep doctor
    opendeep doctor --asterisk-config /etc/asterisk

    Exit status 0 without failures, 1 with.
    """
    checks = run_checks()
    if asterisk_config is not None:
        found = lint(asterisk_config)
        checks += [
            Check(severity=str(f.severity), name=f"{f.file}:{f.line} {f.rule}", message=f.message) for f in found
        ]
        if not any(f.severity is Severity.FAIL for f in found):
            text = f"{asterisk_config}: no faults found"
            checks.append(Check(severity="ok", name="asterisk configuration", message=text))
    for check in checks:
        click.echo(f"{MARKS[check.severity]}  {check.name}: {check.message}", err=as_json)
    ok = not any(check.severity == "fail" for check in checks)
    if as_json:
        click.echo(msgspec.json.encode({"ok": ok, "name": "doctor", "checks": checks}).decode())
    sys.exit(0 if ok else 1)
