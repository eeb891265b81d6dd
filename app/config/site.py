"""From the settings to what admission has to know of the site. Policy packs are read here, once."""

from pathlib import Path

from app.config.settings import Settings
from app.domain.admission_site import SIMULATION_PACK, Site
from app.domain.policy.pack import Pack
from app.policy_packs import PACKS_DIR, enabled_packs, load_packs

RESERVE_MARGIN_S = 120
"""Ringing and the farewell cost too: added to the longest talk."""


def load_site(settings: Settings) -> Site:
    """Raises ConfigError for packs that cannot be read or do not exist."""
    s = settings
    minutes = (s.max_call_duration_s + RESERVE_MARGIN_S) / 60
    return Site(
        packs=site_packs(s),
        allowed_countries=s.countries,
        ring_timeout_s=s.ring_timeout_s,
        trunk=s.trunk_endpoint,
        max_concurrent_calls=s.max_concurrent_calls,
        number_calls_per_day=s.number_calls_per_day,
        calls_per_second=s.calls_per_second,
        reserve_micro_usd=round(s.cost_reserve_usd_per_min * minutes * 1_000_000),
        caller_id=s.caller_id,
        caller_id_owned=s.caller_id_owned,
        caller_id_reachable=s.caller_id_reachable,
        test_mode=s.app_test_mode,
        redirect=s.app_test_mode_redirect_number,
        fictional=s.simulate,
    )


def site_packs(settings: Settings) -> tuple[Pack, ...]:
    """The packs in force: those of the settings, or in a simulation the one that forbids nothing."""
    return (SIMULATION_PACK,) if settings.simulate else written_packs(settings)


def written_packs(settings: Settings) -> tuple[Pack, ...]:
    """The packs of the settings, by which retries are timed in a simulation too."""
    folder = Path(settings.policy_packs_dir) if settings.policy_packs_dir else PACKS_DIR
    return enabled_packs(load_packs(folder), settings.pack_ids)
