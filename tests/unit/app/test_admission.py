"""Admission: one spoilt fact never dials, the first rule in order decides, every refusal is a sentence."""

import sys
from types import FrameType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.admission import ORDER, Defer, Dial, Suppress, admit
from app.domain.admission_facts import (
    Budget,
    CallerIdFacts,
    CampaignFacts,
    Cap,
    Caps,
    Consent,
    DoNotCallFacts,
    Facts,
    Hold,
    Pace,
    PastAttempt,
    RedirectMode,
    Registry,
)
from app.domain.policy import holiday_calendar
from app.domain.policy.pack import Pack, Rules
from app.domain.policy.selection import Callee, Policy, policy_for
from app.domain.policy.zones import Zones, ZonesUnknown
from app.domain.task import TaskState
from tests.unit.app.admission_world import DAY_MS, HOUR_MS, NOON, NUMBER, PACKS, facts, ms, policy

CAPS = facts().caps
CONSENT = facts().consent
BUDGET = facts().budgets[0] if facts().budgets else None
assert CAPS is not None
assert CONSENT is not None
assert BUDGET is not None


def changed(struct: msgspec.Struct, **fields: Any) -> Any:
    return msgspec.structs.replace(struct, **fields)


def test_everything_in_order_dials_and_leaves_evidence() -> None:
    decision = admit(facts(), policy())
    assert isinstance(decision, Dial), decision.sentence
    assert decision.sentence == "May be called now: it is Wed 18 Nov 2026 12:00 in New York (Wed 17:00 UTC)."
    assert decision.evidence.rules == tuple(name for name, _ in ORDER)
    assert [(ref.id, ref.version) for ref in decision.evidence.packs] == [("us-strict", "2026.2")]
    written = msgspec.json.decode(msgspec.json.encode(decision))
    assert written["type"] == "dial"
    assert written["evidence"]["facts"]["zones"] == {
        "type": "known",
        "keys": ["America/New_York"],
        "inferred": False,
    }


