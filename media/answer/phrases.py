"""What the words of a callee's turn say about who speaks: phrases in English, German, French and Spanish (pure).

Text of a recognizer: lower case, accents and punctuation taken off; words may be wrong, so a class needs either
one telling phrase (1.0) or two hints (0.5). "He is not available" is a hint only: people say it too. Sources:
announcements of carriers and handset makers, livekit/agents#4906, bolna-ai/bolna#992.
"""

import re
import unicodedata
from typing import Final

import msgspec

from media.answer.model import Verdict

STRONG: Final = 1.0
HINT: Final = 0.5
CERTAIN: Final = 1.5
"""Three hints tell as well as a phrase; two need more words, the sound of a recording, or a beep."""


class TextVerdict(msgspec.Struct, frozen=True):
    """Who says such a thing, and the words that told."""

    verdict: Verdict
    words: str
    certain: bool = True
    """A telling phrase, or more hints than a person would drop by chance (and a misheard word would make)."""


_PERSON: Final = (
    r"\b(who (is|s) (this|that|it|there|calling|speaking)|who are you|whos (this|calling))\b",
    r"\b(can|may|shall|could|should) i (take|give|pass on|ask|help|tell)\b",
    r"\bhow (can|may) (i|we) help\b|\bwhat can i do for you\b",
    r"\b(would|do) you (like|want) (to|me to) (leave|take)\b|\btake a message\b",
    r"\b(can|could) (you|i) (please )?call (me |you )?(back|again|later)\b|\bkann ich sie (spater )?zuruckrufen\b",
    r"\b(pouvez( vous)?|puis je) (me|vous) rappeler\b|\bpuede llamar(me)?\b",
    r"\b(is|s) (anybody|anyone|somebody) there\b|\bare you (still )?there\b",
    r"\b(speaking|this is (he|she|him|her))$",
    r"\bwas kann ich fur sie tun\b|\bwie kann ich (ihnen )?helfen\b|\bwer ist (da|dran|das)\b|\bam apparat$",
    r"\bkann ich (etwas |ihm |ihr )*ausrichten\b|\bsoll ich (etwas )?ausrichten\b",
    r"\bc est qui\b|\bqui (est|etes)\b.*\b(appareil|vous)\b|\bje vous ecoute\b|\bque puis je\b|\ba l appareil$",
    r"\bquien (es|habla)\b|\bdigame\b|\ben que puedo ayudar|\bquiere dejar(le)?\b|\ble digo\b",
)
_MACHINE_STRONG: Final = (
    r"\b(after|at|following) the (tone|beep|signal)\b|\bvoice ?mail|"
    r"\b(voice )?mailbox\b|\banswering (machine|service)\b",
    r"\bleave (me |us )?(a|your|the) (short |brief |detailed )?(message|name)\b|\bleave your\b",
    r"\brecord (a|your|the) message\b|\bautomated voice\b|\bfinished recording\b|\bcall you back as soon\b",
    r"\bget back to you\b|\b(please|just) leave\b",
    r"\banrufbeantworter\b|\bmail ?box\b|\bmobilbox\b|\bnach dem (signal|ton|piep|signalton|pfeifton)",
    r"\bhinterlassen sie\b|\bsprechen sie (ihre nachricht )?(bitte )?nach\b|\b(eine|ihre) nachricht\b.*\bton\b",
    r"\bausserhalb unserer\b|\bnachricht (zu )?hinterlassen\b",
    r"\bmessagerie\b|\brepondeur\b|\bapres le (bip|signal)|"
    r"\blaisse[rz]?( moi| nous)? (un|votre|vos) (message|coordonnees|nom)\b",
    r"\bbuzon\b|\bcontestador\b|\b(deje|dejame|dejenos|dejar) (su|un|tu) (mensaje|recado)\b|"
    r"\bdespues de(l| la) (tono|senal)\b",
)
_MACHINE_HINT: Final = (
    r"\bcan ?(not|t) (come|get|take|answer)\b|\bunable to\b|\b(you|you ve|youve) (have )?(reached|got)\b",
    r"\bnot available\b|\bunavailable\b|\bis not answering\b|"
    r"\bnot (at )?home\b|\baway from\b|\bmissed (you|your call)\b",
    r"\b(person|subscriber|customer|party|number) you\b|\bopening hours\b|"
    r"\boffice hours\b|\bwe are (open|closed)\b|\bis closed\b",
    r"\bat the moment\b|\bsorry i\b|\bmessage\b|\bemergency\b|\bnobody is\b|\bbeep\b|\btry again later\b",
    r"\bnicht erreichbar\b|\bnicht entgegennehmen\b|\bnicht zu hause\b|"
    r"\bteilnehmer\b|\bgesprachspartner\b|\brufe sie\b",
    r"\bsprechzeiten\b|\boffnungszeiten\b|\bnachricht\b|\bzuruck\b|\bim moment\b|\bsie rufen\b",
    r"\bpas (disponible|vous repondre|la)\b|\bactuellement\b|"
    r"\bcorrespondant\b|\bje vous rappel|\babsents?\b|\bmessage\b",
    r"\bno (esta|puedo|podemos|estamos)\b|\bmensaje\b|\bte llamare\b|"
    r"\bha llamado\b|\bnumero que ha marcado\b|\bnuestro horario\b",
)
_IVR_STRONG: Final = (
    r"\b(press|dial|select|hit) (the )?(\d|one|two|three|four|five|six|seven|eight|nine|zero|star|pound|hash)\b",
    r"\bmain menu\b|\bmenu options\b|\b(following|these) options\b|"
    r"\b(pound|hash|star) key\b|\bparty s? ?extension\b",
    r"\byou can say things\b|\bsay or press\b|\btell me what you are calling about\b|\bin a few words\b",
    r"\b(drucken|wahlen|sagen) sie\b.*\b(die|bitte|eins|zwei|drei|null|\d)\b|\brautetaste\b|\bkundennummer ein\b",
    r"\b(tapez|appuyez sur|faites le|composez le) (la touche )?(un|deux|trois|quatre|zero|diese|etoile|\d)\b",
    r"\b(marque|presione|pulse|oprima) (el |la )?(uno|dos|tres|cuatro|cero|numero|tecla|almohadilla|\d)\b",
)
_IVR_HINT: Final = (
    r"\bcalls? (may|will) be (recorded|monitored)\b|\bquality\b|"
    r"\blisten carefully\b|\bthank you for calling\b|\bwelcome to\b",
    r"\bfor (sales|support|english|billing|accounts)\b|\benter your\b|"
    r"\bspeak to an? (agent|operator|representative)\b",
    r"\bherzlich willkommen\b|\bfur fragen\b|\bmitarbeiter\b.*\bnull\b|"
    r"\bbienvenue\b|\bbienvenid[oa]s?\b|\bgracias por llamar\b",
)
_SCREENING: Final = (
    r"\bscreen(ing|ed)\b|\bwho is calling and (what|why)\b|\btell me who you are\b",
    r"\b(say|state|record|give|tell)\b.{0,12}\bname\b.{0,30}\b(why|reason|stay on|purpose|calling)\b",
    r"\bsee if (this person|they|he|she)\b.*\bavailable\b|\b(unknown|anonymous) callers\b",
    r"\b(namen|name)\b.*\bgrund\b|\banrufprufung\b",
    r"\bfiltrage\b|\bnom\b.*\b(raison|motif)\b",
    r"\bfiltrado\b|\b(nombre|quien llama)\b.*\bmotivo\b",
)
_QUEUE: Final = (
    r"\b(please )?(hold|stay on|remain on) (the )?line\b|\bplease hold\b|"
    r"\byour call is (very )?important\b|\bin the queue\b",
    r"\b(agents|representatives|operators) are (currently |all )?(busy|assisting)\b|\bnext available\b",
    r"\bbleiben sie (bitte )?(in|am)\b|\bmitarbeiter sind\b|\bmoment geduld\b|\bsie werden verbunden\b",
    r"\bne quittez pas\b|\bveuillez patienter\b|\bconseillers? sont\b",
    r"\bno cuelgue\b|\bagentes estan\b|\bmanten(ga|gase) en (la )?linea\b|\bpor favor espere\b",
)
_NETWORK: Final = (
    r"\bnot in service\b|\bbeen disconnected\b|\bcannot be completed\b|\bcircuits are busy\b|\bhas been changed\b",
    r"\bkein anschluss\b|\brufnummer ist nicht vergeben\b|\bn est pas attribue\b|\bno existe\b",
)


