"""Words of callees: who says such a thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.answer.model import Verdict
from media.answer.phrases import judge, person_like, plain, same_menu

CASES = [
    ("Hello?", None),
    ("Sorry, he is not available right now.", None),
    ("Sorry, he's not available at the moment.", None),
    ("He's not available, can I take a message?", Verdict.HUMAN),
    ("Would you like to leave a message for her?", Verdict.HUMAN),
    ("Good afternoon, Miller and Sons, how can I help you?", Verdict.HUMAN),
    ("Er ist gerade nicht da, kann ich etwas ausrichten?", Verdict.HUMAN),
    ("Il n'est pas là pour le moment.", None),
    ("No está en este momento.", None),
    ("Please leave a message after the tone.", Verdict.MACHINE),
    ("You have reached Tom. I can't come to the phone.", Verdict.MACHINE),
    ("Please leave your message. When done, hang up or press the pound key.", Verdict.MACHINE),
    ("Bitte hinterlassen Sie eine Nachricht nach dem Signalton.", Verdict.MACHINE),
    ("Laissez-moi un message et je vous rappellerai.", Verdict.MACHINE),
    ("Deje su mensaje después de la señal.", Verdict.MACHINE),
    ("For sales, press one.", Verdict.IVR),
    ("Für Störungen drücken Sie die zwei.", Verdict.IVR),
    ("Pour vos comptes, tapez un.", Verdict.IVR),
    ("Para ventas, presione uno.", Verdict.IVR),
    ("Please state your name and why you are calling.", Verdict.CALL_SCREENING),
    (
        "If you record your name and reason for calling, I'll see if this person is available.",
        Verdict.CALL_SCREENING,
    ),
    ("Bitte nennen Sie Ihren Namen und den Grund Ihres Anrufs.", Verdict.CALL_SCREENING),
    ("Diga su nombre y el motivo de su llamada.", Verdict.CALL_SCREENING),
    ("Your call is important to us, please stay on the line.", Verdict.HOLD_MUSIC),
    ("Bitte bleiben Sie in der Leitung.", Verdict.HOLD_MUSIC),
    ("The number you have dialed is not in service.", Verdict.NETWORK_TONE),
]


@pytest.mark.parametrize(("text", "verdict"), CASES, ids=[text[:40] for text, _ in CASES])
def test_who_says_this(text: str, verdict: Verdict | None) -> None:
    told = judge(text)
    assert (told and told.verdict) is verdict


def test_short_words_no_rule_knows_are_a_persons() -> None:
    assert person_like("Schneider am Telefon")
    assert not person_like("")
    assert not person_like("press one for sales")
    assert not person_like("and then we went to the market and bought some apples")


def test_the_same_menu_survives_a_wrong_word() -> None:
    assert same_menu("For sales press one, for support press two", "for sails press one for support press two")
    assert not same_menu("For sales press one, for support press two", "please enter your customer number")


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    judge(text)
    assert plain(plain(text)) == plain(text)


def test_one_word_is_one_hint_however_often_it_is_said() -> None:
    assert judge("thanks, I got your message") is None
    assert judge("a message, what message?") is None


def test_two_hints_are_less_certain_than_three() -> None:
    two, three = judge("we are closed at the moment"), judge("sorry I missed you, message")
    assert two is not None
    assert three is not None
    assert (two.certain, three.certain) == (False, True)


def test_who_asks_to_be_called_again_is_a_person() -> None:
    said = "sorry I am driving at the moment and I can't talk, can you call me back in an hour"
    told = judge(said)
    assert told is not None
    assert told.verdict is Verdict.HUMAN
