"""The wish not to be called again, in phrases of seven languages and in what only sounds like it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.analysis.opt_out import heard

PHRASES = Path(__file__).parent / "opt_out_phrases.txt"


def phrases(sign: str) -> list[tuple[str, str]]:
    """(language, utterance) of the lines that begin with the sign."""
    lines = PHRASES.read_text().splitlines()
    return [(line[2:4], line[5:]) for line in lines if line.startswith(sign)]


def test_there_are_enough_phrases() -> None:
    assert len(phrases("+")) >= 150
    assert len(phrases("-")) >= 70
    assert {language for language, _ in phrases("+")} >= {"en", "de", "fr", "es", "it", "nl", "pt"}


@pytest.mark.parametrize(("language", "utterance"), phrases("+"))
def test_the_wish_is_heard(language: str, utterance: str) -> None:
    assert heard(utterance)


@pytest.mark.parametrize(("language", "utterance"), phrases("+")[::5])
def test_it_is_heard_however_the_recogniser_spells(language: str, utterance: str) -> None:
    for spelt in (
        utterance.upper(),
        utterance.replace("'", "’"),
        utterance.rstrip(".!") + ", okay?",
        f"Uh, {utterance}",
    ):
        assert heard(spelt), spelt


@pytest.mark.parametrize(("language", "utterance"), phrases("-"))
def test_other_words_are_not_taken_for_it(language: str, utterance: str) -> None:
    assert not heard(utterance)


def test_it_is_heard_in_the_middle_of_a_turn() -> None:
    words = heard("Well, I am at work. And please take me off your list. Thanks. Call my husband instead.")
    assert words == "take me off"


@given(st.text(max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    heard(text)