def _all(rules: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rule) for rule in rules)


_PERSON_RULES, _QUEUE_RULES, _NETWORK_RULES = _all(_PERSON), _all(_QUEUE), _all(_NETWORK)
_SCREENING_RULES = _all(_SCREENING)
_RULES: Final = (
    (Verdict.IVR, _all(_IVR_STRONG), _all(_IVR_HINT)),
    (Verdict.MACHINE, _all(_MACHINE_STRONG), _all(_MACHINE_HINT)),
)
_ABOUT_OTHERS: Final = re.compile(
    r"\b(he|she)( is| s)? (not|out|busy|away|gone|unavailable)\b|\b(he|she) (isn|can) ?t\b|\b(er|sie) ist\b"
    r"|\b(il|elle) (n est|est)\b|\b(el|ella|ello) no\b"
)
"""Said of a third person: hints count for nothing."""
PERSON_WORDS: Final = 7
"""A turn this short that no rule knows is a person's ("hello?", a name)."""


def plain(text: str) -> str:
    """Lower case letters and digits with single spaces, accents taken off."""
    letters = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss"))
    kept = "".join(" " if not (c.isalnum() or unicodedata.combining(c)) else c for c in letters)
    return " ".join("".join(c for c in kept if not unicodedata.combining(c)).split())


