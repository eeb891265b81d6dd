"""What the calling rules demand at the start: said is what was heard, and what was cut off is said again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.conversation import Conversation
from app.calls.opening import CUT, MISSING, SAID, TRIES, Opening
from app.calls.passing_on import passes_on
from app.calls.talk_model import Note, TalkEffect, TalkLimits, ToMedia
from app.domain.policy.disclosure import Disclosure
from app.domain.policy.said import missing, sentences
from media import protocol as media
from stasis.outcome import EndedBy

WHO = {"seq": 1, "call_id": "c1", "at_unix_ms": 0}
WORDS = (
    "Hello, I am an AI assistant calling for Acme, not a person. This call is recorded; tell me if you do not "
    "want that."
)
FIRST, SECOND = sentences(WORDS)
READY = Disclosure(words=WORDS)


def talking(demanded: Disclosure = READY) -> Conversation:
    talk = Conversation("c1", TalkLimits(), opening=Opening("c1", demanded))
    talk.answered(100.0)
    return talk


def agent(text: str, *, heard: float = 1.0, item: str = "a1", at_ms: int = 1_000) -> media.TurnSpoken:
    length = 60 * len(text)
    return media.TurnSpoken(
        **WHO,
        speaker="agent",
        item_id=item,
        text=text,
        start_audio_ms=at_ms,
        end_audio_ms=at_ms + round(length * heard),
        interrupted=heard < 1,
        heard_ms=round(length * heard),
        generated_ms=length,
    )


def callee(text: str, at_ms: int = 9_000) -> media.TurnSpoken:
    return media.TurnSpoken(
        **WHO, speaker="callee", item_id="u1", text=text, start_audio_ms=at_ms, end_audio_ms=at_ms + 500
    )


def kinds(effects: list[TalkEffect]) -> list[str]:
    return [one.kind for one in effects if isinstance(one, Note)]


def notes(effects: list[TalkEffect]) -> list[str]:
    return [e.command.text for e in effects if isinstance(e, ToMedia) and isinstance(e.command, media.InjectText)]


def said(effects: list[TalkEffect]) -> list[str]:
    return [e.command.instructions for e in effects if isinstance(e, ToMedia) and isinstance(e.command, media.Say)]


# --- by the transcript ------------------------------------------------------------------------------------------
HEARD = {
    "word for word": (WORDS, ()),
    "as a recognizer writes it": ("hello i am an ai assistant calling for acme not a person this call is recorded "
                                  "tell me if you do not want that", ()),
    "among other words": (f"Good morning! {WORDS} Do you have a moment?", ()),
    "a word is missing": (WORDS.replace("Hello, ", ""), ()),
    "half of it": (FIRST, (SECOND,)),
    "cut off in it": (WORDS[: len(FIRST) + 24], (SECOND,)),
    "something like it": ("Hello, I am calling for Acme about your visit, which was recorded.", (FIRST, SECOND)),
    "scattered over a long talk": (" ".join(f"{word} tomorrow maybe then later" for word in WORDS.split()),
                                   (FIRST, SECOND)),
    "nothing": ("", (FIRST, SECOND)),
}  # fmt: skip


@pytest.mark.parametrize(("heard", "rest"), HEARD.values(), ids=HEARD)
def test_what_was_not_heard(heard: str, rest: tuple[str, ...]) -> None:
    assert missing(WORDS, heard) == rest


@given(st.floats(0, 1), st.text(max_size=20))
def test_more_that_was_heard_never_misses_more(share: float, after: str) -> None:
    cut = round(len(WORDS) * share)
    some = missing(WORDS, WORDS[:cut])
    assert set(missing(WORDS, WORDS[: min(len(WORDS), cut + 15)])) <= set(some)
    assert missing(WORDS, f"{WORDS} {after}") == ()


# --- in a talk --------------------------------------------------------------------------------------------------
def test_said_and_heard_is_stored_with_its_place() -> None:
    talk = talking()
    effects = talk.handle(agent(WORDS), 105.0)
    (note,) = [one for one in effects if isinstance(one, Note)]
    assert note.kind == SAID
    told = json.loads(note.detail)
    assert told == {"items": ["a1"], "heard_until_ms": 1_000 + 60 * len(WORDS), "compared": "word for word"}
    assert said(effects) == notes(effects) == []
    assert MISSING not in kinds(talk.close(EndedBy.AGENT, "", 106.0))


def test_an_interrupter_hears_it_at_the_next_chance() -> None:
    """Generated in full is not heard in full: what counts is the playout when the callee broke in."""
    talk = talking()
    effects = talk.handle(agent(WORDS, heard=0.55), 103.0)
    assert kinds(effects) == [CUT]
    (told,) = notes(effects)
    assert SECOND in told
    assert FIRST not in told
    assert said(effects) == [], "the callee speaks: the answer to that begins with it"
    talk.handle(callee("wait, who is this?"), 104.0)
    effects = talk.handle(agent(f"I am sorry. {SECOND}", item="a2", at_ms=12_000), 110.0)
    assert kinds(effects) == [SAID]


def test_an_agent_that_goes_on_without_it_has_to_say_it() -> None:
    talk = talking()
    effects = talk.handle(agent("Hi! Do you have time on Friday?"), 103.0)
    (order,) = said(effects)
    assert WORDS in order
    assert "word for word" in order
    tries = 1
    while said(talk.handle(agent("And on Saturday?"), 110.0)):
        tries += 1
    assert tries == TRIES, "an agent that will not is not told for ever"
    talk.handle(callee("no"), 111.0)
    assert MISSING in kinds(talk.close(EndedBy.AGENT, "", 112.0))


def test_words_to_a_robot_are_heard_by_nobody() -> None:
    talk = talking()
    verdict = {"decision_ms": 1, "evidence": "x"}
    talk.handle(media.AnswerVerdict(**WHO, verdict="call_screening", final=False, **verdict), 101.0)
    effects = talk.handle(agent("This is the assistant of Acme."), 103.0)
    assert effects == []
    assert talk.handle(agent(WORDS), 104.0) == []
    talk.handle(media.AnswerVerdict(**WHO, verdict="human", final=True, **verdict), 105.0)
    assert kinds(talk.handle(agent(WORDS, item="a3"), 108.0)) == [SAID]


@pytest.mark.parametrize("way", ["words", "music"])
def test_somebody_else_on_the_phone_hears_it_too(way: str) -> None:
    talk = talking()
    talk.handle(agent(WORDS), 105.0)
    if way == "words":
        effects = talk.handle(callee("one moment, I will put you through to the front desk"), 106.0)
    else:
        treated = media.AnswerTreatment(
            **WHO, action="wake", reason="somebody speaks", mark_number=None, audio_ms=1
        )
        effects = talk.handle(treated, 106.0)
    (told,) = notes(effects)
    assert WORDS in told
    assert "somebody else" in told
    assert talk.handle(agent("Thank you.", item="a2"), 107.0) == [], "whoever passes it on has heard it"
    talk.handle(callee("hello, this is bob", at_ms=20_000), 115.0)
    assert said(talk.handle(agent("Can you come on Friday?", item="a3", at_ms=21_000), 118.0))
    assert kinds(talk.handle(agent(WORDS, item="a4", at_ms=25_000), 125.0)) == [SAID]


def test_nobody_is_told_before_anybody_has_heard_the_agent() -> None:
    talk = talking()
    assert notes(talk.handle(callee("one moment, i am connecting you"), 101.0)) == []


def test_what_cannot_be_compared_is_marked_as_such() -> None:
    talk = talking(Disclosure(words=WORDS, translate=True))
    effects = talk.handle(agent("Dzień dobry, jestem asystentem AI i dzwonię w imieniu Acme. " * 2), 105.0)
    (note,) = [one for one in effects if isinstance(one, Note)]
    assert json.loads(note.detail)["compared"] == "in another language"


TRANSLATED = {
    "ja": "こんにちは。アクメ社の代理でお電話しているAIアシスタントです。人間ではありません。通話は録音されます。",
    "zh": "您好，我是代表Acme公司致电的人工智能助手，不是真人。本次通话会被录音，如果您不愿意请告诉我。",
    "ko": "안녕하세요. 저는 애크미를 대신해 전화드리는 인공지능 비서이며 사람이 아닙니다. 이 통화는 녹음됩니다.",
}


@pytest.mark.parametrize("text", TRANSLATED.values(), ids=TRANSLATED)
def test_few_signs_say_as_much_in_some_scripts(text: str) -> None:
    assert len(text) < 0.6 * len(WORDS)
    assert kinds(talking(Disclosure(words=WORDS, translate=True)).handle(agent(text), 105.0)) == [SAID]


def test_what_cannot_be_compared_is_asked_for_once_more_only() -> None:
    talk = talking(Disclosure(words=WORDS, translate=True))
    assert said(talk.handle(agent("您好，请问您有时间吗"), 105.0))
    assert not said(talk.handle(agent("谢谢", item="a2"), 107.0))


PASSES = [
    "I'll put you through", "I\u2019ll put him on", "I'll put her on", "Let me get her", "Let me get my husband",
    "He's right here", "I'll get my wife", "one second, I'll transfer you", "No, but I'll get my boss",
    "ich gebe Ihnen meinen Mann", "Ich verbinde Sie", "ich hole ihn mal", "Je vous le passe",
    "je vous passe ma collègue",
    "le paso con mi jefe", "I'll get someone for you", "glielo passo",
]  # fmt: skip
STAYS = [
    "I'll get my calendar", "I'll get my glasses", "I'll get them to call you back", "Ich hole sie morgen ab",
    "I'm not putting you through", "I am not transferring you any money", "I won't transfer you",
    "I'll get her to sign it", "I'll transfer you the money", "Ich verbinde Sie nicht", "he is not here",
    "put me on the list", "I'll get my husband to call back",
]  # fmt: skip


@pytest.mark.parametrize(("text", "does"), [*((one, True) for one in PASSES), *((one, False) for one in STAYS)])
def test_who_passes_the_agent_on(text: str, *, does: bool) -> None:
    assert passes_on(text) is does


@pytest.mark.parametrize(("text", "at_ms"), [("He knows about it.", 10_000), ("One moment, please.", 14_000)])
def test_whoever_passes_it_on_may_say_a_word_more(text: str, at_ms: int) -> None:
    talk = talking()
    talk.handle(agent(WORDS), 105.0)
    talk.handle(callee("I'll put him on", at_ms=9_000), 106.0)
    talk.handle(callee(text, at_ms=at_ms), 107.0)
    assert talk.handle(agent(WORDS, item="a2", at_ms=15_000), 115.0) == [], "not yet somebody else"
    talk.handle(callee("Bob here", at_ms=26_000), 127.0)
    assert kinds(talk.handle(agent(WORDS, item="a3", at_ms=27_000), 137.0)) == [SAID]


def test_an_agent_that_will_not_is_not_told_for_ever_by_being_passed_on() -> None:
    talk, orders = talking(), 0
    for at_ms in range(0, 600_000, 30_000):
        for number in range(TRIES + 1):
            turn = agent("And on Friday?", item=f"a{at_ms}{number}", at_ms=at_ms)
            orders += len(said(talk.handle(turn, 101.0)))
        talk.handle(callee("I'll put you through", at_ms=at_ms + 10_000), 102.0)
        talk.handle(callee("Hello, who is this?", at_ms=at_ms + 20_000), 103.0)
    assert orders == 3 * TRIES


def test_without_a_demand_nothing_is_said_about_it() -> None:
    talk = talking(Disclosure())
    assert talk.handle(agent("Hi!"), 103.0) == []
    talk.handle(callee("hi"), 104.0)
    assert not {CUT, MISSING} & set(kinds(talk.close(EndedBy.AGENT, "", 105.0)))
