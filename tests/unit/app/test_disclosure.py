"""What the packs want said first: in the language of the call, with names, as the strictest pack says."""

import pytest

from app.domain.policy.disclosure import CallingParty, Disclosure, disclosure, may_record
from app.domain.policy.merge import merge_all, tighten
from app.domain.policy.pack import Rules
from app.domain.policy.selection import Callee, policy_for
from app.policy_packs import enabled_packs, load_packs

PACKS = load_packs()
ACME = CallingParty(caller="Ann", company="Acme", callback="+1 202-555-0100")


def rules_of(number: str, country: str) -> Rules:
    policy = policy_for(enabled_packs(PACKS), Callee(number=number, countries=(country,)), "service")
    assert policy is not None
    return policy.rules


@pytest.mark.parametrize(
    ("number", "country", "language", "words"),
    [
        ("+12025550123", "US", "en", "Hello, I am an automated assistant calling for Acme. Our number is +1 202"),
        ("+12025550123", "US", "es-MX", "Hola, soy un asistente automático y llamo de parte de Acme."),
        ("+442079460123", "GB", "en", "You can reach us on +1 202-555-0100."),
        ("+4930123456", "DE", "de", "ich bin ein KI-Assistent und rufe im Auftrag von Acme an."),
        ("+33140205050", "FR", "fr", "assistant d'intelligence artificielle"),
        ("+390612345678", "IT", "it", "assistente di intelligenza artificiale"),
    ],
)
def test_the_pack_of_the_callees_number_decides(number: str, country: str, language: str, words: str) -> None:
    made = disclosure(rules_of(number, country), language, ACME, recorded=False, inbound=False)
    assert words in made.words
    assert made.ready
    assert made.words.count("Acme") == 1, "said once, although two packs may bind"
    assert "{" not in made.words


def test_a_language_without_words_is_translated() -> None:
    made = disclosure(rules_of("+48221234567", "PL"), "pl", ACME, recorded=False, inbound=False)
    assert made.translate
    assert not made.ready
    assert "I am an AI assistant calling for Acme" in made.words


def test_what_is_not_known_is_left_to_the_model() -> None:
    made = disclosure(
        rules_of("+12025550123", "US"), "en", CallingParty(caller="Ann"), recorded=False, inbound=False
    )
    assert made.blanks == ("company", "callback")
    assert "calling for (company)" in made.words
    assert not made.ready


def test_a_recorded_call_says_so_where_packs_ask_for_it() -> None:
    strict, federal = PACKS["us-strict"].rules, PACKS["us-federal"].rules
    assert disclosure(strict, "en", ACME, recorded=True, inbound=False).words.endswith(
        "This call is recorded; tell me if you do not want that."
    )
    assert "recorded" not in disclosure(strict, "en", ACME, recorded=False, inbound=False).words
    assert "recorded" not in disclosure(federal, "en", ACME, recorded=True, inbound=False).words
    called_us = disclosure(strict, "en", ACME, recorded=True, inbound=True)
    assert called_us.words == "This call is recorded; tell me if you do not want that."
    assert disclosure(Rules(), "en", ACME, recorded=True, inbound=False) == Disclosure()


def test_every_pack_that_wants_recording_told_has_words_in_the_languages_of_its_opening() -> None:
    for pack in PACKS.values():
        if pack.rules.recording in ("announce", "consent"):
            assert set(pack.rules.recording_notice) == set(pack.rules.disclosure), pack.id
    for name in ("fr", "de"):
        for language, texts in PACKS[name].rules.recording_notice.items():
            assert PACKS["eu"].rules.recording_notice[language] == texts, "nothing is said twice"


def test_recording_waits_for_a_consent_that_nobody_gave() -> None:
    assert [may_record(Rules(recording=rule)) for rule in (None, "allowed", "announce", "consent", "never")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert not may_record(None), "no rules, no recording"


def test_notices_merge_and_are_only_added_to() -> None:
    one, two = Rules(recording_notice={"en": ("a",)}), Rules(recording_notice={"en": ("b",), "de": ("c",)})
    assert merge_all([one, two]).recording_notice == {"en": ("a", "b"), "de": ("c",)}
    assert tighten(one, two).recording_notice["en"] == ("a", "b")