REDIRECT = "+12025550199"
SPOILT: list[tuple[str, type, dict[str, Any]]] = [
    *(
        ("facts", Defer, {name: None})
        for name in ("tenant_state", "do_not_call", "attempts", "caps", "pace", "budgets", "caller_id")
    ),
    ("facts", Defer, {"task": {"purpose": None}}),
    ("facts", Defer, {"task": {"number": "+12025550124"}}),
    ("facts", Defer, {"task": {"number_dialed": "+12025550124"}}),
    ("facts", Defer, {"task": {"attempts_used": -1}}),
    ("facts", Defer, {"ring_timeout_s": 0}),
    ("facts", Defer, {"now_ms": 0}),
    ("facts", Defer, {"attempts": (PastAttempt(at_ms=NOON + HOUR_MS, result="answered"),)}),
    ("facts", Defer, {"registries": {"us-national-dnc": Registry(imported_ms=NOON + DAY_MS, listed=False)}}),
    ("facts", Defer, {"consent": changed(CONSENT, given_ms=NOON + DAY_MS)}),
    ("facts", Defer, {"caps": changed(CAPS, campaign=None)}),
    ("facts", Defer, {"campaign": None}),
    ("facts", Defer, {"caps": changed(CAPS, tenant=Cap(used=-1, limit=5))}),
    ("facts", Defer, {"pace": Pace(tokens=-1, next_token_ms=NOON)}),
    ("facts", Defer, {"budgets": (changed(BUDGET, spent_micro_usd=-1),)}),
    ("test_mode", Defer, {"test_mode": RedirectMode(on=True)}),
    ("test_mode", Defer, {"test_mode": RedirectMode(on=True, redirect="+19005550123")}),
    ("test_mode", Defer, {"test_mode": RedirectMode(on=True, redirect=REDIRECT)}),
    (
        "test_mode",
        Defer,
        {
            "test_mode": RedirectMode(on=True, redirect=REDIRECT, calls_alive=1),
            "task": {"number_dialed": REDIRECT},
        },
    ),
    ("number", Defer, {"allowed_countries": ()}),
    ("number", Defer, {"allowed_countries": ("DE", "GB")}),
    ("number", Defer, {"callee": Callee(number=NUMBER, countries=("DE",))}),
    ("tenant", Defer, {"tenant_state": "suspended"}),
    ("campaign", Defer, {"campaign": CampaignFacts(id="c", state="paused", abandoned_percent=0.0)}),
    ("campaign", Suppress, {"campaign": CampaignFacts(id="c", state="cancelled", abandoned_percent=0.0)}),
    ("campaign", Defer, {"campaign": CampaignFacts(id="c", state="active")}),
    ("campaign", Defer, {"campaign": CampaignFacts(id="c", state="active", abandoned_percent=2.0)}),
    ("campaign", Defer, {"campaign": CampaignFacts(id="c", state="active", abandoned_percent=float("nan"))}),
    *(("task", Defer, {"task": {"state": TaskState(s)}}) for s in ("in_call", "analyzing", "waiting_user")),
    *(
        ("task", Suppress, {"task": {"state": TaskState(s)}})
        for s in ("completed", "failed", "cancelled", "suppressed")
    ),
    ("task", Suppress, {"task": {"attempts_used": 3}}),
    ("do_not_call", Suppress, {"do_not_call": DoNotCallFacts(listed="tenant")}),
    ("do_not_call", Suppress, {"do_not_call": DoNotCallFacts(listed="global")}),
    ("registry", Defer, {"registries": {}}),
    (
        "registry",
        Defer,
        {"registries": {"us-national-dnc": Registry(imported_ms=NOON - 32 * DAY_MS, listed=False)}},
    ),
    ("registry", Suppress, {"registries": {"us-national-dnc": Registry(imported_ms=NOON, listed=True)}}),
    ("consent", Suppress, {"consent": None}),
    ("consent", Suppress, {"consent": changed(CONSENT, level="express")}),
    ("consent", Suppress, {"consent": changed(CONSENT, purposes=("service",))}),
    ("consent", Suppress, {"consent": changed(CONSENT, evidence=" ")}),
    ("consent", Suppress, {"consent": changed(CONSENT, expires_ms=NOON)}),
    ("consent", Suppress, {"consent": changed(CONSENT, withdrawn_ms=NOON - 1)}),
    ("caller_id", Defer, {"caller_id": CallerIdFacts(number="", owned=True, reachable=True)}),
    ("caller_id", Defer, {"caller_id": CallerIdFacts(number=NUMBER, owned=False, reachable=True)}),
    ("caller_id", Defer, {"caller_id": CallerIdFacts(number=NUMBER, owned=True, reachable=False)}),
    ("due", Defer, {"task": {"next_action_ms": NOON + 1}}),
    ("deadline", Suppress, {"task": {"until_ms": NOON - 1}}),
    ("zone", Defer, {"zones": ZonesUnknown(code="many", sentence="Say the zone.")}),
    ("zone", Defer, {"zones": Zones(keys=(), inferred=False)}),
    ("attempts", Defer, {"attempts": (PastAttempt(at_ms=NOON - HOUR_MS, result="unanswered"),)}),
    ("window", Defer, {"now_ms": ms(2026, 11, 22, 17, 0)}),
    ("window", Defer, {"now_ms": ms(2026, 11, 26, 17, 0)}),
    ("window", Defer, {"zones": Zones(keys=("America/New_York", "Asia/Tokyo"), inferred=False)}),
    ("window", Defer, {"zones": Zones(keys=("Nowhere/Here",), inferred=False)}),
    ("window", Defer, {"ring_timeout_s": 14}),
    ("hold", Defer, {"hold": Hold(reason="draining", until_ms=NOON + 1000)}),
    ("budget", Defer, {"budgets": (changed(BUDGET, spent_micro_usd=900_001),)}),
    ("budget", Defer, {"budgets": (BUDGET, changed(BUDGET, reserved_micro_usd=900_001))}),
    *(
        ("caps", Defer, {"caps": changed(CAPS, **{name: Cap(used=5, limit=5)})})
        for name in ("tenant", "trunk", "campaign", "number_day")
    ),
    ("caps", Defer, {"caps": changed(CAPS, number_alive=1)}),
    ("facts", Defer, {"caps": changed(CAPS, number_alive=-1)}),
    ("pace", Defer, {"pace": Pace(tokens=0, next_token_ms=NOON + 100)}),
]