def judge(text: str) -> TextVerdict | None:
    """Who says this. None: the words do not tell."""
    words = plain(text)
    if not words:
        return None
    for verdict, rules in ((Verdict.CALL_SCREENING, _SCREENING_RULES), (Verdict.NETWORK_TONE, _NETWORK_RULES)):
        found = _first(rules, words)
        if found:
            return TextVerdict(verdict, found)
    person = _first(_PERSON_RULES, words)
    told = {verdict: _found(strong, words) for verdict, strong, _ in _RULES}
    if person:
        told[Verdict.MACHINE] = []
    machine, menu = told[Verdict.MACHINE], told[Verdict.IVR]
    if machine or menu:  # "hang up or press the pound key" is said by voicemail too
        verdict = Verdict.MACHINE if len(machine) >= len(menu) else Verdict.IVR
        return TextVerdict(verdict, " + ".join(told[verdict]))
    for verdict, _, hints in _RULES:
        found = [] if _ABOUT_OTHERS.search(words) else [m.group() for rule in hints for m in rule.finditer(words)]
        hinted = list(dict.fromkeys(found))  # a word said twice, or known in two languages, is one hint
        if len(hinted) * HINT >= STRONG and not person:
            return TextVerdict(verdict, " + ".join(hinted), certain=len(hinted) * HINT >= CERTAIN)
    if person:
        return TextVerdict(Verdict.HUMAN, person)
    found = _first(_QUEUE_RULES, words)
    return TextVerdict(Verdict.HOLD_MUSIC, found) if found else None


def person_like(text: str) -> bool:
    """Words no rule knows, as few as somebody picking up says."""
    words = plain(text).split()
    return 0 < len(words) <= PERSON_WORDS and judge(text) is None


def same_menu(one: str, other: str) -> bool:
    """Two turns of a menu say the same, recognition errors apart."""
    first, second = set(plain(one).split()), set(plain(other).split())
    return len(first & second) >= 0.7 * max(1, len(first | second))


def _found(rules: tuple[re.Pattern[str], ...], words: str) -> list[str]:
    return [match.group() for rule in rules if (match := rule.search(words))]


def _first(rules: tuple[re.Pattern[str], ...], words: str) -> str:
    return next((match.group() for rule in rules if (match := rule.search(words))), "")
