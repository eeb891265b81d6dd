"""`python -m media --socket PATH --bind 127.0.0.1 --port 0`: run one media worker process.

`--detach` leaves the parent at once (session and process of its own), so the worker outlives whoever started it.
"""

import argparse
import os
import sys
from pathlib import Path


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """The command line; option defaults are those of `WorkerOptions`."""
    parser = argparse.ArgumentParser(prog="python -m media", description="Run one OpenDeep media worker.")
    parser.add_argument("--socket", type=Path, required=True, help="control socket (its directory becomes 0700)")
    parser.add_argument("--bind", default="127.0.0.1", help="address of the RTP socket")
    parser.add_argument("--advertise", default=None, help="address told to Asterisk (default: the bind address)")
    parser.add_argument("--port", type=int, default=0, help="UDP port (0: any)")
    parser.add_argument(
        "--idle-exit-s", type=float, default=60.0, help="end after that long without leg and control"
    )
    parser.add_argument("--detach", action="store_true", help="go on in a process of its own")
    return parser.parse_args(arguments)


def detach() -> None:
    """Continue as an orphan while the parent returns to its caller; before any thread or loop exists."""
    if os.fork():
        os._exit(0)
    os.setsid()


def main(arguments: list[str]) -> int:
    """Run the worker; exit status 0 when it ended by itself, 3 when another worker lives there already."""
    options = parse_arguments(arguments)
    if options.detach:
        detach()
    # One worker is one core: BLAS threads of numpy would only steal from the others. Read at import.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from media.server import run_worker  # noqa: PLC0415 - after the fork, and after the environment is set
    from media.worker import WorkerOptions  # noqa: PLC0415

    worker_options = WorkerOptions(
        bind_host=options.bind,
        advertised_host=options.advertise,
        port=options.port,
        idle_exit_s=options.idle_exit_s,
    )
    return run_worker(options.socket, worker_options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