@pytest.mark.parametrize(("rule", "kind", "spoilt"), SPOILT, ids=lambda value: str(value)[:40])
def test_one_spoilt_fact_never_dials(rule: str, kind: type, spoilt: dict[str, Any]) -> None:
    asked = facts(**spoilt)
    decision = admit(asked, policy())
    assert isinstance(decision, kind), decision
    assert not isinstance(decision, Dial)
    assert decision.rule == rule, decision.sentence
    assert decision.evidence.rules[-1] == rule
    assert decision.sentence.endswith(".")
    assert NUMBER not in decision.sentence
    assert msgspec.json.encode(decision)
    if isinstance(decision, Defer):
        assert decision.until_ms > asked.now_ms


def test_every_rule_is_spoilt_by_some_case() -> None:
    assert {name for name, _ in ORDER} - {rule for rule, _, _ in SPOILT} == {"pack", "cool_off"}


def test_no_pack_no_call() -> None:
    decision = admit(facts(), None)
    assert isinstance(decision, Defer)
    assert decision.rule == "pack"
    assert decision.sentence.startswith("No policy pack is about calls to US; without rules nobody is called.")


@pytest.mark.parametrize(
    "number", ["+19005550123", "+1202555", "12025550123", "+882161234567", "+12425550123", "x"]
)
def test_a_number_that_is_refused_is_never_called(number: str) -> None:
    spoilt = facts(
        task={"number": number, "number_dialed": number}, callee=Callee(number=number, countries=("US",))
    )
    decision = admit(spoilt, policy())
    assert isinstance(decision, Suppress)
    assert decision.rule == "number"


def test_test_mode_dials_its_own_number_under_the_rules_of_the_requested_one() -> None:
    wall = {"test_mode": RedirectMode(on=True, redirect=REDIRECT), "task": {"number_dialed": REDIRECT}}
    assert isinstance(admit(facts(**wall), policy()), Dial)
    night = admit(facts(**wall, now_ms=ms(2026, 11, 19, 3, 0)), policy())
    assert isinstance(night, Defer)
    assert night.rule == "window"


def test_the_sentence_tells_both_clocks_and_the_next_time() -> None:
    decision = admit(facts(now_ms=ms(2026, 11, 21, 2, 14)), policy())
    assert isinstance(decision, Defer)
    assert decision.sentence == (
        "Outside the calling window of us-strict: it is Fri 20 Nov 2026 21:14 in New York (Sat 02:14 UTC)."
        " Next look: Sat 21 Nov 2026 09:00 in New York (Sat 14:00 UTC)."
    )
    assert decision.until_ms == ms(2026, 11, 21, 14, 0)


def test_a_wait_that_ends_after_the_time_a_call_was_wanted_until_is_too_late_at_once() -> None:
    night, morning = ms(2026, 11, 21, 2, 14), ms(2026, 11, 21, 14, 0)
    late = admit(facts(now_ms=night, task={"until_ms": morning - 1}), policy())
    assert isinstance(late, Suppress)
    assert late.rule == "deadline"
    assert late.evidence.rules[-2:] == ("window", "deadline")
    assert "The next time would be Sat 21 Nov 2026 09:00 in New York (Sat 14:00 UTC);" in late.sentence
    assert "the call was wanted until Sat 21 Nov 2026 08:59 in New York" in late.sentence
    assert isinstance(admit(facts(now_ms=night, task={"until_ms": morning}), policy()), Defer)
    rest = (PastAttempt(at_ms=NOON - HOUR_MS, result="unanswered"),)
    rested = admit(facts(attempts=rest, task={"until_ms": NOON + HOUR_MS}), policy())
    assert isinstance(rested, Suppress)
    assert rested.rule == "deadline"


def test_what_may_be_gone_at_any_moment_is_asked_until_the_last_one() -> None:
    spent = (changed(BUDGET, spent_micro_usd=1_000_000),)
    last_ms = NOON + 600_000
    for spoilt in ({"budgets": spent}, {"tenant_state": "suspended", "now_ms": last_ms - 9_000}):
        waits = admit(facts(**spoilt, task={"until_ms": last_ms}), policy())
        assert isinstance(waits, Defer)
        assert (waits.until_ms, waits.rule) == (last_ms, {True: "budget", False: "tenant"}["budgets" in spoilt])
    over = admit(facts(tenant_state="suspended", now_ms=last_ms, task={"until_ms": last_ms}), policy())
    assert isinstance(over, Suppress)
    assert over.rule == "deadline"


