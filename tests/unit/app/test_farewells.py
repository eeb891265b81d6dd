"""What a callee says into the agent's goodbye: a goodbye of their own, or a wish. A table of sentences."""

import pytest

from app.calls.farewells import asks_for_more

FAREWELLS = (
    "Bye bye!", "bye-bye", "Goodbye.", "Thanks, you too.", "ok", "OK, thank you so much, bye.",
    "Thank you. You too!", "You have a nice day too", "Have a good one!", "No, thank you. Bye.",
    "No thanks, that's all.", "See you on Thursday!", "Okay, see you then.", "Alright, talk to you soon, bye now",
    "Thank you for calling.", "Great, thanks, take care.", "Mm-hm.", "Tschüss!", "Tschüß", "Auf Wiederhören.",
    "Vielen Dank, Ihnen auch einen schönen Tag.", "Ja, danke, bis Donnerstag!",
    "Alles klar, schönen Abend noch, tschüss.", "Nein danke, auf Wiedersehen.", "Danke, gleichfalls.",
    "Okay, mach's gut.", "Au revoir !", "Merci beaucoup, bonne journée.", "Merci, à vous aussi.",
    "D'accord, à jeudi, au revoir.", "Adiós.", "Muchas gracias, igualmente.", "Vale, hasta luego.",
    "Gracias a usted, que tenga un buen día.", "Grazie mille, arrivederci.", "Buona giornata anche a lei.",
    "Ciao ciao.", "Dank u wel, tot ziens.", "Fijne dag nog!", "Obrigado, até logo.", "Tchau, bom dia.",
    "Dziękuję, do widzenia.", "Miłego dnia.", "Teşekkür ederim, iyi günler.", "",
    "mhm grr hm", "Hmm. Brr.", "Pff, bye.", "hm hmm mhmm", "Psst.",
)  # fmt: skip
WISHES = (
    "Wait, can we make it Thursday instead?", "Thursday", "Wait.", "Hold on!", "No.", "No, no!", "Nein!",
    "Sorry, one more thing.", "Thanks, but what does it cost?", "Okay, but can I bring my wife?",
    "Bye, oh wait, which address was it?", "See you at five or at six?", "Can you call my wife?", "What time?",
    "You too? What do you mean?", "Moment, geht auch Donnerstag?", "Danke, aber was kostet das?",
    "Bis wann muss ich absagen?", "Attendez, jeudi plutôt ?", "Merci, mais c'est à quelle heure ?",
    "Espere, ¿puede ser el jueves?", "Aspetti, facciamo giovedì.", "Wacht, kan het donderdag?",
    "Espera, pode ser quinta?", "Chwileczkę, może w czwartek?", "Bir dakika, perşembe olur mu?", "Actually, yes.",
    "I have a question.", "Hello?", "Are you still there?",
)  # fmt: skip


@pytest.mark.parametrize("text", FAREWELLS)
def test_a_goodbye_is_no_wish(text: str) -> None:
    assert not asks_for_more(text, "Then have a nice day, goodbye!")


@pytest.mark.parametrize("text", WISHES)
def test_whatever_else_is_said_is_taken_seriously(text: str) -> None:
    assert asks_for_more(text, "Then have a nice day, goodbye!")


def test_a_long_chain_of_goodbyes_takes_no_time_to_tell_from_a_wish() -> None:
    assert not asks_for_more("so good thank you so much too bye bye " * 60, "")
    assert asks_for_more("so good thank you so much too bye bye " * 60 + "Thursday", "")


def test_the_echo_of_the_goodbye_is_nobodys_wish() -> None:
    agent = "We have booked Wednesday at ten for you. Goodbye!"
    assert not asks_for_more("booked Wednesday at ten for you", agent)
    assert asks_for_more("not Wednesday please, I work on that day", agent)
