"""Signs of listening in several languages, echoes of our own words, and words that count."""

import pytest

from media.realtime.words import judge

AGENT = "I am calling about your appointment with the dentist on Friday at four."
LISTENING = (
    "Mm-hm.",
    "mhm",
    "Mmm",
    "uh-huh",
    "Yes.",
    "Yeah, yeah.",
    "Okay!",
    "OK",
    "Right",
    "I see.",
    "Got it",
    "Aha",
    "Yes, I see",
    "Ja",
    "Genau.",
    "ach so",
    "Ja, klar",
    "hm, hm",
    "Oui",
    "D'accord",
    "ouais",
    "Sí, claro",
    "vale",
    "Sì, certo",
    "Va bene",
    "Sim",
    "pois",
    "jasne",
    "tamam",
    "Да?".replace("Да", "da"),
)
COUNTS = (
    "No.",
    "Stop!",
    "Wait",
    "Who is this?",
    "Yes, but not on Friday",
    "Nein",
    "Moment bitte",
    "I have no time",
    "Okay, can you call me tomorrow?",
    "call me later",
    "help",
    "Non",
    "Espera",
    "not okay",
    "wrong number",
    "what",
)


@pytest.mark.parametrize("text", LISTENING)
def test_signs_of_listening(text: str) -> None:
    assert judge(text, AGENT) == "backchannel"


@pytest.mark.parametrize("text", COUNTS)
def test_words_that_count(text: str) -> None:
    assert judge(text, AGENT) == "speech"


@pytest.mark.parametrize("text", ["", "  ", "...", "\u2026", "-", "!?"])
def test_nothing(text: str) -> None:
    assert judge(text, AGENT) == "nothing"


@pytest.mark.parametrize(
    "text",
    [
        "your appointment with the dentist",
        "calling about your appointment",
        "Dentist on Friday at four",
        "with the dentist on",
    ],
)
def test_our_own_words_come_back(text: str) -> None:
    assert judge(text, AGENT) == "echo"


@pytest.mark.parametrize(
    "text", ["Friday", "the dentist is ill", "four o'clock is too early for me", "my appointment"]
)
def test_a_callee_who_uses_our_words_is_no_echo(text: str) -> None:
    assert judge(text, AGENT) == "speech"