def test_a_plan_for_later_is_no_deadline() -> None:
    planned = admit(facts(task={"next_action_ms": NOON + HOUR_MS, "until_ms": NOON + 1}), policy())
    assert isinstance(planned, Defer)
    assert (planned.rule, planned.until_ms) == ("due", NOON + HOUR_MS)


def test_the_phone_must_stop_ringing_inside_the_window() -> None:
    close = ms(2026, 11, 19, 1, 0)  # 20:00 in New York
    assert isinstance(admit(facts(now_ms=close - 40_001), policy()), Dial)
    assert isinstance(admit(facts(now_ms=close - 40_000), policy()), Defer)


def test_a_wait_ends_inside_the_window() -> None:
    """Four hours after an attempt at 17:00 it is 21:00; the next call is tomorrow at nine."""
    at = ms(2026, 11, 18, 22, 0)
    spoilt = facts(now_ms=at + HOUR_MS, attempts=(PastAttempt(at_ms=at, result="unanswered"),))
    decision = admit(spoilt, policy())
    assert isinstance(decision, Defer)
    assert decision.rule == "attempts"
    assert decision.until_ms == ms(2026, 11, 19, 14, 0)


def test_attempts_count_in_a_moving_period() -> None:
    made = tuple(PastAttempt(at_ms=NOON - hours * HOUR_MS, result="unanswered") for hours in (5, 10, 23))
    decision = admit(facts(attempts=made), policy())
    assert isinstance(decision, Defer)
    assert "3 calls in 24 hours went to this number; us-strict allows 3." in decision.sentence
    assert decision.until_ms == NOON + HOUR_MS
    assert isinstance(admit(facts(attempts=made, now_ms=NOON + HOUR_MS), policy()), Dial)


def test_more_attempts_than_allowed_wait_for_as_many_to_leave() -> None:
    made = tuple(PastAttempt(at_ms=NOON - hours * HOUR_MS, result="unanswered") for hours in (5, 10, 20, 23))
    decision = admit(facts(attempts=made), policy())
    assert isinstance(decision, Defer)
    assert decision.until_ms == NOON + 4 * HOUR_MS


def test_rest_after_a_refusal_in_france() -> None:
    paris = "+33140205050"
    packs = policy(paris, "FR", "service")
    base: dict[str, Any] = {
        "callee": Callee(number=paris, countries=("FR",)),
        "task": {"number": paris, "number_dialed": paris, "purpose": "service", "next_action_ms": 0},
        "zones": Zones(keys=("Europe/Paris",), inferred=False),
        "allowed_countries": ("FR",),
        "now_ms": ms(2026, 11, 18, 10, 0),
    }
    refused = PastAttempt(at_ms=ms(2026, 9, 25, 10, 0), result="refused")
    assert isinstance(admit(facts(**base), packs), Dial)
    decision = admit(facts(**base, attempts=(refused,)), packs)
    assert isinstance(decision, Defer)
    assert decision.rule == "cool_off"
    assert decision.until_ms == ms(2026, 11, 24, 10, 0)  # 60 days, and 11:00 in Paris is open
    assert "eu and fr asks for 1440 hours of rest" in decision.sentence


def test_a_pack_that_warns_does_not_block() -> None:
    strict = PACKS["us-strict"]
    advice = Pack(
        id="advice",
        version="1",
        reviewed_on="2026-11-21",
        title="advice",
        severity="warn",
        match=strict.match,
        rules=Rules(hours={"wed": ()}),
    )
    callee = Callee(number=NUMBER, countries=("US",))
    decision = admit(facts(), policy_for([strict, advice], callee, "marketing"))
    assert isinstance(decision, Dial)
    assert decision.evidence.warnings[0].startswith("window: Outside the calling window")
    assert policy_for([advice], callee, "marketing") is None


def test_a_fault_at_any_line_never_dials(seed: int) -> None:
    """Every line that runs on the way to a Dial raises once: nothing of it may end in a call."""
    rules = policy()
    dialled: list[str] = []
    lines = run_lines(facts(), rules, None)[1]
    for line in lines:
        for error in (ValueError, RuntimeError):
            try:
                decision, _ = run_lines(facts(), rules, (line, error))
            except (ValueError, RuntimeError):
                continue  # raised out of the question: whoever asked does not dial
            if isinstance(decision, Dial):
                dialled.append(f"{line} {error.__name__}")
    assert len(lines) > 150
    assert not dialled


Line = tuple[str, int]


