"""Several sets of rules as one: the most restrictive wins, rule by rule; a tenant may only tighten.

`merge` is commutative, associative and idempotent, so the order of packs never matters. Called by `selection`.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any, TypeVar, cast, get_args

import msgspec

from app.domain.policy.pack import (
    Abandonment,
    AttemptLimit,
    CallerIdDemand,
    ConsentLevel,
    RecordingRule,
    Rules,
    Span,
    VoicemailRule,
)
from app.domain.policy.week import overlap, written_span
from app.errors import ValidationFailed

Key = TypeVar("Key", bound=str)
Value = TypeVar("Value")

CONSENT: tuple[ConsentLevel, ...] = get_args(ConsentLevel)
RECORDING: tuple[RecordingRule, ...] = get_args(RecordingRule)
VOICEMAIL: tuple[VoicemailRule, ...] = get_args(VoicemailRule)
CALLER_ID: tuple[CallerIdDemand, ...] = get_args(CallerIdDemand)


class PolicyLoosened(ValidationFailed):
    """A tenant's rules would allow what the packs forbid. `rules` names each, like hours.mon or recording."""

    code = "policy_loosened"

    def __init__(self, rules: tuple[str, ...], sentence: str) -> None:
        super().__init__(sentence)
        self.rules = rules


def merge(one: Rules, other: Rules) -> Rules:
    """Rules that forbid whatever one of the two forbids."""
    return Rules(
        hours=_by_key(one.hours, other.hours, overlap),
        holidays=_either(one.holidays, other.holidays, _union),
        max_attempts=_limits((*one.max_attempts, *other.max_attempts)),
        cool_off_h=_by_key(one.cool_off_h, other.cool_off_h, max),
        consent=_by_key(one.consent, other.consent, lambda a, b: _by_key(a, b, _consent)),
        list_max_age_days=_by_key(one.list_max_age_days, other.list_max_age_days, lambda a, b: _by_key(a, b, min)),
        disclosure=_by_key(one.disclosure, other.disclosure, _union),
        recording_notice=_by_key(one.recording_notice, other.recording_notice, _union),
        recording=_either(one.recording, other.recording, _recording),
        abandonment=_abandonment(one.abandonment, other.abandonment),
        voicemail=_either(one.voicemail, other.voicemail, _voicemail),
        caller_id=_either(one.caller_id, other.caller_id, _demands),
    )


def merge_all(every: Iterable[Rules]) -> Rules:
    """All of them as one; no rules at all when there are none."""
    return reduce(merge, every, Rules())


def tighten(base: Rules, overlay: Rules) -> Rules:
    """`base` with a tenant's own rules on top. Raises PolicyLoosened, naming every rule that allows more."""
    loose = loosened(base, overlay)
    if loose:
        said = "; ".join(f"{name} is {_told(a)} there and {_told(b)} here" for name, a, b in loose)
        sentence = f"A tenant may only tighten the policy packs, but {said}."
        raise PolicyLoosened(tuple(name for name, _, _ in loose), sentence)
    return merge(base, overlay)


def loosened(base: Rules, overlay: Rules) -> list[tuple[str, Any, Any]]:
    """Rules of `overlay` that allow something `base` forbids: (name, value of base, value of overlay)."""
    merged, before, after = (dict(_leaves(rules)) for rules in (merge(base, overlay), base, overlay))
    limits: Any = after.pop("max_attempts", ())
    kept = set(merge(base, overlay).max_attempts)
    found = [("max_attempts", base.max_attempts, (one,)) for one in limits if one not in kept]
    for name, value in after.items():
        if name in before and _allows_more(name, before[name], value, merged[name]):
            found.append((name, before[name], value))
    return found


def _allows_more(name: str, before: Any, after: Any, merged: Any) -> bool:
    if name in {"holidays", "caller_id"} or name.startswith(("disclosure.", "recording_notice.")):
        return set(after) < set(before)  # such lists only ever add; fewer means that somebody wanted to remove
    return bool(merged != after)


def _leaves(rules: Rules) -> Iterable[tuple[str, Any]]:
    for name in rules.__struct_fields__:
        yield from _below(name, getattr(rules, name))


def _below(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, msgspec.Struct):
        value = {field: getattr(value, field) for field in value.__struct_fields__}
    if isinstance(value, Mapping):
        for key, inner in cast(Mapping[str, Any], value).items():
            yield from _below(f"{name}.{key}", inner)
    elif value is not None and not (name == "max_attempts" and not value):
        yield name, value


def _told(value: Any) -> str:
    if isinstance(value, tuple):
        return " and ".join(_told_item(item) for item in cast(tuple[Any, ...], value)) or "nothing"
    return str(value)


def _told_item(item: Any) -> str:
    if isinstance(item, AttemptLimit):
        return f"{item.count} in {item.period_h} h"
    return written_span(cast(Span, item)) if isinstance(item, tuple) else str(item)


def _by_key(
    one: Mapping[Key, Value], other: Mapping[Key, Value], both: Callable[[Value, Value], Value]
) -> dict[Key, Value]:
    keys = sorted({*one, *other})
    return {
        key: both(one[key], other[key]) if key in one and key in other else one[key] if key in one else other[key]
        for key in keys
    }


def _either(one: Value | None, other: Value | None, both: Callable[[Value, Value], Value]) -> Value | None:
    if one is None or other is None:
        return other if one is None else one
    return both(one, other)


def _union(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))


def _demands(one: tuple[CallerIdDemand, ...], other: tuple[CallerIdDemand, ...]) -> tuple[CallerIdDemand, ...]:
    return tuple(demand for demand in CALLER_ID if demand in one or demand in other)


def _consent(one: ConsentLevel, other: ConsentLevel) -> ConsentLevel:
    return one if CONSENT.index(one) >= CONSENT.index(other) else other


def _recording(one: RecordingRule, other: RecordingRule) -> RecordingRule:
    return one if RECORDING.index(one) >= RECORDING.index(other) else other


def _voicemail(one: VoicemailRule, other: VoicemailRule) -> VoicemailRule:
    return one if VOICEMAIL.index(one) >= VOICEMAIL.index(other) else other


def _limits(every: tuple[AttemptLimit, ...]) -> tuple[AttemptLimit, ...]:
    """Without those that follow from another: 3 in 48 h says all that 3 in 24 h says."""
    needed = [
        one
        for one in set(every)
        if not any(o != one and o.count <= one.count and o.period_h >= one.period_h for o in every)
    ]
    return tuple(sorted(needed, key=lambda one: (one.period_h, one.count)))


def _abandonment(one: Abandonment, other: Abandonment) -> Abandonment:
    return Abandonment(
        max_percent=_either(one.max_percent, other.max_percent, min),
        pause_at_percent=_either(one.pause_at_percent, other.pause_at_percent, min),
        answer_within_s=_either(one.answer_within_s, other.answer_within_s, min),
        min_ring_s=_either(one.min_ring_s, other.min_ring_s, max),
    )
