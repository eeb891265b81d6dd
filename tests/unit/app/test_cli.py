"""The command line as a person uses it: sentences instead of stack traces, exit statuses, one JSON object."""

import io
import json
import os
import socket
import sqlite3
import stat
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from app.cli.data_directory import engine_lock, private_folder
from app.cli.main import main
from app.config import Settings, load_settings
from app.errors import ConfigError, ConflictError
from app.figures import Result, answer

OPENDEEP = [sys.executable, "-m", "app"]
_KEPT = ("PATH", "HOME", "LANG")


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def run(folder: Path, *arguments: str, **environment: str) -> Done:
    """As a program of its own would in `folder`, without the second it takes to start one."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        for name in os.environ.keys() - set(_KEPT):
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["opendeep", *arguments])
        try:
            main()
        except SystemExit as leaving:
            status = int(leaving.code or 0)
    return Done(status, out.getvalue(), err.getvalue())


def run_program(folder: Path, *arguments: str, **environment: str) -> Done:
    """In a process of its own, as a person does."""
    clean = {name: value for name, value in os.environ.items() if name in _KEPT}
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [*OPENDEEP, *arguments],
        cwd=folder,
        env={**clean, "PYTHONPATH": root, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def simulated(folder: Path) -> Settings:
    return load_settings(folder, {"simulate": True, "data_dir": folder / "data"})


def test_a_number_nobody_can_dial_is_a_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, "call", "call me", "--objective", "x", "--simulate")
    assert done.returncode == 2
    assert "not part of a phone number" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_missing_settings_are_all_named(tmp_path: Path) -> None:
    done = run(tmp_path, "call", "+12025550123", "--objective", "x", RING_TIMEOUT_S="soon")
    assert done.returncode == 2
    for word in ("RING_TIMEOUT_S", "ARI_PASSWORD", "OPENAI_API_KEY"):
        assert word in done.stderr


def test_call_simulated_follows_to_the_end(tmp_path: Path) -> None:
    done = run_program(tmp_path, "call", "+15551000017", "--objective", "Say hello", "--simulate", "--json")
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["call"]["outcome"] == "busy"
    assert told["task_state"] == "pending"
    assert "again in 10 minutes" in told["conclusion"]
    assert "ended          busy" in done.stderr
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_doctor_says_what_to_do(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", "--json")
    told = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1
    assert told["ok"] is False
    assert any(check["severity"] == "fail" and "SIMULATE" in check["message"] for check in told["checks"])
    assert run(tmp_path, "doctor", SIMULATE="True").returncode == 0


def test_two_engines_never_share_a_data_directory(tmp_path: Path) -> None:
    settings = simulated(tmp_path)
    with engine_lock(settings), pytest.raises(ConflictError, match="running already"), engine_lock(settings):
        pass
    with engine_lock(settings):
        pass  # free again


def test_folders_are_private(tmp_path: Path) -> None:
    private_folder(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    private_folder(tmp_path / "a" / "b")


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(tmp_path, "up", SIMULATE="True", MEDIA_MODE="in_process", WEB_PORT=port)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_answer_is_ok_only_when_something_ran_and_nothing_was_violated() -> None:
    assert answer("x", (Result(name="a", n=1),)).ok
    assert not answer("x", (Result(name="a", n=1, violations=1),)).ok
    assert not answer("x", (Result(name="a", not_run="no root"),)).ok
    assert json.loads(answer("x", ()).to_json())["machine"]["cores"] >= 1


def test_a_call_the_rules_forbid_is_refused_with_what_to_do_and_leaves_nothing(tmp_path: Path) -> None:
    real = {
        "ARI_PASSWORD": "x",
        "OPENAI_API_KEY": "y",
        "ARI_URL": "http://127.0.0.1:1/ari",
        "MEDIA_MODE": "in_process",
    }
    call = ("call", "+12025550123", "--objective", "Ask.")
    done = run(tmp_path, *call, **real)
    assert done.returncode == 2
    assert "No country is allowed to be called yet" in done.stderr
    assert "ALLOWED_COUNTRIES" in done.stderr
    assert "Next look" not in done.stderr
    done = run(tmp_path, *call, **real, ALLOWED_COUNTRIES="US")
    assert done.returncode == 2
    assert "asks for express consent to a service call" in done.stderr
    assert "--consent-evidence" in done.stderr
    assert "Traceback" not in done.stderr
    told = sqlite3.connect(tmp_path / "data" / "opendeep.db").execute("SELECT count(*) FROM tasks").fetchone()
    assert told == (0,)
    assert run(tmp_path, *call, "--consent", "express", **real).returncode == 2


def test_why_of_a_task_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, "why", "nothing", "--simulate")
    assert done.returncode == 2
    assert "There is no task 'nothing'" in done.stderr


def test_settings_that_name_no_country_or_pack_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path, {"simulate": True, "allowed_countries": "US,ZQ", "policy_packs": "us,uk"})
    assert [line.split(":")[0] for line in caught.value.problems] == ["ALLOWED_COUNTRIES", "POLICY_PACKS"]