def run_lines(asked: Facts, rules: Policy, fault: tuple[Line, type[Exception]] | None) -> tuple[Any, list[Line]]:
    """`admit` with every line of app.domain watched; the given one raises when it is first reached."""
    seen: dict[Line, None] = {}

    def watch(frame: FrameType, event: str, _: Any) -> Any:
        if "/app/domain/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            line = (frame.f_code.co_filename, frame.f_lineno)
            first = line not in seen
            seen[line] = None
            if fault is not None and line == fault[0] and first:
                raise fault[1]("injected")
        return watch

    for kept in (holiday_calendar._calendars, holiday_calendar._of_year):
        kept.cache_clear()  # what is computed once would be reached once only
    before = sys.gettrace()
    sys.settrace(watch)
    try:
        decision = admit(asked, rules)
    finally:
        sys.settrace(before)
    return decision, list(seen)


@given(st.integers(NOON - 400 * DAY_MS, NOON + 400 * DAY_MS), st.integers(1, 300), st.booleans())
def test_a_deferred_call_is_legal_when_its_time_comes(now_ms: int, ring_s: int, inferred: bool) -> None:
    fresh = {"us-national-dnc": Registry(imported_ms=now_ms, listed=False)}
    consent = Consent(level="written", purposes=("marketing",), given_ms=now_ms, evidence="form 7")
    base: dict[str, Any] = {
        "ring_timeout_s": max(ring_s, 15),
        "registries": fresh,
        "consent": consent,
        "zones": Zones(keys=("America/Chicago", "America/New_York"), inferred=inferred),
    }
    task = {"next_action_ms": now_ms}
    decision = admit(facts(now_ms=now_ms, task=task, **base), policy())
    if isinstance(decision, Defer):
        assert decision.rule == "window"
        assert isinstance(admit(facts(now_ms=decision.until_ms, task=task, **base), policy()), Dial)
        assert not isinstance(admit(facts(now_ms=decision.until_ms - 1, task=task, **base), policy()), Dial)


def test_caps_and_budget_take_the_last_place_but_not_one_more() -> None:
    last = Caps(tenant=Cap(used=4, limit=5), trunk=Cap(used=4, limit=5), number_day=Cap(used=2, limit=3))
    full = Budget(
        name="the account",
        spent_micro_usd=500_000,
        reserved_micro_usd=400_000,
        estimate_micro_usd=100_000,
        limit_micro_usd=1_000_000,
    )
    assert isinstance(admit(facts(caps=last, budgets=(full,), campaign=None), policy()), Dial)
    over = admit(facts(budgets=(changed(full, estimate_micro_usd=100_001),)), policy())
    assert (
        "has 0.10 USD left while 0.40 USD are set aside for calls that are going on, and a call may cost 0.10 USD"
        in over.sentence
    )


def test_money_that_calls_hold_is_waited_for_a_minute_and_spent_money_an_hour() -> None:
    usd, month_ms = 1_000_000, ms(2026, 12, 1)
    month = Budget(
        name="this month",
        spent_micro_usd=40 * usd,
        reserved_micro_usd=7_200_000,
        estimate_micro_usd=3_600_000,
        limit_micro_usd=50 * usd,
        resets_ms=month_ms,
    )
    held = admit(facts(budgets=(month,)), policy())
    assert isinstance(held, Defer)
    assert (held.rule, held.until_ms) == ("budget", NOON + 60_000)
    assert "2.80 USD left while 7.20 USD are set aside for calls that are going on" in held.sentence
    assert "begins anew" not in held.sentence
    spent = changed(month, spent_micro_usd=46_400_001, reserved_micro_usd=0)
    for budgets in ((spent,), (month, changed(spent, name="the campaign", resets_ms=None))):
        gone = admit(facts(budgets=budgets), policy())
        assert isinstance(gone, Defer)
        assert (gone.rule, gone.until_ms) == ("budget", NOON + HOUR_MS), "a limit may be raised"
        assert "has 3.60 USD left, and a call may cost 3.60 USD." in gone.sentence
        assert ("begins anew on Tue 1 Dec 2026 00:00 UTC" in gone.sentence) == (len(budgets) == 1)
    soon = admit(facts(budgets=(changed(spent, resets_ms=NOON + 9_000),)), policy())
    assert isinstance(soon, Defer)
    assert soon.until_ms == NOON + 9_000
