"""What a correction changed in a plan, for the person who confirms it. Pure."""

import msgspec

from app.domain.plan import Plan, PlannedCall


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One value before and after. `about` is a number of the plan, or "agent", "plan"."""

    about: str
    field: str
    before: str
    after: str


class PlanDiff(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers that came and went, and what is different in what stayed."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def empty(self) -> bool:
        """Nothing changed."""
        return not (self.added or self.removed or self.changes)


_CALL_FIELDS = ("callee_name", "objective", "first_ms", "until_ms", "zone", "callee_kind", "consent")
_AGENT_FIELDS = ("language", "purpose", "opening_line", "limits", "stop_when")


def diff(before: Plan, after: Plan) -> PlanDiff:
    """From one plan of a conversation to the next one. Calls are told apart by their numbers."""
    old, new = ({call.number: call for call in plan.calls} for plan in (before, after))
    changes = [one for name in ("title", "purpose") if (one := _change("plan", name, before, after))]
    changes += [one for name in _AGENT_FIELDS if (one := _change("agent", name, before.agent, after.agent))]
    for name, one, other in (
        ("facts", _facts(before), _facts(after)),
        ("fields", _fields(before), _fields(after)),
    ):
        if one != other:
            changes.append(Change(about="plan", field=name, before=one, after=other))
    for number, call in new.items():
        if number in old:
            changes += _of_call(number, old[number], call)
    return PlanDiff(
        added=tuple(number for number in new if number not in old),
        removed=tuple(number for number in old if number not in new),
        changes=tuple(changes),
    )


def _of_call(number: str, before: PlannedCall, after: PlannedCall) -> list[Change]:
    return [one for name in _CALL_FIELDS if (one := _change(number, name, before, after))]


def _change(about: str, field: str, before: msgspec.Struct, after: msgspec.Struct) -> Change | None:
    one, other = getattr(before, field), getattr(after, field)
    if one == other:
        return None
    return Change(about=about, field=field, before=_told(one), after=_told(other))


def _told(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _facts(plan: Plan) -> str:
    return "; ".join(fact.statement for fact in plan.facts)


def _fields(plan: Plan) -> str:
    return ", ".join(one.name for one in plan.fields)
