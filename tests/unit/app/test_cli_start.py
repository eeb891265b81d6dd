"""How a command starts: listed without being imported, and imported with no more than it uses."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from app.cli.main import VERBS, opendeep
from app.cli.verbs import Verb

ROOT = Path(__file__).parents[3]
HEAVY = {"aiohttp", "asyncpg", "litestar", "numpy", "openai", "redis", "uvicorn", "websockets"}
LIGHT = ("audit", "command", "drain", "migrate", "policy", "resume", "user", "why")
WIDTHS = range(20, 120)


def imported(*lines: list[str]) -> set[str]:
    """Top modules, and modules of `app`, in a fresh process that ran these command lines."""
    script = f"import sys\nfrom app.cli.main import opendeep\nfor line in {lines!r}:\n"
    script += "    opendeep(line, standalone_mode=False)\nprint('modules:', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Usage:" in done.stdout
    modules = done.stdout.rpartition("modules: ")[2].split()
    return {name if name.startswith("app.") else name.partition(".")[0] for name in modules}


def test_the_list_of_commands_imports_none_of_them() -> None:
    modules = imported(["--help"])
    assert not modules & HEAVY
    assert {name for name in modules if name.startswith("app.cli.")} == {"app.cli.main", "app.cli.verbs"}


def test_commands_without_engine_and_simulators_do_not_import_them() -> None:
    modules = imported(*([name, "--help"] for name in LIGHT), ["policy", "check", "--help"])
    assert not modules & HEAVY
    assert not {name for name in modules if name == "app.engine" or name.startswith(("app.sim", "app.calls"))}


def test_policy_asks_no_settings() -> None:
    assert "pydantic" not in imported(["policy", "check", "--help"])


def test_an_engine_for_real_calls_imports_no_simulators() -> None:
    modules = imported(["up", "--help"], ["call", "--help"])
    assert "app.engine" in modules
    assert not {name for name in modules if name == "openai" or name.startswith("app.sim")}


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: str(verb.name))
def test_a_verb_is_listed_as_its_command_would_be(verb: Verb) -> None:
    command = verb.load()
    assert command.name == verb.name
    for width in WIDTHS:
        assert verb.get_short_help_str(width) == command.get_short_help_str(width)
    assert verb.help == " ".join((command.help or "").partition("\n\n")[0].split())


def test_every_command_in_the_folder_is_a_verb() -> None:
    folder = ROOT / "app" / "cli"
    defined = re.compile(r"^def (\w+)_command\(", re.MULTILINE)
    found = {name for file in folder.glob("*.py") for name in defined.findall(file.read_text())}
    verbs = {verb.name for verb in VERBS}
    groups = [command for verb in VERBS if isinstance(command := verb.load(), click.Group)]
    assert found - {name for group in groups for name in group.commands} <= verbs <= found
    assert opendeep.list_commands(click.Context(opendeep)) == sorted(verbs)


def test_a_misspelt_verb_is_told_with_what_was_meant() -> None:
    done = CliRunner().invoke(opendeep, ["polcy"])
    assert done.exit_code == 2
    assert "No such command 'polcy'" in done.output
    assert "policy" in done.output
