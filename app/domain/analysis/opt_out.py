"""Hears "do not call me again" by rule, beside the model: whoever says it plainly is not called again.

Only plain phrases; a time ("don't call me tomorrow") is no opt-out. Doubtful ones are the model's to hear.
"""

import re
from collections.abc import Sequence

from app.domain.analysis.evidence import normalized
from app.domain.analysis.judgement import Proof
from app.domain.call import Turn

_PLAIN = (
    # English
    r"(?:do ?nt|do not|never|not to|stop|quit) (?:ever )?(?:call|phone|ring|contact)(?:ing)?"
    r" (?:me|us|here|this number)(?: ever)?(?: again| any ?more| back again)",
    r"(?:stop|quit) (?:calling|phoning|ringing|contacting) (?:me|us|here|my|this)",
    r"(?:do ?nt|do not|never) (?:ever )?(?:call|phone|ring) (?:again|any ?more)",
    r"(?:take|remove|delete|strike) (?:me|us|my (?:phone )?number|our number|this number) (?:off|from)"
    r" (?:of )?(?:your|this|the|any|all|every) (?:\w+ ){0,3}(?:lists?|database|files?|records?|system|books?)",
    r"(?:put|add) (?:me|us|my number|this number) (?:on|to) (?:the|your|a) do not call",
    r"lose (?:my|this) number",
    r"(?:i want to|i wish to|i would like to|i ?d like to) (?:opt out|unsubscribe)",
    r"no more (?:phone )?calls (?:please|from you|to this number)",
    # German
    r"rufen sie (?:mich|uns|hier) (?:bitte )?(?:nie|nicht|nie ?mehr|nicht mehr) (?:wieder|mehr|an)\b",
    r"(?:ich|wir) (?:möchte|möchten|will|wollen|wünsche|wünschen) (?:bitte )?"
    r"(?:nicht mehr (?:von ihnen )?angerufen|keinen? (?:weiteren )?anrufe?)",
    r"(?:löschen|streichen|nehmen) sie (?:bitte )?(?:meine|unsere|diese|mich|uns)\b",
    # French
    r"(?:ne )?(?:me|nous|m) ?(?:r?appelez|téléphonez|contactez) (?:plus|plus jamais|jamais)",
    r"(?:arrêtez|cessez) de (?:m|me|nous) ?(?:appeler|téléphoner|contacter)",
    r"(?:retirez|supprimez|enlevez) (?:moi|mon numéro|ce numéro)",
    # Spanish
    r"no (?:me|nos) (?:vuelva|vuelvan|llame|llamen) (?:a llamar|más|nunca)",
    r"(?:deje|dejen|pare|paren) de llamar",
    r"(?:borre|elimine|quite|quíteme|bórreme) (?:mi número|de (?:su|la) lista)",
    # Italian, Portuguese, Dutch
    r"non (?:mi|ci) (?:chiami|chiamate|richiami|richiamate) (?:più|mai più)",
    r"não (?:me|nos) (?:ligue|liguem|telefone) (?:mais|nunca mais)",
    r"bel (?:mij|me|ons) (?:nooit|niet) meer",
    # Polish, Turkish
    r"proszę (?:więcej |już )?(?:do mnie |tu )?(?:więcej )?nie dzwonić",
    r"(?:beni|bizi) bir daha aramayın",
)
_UNSPACED_PLAIN = ("别再打", "不要再打", "もう電話しない", "二度と電話")
_RULE = re.compile("|".join(rf"\b(?:{one})" for one in _PLAIN))
_NOT_MEANT = re.compile(r"\b(?:not saying|did ?nt say|never said|why would (?:i|you)|if you)\b")


def heard(text: str) -> str:
    """The plain phrase in `text`, as it is compared; empty when there is none."""
    words = normalized(text)
    found = _RULE.search(words)
    if found is not None and _NOT_MEANT.search(words[: found.start()]) is None:
        return found.group().strip()
    return next((phrase for phrase in _UNSPACED_PLAIN if phrase in words), "")


def opt_out(turns: Sequence[Turn]) -> Proof | None:
    """The first turn of the callee that plainly asks for no more calls."""
    for n, turn in enumerate(turns, 1):
        if turn.speaker == "callee" and heard(turn.text):
            return Proof(
                turn=n, item_id=turn.item_id, speaker="callee", audio_ms=turn.start_audio_ms, quote=turn.text
            )
    return None
