"""What a site lays down about dialing, whichever task asks: packs, countries, caps, pace, caller id, test mode.

Made once from the settings by `app.config.site`; read by `app.store.admission` for every question.
"""

import msgspec

from app.domain.number import DIALLABLE, NumberRefused, dial_target
from app.domain.policy.pack import Match, Pack, Rules

NOWHERE = "ZZ"
"""Country of the fictional numbers of a simulation (a code that ISO 3166 leaves to its users)."""
SIMULATION_PACK = Pack(
    id="simulation",
    version="1",
    reviewed_on="2026-11-26",
    title="Simulated callees: nobody is called, so nothing is forbidden",
    match=Match(countries=(NOWHERE,)),
    rules=Rules(),
)


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """The settings' part of every question. `fictional`: simulated exchange, numbers that nobody can own.

    `reserve_micro_usd` is what a call may cost at most; `min_spacing` of the pace follows from `calls_per_second`.
    """

    packs: tuple[Pack, ...]
    allowed_countries: tuple[str, ...] = ()
    ring_timeout_s: int = 40
    trunk: str = "trunk"
    max_concurrent_calls: int = 5
    number_calls_per_day: int = 3
    calls_per_second: float = 1.0
    reserve_micro_usd: int = 0
    caller_id: str = ""
    """E.164, empty when none is shown."""
    caller_id_owned: bool = False
    caller_id_reachable: bool = False
    test_mode: bool = False
    redirect: str = ""
    fictional: bool = False

    def target(self, requested: str) -> str:
        """The number that would really be dialed for a task; empty when there is none."""
        try:
            return dial_target(requested, test_mode=self.test_mode, redirect=self.redirect)
        except NumberRefused:
            return ""

    def may_dial(self, number: str) -> bool:
        """The wall: in test mode only the redirect number, otherwise whatever can be dialed at all."""
        if self.test_mode:
            return number == self.redirect and DIALLABLE.match(number) is not None
        return DIALLABLE.match(number) is not None
