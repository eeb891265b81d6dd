"""`opendeep drain`: asks the running engine to stop, from another shell, and waits until it has."""

import fcntl
import os
import signal
import time
from pathlib import Path

import click

from app.cli.data_directory import LOCK_NAME
from app.config import load_settings
from app.errors import NotFoundError

LOOK_S = 0.2


@click.command(name="drain")
@click.option("--goodbye", is_flag=True, help="Do not wait for calls: the agents say goodbye and hang up.")
@click.option("--hand-over", is_flag=True, help="Exit at once and leave calls to the next `opendeep up`.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the engine has stopped.")
def drain_command(goodbye: bool, hand_over: bool, wait: bool) -> None:
    """Stop the engine that runs on this data directory without dropping a call.

    \b
    opendeep drain                 nothing new is dialed, living calls end by themselves
    opendeep drain --goodbye       living calls end with a goodbye
    opendeep drain --hand-over     for a deployment: follow with `opendeep up` within seconds

    The same as SIGTERM, SIGTERM twice, SIGUSR1. Exit status 0 once stopped, 2 when no engine runs.
    """
    if goodbye and hand_over:
        raise click.UsageError("--goodbye ends calls, --hand-over keeps them: choose one.")
    folder = load_settings().runtime_dir
    number = signal.SIGUSR1 if hand_over else signal.SIGTERM
    pid = engine_pid(folder)
    os.kill(pid, number)
    if goodbye:
        os.kill(pid, number)
    click.echo(f"engine {pid}: {'handing over' if hand_over else 'saying goodbye' if goodbye else 'draining'}")
    if wait:
        while lives(folder, pid):
            time.sleep(LOOK_S)
        click.echo(f"engine {pid} has stopped")


def engine_pid(folder: Path) -> int:
    """The engine that holds the lock of this data directory. Raises NotFoundError."""
    try:
        pid = int((folder / LOCK_NAME).read_text() or "0")
    except (FileNotFoundError, ValueError):
        pid = 0
    if not pid or not lives(folder, pid):
        raise NotFoundError(f"No engine runs on the data directory {folder.parent}; there is nothing to stop.")
    return pid


def lives(folder: Path, pid: int) -> bool:
    """Whether that process still holds the lock."""
    with (folder / LOCK_NAME).open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return (lock.read() or "0") == str(pid)
    return False
