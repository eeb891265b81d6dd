"""A policy pack: one body of calling rules, versioned and dated, and whom it is about.

`Rules` is also the form of several packs merged and of a tenant's tightening. A field that is None and a key
that is missing state nothing; everything that is stated restricts. Read by `reading`, joined by `merge`.
Unknown keys are errors: a misspelt rule must not become no rule.
"""

from typing import Annotated, Literal, get_args

import msgspec

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
Purpose = Literal["marketing", "survey", "service"]
"""service: the callee asked for it or has business with the caller (appointments, orders, bookings)."""
CalleeKind = Literal["person", "business"]
ConsentLevel = Literal["none", "express", "written"]
RecordingRule = Literal["allowed", "announce", "consent", "never"]
"""announce: said before it starts, and stopped when the callee objects; consent: only after a yes."""
VoicemailRule = Literal["allowed", "identified", "never"]
"""identified: only a message that says who calls and how to opt out."""
CallerIdDemand = Literal["presented", "owned", "reachable"]
"""Not withheld; a number that is the caller's own; one that is answered when called back."""
CoolOff = Literal["refused", "silent", "answered"]
"""What happened on an earlier call to the number: the callee said no; answered and heard nobody; talked."""
Severity = Literal["block", "warn"]
Span = tuple[int, int]
"""Minutes of a day, begin included, end not: (540, 1200) is 09:00 to 20:00."""

Hours = Annotated[int, msgspec.Meta(ge=1, le=24 * 3660)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")]
Country = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}$")]
Region = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}-[A-Z0-9]{1,3}$")]
Language = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2}$")]
Digits = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,7}$")]


class AttemptLimit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """At most `count` calls to one number in any `period_h` hours."""

    count: Annotated[int, msgspec.Meta(ge=1)]
    period_h: Hours


class Abandonment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A call that was answered and found no agent ready."""

    max_percent: Percent | None = None
    """Of the answered calls of a campaign in 30 days."""
    pause_at_percent: Percent | None = None
    """The campaign stops dialing here, before the limit is reached."""
    answer_within_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Seconds from the answer to the first word."""
    min_ring_s: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """A phone rings at least so long before the call is given up."""


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is allowed. Days without entry in `hours` are not restricted; an empty entry is a closed day."""

    hours: dict[Weekday, tuple[Span, ...]] = {}
    """Local time of the callee."""
    holidays: tuple[str, ...] | None = None
    """Calendars on whose days nobody is called: "FR", "DE-BY", "DE-*" (a holiday anywhere in the country)."""
    max_attempts: tuple[AttemptLimit, ...] = ()
    cool_off_h: dict[CoolOff, Hours] = {}
    """Hours of rest after the last such call to the number."""
    consent: dict[CalleeKind, dict[Purpose, ConsentLevel]] = {}
    list_max_age_days: dict[Purpose, dict[Name, Annotated[int, msgspec.Meta(ge=1)]]] = {}
    """Registries the number must not be on, and how old the last import of each may be."""
    disclosure: dict[Language, tuple[str, ...]] = {}
    """Sentences of the opening, spoken before anything else. {caller} {company} {callback} are filled in."""
    recording: RecordingRule | None = None
    recording_notice: dict[Language, tuple[str, ...]] = {}
    """Sentences that say that the call is recorded, spoken after the opening when it is. Same fields."""
    abandonment: Abandonment = Abandonment()
    voicemail: VoicemailRule | None = None
    caller_id: tuple[CallerIdDemand, ...] | None = None


class Match(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whom a pack is about; an empty field does not narrow. `area_codes` are digits after the country code."""

    countries: tuple[Country, ...] = ()
    regions: tuple[Region, ...] = ()
    area_codes: tuple[Digits, ...] = ()
    purposes: tuple[Purpose, ...] = ()


class Pack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One file. `reviewed_on` is the day a person last held it against its sources, as 2026-11-21."""

    id: Name
    version: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    reviewed_on: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    severity: Severity = "block"
    match: Match = Match()
    rules: Rules


class PackRef(msgspec.Struct, frozen=True, kw_only=True):
    """Which pack, in evidence."""

    id: str
    version: str
    severity: Severity
