"""Which packs bind a call to this callee, and what they say together. No pack: nobody is called.

Doubt widens: a pack about one region binds whoever's region is not known. Called by admission's caller and the
command line.
"""

from collections.abc import Iterable

import msgspec
import phonenumbers

from app.domain.policy.merge import merge_all, tighten
from app.domain.policy.pack import CalleeKind, Match, Pack, PackRef, Purpose, Rules


class Callee(msgspec.Struct, frozen=True, kw_only=True):
    """Who is called. `countries` are those of the number and of the contact's address; `regions` like US-FL, as
    far as known. A callee is a person unless somebody said otherwise.
    """

    number: str
    countries: tuple[str, ...]
    regions: tuple[str, ...] = ()
    kind: CalleeKind = "person"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The rules in force for one call. `warnings` come from packs that advise but do not block."""

    packs: tuple[PackRef, ...]
    rules: Rules
    warnings: Rules = Rules()


def policy_for(
    packs: Iterable[Pack], callee: Callee, purpose: Purpose, overlay: Rules | None = None
) -> Policy | None:
    """What binds a call; None when no blocking pack is about this callee. Raises PolicyLoosened for an `overlay`
    (the tenant's own rules) that allows more than the packs.
    """
    bound = sorted((pack for pack in packs if binds(pack.match, callee, purpose)), key=lambda pack: pack.id)
    blocking = [pack for pack in bound if pack.severity == "block"]
    if not blocking:
        return None
    rules = merge_all(pack.rules for pack in blocking)
    return Policy(
        packs=tuple(PackRef(id=pack.id, version=pack.version, severity=pack.severity) for pack in bound),
        rules=rules if overlay is None else tighten(rules, overlay),
        warnings=merge_all(pack.rules for pack in bound if pack.severity == "warn"),
    )


def binds(match: Match, callee: Callee, purpose: Purpose) -> bool:
    """Whether a pack is about this call."""
    if match.countries and not set(match.countries) & set(callee.countries):
        return False
    if match.purposes and purpose not in match.purposes:
        return False
    return _place_binds(match, callee)


def _place_binds(match: Match, callee: Callee) -> bool:
    """By area code or region, whichever tells; a number travels, so a region that is not known binds as well."""
    if not match.regions and not match.area_codes:
        return True
    if match.area_codes and _national(callee.number).startswith(match.area_codes):
        return True
    return bool(match.regions) and (not callee.regions or bool(set(match.regions) & set(callee.regions)))


def _national(number: str) -> str:
    try:
        return phonenumbers.national_significant_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return ""
