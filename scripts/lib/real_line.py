"""A real Asterisk and SIPp phones for proofs outside pytest: many numbers, one witness."""

import json
import os
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from tests.real.conftest import SCRIPT, RealAsterisk, missing
from tests.real.machine import preferred
from tests.real.phones import Callee, Phones

AREA_CODES = (202, 212, 303, 312, 404, 415, 512, 602, 617, 702, 713, 801, 206, 305, 503, 214, 216, 313, 314, 412)
"""With 555 01xx behind each: numbers that nobody can own and every number check takes for real ones."""


def numbers() -> Iterator[str]:
    """Two thousand of them, digits only."""
    return (f"1{code}55501{last:02}" for code, last in product(AREA_CODES, range(100)))


class ManyPhones(Phones):
    """As `Phones`, with one audio socket for all: nobody listens here, the signalling is the witness."""

    def __init__(self, port: int, callees: tuple[Callee, ...], folder: Path) -> None:
        super().__init__(port, (), folder)
        self.callees = {one.number: one for one in callees}
        self.phone = dict.fromkeys(self.callees, self.bank.phone("ulaw"))


@contextmanager
def real_asterisk(name: str) -> Generator[RealAsterisk]:
    """Up on free ports, down afterwards. Ask `missing` first."""
    name = f"{name}-{os.getpid()}"
    up = subprocess.run([SCRIPT, "up", "--name", name], capture_output=True, text=True, check=True, timeout=90)
    try:
        instance = RealAsterisk(**json.loads(up.stdout))
        with preferred(os.getpid(), instance.pid):
            yield instance
    finally:
        subprocess.run([SCRIPT, "down", "--name", name], check=True, timeout=30)


@contextmanager
def answering(phones: Phones) -> Generator[Phones]:
    """Telephones while the block runs."""
    phones.start()
    try:
        yield phones
    finally:
        phones.close()


__all__ = ["AREA_CODES", "ManyPhones", "answering", "missing", "numbers", "real_asterisk"]
