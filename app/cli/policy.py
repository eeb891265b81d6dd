"""`opendeep policy check NUMBER`: may this number be called, when, and what do the rules ask for."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click
import msgspec

from app.clock import SystemClock
from app.domain.local_time import told
from app.domain.number import NumberRefused, country_of, parse_number
from app.domain.policy.pack import CalleeKind, PackRef, Purpose, Rules
from app.domain.policy.selection import Callee, policy_for
from app.domain.policy.windows import calling_window, local_time, utc_ms
from app.domain.policy.zones import Zones, ZonesUnknown, zone_named, zones_of
from app.errors import ValidationFailed
from app.policy_packs import DEFAULT_PACKS, enabled_packs, load_overlay, load_packs, review_warnings


class PolicyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints. `ok`: by number and time the call may begin. Times are UTC epoch milliseconds."""

    ok: bool
    name: str = "policy check"
    rule: str | None
    """What is in the way: number, pack, zone or window."""
    sentence: str
    number: str
    country: str = ""
    at_ms: int
    next_open_ms: int | None = None
    zones: Zones | ZonesUnknown | None = None
    packs: tuple[PackRef, ...] = ()
    needs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rules: Rules | None = None


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """The options, read."""

    number: str
    at: str
    zone: str
    purpose: Purpose
    kind: CalleeKind
    region: tuple[str, ...]
    pack: tuple[str, ...]
    packs_dir: Path | None
    overlay: Path | None
    ring: int


@click.group(name="policy")
def policy_command() -> None:
    """Calling rules: which packs there are, and what they say about a number."""


@policy_command.command(name="list")
def list_command() -> None:
    """Name every policy pack, its version and the day it was last reviewed."""
    packs = load_packs()
    for pack in packs.values():
        mark = "default" if pack.id in DEFAULT_PACKS else "       "
        click.echo(f"{pack.id:12} {pack.version:8} {pack.reviewed_on}  {mark}  {pack.title}")
    for warning in review_warnings(packs.values(), SystemClock().now().date()):
        click.echo(warning, err=True)


