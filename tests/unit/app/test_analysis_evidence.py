"""Quotes: spelling is forgiven, invention is not; plain opt-outs are heard, times are not mistaken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.analysis.evidence import normalized, occurs, prove
from app.domain.analysis.opt_out import heard, opt_out
from app.domain.call import Turn


@pytest.mark.parametrize(
    ("quote", "text", "found"),
    [
        ("Friday is fine", "Well, FRIDAY is fine!", True),
        ("that's ok", "Yeah… that’s OK — thanks", True),
        ("ｆｕｌｌ width", "full width", True),
        ("straße 4", "in der STRASSE 4, bitte", True),
        ("yes", "yesterday", False),
        ("no", "I know", False),
        ("ok", "ok", True),
        ("o", "o", False),
        ("", "anything", False),
        ("?!…", "anything ?!…", False),
        ("Friday fine", "Friday is fine", False),
        ("fine is Friday", "Friday is fine", False),
        ("三時で", "はい、三時で大丈夫です。", True),
        ("四時で", "はい、三時で大丈夫です。", False),
        ("café", "cafe", False),
        ("cafe\u0301", "un café noir", True),
        ("four", "4", False),
        ("нет", "нет, спасибо", True),
        ("yes [interrupted]", "yes", False),
    ],
)
def test_occurs(quote: str, text: str, found: bool) -> None:
    assert occurs(quote, text) is found


@given(st.lists(st.from_regex(r"[a-zà-ü]{2,8}", fullmatch=True), min_size=3, max_size=12), st.data())
def test_words_in_a_row_occur_and_with_a_foreign_one_they_do_not(words: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(words) - 2))
    end = data.draw(st.integers(at + 1, len(words)))
    text, quote = ", ".join(words).upper() + "!", " ".join(words[at:end])
    assert occurs(quote, text)
    assert not occurs(quote + " qqqzzz", text)
    assert not occurs("qqqzzz " + quote, text)


@given(st.text(max_size=60))
def test_normalizing_twice_changes_nothing(text: str) -> None:
    once = normalized(text)
    assert normalized(once) == once


def test_a_quote_is_found_where_it_is_and_for_whom() -> None:
    turns = [
        turn(1, "agent", "It is done."),
        turn(2, "callee", "It is done?"),
        turn(3, "callee", "Yes, it is done."),
    ]
    found = prove("it is done", 3, turns)
    assert found is not None
    assert (found.turn, found.item_id, found.audio_ms) == (3, "item3", 3000)
    first = prove("it is done", 99, turns)
    assert first is not None
    assert first.turn == 1
    callee = prove("it is done", 1, turns, "callee")
    assert callee is not None
    assert callee.turn == 2
    assert prove("it was done", 1, turns) is None
    assert prove("done yes", 2, turns) is None


OPT_OUTS = """\
Stop calling me
Please stop calling us here!
I told you to stop calling my house.
Do not call me again
don't call me anymore
Don’t ever call us again.
never call this number again
You people need to quit calling me
Never phone me again, okay?
take me off your list
Take us off of your calling list please
remove my number from your database
Please delete this number from your system
strike my phone number from all your lists
put me on the do not call list
add this number to your do not call list
lose my number
I want to opt out
I'd like to unsubscribe
no more calls please
Rufen Sie mich nicht mehr an
Rufen Sie hier bitte nie wieder an!
Ich möchte keine Anrufe mehr
Wir wollen keine weiteren Anrufe
Löschen Sie bitte meine Nummer
Ne m'appelez plus
ne me rappelez plus jamais
Arrêtez de m'appeler
Cessez de nous appeler
Supprimez mon numéro
No me llame más
no nos vuelva a llamar
Dejen de llamar
Borre mi número
Non mi chiami più
non ci chiamate mai più
Não me ligue mais
Bel mij nooit meer
Bel ons niet meer
Proszę więcej nie dzwonić
Beni bir daha aramayın
请别再打电话给我了
不要再打了
もう電話しないでください""".splitlines()
HARMLESS = """\
Don't call me tomorrow
Don't call me before nine
Do not call me at work, call me at home
I'm not saying don't call me again
Why would I stop calling my mother
Never mind, call me again on Monday
Take me off hold
Please take me off speaker
Stop. Call me on Friday.
I lost my number plate
Remove the appointment on Friday
Rufen Sie mich nicht vor zehn an
Rufen Sie mich bitte morgen an
Rappelez-moi lundi
Llámeme más tarde
Mi chiami più tardi
Bel mij morgen
Yes, you may call me again
No more questions
Can you add my number to your contacts?
我明天再打给你""".splitlines()


@pytest.mark.parametrize("text", OPT_OUTS)
def test_plain_opt_outs_are_heard(text: str) -> None:
    assert heard(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_opt_out_is_not_taken_for_one(text: str) -> None:
    assert not heard(text)


def test_only_the_callee_opts_out() -> None:
    assert opt_out([turn(1, "agent", "We will stop calling you. Stop calling me, you said?")]) is None
    found = opt_out([turn(1, "agent", "Hello."), turn(2, "callee", "Stop calling me.")])
    assert found is not None
    assert (found.turn, found.item_id) == (2, "item2")


def turn(n: int, speaker: str, text: str) -> Turn:
    return Turn(speaker=speaker, item_id=f"item{n}", text=text, start_audio_ms=n * 1000)
