"""What codes and figures of a call become: cut texts, latencies, masks, words, costs, places in addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.call import Turn
from app.domain.people import Person, Role
from app.llm.cost_split import cost_by_kind, fresh_tokens
from app.store.call_lists import Place
from app.store.events import CallEvent
from app.store.usage import Spent
from media.realtime.pricing import PRICE_TABLE, TokenCounts, response_cost
from stasis.outcome import EndedBy, Outcome
from web.call_page.costs import costs
from web.call_page.line import in_a_sentence
from web.call_page.listing import Query, number_pattern, place, read, written
from web.call_page.timeline import delay_of, split_heard
from web.call_page.timeline import happened as entries_of
from web.call_page.view import plain_value
from web.call_page.words import cause_in_words
from web.view import ENDED_BY_WORDS, OUTCOME_WORDS


@pytest.mark.parametrize(
    ("text", "heard_ms", "generated_ms", "heard", "cut"),
    [
        ("one two three four", 500, 1_000, "one two", "three four"),
        ("one two three four", 1_000, 1_000, "one two three four", ""),
        ("one two three four", 0, 1_000, "", "one two three four"),
        ("one two", 5, 0, "one two", ""),
        ("word", 500, 1_000, "wo", "rd"),
        ("", 1, 2, "", ""),
    ],
)
def test_what_was_heard_and_what_was_cut(
    text: str, heard_ms: int, generated_ms: int, heard: str, cut: str
) -> None:
    assert split_heard(text, heard_ms, generated_ms) == (heard, cut)


@given(st.text(max_size=60), st.integers(-5, 3_000), st.integers(-5, 3_000))
def test_no_word_is_lost_or_made_up_by_cutting(text: str, heard_ms: int, generated_ms: int) -> None:
    heard, cut = split_heard(text, heard_ms, generated_ms)
    assert "".join((heard + cut).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("parts", "ms", "grade"),
    [
        ((100, 500, 20), 620, "quick"),
        ((400, 900, 20), 1_320, "slow"),
        ((900, 5_000, 20), 5_920, "late"),
        ((1, None, 2), None, ""),
    ],
)
def test_latency_bars_fit(parts: tuple[int, ...], ms: int | None, grade: str) -> None:
    names = ("stop_to_response_ms", "response_to_delta_ms", "delta_to_rtp_ms")
    delay = delay_of(Turn(speaker="agent", item_id="i", text="x", **dict(zip(names, parts, strict=True))))
    assert (delay and delay.ms) == ms
    if delay is not None:
        assert delay.grade == grade
        assert all(part.x >= 0 and part.width >= 0 and part.x + part.width <= 100.01 for part in delay.parts)


def test_what_came_of_a_function_stands_with_it() -> None:
    happened = [
        ("tool_call", "save_field {}"), ("field_saved", "day = tue"), ("tool_call", "end_call {"),
        ("tool_refused", "no"), ("dtmf_out", "5"), ("dtmf_in", "1"), ("unheard_of", "x"),
    ]  # fmt: skip
    events = [CallEvent(n, kind, {"detail": text}, 1_000 * n) for n, (kind, text) in enumerate(happened, 1)]
    found = sorted(entries_of(events, 0), key=lambda one: one.at_ms)
    assert [(one.text, one.refused, one.facts) for one in found] == [
        ("save_field", False, (("taken down", "day = tue"),)),
        ("end_call", True, (("with", "{"), ("refused", "no"), ("agent pressed", "5"))),
        ("1", False, ()),
    ]


def test_every_outcome_and_every_ender_has_words() -> None:
    assert set(OUTCOME_WORDS) == {str(one) for one in Outcome}
    assert set(ENDED_BY_WORDS) == {str(one) for one in EndedBy}
    assert cause_in_words(17) == "the line was busy (Q.850 cause 17)"
    assert cause_in_words(99) == "a cause without a name of ours (Q.850 cause 99)"
    assert cause_in_words(None) == ""


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("answer_verdict", {"verdict": "machine", "final": True, "decision_ms": 1_240, "evidence": "beep"},
         "an answering machine, decided after 1.2 s: beep"),
        ("barge_in", {"heard_ms": 620, "generated_ms": 2_400}, "0.6 s of 2.4 s had been heard"),
        ("barge_in", {"heard_ms": "x"}, ""),
        ("fault", {"code": "x", "message": "It broke."}, "It broke. (x)"),
        ("unknown", {"detail": "y"}, ""),
    ],
)  # fmt: skip
def test_events_in_sentences(kind: str, data: dict[str, object], words: str) -> None:
    assert in_a_sentence(kind, data) == words


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"tue"', "tue"),
        ("true", "yes"),
        ("false", "no"),
        ("3.0", "3"),
        ("2.5", "2.5"),
        ('["a","b"]', "a, b"),
        ("{", "{"),
    ],
)
def test_values_as_people_read_them(text: str, value: str) -> None:
    assert plain_value(text) == value


def spent(**changes: object) -> Spent:
    fields = {"kind": "response", "ref": "r", "model": "gpt-realtime-2.1", "at_ms": 0, "price_table": PRICE_TABLE}
    return Spent(**{**fields, **changes})


@given(*[st.integers(0, 5_000) for _ in range(4)], st.integers(0, 100), st.integers(0, 100))
def test_the_kinds_of_tokens_make_up_the_whole(
    text_in: int, audio_in: int, text_out: int, audio_out: int, cached_text: int, cached_audio: int
) -> None:
    cached_text, cached_audio = min(cached_text, text_in), min(cached_audio, audio_in)
    counts = TokenCounts(
        input_text=text_in, input_audio=audio_in, cached_text=cached_text, cached_audio=cached_audio,
        output_text=text_out, output_audio=audio_out,
    )  # fmt: skip
    whole = response_cost("gpt-realtime-2.1", counts)
    one = spent(
        input_text_tokens=text_in, input_audio_tokens=audio_in, input_cached_text_tokens=cached_text,
        input_cached_audio_tokens=cached_audio, output_text_tokens=text_out, output_audio_tokens=audio_out,
        cost_micro_usd=whole,
    )  # fmt: skip
    split = cost_by_kind(one)
    assert split is not None
    assert whole is not None
    assert whole - 1.001 < sum(split.values()) <= whole + 1e-6
    assert sum(fresh_tokens(one).values()) == text_in + audio_in + text_out + audio_out


def test_prices_of_another_table_are_not_guessed() -> None:
    old = spent(output_audio_tokens=10, cost_micro_usd=5, price_table="2020-01-01")
    assert cost_by_kind(old) is None
    assert costs([old]).kinds[0].cost == ""
    assert costs([old, spent(ref="s", output_audio_tokens=5, cost_micro_usd=320)]).kinds[0].cost == "", (
        "half known"
    )


@pytest.mark.parametrize(
    ("typed", "full", "pattern"),
    [
        ("0123", False, "%0123"),
        ("50123", False, ""),
        ("50123", True, "%50123%"),
        ("Ann", True, ""),
        ("a1", True, ""),
        ("+1 (202)", True, "%1202%"),
        ("٣", True, ""),
    ],
)
def test_who_may_search_by_which_digits(typed: str, full: bool, pattern: str) -> None:
    assert number_pattern(typed, full=full) == pattern


@given(st.integers(0, 1 << 46), st.text(alphabet="0123456789abcdef", min_size=32, max_size=32))
def test_places_go_through_addresses(created_ms: int, call_id: str) -> None:
    assert place(written(Place(created_ms, call_id))) == Place(created_ms, call_id)


@given(st.text(max_size=40))
def test_no_address_is_a_fault(text: str) -> None:
    person = Person(tenant_id="t", user_id="u", name="n", role=Role.VIEWER, via="session", key_id="k")
    place(text)
    read(
        Query(state=text, outcome=text, ended_by=text, campaign=text, agent=text, day=text, q=text, after=text),
        person,
    )
