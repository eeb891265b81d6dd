"""Fields of a call: types, evidence, and that nothing counts without it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.fields import (
    Collected,
    FieldBook,
    FieldSpec,
    NotTaken,
    Said,
    check_specs,
    find_quote,
    json_schema,
    plain,
    read_value,
)
from app.errors import ValidationFailed

TURNS = (
    Said(item_id="i1", text="Hello, Café Zürich.", start_audio_ms=300, end_audio_ms=1500),
    Said(
        item_id="i2",
        text="Yes, we have a table for four at half past seven!",
        start_audio_ms=6000,
        end_audio_ms=9000,
    ),
)
SPECS = (
    FieldSpec(name="available", type="yes_no", required=True),
    FieldSpec(name="seats", type="number", minimum=1, maximum=20, required=True),
    FieldSpec(name="place", type="choice", options=("Inside", "Terrace")),
)


@pytest.mark.parametrize(
    ("spec", "given_value", "value"),
    [
        (FieldSpec(name="f"), "  some words ", "some words"),
        (FieldSpec(name="f", type="number"), "4", 4.0),
        (FieldSpec(name="f", type="number", minimum=1), 1, 1.0),
        (FieldSpec(name="f", type="yes_no"), "Yes", True),
        (FieldSpec(name="f", type="yes_no"), False, False),
        (FieldSpec(name="f", type="choice", options=("Zürich", "Bern")), "zurich", "Zürich"),
        (FieldSpec(name="f", type="multi_choice", options=("a", "b")), ["b", "A", "b"], ("b", "a")),
        (FieldSpec(name="f", type="date"), "2026-11-27", "2026-11-27"),
        (FieldSpec(name="f", type="time"), "19:30:00", "19:30"),
        (FieldSpec(name="f", type="date_time"), "2026-11-27T19:30:00Z", "2026-11-27T19:30"),
        (FieldSpec(name="f", type="phone"), "+1 202 555 0123", "+12025550123"),
        (FieldSpec(name="f", type="email"), "Anna@Example.org", "anna@example.org"),
    ],
)
def test_values_take_their_one_form(spec: FieldSpec, given_value: object, value: object) -> None:
    assert read_value(spec, given_value) == value


@pytest.mark.parametrize(
    ("spec", "given_value"),
    [
        (FieldSpec(name="f"), ""),
        (FieldSpec(name="f"), None),
        (FieldSpec(name="f"), "x" * 1001),
        (FieldSpec(name="f", type="number"), "four"),
        (FieldSpec(name="f", type="number"), True),
        (FieldSpec(name="f", type="number"), float("nan")),
        (FieldSpec(name="f", type="number"), float("inf")),
        (FieldSpec(name="f", type="number", maximum=20), 21),
        (FieldSpec(name="f", type="yes_no"), "maybe"),
        (FieldSpec(name="f", type="choice", options=("a",)), "b"),
        (FieldSpec(name="f", type="multi_choice", options=("a",)), "a"),
        (FieldSpec(name="f", type="date"), "tomorrow"),
        (FieldSpec(name="f", type="time"), "25:00"),
        (FieldSpec(name="f", type="date_time"), "2026-02-30T10:00"),
        (FieldSpec(name="f", type="phone"), "911"),
        (FieldSpec(name="f", type="email"), "anna"),
    ],
)
def test_values_that_do_not_fit_are_a_sentence(spec: FieldSpec, given_value: object) -> None:
    with pytest.raises(ValidationFailed, match=r"f: .* does not fit \("):
        read_value(spec, given_value)


@pytest.mark.parametrize(
    ("quote", "item_id"),
    [
        ("a table for four", "i2"),
        ("Table for four at half past SEVEN", "i2"),
        ("cafe zurich", "i1"),
        ("able for four", None),
        ("table four", None),
        ("", None),
        ("!?", None),
    ],
)
def test_quotes_are_found_word_for_word_whatever_the_spelling(quote: str, item_id: str | None) -> None:
    found = find_quote(quote, TURNS)
    assert (found.item_id if found else None) == item_id


def test_a_book_fills_with_evidence_and_takes_corrections() -> None:
    book = FieldBook(SPECS)
    assert book.missing == ("available", "seats")
    first = book.save("seats", 4, "a table for four", TURNS)
    assert isinstance(first, Collected)
    assert (first.value, first.evidence.start_audio_ms, first.evidence.end_audio_ms) == ("4.0", 6000, 9000)
    assert isinstance(book.save("available", True, "yes we have", TURNS), Collected)
    assert book.missing == ()
    assert not book.complete
    later = (*TURNS, Said(item_id="i3", text="No, for five. On the terrace.", start_audio_ms=1, end_audio_ms=2))
    book.save("seats", 5, "for five", later)
    book.save("place", "terrace", "on the terrace", later)
    assert book.collected["seats"].evidence.item_id == "i3"
    assert book.complete


@pytest.mark.parametrize(
    ("name", "value", "quote", "why"),
    [
        ("seats", 4, "for six", "has not said"),
        ("seats", 99, "a table for four", "at most 20"),
        ("seat", 4, "a table for four", "There is no field"),
        ("place", "Roof", "a table for four", "one of: Inside, Terrace"),
    ],
)
def test_what_is_not_proven_is_not_taken(name: str, value: object, quote: str, why: str) -> None:
    book = FieldBook(SPECS)
    refused = book.save(name, value, quote, TURNS)
    assert isinstance(refused, NotTaken)
    assert why in refused.sentence
    assert not book.collected


@pytest.mark.parametrize(
    ("specs", "why"),
    [
        ((FieldSpec(name="Bad Name"),), "no field name"),
        ((FieldSpec(name="a"), FieldSpec(name="a")), "twice"),
        ((FieldSpec(name="a", type="choice"),), "options"),
        ((FieldSpec(name="a", options=("x",)),), "options"),
        ((FieldSpec(name="a", type="number", minimum=2, maximum=1),), "minimum"),
        (tuple(FieldSpec(name=f"f{n}") for n in range(31)), "30 fields"),
    ],
)
def test_fields_that_cannot_be_asked_for(specs: tuple[FieldSpec, ...], why: str) -> None:
    with pytest.raises(ValidationFailed, match=why):
        check_specs(specs)


ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=50), lambda inner: st.lists(inner, max_size=3)
)


@given(
    st.sampled_from(["text", "number", "yes_no", "choice", "multi_choice", "date", "time", "date_time", "phone"]),
    ANY,
)
def test_whatever_the_model_writes_fits_or_is_refused(kind: Any, value: object) -> None:
    spec = FieldSpec(name="f", type=kind, options=("a", "b") if "choice" in kind else ())
    msgspec.json.encode(json_schema(spec))
    try:
        taken = read_value(spec, value)
    except ValidationFailed:
        return
    assert read_value(spec, list(taken) if isinstance(taken, tuple) else taken) == taken, "its form is stable"


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_a_quote_of_whole_words_is_always_found(before: str, quote: str, after: str) -> None:
    turn = Said(item_id="i", text=f"{before} {quote} {after}", start_audio_ms=0, end_audio_ms=1)
    if plain(quote):
        assert find_quote(quote, (turn,)) is turn