@policy_command.command(name="check")
@click.argument("number")
@click.option("--at", default="", help="ISO time; without offset it is the callee's wall clock. Default: now.")
@click.option("--zone", default="", help="The callee's time zone, like America/New_York, when it is known.")
@click.option("--purpose", type=click.Choice(get_args(Purpose)), default="service", show_default=True)
@click.option("--kind", type=click.Choice(get_args(CalleeKind)), default="person", show_default=True)
@click.option("--region", multiple=True, help="Where the callee lives, like US-FL, when it is known.")
@click.option("--pack", multiple=True, help=f"Packs in force, repeatable. Default: {', '.join(DEFAULT_PACKS)}.")
@click.option("--packs-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Your own packs.")
@click.option("--overlay", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A tenant's rules.")
@click.option("--ring", default=40, show_default=True, help="Seconds the phone may ring; they count as calling.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def check_command(*, as_json: bool, **options: object) -> None:
    """Say whether NUMBER may be called at a time, when it may next, and what the rules ask for.

    \b
    opendeep policy check "+1 202 555 0123"
    opendeep policy check +33140205050 --at 2026-12-24T12:30 --purpose marketing
    opendeep policy check +12195550123 --zone America/Chicago --pack us-federal

    Consent, lists, attempts and caps are facts about a contact and are not judged here. Exit status 0: may be
    called by number and time, 1: not, 2: the question cannot be answered.
    """
    found = judge(msgspec.convert(options, Query))
    lines = [found.sentence, *found.warnings, *(f"needs: {need}" for need in found.needs)]
    if found.packs:
        lines.insert(1, "packs: " + ", ".join(f"{ref.id} {ref.version}" for ref in found.packs))
    for line in lines:
        click.echo(line, err=as_json)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    sys.exit(0 if found.ok else 1)


def judge(query: Query) -> PolicyAnswer:
    """The answer. Raises AppError for a question that makes no sense."""
    now_ms = SystemClock().unix_ms()
    packs = enabled_packs(
        load_packs(query.packs_dir) if query.packs_dir else load_packs(), query.pack or DEFAULT_PACKS
    )
    warnings = tuple(review_warnings(packs, local_time(now_ms, UTC).date()))
    try:
        number = parse_number(query.number)
    except NumberRefused as refused:
        return PolicyAnswer(ok=False, rule="number", sentence=refused.message, number=query.number, at_ms=now_ms)
    zones = zones_of(number, query.zone)
    at_ms = read_time(query.at, zones, now_ms)
    country = country_of(number)
    callee = Callee(number=number, countries=(country,), regions=query.region, kind=query.kind)
    policy = policy_for(packs, callee, query.purpose, load_overlay(query.overlay) if query.overlay else None)
    answer = PolicyAnswer(
        ok=False,
        rule="pack",
        sentence=f"No pack in force is about calls to {country}; without rules nobody is called.",
        number=number,
        country=country,
        at_ms=at_ms,
        zones=zones,
        warnings=warnings,
    )
    if policy is None:
        return answer
    answer = msgspec.structs.replace(
        answer, packs=policy.packs, rules=policy.rules, needs=tuple(needs(policy.rules, query))
    )
    return _at_time(answer, policy.rules, zones, query.ring)


def _at_time(answer: PolicyAnswer, rules: Rules, zones: Zones | ZonesUnknown, ring_s: int) -> PolicyAnswer:
    if not isinstance(zones, Zones):
        return msgspec.structs.replace(answer, rule="zone", sentence=zones.sentence)
    window = calling_window(rules, zones)
    guess = "; the zone is inferred from the number, so the window is an hour shorter at both ends"
    now = f"it is {told(answer.at_ms, zones.keys)}{guess if zones.inferred else ''}"
    if window.is_open(answer.at_ms, ring_s):
        return msgspec.structs.replace(
            answer, ok=True, rule=None, sentence=f"May be called: {now}.", next_open_ms=answer.at_ms
        )
    opening = window.next_open(answer.at_ms, ring_s)
    following = "never" if opening is None else told(opening, zones.keys)
    sentence = f"Outside the calling window: {now}. Opens next: {following}."
    return msgspec.structs.replace(answer, rule="window", sentence=sentence, next_open_ms=opening)


def needs(rules: Rules, query: Query) -> list[str]:
    """What the packs ask for beside the time, in words."""
    found: list[str] = []
    level = rules.consent.get(query.kind, {}).get(query.purpose, "none")
    if level != "none":
        found.append(f"{level} consent to a {query.purpose} call, with its evidence")
    for name, days in rules.list_max_age_days.get(query.purpose, {}).items():
        found.append(f"not on the registry {name}, imported within {days} days")
    found += [f"at most {limit.count} calls in {limit.period_h} h" for limit in rules.max_attempts]
    found += [f"{hours} h of rest after a call that was {what}" for what, hours in rules.cool_off_h.items()]
    if rules.caller_id:
        found.append(f"a caller id that is {', '.join(rules.caller_id)}")
    if rules.recording not in (None, "allowed"):
        found.append(f"recording: {rules.recording}")
    if rules.disclosure:
        found.append(f"the opening of the packs, first of all ({', '.join(rules.disclosure)})")
    return found


def read_time(text: str, zones: Zones | ZonesUnknown, now_ms: int) -> int:
    """`--at` as an instant. Raises ValidationFailed."""
    if not text:
        return now_ms
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValidationFailed(
            f"--at {text!r} is not a time like 2026-12-24T12:30 or 2026-12-24T12:30+01:00."
        ) from None
    if at.tzinfo is not None:
        return utc_ms(at)
    zone = zone_named(zones.keys[0]) if isinstance(zones, Zones) and len(zones.keys) == 1 else None
    if zone is None:
        raise ValidationFailed(f"The callee's wall clock is not known for sure: write --at {text} with an offset.")
    at_ms = utc_ms(at.replace(tzinfo=zone))
    if local_time(at_ms, zone).replace(tzinfo=None) != at:
        raise ValidationFailed(f"{text} does not exist there: the clocks are set forward over it.")
    return at_ms
