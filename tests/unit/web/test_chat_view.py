"""What the page shows of each kind of turn, and which addresses become links."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.fields import FieldSpec
from app.domain.plan import AgentBrief, ConsentDraft, Fact, LeftOut, Origin, Plan, PlannedCall
from app.domain.plan_diff import diff
from app.domain.plan_forecast import Terms, forecast
from app.domain.plan_form import Question
from app.domain.planning import Attachment, LookedUp, PlannerTurn, TurnContent
from app.store.conversations import Conversation, PlanFate
from web.chat.address import safe_href
from web.chat.view import ThreadView, TurnView, query_of, thread_view

NOW = 1_800_000_000_000
CHAT = Conversation(
    id="c",
    tenant_id="t",
    owner="user:ann",
    display_name="Ann",
    answering_until_ms=None,
    created_ms=0,
    updated_ms=0,
)
HOSTILE = "<img src=x onerror=alert(1)>"
TERMS = Terms(
    slots=2,
    calls_per_second=1.0,
    max_attempts=3,
    talk_micro_usd_per_min=100_000,
    most_micro_usd_per_call=1_000_000,
)


def call(number: str = "+442079460123", **changes: Any) -> PlannedCall:
    given: dict[str, Any] = {
        "callee_name": "Bob",
        "number": number,
        "objective": "Ask.",
        "first_ms": NOW + 3_600_000,
        "until_ms": None,
        "zone": "Europe/London",
        "callee_kind": "person",
        "origin": Origin(kind="user", ref="your message 1"),
    }
    return PlannedCall(**{**given, **changes})


def plan(*calls: PlannedCall, **changes: Any) -> Plan:
    given: dict[str, Any] = {
        "title": "Ask Bob",
        "purpose": "service",
        "agent": AgentBrief(
            language="en",
            purpose="Ask.",
            opening_line="Hello, a robot.",
            limits=("No promises",),
            stop_when=("done",),
        ),
        "facts": (),
        "fields": (),
        "calls": calls or (call(),),
    }
    return Plan(**{**given, **changes})


def turn(seq: int, role: Any, kind: Any, text: str = "", **content: Any) -> PlannerTurn:
    lookups = content.pop("lookups", ())
    return PlannerTurn(
        seq=seq, role=role, kind=kind, text=text, content=TurnContent(**content), lookups=lookups, created_ms=NOW
    )


def view(*turns: PlannerTurn, answering: bool = False, fates: dict[str, PlanFate] | None = None) -> ThreadView:
    return thread_view(CHAT, turns, fates or {}, zone="Europe/Berlin", answering=answering)


def last(*turns: PlannerTurn, **more: Any) -> TurnView:
    return view(*turns, **more).turns[-1]


FORM = (
    Question(name="phone", type="phone", label="Bob's number"),
    Question(name="when", type="date_time", label="When"),
    Question(name="kinds", type="multi_choice", label="Kinds", options=("a", "b")),
    Question(name="ok", type="yes_no", label="All right?"),
    Question(name="n", type="number", label="How many"),
)


@pytest.mark.parametrize(
    ("answering", "following", "is_open"), [(False, False, True), (True, False, False), (False, True, False)]
)
def test_a_form_is_open_while_nothing_follows_it(answering: bool, following: bool, is_open: bool) -> None:
    turns = [turn(1, "user", "message", "Hello"), turn(2, "assistant", "questions", "What?", questions=FORM)]
    if following:
        turns.append(turn(3, "user", "message", "No."))
    assert view(*turns, answering=answering).turns[1].form_open is is_open
    assert view(*turns).turns[1].form == FORM


def test_answers_are_told_by_their_labels() -> None:
    answers = {"phone": "+4420", "when": "2027-01-16T16:00", "kinds": ("a", "b"), "ok": True, "n": 4.0}
    shown = last(
        turn(1, "user", "message", "Hello"),
        turn(2, "assistant", "questions", questions=FORM),
        turn(3, "user", "answers", "In Berlin.", answers=answers),
    )
    told = [(one.label, one.value) for one in shown.answers]
    assert told == [
        ("Bob's number", "+4420"), ("When", "2027-01-16 16:00"), ("Kinds", "a, b"), ("All right?", "Yes"),
        ("How many", "4"),
    ]  # fmt: skip
    assert shown.text == "In Berlin."


def test_a_message_that_was_never_answered_can_be_asked_again() -> None:
    assert last(turn(1, "user", "message", "Hello")).again
    assert not last(turn(1, "user", "message", "Hello"), answering=True).again


def test_a_failure_lists_what_is_missing_once() -> None:
    text = "No plan could be made. Nothing is scheduled. What stands in the way:\n- no number\n- no time"
    shown = last(
        turn(1, "user", "message", "x"), turn(2, "assistant", "failure", text, missing=("no number", "no time"))
    )
    assert shown.missing == ("no number", "no time")
    assert "no number" not in shown.text
    assert shown.again


def test_look_ups_name_their_sources_and_link_only_what_is_harmless() -> None:
    entries = (
        (HOSTILE, "https://bob.example/a?b=c", HOSTILE, False),
        ("Bob's", "Google Places place0", "telephone: +44", True),
        ("Evil", "javascript:alert(1)", "x", False),
    )
    looked = LookedUp(name="search_internet", arguments='{"query": "bob", "language": "en"}', entries=entries)
    failed = LookedUp(name="other_thing", arguments="no json", problem="It failed.")
    (one, other) = last(turn(1, "assistant", "message", "x", lookups=(looked, failed))).looked
    assert (one.what, one.query) == ("Searched the web", "bob")
    assert [found.href for found in one.found] == ["https://bob.example/a?b=c", "", ""]
    assert one.found[0].title == HOSTILE, "text stays text; the page makes no markup of it"
    assert (other.what, other.query, other.problem) == ("other_thing", "", "It failed.")


def test_a_table_shows_its_first_rows() -> None:
    text = "name,phone\n" + "\n".join(f"P{n},+4420794601{n:02d}" for n in range(9))
    (sent,) = last(turn(1, "user", "message", tables=(Attachment(name="table 1", text=text),))).tables
    assert (sent.columns, len(sent.rows), sent.count) == (("name", "phone"), 5, 9)
    (broken,) = last(turn(1, "user", "message", tables=(Attachment(name="t", text="a,a\n1,2"),))).tables
    assert broken.count == 0


def test_a_plan_says_who_when_what_and_why() -> None:
    made = plan(
        call(),
        call(
            "+442079460999",
            first_ms=NOW,
            until_ms=NOW + 7_200_000,
            callee_kind="business",
            origin=Origin(kind="lookup", ref="https://shop.example/x", business=True),
            consent=ConsentDraft(level="express", quote="they said yes"),
        ),
        facts=(Fact(statement="Open till six", origin=Origin(kind="lookup", ref="https://shop.example/x")),),
        fields=(FieldSpec(name="agreed", type="yes_no", required=True),),
        left_out=(LeftOut(table="table 1", row=3, reason="twice"),),
    )
    before = plan(call(objective="Tell."), call("+442079460777"))
    shown = last(
        turn(
            2, "assistant", "plan", "Here.", plan_id="p", plan=made, forecast=forecast(made, TERMS),
            changes=diff(before, made),
        ),
        fates={"p": PlanFate(id="p", state="open", campaign_id=None)},
    ).plan  # fmt: skip
    assert shown is not None
    assert (shown.state, shown.confirmable, shown.opening) == ("open", True, "Hello, a robot.")
    first, second = shown.calls
    assert first.when == "Fri 15 Jan 2027 09:00 in London (Fri 09:00 UTC)"
    assert (second.when, second.kind) == ("as soon as you confirm", "business")
    assert "10:00" in second.until
    assert (second.source.who, second.source.href) == ("a look-up", "https://shop.example/x")
    assert "they said yes" in second.consent
    assert [(one.place, one.reason) for one in shown.left_out] == [("table 1, row 3", "twice")]
    assert any("Supplied by: you (1), a look-up (1)" in line for line in shown.checks)
    assert shown.changes is not None
    assert (shown.changes.added, shown.changes.removed) == (("Bob +442079460999",), ("+442079460777",))
    assert [(one.field, one.before, one.after) for one in shown.changes.changed][-1] == (
        "objective",
        "Tell.",
        "Ask.",
    )
    assert shown.forecast is not None
    assert shown.forecast.calls == "2 calls, 6 attempts at most"
    assert shown.forecast.cost == "about $0.24, at most $6.00"


@pytest.mark.parametrize(
    ("fate", "state", "confirmable"),
    [
        (None, "superseded", False),
        (PlanFate(id="p", state="superseded", campaign_id=None), "superseded", False),
        (PlanFate(id="p", state="confirmed", campaign_id="c1"), "confirmed", False),
    ],
)
def test_only_an_open_plan_can_be_confirmed(fate: PlanFate | None, state: str, confirmable: bool) -> None:
    fates = {} if fate is None else {"p": fate}
    shown = last(turn(2, "assistant", "plan", plan_id="p", plan=plan()), fates=fates).plan
    assert shown is not None
    assert (shown.state, shown.confirmable, shown.campaign_id) == (
        state, confirmable, "c1" if state == "confirmed" else "",
    )  # fmt: skip


@pytest.mark.parametrize(
    "ref",
    [
        "javascript:alert(1)", "JAVASCRIPT:alert(1)", " https://a.example", "https://a.example\n", "data:text/x",
        "https://", "https:///x", "//a.example", "a.example", "https://bank.example@evil.example/", "ftp://a.example",
        "https://a.example/<script>", 'https://a.example/"x', "https://a.example:99999/", "vbscript:x", "",
        "https://a.example\\@b", "https://[::1", "file:///etc/passwd", "blob:https://a.example/x",
    ],
)  # fmt: skip
def test_what_is_no_plain_web_address_is_no_link(ref: str) -> None:
    assert safe_href(ref) == ""


@pytest.mark.parametrize(
    "ref", ["https://a.example", "http://a.example:8080/b?c=d#e", "https://münchen.example/ä"]
)
def test_plain_web_addresses_are_links(ref: str) -> None:
    assert safe_href(ref) == ref


@given(st.text())
def test_a_link_is_always_http(text: str) -> None:
    made = safe_href(text)
    assert made in {"", text}
    assert not made or made.lower().startswith(("http://", "https://"))


@given(st.text())
def test_any_arguments_can_be_shown(arguments: str) -> None:
    assert len(query_of(arguments)) <= 300
