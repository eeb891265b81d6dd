"""Reads policy packs and tenants' own rules from TOML files. Errors name the file and the key.

The packs that come with the program lie in app/domain/policy/packs. Called once at start and by `opendeep policy`.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from app.domain import policy
from app.domain.policy.pack import Pack, Rules
from app.domain.policy.reading import PackInvalid, read_overlay, read_pack
from app.errors import ConfigError

PACKS_DIR = Path(policy.__file__).parent / "packs"
DEFAULT_PACKS = ("us-strict", "uk", "eu", "fr", "de")
"""Enabled unless the site says otherwise. us-federal, the looser one, is a choice somebody has to make."""
REVIEW_AFTER = timedelta(days=365)


def load_packs(folder: Path = PACKS_DIR) -> dict[str, Pack]:
    """Every pack of a folder by id. Raises ConfigError with all faults at once, or when there is no pack."""
    packs: dict[str, Pack] = {}
    problems: list[str] = []
    files = sorted(folder.glob("*.toml"))
    for file in files:
        try:
            pack = read_pack(_toml(file))
        except ConfigError as error:
            problems += error.problems
        except PackInvalid as error:
            problems.append(f"{file.name}: {error.message}")
        else:
            if pack.id != file.stem:
                problems.append(f"{file.name}: id: {pack.id!r} must be the name of the file.")
            packs[pack.id] = pack
    if not files:
        problems.append(f"There are no policy packs (*.toml) in {folder}; without one nobody is called.")
    if problems:
        raise ConfigError(problems)
    return packs


def load_overlay(file: Path) -> Rules:
    """A tenant's own rules. Raises ConfigError."""
    try:
        return read_overlay(_toml(file))
    except PackInvalid as error:
        raise ConfigError([f"{file.name}: {error.message}"]) from None


def enabled_packs(packs: Mapping[str, Pack], ids: Sequence[str] = DEFAULT_PACKS) -> tuple[Pack, ...]:
    """The packs with these ids. Raises ConfigError for an id that does not exist."""
    unknown = [one for one in ids if one not in packs]
    if unknown:
        known = ", ".join(sorted(packs))
        raise ConfigError([f"There is no policy pack {one!r}; there are {known}." for one in unknown])
    return tuple(packs[one] for one in ids)


def review_warnings(packs: Iterable[Pack], today: date) -> list[str]:
    """A sentence for every pack that nobody has reviewed for a year."""
    return [
        f"Policy pack {pack.id} was last reviewed on {pack.reviewed_on}; have it checked against its sources."
        for pack in packs
        if today - date.fromisoformat(pack.reviewed_on) > REVIEW_AFTER
    ]


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([f"{file.name}: {error}"]) from None
