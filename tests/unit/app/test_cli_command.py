"""`opendeep command` beside a call that another process makes."""

import json
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli.command import command_command
from app.errors import AppError
from tests.unit.app.test_cli import OPENDEEP, run

AT_ONCE = '{"polite": false, "reason": "enough"}'
ROOT = Path(__file__).parents[3]


def talking(path: Path, patience_s: float = 20.0) -> str:
    """The id of the one call, once callee and agent talk."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        time.sleep(0.05)
        if path.exists():
            with closing(sqlite3.connect(path)) as db:
                try:
                    row = db.execute("SELECT id FROM calls WHERE state = 'bridged'").fetchone()
                except sqlite3.OperationalError:  # not migrated yet
                    continue
            if row is not None:
                return row[0]
    raise TimeoutError


def test_a_call_of_another_process_is_ended(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*OPENDEEP, "call", "+15551000100", "--objective", "Talk", "--simulate", "--json"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as calling:
        try:
            call_id = talking(tmp_path / "data" / "simulated" / "opendeep.db")
            done = run(tmp_path, "command", call_id, "end_call", "--payload", AT_ONCE, "--simulate", "--json")
            story = json.loads(calling.communicate(timeout=30)[0].splitlines()[-1])
        finally:
            calling.kill()
    told = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, told["ok"], told["command"]["state"]) == (0, True, "done"), done.stderr
    assert (story["call"]["ended_by"], story["call"]["detail"]) == ("operator", "enough")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["say", "--text", "a", "--payload", "{}"], "not both"),
        (["send_dtmf", "--digits", "x"], "payload of send_dtmf does not fit"),
        (["whisper"], "missing required field `text`"),
        (["hold", "--reason", "why"], "unknown field `reason`"),
        (["hold"], "There is no call 'nobody'. In progress: none."),
    ],
)
def test_what_cannot_be_ordered_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = CliRunner().invoke(command_command, ["nobody", *arguments, "--simulate"]).exception
    assert isinstance(failed, AppError)
    assert sentence in failed.message
