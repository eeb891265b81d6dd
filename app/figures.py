"""The one form of every `--json` answer: the last line on stdout is one object, exit status 0 exactly when `ok`.

Used by `opendeep demo --json`, `scripts/bench`, `scripts/prove`.
"""

import os
import platform
import subprocess
from pathlib import Path

import msgspec

Figure = int | float | str | bool | None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an answer. `not_run` is the reason when nothing was measured."""

    name: str
    n: int = 0
    violations: int = 0
    seed: int = 0
    seconds: float = 0.0
    figures: dict[str, Figure] = {}
    not_run: str | None = None


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where figures were taken."""

    cpu: str
    cores: int
    system: str
    python: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer."""

    ok: bool
    name: str
    commit: str
    machine: Machine
    results: tuple[Result, ...]

    def to_json(self) -> str:
        """One line of JSON."""
        return msgspec.json.encode(self).decode()


def answer(name: str, results: tuple[Result, ...], *, ok: bool | None = None) -> Answer:
    """Put results into the form; `ok` defaults to "something ran and nothing was violated"."""
    if ok is None:
        ran = [result for result in results if result.not_run is None]
        ok = bool(ran) and not any(result.violations for result in ran)
    return Answer(ok=ok, name=name, commit=commit(), machine=machine(), results=results)


def machine() -> Machine:
    """This machine in a few words."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return Machine(
        cpu=model,
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def commit() -> str:
    """Short id of the checked out commit, with `+` when files differ from it; empty outside a checkout."""
    folder = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", *arguments],  # noqa: S607 - whichever git is on the PATH
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except OSError:
        return ""
