"""What a verb may touch: the exchange, its trunk and the clock, in one place."""

import time
from dataclasses import dataclass

from app.sim.asterisk.callers import Callers
from app.sim.asterisk.exchange import Exchange
from app.sim.asterisk.trunk import Trunk


@dataclass(frozen=True, slots=True)
class Desk:
    """Handed to every verb."""

    exchange: Exchange
    trunk: Trunk
    callers: Callers

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def new_id(self) -> str:
        """An id of Asterisk's own form, for clients that bring none."""
        return f"{time.time():.0f}.{self.exchange.serial()}"
