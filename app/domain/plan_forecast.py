"""What a plan will take: calls, hours and money, told before anybody confirms it. Pure.

A forecast is arithmetic over stated assumptions, not a promise; `cost_most_micro_usd` is what budgets set aside.
"""

import msgspec

from app.domain.plan import Plan

RING_S = 25
"""Typical time until somebody answers, or nobody does."""
TALK_S = 120
"""Typical length of a talk."""
ANSWERED = 0.6
"""Share of calls that are answered."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the site brings: lines, pace, attempts per task and prices in micro-USD."""

    slots: int
    calls_per_second: float
    max_attempts: int
    talk_micro_usd_per_min: int
    most_micro_usd_per_call: int


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Times are UTC epoch milliseconds, money is in millionths of a US dollar.

    `attempts_most` counts every retry; `ends_ms` is when first attempts will be over.
    """

    calls: int
    attempts_most: int
    starts_ms: int
    ends_ms: int
    line_minutes: int
    cost_likely_micro_usd: int
    cost_most_micro_usd: int


def forecast(plan: Plan, terms: Terms) -> Forecast:
    """For a plan with calls. Calls begin in the order of their first legal instants, as lines become free."""
    firsts = sorted(call.first_ms for call in plan.calls)
    call_ms = round((RING_S + ANSWERED * TALK_S) * 1000)
    pace_ms = round(1000 / terms.calls_per_second)
    free = [0] * max(1, terms.slots)
    begin_ms = 0
    ends_ms = 0
    for first_ms in firsts:
        line = min(range(len(free)), key=free.__getitem__)
        begin_ms = max(first_ms, free[line], begin_ms + pace_ms)
        free[line] = begin_ms + call_ms
        ends_ms = max(ends_ms, free[line])
    calls = len(firsts)
    talk_min = calls * ANSWERED * TALK_S / 60
    return Forecast(
        calls=calls,
        attempts_most=calls * terms.max_attempts,
        starts_ms=firsts[0],
        ends_ms=ends_ms,
        line_minutes=-(-calls * call_ms // 60_000),
        cost_likely_micro_usd=round(talk_min * terms.talk_micro_usd_per_min),
        cost_most_micro_usd=calls * terms.max_attempts * terms.most_micro_usd_per_call,
    )
