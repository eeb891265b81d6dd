"""Whether somebody agrees to be recorded, by their own words. Pure; what is not a clear yes is none.

Used where the calling rules want a consent before a recording (`app.calls.recording`). The rules of all languages
are asked whatever the language of the call. Words they do not know never start a recording.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal

from app.domain.fields import plain

Agreed = Literal["yes", "no", "unclear"]

QUESTIONS: Mapping[str, str] = {
    "en": "May we record this call? Please say yes or no.",
    "de": "Dürfen wir dieses Gespräch aufzeichnen? Bitte sagen Sie ja oder nein.",
    "fr": "Pouvons-nous enregistrer cet appel ? Dites oui ou non, s'il vous plaît.",
    "es": "¿Podemos grabar esta llamada? Diga sí o no, por favor.",
    "it": "Possiamo registrare questa chiamata? Dica sì o no, per favore.",
    "nl": "Mogen wij dit gesprek opnemen? Zegt u alstublieft ja of nee.",
}
"""Asked in the opening, by ISO 639-1."""


def _rule(*words: str) -> re.Pattern[str]:
    """NFKD: the form of `plain`, in which Hangul is taken apart."""
    return re.compile(rf"\b(?:{unicodedata.normalize('NFKD', '|'.join(words))})\b")


_FINE = _rule(
    "(?:no|not a|not any) (?:problem|problems|worries|issue)", "no objections?", "(?:don t|do not|wouldn t) mind",
    "why not", "kein problem", "keine? einwande?", "nichts dagegen", "warum nicht", "stort mich nicht",
    "pas de (?:probleme|souci)", "aucun (?:probleme|souci)", "pourquoi pas", "(?:no hay|ningun|sin) problema",
    "por que no", "no me importa", "nessun problema", "non c e problema", "perche no", "geen (?:probleem|bezwaar)",
    "waarom niet", "von mir aus",
)  # fmt: skip
"""A yes in which a no stands."""
_NO = _rule(
    "no", "nope", "nah", "not", "don t", "doesn t", "didn t", "won t", "wouldn t", "can t", "cannot", "never",
    "without", "stop", "opt\\w*(?: \\w+)? out", "against", "refuse", "decline", "object", "mind",
    "nein", "ne", "nee", "nicht", "nichts", "kein\\w*", "ohne", "dagegen", "ungern", "niemals", "aufhoren",
    "non", "pas", "sans", "jamais", "aucun\\w*", "refuse\\w*", "arretez", "sin", "nunca", "tampoco", "ningun\\w*",
    "senza", "mai", "niet", "geen", "liever", "zonder", "nie", "nao", "hayir", "нет", "не",
    "stop\\w*", "off", "rather", "delet\\w*", "eras\\w*", "remov\\w*", "cancel\\w*", "disabl\\w*", "forget",
    "end (?:it|this|that|the)", "switch (?:it|this|that|the)", "bye", "goodbye", "tschuss", "wiederhor\\w*",
    "au revoir", "adios", "arrivederci", "doei", "hang up", "shut", "quit", "kill",
    "ab", "aus", "weg", "lieber", "abschalt\\w*", "ausschalt\\w*", "abstell\\w*", "ausmach\\w*", "abbrech\\w*",
    "beend\\w*", "losch\\w*", "vergessen", "vergiss", "aufleg\\w*", "hor\\w*(?: \\w+){0,2} auf",
    "lassen sie (?:das|es)",
    "coupe\\w*", "efface\\w*", "supprim\\w*", "arret\\w*", "raccroch\\w*", "desactiv\\w*", "oubli\\w*",
    "apag\\w*", "borr\\w*", "elimin\\w*", "deten\\w*", "cuelgu\\w*", "olvid\\w*",
    "spegn\\w*", "cancell\\w*", "smett\\w*", "ferm\\w*", "interromp\\w*", "dimentic\\w*", "uit", "wis",
    "verwijder\\w*", "desliga\\w*",
)  # fmt: skip
"""No, and what is done to something that shall not be: a sentence that has any of these is no yes."""
_YES = _rule(
    "yes", "yeah", "yep", "yup", "sure", "ok", "okay", "of course", "go ahead", "please do", "fine", "alright",
    "all right", "certainly", "absolutely", "agreed?",
    "ja", "jawohl", "klar", "gern", "gerne", "naturlich", "einverstanden", "in ordnung",
    "oui", "ouais", "d accord", "bien sur", "volontiers", "allez y", "si", "claro", "por supuesto", "de acuerdo",
    "vale", "adelante", "certo", "va bene", "d accordo", "certamente", "prima", "akkoord", "natuurlijk", "tak",
    "sim", "evet", "да",
)  # fmt: skip
_MAY = _rule("you (?:may|can)", "konnen sie", "durfen sie")
"""A yes where nothing follows, or a recording is named: what else they may do is another matter."""
_DOUBT = _rule(
    "maybe", "perhaps", "depends", "unsure", "what", "why", "who", "if", "but", "unless", "vielleicht", "wenn",
    "aber",
    "was", "wer", "wieso", "peut etre", "mais", "si vous", "quoi", "qui", "quiza\\w*", "pero", "que", "quien",
    "forse", "ma", "chi", "cosa", "misschien", "maar", "als", "wat", "wie",
)  # fmt: skip
_RECORDING = _rule(
    "record\\w*", "tape\\w*", "taping", "aufzeichn\\w*", "aufgezeichnet", "aufnehm\\w*", "aufgenommen",
    "aufnahme\\w*",
    "mitschn\\w*", "mitgeschnitten", "enregistr\\w*", "grab\\w*", "registr\\w*", "opnem\\w*", "opgenomen",
    "opname\\w*", "aufzunehmen", "aufzuzeichnen", "mitzuschneiden", "(?:nehm|nimm|zeichn)\\w*(?: \\w+){0,4} auf",
    "schneid\\w*(?: \\w+){0,4} mit", "neem\\w*(?: \\w+){0,4} op",
    "nagr[ay]\\w*", "gravar\\w*", "gravac\\w*", "gravad\\w*", "gravem", "inspel\\w*", "spela in", "optag\\w*",
    "opptak\\w*", "nauhoit\\w*", "nahra[vnt]\\w*", "запис\\w*", "kay[ıi]t\\w*", "kayd\\w*", "ηχογραφ\\w*",
    "\\w*(?:录音|錄音|录制|録音|녹음|تسجيل)\\w*",
)  # fmt: skip


def names_recording(text: str) -> bool:
    """Whether the words are about a recording, in a language this file knows."""
    return _RECORDING.search(plain(text)) is not None


def agreed(text: str) -> Agreed:
    """What an answer to the question is worth. A question, a condition, a doubt is no answer."""
    words = plain(text)
    bare = _FINE.sub(" ", words)
    if _NO.search(bare):
        return "no"
    if "?" in text or _DOUBT.search(bare):
        return "unclear"
    return "yes" if bare != words or _YES.search(bare) or any(map(_permits, _sentences(text))) else "unclear"


def objects(text: str) -> bool:
    """Somebody does not want to be recorded: a recording that goes on stops. Too many stops harm nobody."""
    return any(
        _RECORDING.search(words) is not None and _NO.search(_FINE.sub(" ", words)) is not None
        for words in _sentences(text)
    )


def _permits(words: str) -> bool:
    return any(found.end() == len(words) or _RECORDING.search(words) for found in _MAY.finditer(words))


def _sentences(text: str) -> list[str]:
    return [plain(one) for one in re.split(r"[.!?;\n]+", text)]
