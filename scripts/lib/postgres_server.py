"""A PostgreSQL of one's own on a free loopback port, from Debian's binaries, in a temporary folder of its own.

For tests, promises and benchmarks; the system's cluster is never touched. Root starts it as an unprivileged user,
since PostgreSQL refuses root. Password login only.

    with postgres_server() as server:
        async with PostgresDatabase(server.url) as db: ...
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NotRequired, TypedDict

START_S = 30.0
USER = "opendeep"
_PROGRAMS = ("initdb", "postgres")
_DEBIAN = Path("/usr/lib/postgresql")


def missing() -> str | None:
    """Why there can be no PostgreSQL here; None when there can."""
    try:
        _binaries()
    except FileNotFoundError as error:
        return str(error)
    return None


def _binaries() -> Path:
    """The folder of the newest installed version. Raises FileNotFoundError with what to do."""
    versions = (path for path in _DEBIAN.glob("*/bin") if all((path / name).exists() for name in _PROGRAMS))
    newest = max(versions, key=lambda path: float(path.parent.name), default=None)
    if newest is not None:
        return newest
    found = shutil.which("initdb")
    if found is None:
        raise FileNotFoundError("PostgreSQL is missing (apt-get install postgresql)")
    return Path(found).parent


class PostgresServer:
    """`start`, `kill` and `start` again keep port and data; use `postgres_server`, which also clears away.

    `durable` False leaves fsync out: for tests that do not ask what a crash leaves.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self.password = secrets.token_urlsafe(18)
        self.port = _free_port()
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of its database, with the password."""
        return self.url_through(self.port)

    def url_through(self, port: int) -> str:
        """The address for who goes through a relay."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{port}/postgres"

    def create(self) -> None:
        """Make the cluster."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        _give_away(self.folder, secret)
        command = [_binaries() / "initdb", "-D", self.folder / "data", "-U", USER, "--pwfile", secret]
        options = ["-A", "scram-sha-256", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
        subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL, **_unprivileged(self.folder))
        secret.unlink()

    def start(self, *more: str) -> None:
        """Returns when it lets in; `more` are further `-c name=value` settings."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "100",
            "shared_buffers": "64MB",
            "fsync": "on" if self._durable else "off",
            "logging_collector": "off",
        }
        given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_binaries() / "postgres", "-D", self.folder / "data", *given, *more],
                stdout=log,
                stderr=log,
                **_unprivileged(self.folder),
            )
        until = time.monotonic() + START_S
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-800:]}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: a fast shutdown. SIGQUIT: a crash, as after a power cut that spared the disk."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_S)
            self._process = None

    def kill(self) -> None:
        """SIGKILL to it and every process of it, as when the machine dies; `start` recovers."""
        if self._process is None:
            return
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        self._process.wait(START_S)
        self._process = None
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)  # it would still say "ready"

    def crash(self) -> None:
        """Gone without a word to its clients or to the disk; `start` recovers."""
        self.stop(signal.SIGQUIT)

    def _ready(self) -> bool:
        pid_file = self.folder / "data" / "postmaster.pid"
        with suppress(OSError):
            return pid_file.read_text().splitlines()[7:8] == ["ready   "]
        return False


@contextmanager
def postgres_server(*, durable: bool = True) -> Generator[PostgresServer]:
    """A running one; its folder is gone afterwards. Raises FileNotFoundError when there is none to run."""
    _binaries()
    folder = Path(tempfile.mkdtemp(prefix="opendeep-postgres-"))
    server = PostgresServer(folder, durable=durable)
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


class _RunAs(TypedDict):
    """Arguments of `subprocess`."""

    cwd: Path
    user: NotRequired[int]
    group: NotRequired[int]
    extra_groups: NotRequired[list[int]]


def _unprivileged(folder: Path) -> _RunAs:
    """Whom to run as, and where."""
    if os.geteuid() != 0:
        return {"cwd": folder}
    account = _account()
    return {"cwd": folder, "user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _give_away(*paths: Path) -> None:
    if os.geteuid() == 0:
        account = _account()
        for path in paths:
            os.chown(path, account.pw_uid, account.pw_gid)


def _account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise FileNotFoundError("there is no account `postgres` or `nobody` to run PostgreSQL as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
